# SPDX-License-Identifier: Apache-2.0
"""The executable specification: what both parties run to check what a device did."""

from custodes.model.scrubber import Result, Scrubber
from custodes.model.session import Opener, OpenResult, Sealer, SealResult
from custodes.model.warden import Warden

__all__ = ["OpenResult", "Opener", "Result", "Scrubber", "SealResult", "Sealer", "Warden"]
