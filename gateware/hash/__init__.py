# SPDX-License-Identifier: Apache-2.0
"""Hash functions."""

from .sha256 import Sha256, block_word
from .turned import HashSignature, TurnedSha256

__all__ = ["HashSignature", "Sha256", "TurnedSha256", "block_word"]
