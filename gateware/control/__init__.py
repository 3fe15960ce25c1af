# SPDX-License-Identifier: Apache-2.0
"""What a host reads and writes in a device."""

from gateware.control.tally import Tally

__all__ = ["Tally"]
