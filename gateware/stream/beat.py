# SPDX-License-Identifier: Apache-2.0
"""The one beat layout of every frame stream on the datapath."""

from amaranth import unsigned
from amaranth.lib import data, stream

__all__ = ["FrameSignature", "beat_layout"]


def beat_layout(lanes: int) -> data.StructLayout:
    """Layout of one beat of a frame stream.

    Parameters
    ----------
    lanes
        Bytes per beat, at least 1 (1, 8 and 64 are the datapath's widths).

    Members
    -------
    data : ``ArrayLayout(unsigned(8), lanes)``
        The bytes. Lane 0 is first on the wire.
    keep : ``unsigned(lanes)``
        Which lanes hold a byte: contiguous from lane 0, never zero, all ones except on the last beat. The content of a
        lane that is not kept has no meaning.
    last : 1 bit
        This beat ends the frame.
    error : 1 bit
        Meaningful on the last beat only: the frame must not be used.
    """
    if not isinstance(lanes, int) or lanes < 1:
        raise ValueError(f"lanes must be a positive integer, not {lanes!r}")
    return data.StructLayout(
        {
            "data": data.ArrayLayout(unsigned(8), lanes),
            "keep": unsigned(lanes),
            "last": 1,
            "error": 1,
        }
    )


def FrameSignature(lanes: int) -> stream.Signature:
    """Signature of a frame stream of ``lanes`` bytes per beat.

    An ``amaranth.lib.stream`` of :func:`beat_layout` beats: valid never waits for ready, and once valid is high the
    payload holds until the transfer.
    """
    return stream.Signature(beat_layout(lanes))
