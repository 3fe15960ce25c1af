# SPDX-License-Identifier: Apache-2.0
"""Frame streams: beat layout, buffers, arbiter, crossings, width conversion and the protocol checker."""

from .arbiter import FrameArbiter
from .beat import FrameSignature, beat_layout
from .cdc import ClockCrossing
from .checker import StreamChecker, StreamRule
from .ending import Ending
from .fifo import FrameFIFO
from .queue import Queue
from .skid import SkidBuffer
from .width import WidthConverter

__all__ = [
    "ClockCrossing",
    "Ending",
    "FrameArbiter",
    "FrameFIFO",
    "FrameSignature",
    "Queue",
    "SkidBuffer",
    "StreamChecker",
    "StreamRule",
    "WidthConverter",
    "beat_layout",
]
