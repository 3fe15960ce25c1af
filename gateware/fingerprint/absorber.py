# SPDX-License-Identifier: Apache-2.0
"""Frames that pass, as messages for SHA-256."""

from amaranth import Module, Mux, Signal, signed
from amaranth.hdl import Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from custodes.table import MAX_FRAME_BYTES
from gateware.fingerprint.beats import CYCLES_BITS
from gateware.hash import block_word
from gateware.hash.sha256 import BLOCK_WORDS, WORD_BITS
from gateware.stream import FrameFIFO, Queue, WidthConverter, beat_layout

BYTE_BITS = 8
BLOCK_BYTES = BLOCK_WORDS * WORD_BITS // BYTE_BITS
LENGTH_BITS = 64
"""Of the number of bits at the end of a message: FIPS 180-4, 5.1.1."""
TOTAL_BITS = CYCLES_BITS + 2
"""Of the number of bytes of a message: one in each cycle between two beats, and what waited before."""
MARKS, SPARE_MARKS = 128, 8
WORDS = BLOCK_WORDS
"""That wait for the engine, which takes a block in as many cycles as it has words."""


class TapInterface(wiring.PureInterface):
    """What `tap_signature` makes."""

    valid: Signal
    payload: data.View


def tap_signature(lanes: int) -> wiring.Signature:
    """Beats of a frame stream as they are transferred: ``valid`` for one cycle each. Nothing can be held back."""
    return wiring.Signature({"valid": Out(1), "payload": Out(beat_layout(lanes))})


