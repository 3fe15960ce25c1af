# SPDX-License-Identifier: Apache-2.0
"""The executable specification: what both parties run to check what a device did."""

from custodes.model.scrubber import Result, Scrubber

__all__ = ["Result", "Scrubber"]
