# SPDX-License-Identifier: Apache-2.0
"""Pairs of input and output, committed to, and some of them kept."""

from .sampler import Sampler

__all__ = ["Sampler"]
