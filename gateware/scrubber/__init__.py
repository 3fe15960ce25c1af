# SPDX-License-Identifier: Apache-2.0
"""The header scrubber: parser, stores, verdict, rewriter."""

from gateware.scrubber.scrubber import Scrubber

__all__ = ["Scrubber"]
