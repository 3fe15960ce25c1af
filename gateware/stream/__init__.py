# SPDX-License-Identifier: Apache-2.0
"""Frame streams: beat layout, buffers, crossings, width conversion and the protocol checker."""

from .beat import FrameSignature, beat_layout

__all__ = ["FrameSignature", "beat_layout"]
