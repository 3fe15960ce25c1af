# SPDX-License-Identifier: Apache-2.0
"""What became of each frame that has two units in its way: the scrubber's verdict, then the translator's."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from custodes.table import SCRUBBED, Reason
from gateware.scrubber.scrubber import JUDGED, JudgedInterface
from gateware.stream import Queue

DEPTH = 512
"""More verdicts than are kept: of the frames inside a scrubber, and of few that are on their way behind it."""
OUTCOME = data.StructLayout({"forwarded": 1, "value": len(SCRUBBED)})
"""A verdict: the rows that were altered in a forwarded frame, or why it was dropped."""


class Judgement(wiring.Component):
    """Puts both verdicts on a frame together.

    Args:
        spacing: the least number of cycles between two that are given; on average frames come as far apart at least.

    Members:
        first: the scrubber's verdict on each frame.
        second: the translator's, on each that the scrubber forwarded.
        o: one verdict per frame, in order. A frame has been altered by both; where the second drops it, by none.
        busy: a verdict waits to be given.

    Latency 6 cycles from what comes last, and ``spacing`` where the one before has just been given. Verdicts are waited for,
    never held back: those of half of `DEPTH` frames at least are kept. Reset forgets them.
    """

    first: JudgedInterface
    second: JudgedInterface
    o: JudgedInterface
    busy: Signal

    def __init__(self, spacing: int) -> None:
        self.spacing = spacing
        super().__init__({"first": In(JUDGED), "second": In(JUDGED), "o": Out(JUDGED), "busy": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        queues: list[Queue] = []
        for name, judged in (("first", self.first), ("second", self.second)):
            m.submodules[name] = queue = Queue(OUTCOME, DEPTH)
            forwarded = judged.reason == Reason.FORWARDED
            m.d.comb += [
                queue.i.valid.eq(judged.valid),
                queue.i.payload.forwarded.eq(forwarded),
                queue.i.payload.value.eq(Mux(forwarded, judged.altered, judged.reason)),
            ]
            queues.append(queue)
        first, second = (queue.o for queue in queues)
        passes, takes = first.payload.forwarded, Signal()
        free = Signal(init=1)
        if self.spacing > 1:
            wait = Signal(range(self.spacing))
            with m.If(takes):
                m.d.sync += [wait.eq(self.spacing - 1), free.eq(0)]
            with m.Elif(~free):
                m.d.sync += [wait.eq(wait - 1), free.eq(wait == 1)]
        forwarded = passes & second.payload.forwarded
        altered = first.payload.value | second.payload.value
        m.d.comb += [
            takes.eq(free & first.valid & (~passes | second.valid)),
            first.ready.eq(takes),
            second.ready.eq(takes & passes),
            self.busy.eq(first.valid | second.valid | Cat(queue.level.any() for queue in queues).any()),
        ]
        m.d.sync += [
            self.o.valid.eq(takes),
            self.o.reason.eq(Mux(forwarded, Reason.FORWARDED, Mux(passes, second.payload.value, first.payload.value))),
            self.o.altered.eq(Mux(forwarded, altered, 0)),
        ]
        return m