class Absorber(wiring.Component):
    """Makes one message per record: of each frame its length in two bytes, and its bytes; then the padding of SHA-256.

    Args:
        lanes: bytes per beat.
        store_bytes: of frames that wait, a power of two.

    Members:
        tap: what leaves.
        close: a beat. Frames whose last beat came before are in the message that ends with it.
        ended, dropped, closes: two cycles after it happened, that a frame has ended; and that it had no room, or was marked
            bad, and is in no message; and ``close``. What ends in the cycle of a beat belongs to the next message.
        room: a frame of up to `MAX_FRAME_BYTES` that begins now has room.
        o: words of the messages.
        closing: every word of a message has been taken; until ``closed`` nothing of the next one comes.

    Throughput: a byte per cycle, and per frame three cycles more; what comes faster waits. Between two beats there must be
    time for everything that waits, and for padding. Reset: nothing waits, and a message begins; reset what is tapped, too.
    """

    tap: TapInterface
    close: Signal
    ended: Signal
    dropped: Signal
    closes: Signal
    room: Signal
    o: stream.Interface
    closing: Signal
    closed: Signal

    def __init__(self, lanes: int, store_bytes: int) -> None:
        self.lanes = lanes
        self.depth = store_bytes // lanes
        self.mark = data.StructLayout({"length": store_bytes.bit_length(), "frame": 1, "closes": 1})
        super().__init__(
            {
                "tap": In(tap_signature(lanes)),
                "close": In(1),
                "ended": Out(1),
                "dropped": Out(1),
                "closes": Out(1),
                "room": Out(1),
                "o": Out(stream.Signature(block_word())),
                "closing": Out(1),
                "closed": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.store = store = FrameFIFO(self.lanes, self.depth)
        m.submodules.narrow = narrow = WidthConverter(self.lanes, 1)
        m.submodules.marks = marks = Queue(self.mark, MARKS, registers=2)
        m.submodules.words = words = Queue(block_word(), WORDS, registers=1)
        wiring.connect(m, store.o, narrow.i)
        wiring.connect(m, words.o, wiring.flipped(self.o))
        # Of a frame that is longer than the store, and so is dropped, no more beats are counted.
        beats, comes = Signal(range(self.depth + 2)), Signal()
        m.d.comb += comes.eq(self.tap.valid & (beats != self.depth + 1))
        with m.If(self.tap.valid):
            m.d.sync += beats.eq(Mux(self.tap.payload.last, 0, beats + comes))
        before = Signal.like(beats)
        m.d.sync += before.eq(beats)
        self._take(m, store, marks, before)
        self._room(m, store, before, comes)
        self._give(m, narrow.o, marks.o, words.i)
        return m

    def _take(self, m: Module, store: FrameFIFO, marks: Queue, before: Value) -> None:
        """Frames into the store; what there is to do about them, in order, into the marks. ``before``: beats of the frame
        before the beat a cycle ago."""
        tap = self.tap
        # Two more marks may be on their way, and one of a beat.
        crowded = Signal()
        m.d.sync += crowded.eq(marks.level >= MARKS - SPARE_MARKS)
        m.d.comb += [
            store.i.valid.eq(tap.valid),
            store.i.payload.eq(tap.payload),
            store.i.payload.error.eq(tap.payload.error | crowded),
        ]
        kept = Signal(self.lanes, reset_less=True)
        length = Signal(self.mark["length"].width, reset_less=True)
        ended, closes = Signal(), Signal()
        m.d.sync += [
            kept.eq(tap.payload.keep),
            length.eq(before * self.lanes + sum(kept)),
            ended.eq(tap.valid & tap.payload.last),
            self.ended.eq(ended),
            closes.eq(self.close),
            self.closes.eq(closes),
        ]
        frame = Signal()
        m.d.comb += [
            self.dropped.eq(store.dropped_error | store.dropped_overflow),
            frame.eq(self.ended & ~self.dropped),
            marks.i.valid.eq(frame | self.closes),
            marks.i.payload.length.eq(length),
            marks.i.payload.frame.eq(frame),
            marks.i.payload.closes.eq(self.closes),
        ]

    def _room(self, m: Module, store: FrameFIFO, before: Value, comes: Value) -> None:
        """How many beats are in the store, and on their way into it."""
        level, dropping = Signal(range(4 * self.depth)), Signal.like(before)
        change = Signal(signed(len(level)))
        came, goes = Signal(), Signal()
        m.d.comb += goes.eq(store.o.valid & store.o.ready)
        m.d.sync += [
            came.eq(comes),
            dropping.eq(before + came),
            change.eq(comes - goes - Mux(self.dropped, dropping, 0)),
            level.eq(level + change),
            self.room.eq(level <= self.depth - -(-MAX_FRAME_BYTES // self.lanes) - 5),
        ]

    def _give(self, m: Module, frames: stream.Interface, marks: stream.Interface, words: stream.Interface) -> None:
        """Bytes, four of which make a word."""
        byte, offered, taken = Signal(BYTE_BITS), Signal(), Signal()
        word, lane = Signal(WORD_BITS - BYTE_BITS, reset_less=True), Signal(range(WORD_BITS // BYTE_BITS))
        total, place, begun = Signal(TOTAL_BITS), Signal(range(BLOCK_BYTES)), Signal()
        inside, enters, leaves = Signal(range(WORDS + 8)), Signal(), Signal()
        ends_word = lane == WORD_BITS // BYTE_BITS - 1
        m.d.comb += [
            words.valid.eq(offered & ends_word),
            words.payload.word.eq((word << BYTE_BITS) | byte),
            words.payload.first.eq(~begun),
            taken.eq(offered & (words.ready | ~ends_word)),
        ]
        with m.If(taken):
            m.d.sync += [word.eq(word << BYTE_BITS | byte), lane.eq(lane + 1), place.eq(place + 1)]
            with m.If(ends_word):
                m.d.sync += begun.eq(1)
        m.d.sync += [
            enters.eq(taken & ends_word),
            leaves.eq(self.o.valid & self.o.ready),
            inside.eq(inside + enters - leaves),
        ]

        # The next mark is fetched as soon as the length is said: taking one is late, and far from what ends a frame.
        mark, marked, length = Signal(self.mark, reset_less=True), Signal(), Signal(2 * BYTE_BITS)
        m.d.comb += marks.ready.eq(~marked)
        with m.If(marks.valid & ~marked):
            m.d.sync += [mark.eq(marks.payload), marked.eq(1)]
        bits, closed, counted = Signal(LENGTH_BITS), Signal(), Signal()
        m.d.comb += [length.eq(mark.length), bits.eq(total << (BYTE_BITS - 1).bit_length())]
        with m.If(counted & taken):
            m.d.sync += total.eq(total + 1)
        with m.FSM():
            with m.State("NEXT"), m.If(marked):
                with m.If(mark.closes & ~closed):
                    m.next = "ONE"
                with m.Elif(mark.frame):
                    m.next = "LENGTH_HIGH"
                with m.Else():
                    m.d.sync += [marked.eq(0), closed.eq(0)]
            with m.State("LENGTH_HIGH"):
                m.d.comb += [byte.eq(length[BYTE_BITS:]), offered.eq(1), counted.eq(1)]
                with m.If(taken):
                    m.next = "LENGTH_LOW"
            with m.State("LENGTH_LOW"):
                m.d.comb += [byte.eq(length[:BYTE_BITS]), offered.eq(1), counted.eq(1)]
                with m.If(taken):
                    m.d.sync += [marked.eq(0), closed.eq(0)]
                    m.next = "FRAME"
            with m.State("FRAME"):
                m.d.comb += [
                    byte.eq(frames.payload.data[0]),
                    offered.eq(frames.valid),
                    frames.ready.eq(taken),
                    counted.eq(1),
                ]
                with m.If(taken & frames.payload.last):
                    m.next = "NEXT"
            with m.State("ONE"):
                m.d.comb += [byte.eq(1 << BYTE_BITS - 1), offered.eq(1)]
                with m.If(taken):
                    m.next = "ZEROS"
            with m.State("ZEROS"):
                with m.If(place == BLOCK_BYTES - LENGTH_BITS // BYTE_BITS):
                    m.next = "BITS"
                with m.Else():
                    m.d.comb += offered.eq(1)
            with m.State("BITS"):
                m.d.comb += [byte.eq(bits.word_select(~place[:3], BYTE_BITS)), offered.eq(1)]
                with m.If(taken & (place == BLOCK_BYTES - 1)):
                    m.next = "CLOSING"
            with m.State("CLOSING"):
                m.d.comb += self.closing.eq(~enters & (inside == 0))
                with m.If(self.closed):
                    m.d.sync += [total.eq(0), begun.eq(0), closed.eq(1)]
                    m.next = "NEXT"
