# SPDX-License-Identifier: Apache-2.0
"""Hash functions."""

from .sha256 import Sha256, block_word
from .shared import EngineSignature, SharedSha256

__all__ = ["EngineSignature", "Sha256", "SharedSha256", "block_word"]
