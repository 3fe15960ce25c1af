# SPDX-License-Identifier: Apache-2.0
"""Which lanes of a beat lie before an end."""

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.hdl import Value, ValueLike

COUNT_BITS = 12
"""Of a signed number of bytes in a frame, or past the end of something in it."""


def lanes_before(lanes: int, count: ValueLike) -> Value:
    """A bit per lane: set where the lane's number is below ``count``."""
    count = Value.cast(count)
    bits = (lanes - 1).bit_length()
    beyond = count[bits:].any()
    return Cat(*(beyond | (lane < count[:bits]) if bits else beyond for lane in range(lanes)))


def lanes_below(lanes: int, beat: ValueLike, end: ValueLike) -> Value:
    """A bit per lane of beat number ``beat``: set where the byte's position in the frame is below ``end``."""
    beat, end = Value.cast(beat), Value.cast(end)
    bits = (lanes - 1).bit_length()
    here = beat == end[bits:]
    return Cat(*((beat < end[bits:]) | (here & (lane < end[:bits]) if bits else 0) for lane in range(lanes)))


class Countdown:
    """Counts the bytes that are left until an end, beat by beat, and those past it as a negative number: no frame is so long
    that it would come around.

    ``left`` is the count before the beat that was there a cycle ago: ``total`` in a frame's first beat, then what was
    carried over. ``mask`` and ``ends`` are about that beat, too.
    """

    def __init__(self, m: Module, name: str, lanes: int, valid: ValueLike, first: ValueLike, total: ValueLike) -> None:
        total = Value.cast(total)
        carried = Signal(signed(COUNT_BITS), name=f"{name}_carried")
        self.left = Signal(signed(COUNT_BITS), name=f"{name}_left")
        before = Mux(first, total, carried)
        with m.If(valid):
            m.d.sync += carried.eq(before - lanes)
        m.d.sync += self.left.eq(before)
        self.mask = Mux(self.left[-1], 0, lanes_before(lanes, self.left[:-1]))
        self.ends = self.left <= lanes
