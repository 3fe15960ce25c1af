# SPDX-License-Identifier: Apache-2.0
"""The one upload that a server gets, and what passes after it."""

from .upload import Upload

__all__ = ["Upload"]
