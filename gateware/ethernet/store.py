# SPDX-License-Identifier: Apache-2.0
"""The store in front of a transmitter."""

from typing import Any

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import PulseSynchronizer
from amaranth.lib.wiring import In, Out

from gateware.stream import ClockCrossing, FrameSignature


class TransmitStore(wiring.Component):
    """Carries frames into the clock domain of a transmitter, which cannot wait for a beat: a frame is given when all of it
    is there.

    Args:
        depth: beats, a power of two, more than the longest frame has.
        o_domain: clock domain of ``o``; ``i`` is in ``sync``.

    Members:
        i: frames, with pauses.
        o: the same, each from its first beat to its last without a pause of the store's.

    Latency: about 6 cycles after the last beat. Throughput: a beat per cycle of the slower side. Back-pressure: ``i.ready``
    falls when the store is full. Reset: both domains together, see `ClockCrossing`; the store is empty.
    Frames must have four beats or more.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, depth: int, o_domain: str) -> None:
        self.depth = depth
        self.o_domain = o_domain
        super().__init__({"i": In(FrameSignature(1)), "o": Out(FrameSignature(1))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.beats = beats = ClockCrossing(1, self.depth, i_domain="sync", o_domain=self.o_domain)
        ends: Any = PulseSynchronizer("sync", self.o_domain)  # the stubs have none of its members
        m.submodules.ends = ends
        whole = Signal(range(self.depth))  # frames
        leaves = Signal()
        wiring.connect(m, wiring.flipped(self.i), beats.i)
        m.d.comb += [
            ends.i.eq(self.i.valid & self.i.ready & self.i.payload.last),
            leaves.eq(self.o.valid & self.o.ready & self.o.payload.last),
            self.o.payload.eq(beats.o.payload),
            self.o.valid.eq(beats.o.valid & (whole != 0)),
            beats.o.ready.eq(self.o.ready & (whole != 0)),
        ]
        m.d[self.o_domain] += whole.eq(whole + ends.o - leaves)
        return m
