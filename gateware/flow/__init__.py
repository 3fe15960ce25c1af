# SPDX-License-Identifier: Apache-2.0
"""The flow table, and what it translates."""

from .translator import Translator

__all__ = ["Translator"]
