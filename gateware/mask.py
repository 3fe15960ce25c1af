# SPDX-License-Identifier: Apache-2.0
"""Which lanes of a beat lie before an end."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Value, ValueLike


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
    """Counts the bytes that are left until an end, beat by beat.

    ``left`` is the count before the beat that was there a cycle ago: ``total`` in a frame's first beat, then what was
    carried over. ``mask`` and ``ends`` are about that beat, too.
    """

    def __init__(self, m: Module, name: str, lanes: int, valid: ValueLike, first: ValueLike, total: ValueLike) -> None:
        total = Value.cast(total)
        carried = Signal(total.shape(), name=f"{name}_carried")
        self.left = Signal(total.shape(), name=f"{name}_left")
        before = Mux(first, total, carried)
        with m.If(valid):
            m.d.sync += carried.eq(Mux(before > lanes, before - lanes, 0))
        m.d.sync += self.left.eq(before)
        self.mask = lanes_before(lanes, self.left)
        self.ends = self.left <= lanes
