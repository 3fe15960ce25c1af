# SPDX-License-Identifier: Apache-2.0
"""The retimer: frames leave when a schedule says so, whenever they came."""

from .retimer import Retimer

__all__ = ["Retimer"]
