# SPDX-License-Identifier: Apache-2.0
"""Promises frames room on the way out before they are begun."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class Room(wiring.Component):
    """Counts the beats of a store that are taken or promised.

    Args:
        lanes: bytes per beat.
        depth: of the store in beats.
        spare: so many are free, or nothing is promised any more.
        growth_bytes: by how much a frame grows on its way.
        bytes_max: of a frame that comes in.

    Members:
        enters, length: a frame that will leave comes in with so many bytes. What leaves, exactly, is promised to it: it is
            given back beat by beat. Of a frame too short to shrink nothing leaves.
        promised: to the frame that came in the cycle before, in beats.
        withdrawn: beats that will not come, as their frame is dropped.
        leaves: a beat leaves.
        enough: there is room, as of 2 cycles ago, or of 3 where beats leave.
    """

    enters: Signal
    length: Signal
    promised: Signal
    withdrawn: Signal
    leaves: Signal
    enough: Signal

    def __init__(self, lanes: int, depth: int, spare: int, growth_bytes: int, bytes_max: int) -> None:
        self.lanes = lanes
        self.depth = depth
        self.spare = spare
        self.growth_bytes = growth_bytes
        super().__init__(
            {
                "enters": In(1),
                "length": In(range(bytes_max + 1)),
                "promised": Out(range(depth + 1)),
                "withdrawn": In(range(depth + 1)),
                "leaves": In(1),
                "enough": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes, taken = self.lanes, Signal(range(2 * self.depth))
        # Whether a beat can leave is decided far away.
        left = Signal()
        beats = (self.length + (self.growth_bytes + lanes - 1))[: len(self.length) + 1] >> (lanes - 1).bit_length()
        leaving = self.enters & (self.length >= max(0, -self.growth_bytes))
        m.d.sync += [
            self.promised.eq(Mux(leaving, beats, 0)),
            left.eq(self.leaves),
            taken.eq(taken + self.promised - self.withdrawn - left),
            self.enough.eq(taken <= self.depth - self.spare),
        ]
        return m
