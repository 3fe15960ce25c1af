# SPDX-License-Identifier: Apache-2.0
"""Translated words in beats of several lanes."""

from amaranth import Cat, Module, Signal
from amaranth.hdl import Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from gateware.flow.layouts import RESULT
from gateware.flow.rewriter import EDITS, FAR, choose_edits, edited_word, transport_word
from gateware.stream import FrameSignature, beat_layout

WORD_BYTES = 4
HALF = 16


def aligned(carried: Value, data: Value) -> list[Value]:
    """The words that end in a beat: a frame's words begin two bytes before it, so that the first is in part ``carried`` from
    the beat before, as the last two bytes of this one will be."""
    window = Cat(carried, data)
    return [_reversed(window[at : at + 8 * WORD_BYTES]) for at in range(0, len(data), 8 * WORD_BYTES)]


def _reversed(value: Value) -> Value:
    """The other order of bytes."""
    return Cat(value.word_select(at, 8) for at in reversed(range(len(value) // 8)))


class BeatRewriter(wiring.Component):
    """Lets a frame go as it was decided, beat by beat, or throws it away.

    Args:
        lanes: bytes per beat, a multiple of 4 and more.

    Members:
        i: frames.
        result: one per frame, held until its last beat.
        window_scale: that leaves, where one is offered.
        o: frames.
        dropped: a frame has been thrown away.

    Latency 3 cycles; one beat per cycle. A beat whose last two bytes begin a word leaves with the next. Ready goes straight
    through.
    """

    i: stream.Interface
    result: stream.Interface
    window_scale: Signal
    o: stream.Interface
    dropped: Signal

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(
            {
                "i": In(FrameSignature(lanes)),
                "result": In(stream.Signature(RESULT)),
                "window_scale": In(4),
                "o": Out(FrameSignature(lanes)),
                "dropped": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes, result = self.lanes, self.result.payload
        words = lanes // WORD_BYTES
        beat, full, carried = Signal(beat_layout(lanes)), Signal(), Signal(HALF)
        first, number = Signal(range(FAR + words)), Signal(6)
        edited, edited_full = Signal(beat_layout(lanes)), Signal()
        o_free, moves, gives, leaves = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            o_free.eq(~self.o.valid | self.o.ready),
            # What leaves is complete with its frame, or with the beat behind.
            gives.eq(edited_full & o_free & (edited.last | (full & self.result.valid))),
            # SEC_CM: FLOW.VERDICT_FIRST
            moves.eq(full & self.result.valid & result.forward & (~edited_full | gives)),
            leaves.eq(moves | (full & self.result.valid & ~result.forward)),
            self.i.ready.eq(~full | leaves),
            self.result.ready.eq(leaves & beat.last),
            self.dropped.eq(self.result.ready & ~result.forward),
            number.eq(first - transport_word(result)),
        ]
        with m.If(self.i.ready):
            m.d.sync += [full.eq(self.i.valid), beat.eq(self.i.payload)]
        with m.If(leaves):
            m.d.sync += carried.eq(beat.data.as_value()[-HALF:])
            with m.If(beat.last):
                m.d.sync += first.eq(0)
            with m.Elif(first < FAR):
                m.d.sync += first.eq(first + words)

        clean: list[Value] = []
        for at, word in enumerate(aligned(carried, beat.data.as_value())):
            chosen, o = Signal(EDITS, name=f"edits_{at}"), Signal(8 * WORD_BYTES, name=f"clean_{at}")
            choose_edits(m, result, (number + at)[:6], chosen)
            m.d.comb += o.eq(edited_word(chosen, result, self.window_scale, word, word - result.delta))
            clean.append(_reversed(o))
        window = Cat(*clean, beat.data.as_value()[-HALF:])
        with m.If(~edited_full | gives):
            m.d.sync += edited_full.eq(moves)
        with m.If(moves):
            m.d.sync += [edited.eq(beat), edited.data.eq(window[HALF:])]
        with m.If(o_free):
            m.d.sync += self.o.valid.eq(gives)
        with m.If(gives):
            m.d.sync += self.o.payload.eq(edited)
            with m.If(~edited.last):
                m.d.sync += self.o.payload.data.eq(Cat(edited.data.as_value()[:-HALF], window[:HALF]))
        return m
