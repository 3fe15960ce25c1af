# SPDX-License-Identifier: Apache-2.0
"""Hash functions."""

from .sha256 import Sha256, block_word

__all__ = ["Sha256", "block_word"]
