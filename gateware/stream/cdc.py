# SPDX-License-Identifier: Apache-2.0
"""Clock domain crossing of a frame stream."""

from amaranth import Cat, Module, Signal
from amaranth.hdl import Value
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .beat import FrameSignature, beat_layout

__all__ = ["ClockCrossing"]


class ClockCrossing(wiring.Component):
    """Carries a frame stream from one clock domain to another, beat by beat.

    Parameters
    ----------
    lanes
        Bytes per beat.
    depth
        Beats, a power of two, at least 2, besides the two output registers.
    i_domain, o_domain
        Clock domains of the two sides. Any relation of frequency and phase.

    Members
    -------
    i : ``FrameSignature(lanes)``, In
        In ``i_domain``.
    o : ``FrameSignature(lanes)``, Out
        In ``o_domain``.

    Latency: one cycle of ``i_domain``, then 5 to 6 of ``o_domain``, even if the clock of ``i_domain`` stops. Throughput: 1
    beat per cycle of the slower side.
    Back-pressure: ``i.ready`` falls when the store is full; nothing is dropped. A frame can be cut into pieces by the
    slower side, so put a store-and-forward FIFO behind it where a frame must not pause.
    Reset: a reset of ``i_domain`` empties the store, which cuts a frame under way short: reset both domains, or neither,
    and hold both resets together for at least two cycles of the slower clock, so that the write pointer gets across.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, lanes: int, depth: int = 512, *, i_domain: str, o_domain: str):
        if not isinstance(depth, int) or depth < 2 or depth & (depth - 1):
            raise ValueError(f"depth must be a power of two of at least 2, not {depth!r}")
        self._lanes = lanes
        self._depth = depth
        self._i_domain = i_domain
        self._o_domain = o_domain
        super().__init__({"i": In(FrameSignature(lanes)), "o": Out(FrameSignature(lanes))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        i_sync, o_sync = m.d[self._i_domain], m.d[self._o_domain]

        # keep[0] is always 1 and does not travel.
        shape = beat_layout(self._lanes).size - 1
        m.submodules.store = store = Memory(shape=shape, depth=self._depth, init=[])
        write = store.write_port(domain=self._i_domain)
        read = store.read_port(domain=self._o_domain)

        # Pointers have one bit more than the address: equal is empty, different in that bit only is full. Each side counts
        # its own, and sees the other's some cycles later, as a Gray code of which one bit changes at a time.
        pointer = range(2 * self._depth)
        tail, head = Signal(pointer), Signal(pointer)
        tail_gray, head_gray = Signal(pointer), Signal(pointer)
        tail_seen = self._crossed(m, "tail", tail_gray, self._o_domain)
        head_seen = self._crossed(m, "head", head_gray, self._i_domain)

        i, o = self.i, self.o
        takes, tail_next = Signal(), Signal(pointer)
        m.d.comb += [
            i.ready.eq((tail ^ head_seen) != self._depth),
            takes.eq(i.valid & i.ready),
            tail_next.eq(tail + 1),
            write.addr.eq(tail[:-1]),
            write.data.eq(Cat(i.payload.last, i.payload.error, i.payload.keep[1:], i.payload.data.as_value())),
            write.en.eq(takes),
        ]
        with m.If(takes):
            i_sync += [tail.eq(tail_next), tail_gray.eq(_to_gray(tail_next))]

        # The block RAM's own output register, then one of ours: the former is slow to come out.
        gives, head_next = Signal(), Signal(pointer)
        o_free, row_free, row_valid = Signal(), Signal(), Signal()
        beat, keep = Signal(shape, reset_less=True), Signal(self._lanes - 1)
        m.d.comb += [
            o_free.eq(o.ready | ~o.valid),
            row_free.eq(o_free | ~row_valid),
            gives.eq((head != tail_seen) & row_free),
            head_next.eq(head + 1),
            read.addr.eq(head[:-1]),
            read.en.eq(row_free),
            Cat(o.payload.last, o.payload.error, keep, o.payload.data.as_value()).eq(beat),
            o.payload.keep.eq(Cat(1, keep)),
        ]
        with m.If(gives):
            o_sync += [head.eq(head_next), head_gray.eq(_to_gray(head_next))]
        with m.If(row_free):
            o_sync += row_valid.eq(gives)
        with m.If(o_free):
            o_sync += [beat.eq(read.data), o.valid.eq(row_valid)]
        return m

    @staticmethod
    def _crossed(m: Module, name: str, gray: Signal, domain: str) -> Signal:
        """The pointer as it is seen in another domain, some cycles late."""
        synchronised, seen = Signal.like(gray, name=f"{name}_synchronised"), Signal.like(gray, name=f"{name}_seen")
        m.submodules[f"{name}_crossing"] = FFSynchronizer(gray, synchronised, o_domain=domain, reset_less=False)
        m.d[domain] += seen.eq(Cat(synchronised[bit:].xor() for bit in range(len(gray))))
        return seen


def _to_gray(pointer: Signal) -> Value:
    return pointer ^ (pointer >> 1)
