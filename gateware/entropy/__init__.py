# SPDX-License-Identifier: Apache-2.0
"""Words of the coin flip: what stands in for the numbers that stations choose."""

from .coin import Coin
from .words import WORD_BITS, Words

__all__ = ["WORD_BITS", "Coin", "Words"]
