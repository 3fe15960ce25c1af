# SPDX-License-Identifier: Apache-2.0
"""Frames of weights: looked at, counted, and made anew for the server."""

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from custodes.gateway_formats import ETHERTYPE, HEAD_BYTES, UPLOAD_BYTES, UPLOAD_HEAD_BYTES, WORD_BYTES, Kind
from gateware.mask import lanes_before
from gateware.stream import FrameSignature

OCTET_BITS = 8
WORD_BITS = OCTET_BITS * WORD_BYTES
MAC_BITS = 48
OFFSET_BITS = 48
DUE_BITS = UPLOAD_BYTES.bit_length()
HEAD_WORDS = UPLOAD_HEAD_BYTES // WORD_BYTES
KIND_WORD = HEAD_BYTES // WORD_BYTES - 1
MIN_FRAME_BYTES = 60
"""Whatever is shorter is filled with zeros on its way: IEEE 802.3, 3.2.8."""
PADDED_WORDS = (MIN_FRAME_BYTES - UPLOAD_HEAD_BYTES) // WORD_BYTES
"""Behind the head, up to where zeros may come."""


class Step(enum.Enum):
    """What is done about a frame."""

    HEAD = 0
    """Its head is read, or the next frame waited for."""
    JUDGE = 1
    SEND = 2
    """A head is made."""
    OCTETS = 3
    PADDING = 4
    ACCEPT = 5
    REST = 6
    """It is none of weights, and dropped."""
    STOPPED = 7


def hashed_word() -> data.StructLayout:
    """``word``: octets of a message, the first the most significant; ``octets``: how many, fewer than 4 in the last only."""
    return data.StructLayout({"word": WORD_BITS, "octets": range(WORD_BYTES + 1)})


class Weights(wiring.Component):
    """Takes weights in their order until there are enough.

    Members:
        i: whole good frames. Those that are none of weights are dropped.
        total: octets that are to come; it holds still from 4 cycles before the first frame on.
        server, gateway: addresses that weights leave with: destination and source.
        o: frames of weights, of which nothing but the octets is what came. The last beat of one whose fault shows at its end
            has left by then.
        o_hash: the octets.
        counted: octets of frames that were right.
        accepted: one cycle for each of those.
        complete: all octets have come; until reset.
        order, malformed, second: one cycle, see `Fault`. Nothing is taken any more, until reset.

    Throughput: a word per cycle, and 14 cycles more for a frame. Back-pressure: waits for ``o`` and ``o_hash``, which
    move together. Reset: no octet has come.
    """

    i: stream.Interface
    total: Signal
    server: Signal
    gateway: Signal
    o: stream.Interface
    o_hash: stream.Interface
    counted: Signal
    accepted: Signal
    complete: Signal
    order: Signal
    malformed: Signal
    second: Signal

    def __init__(self) -> None:
        frames = FrameSignature(WORD_BYTES)
        super().__init__(
            {
                "i": In(frames),
                "total": In(OFFSET_BITS),
                "server": In(MAC_BITS),
                "gateway": In(MAC_BITS),
                "o": Out(frames),
                "o_hash": Out(stream.Signature(hashed_word())),
                "counted": Out(OFFSET_BITS),
                "accepted": Out(1),
                "complete": Out(1),
                "order": Out(1),
                "malformed": Out(1),
                "second": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        beat, valid = self.i.payload, self.i.valid
        word = Cat(beat.data[lane] for lane in reversed(range(WORD_BYTES)))
        due, final_frame = self._due(m)
        index, mine, odd, short, ended, fits = Signal(range(HEAD_WORDS)), *(Signal() for _ in range(5))
        # Of the frame under way: octets that are left, whether they are the last four at most, and words behind the head, up
        # to one more than may be of zeros.
        rest, final, place, wrong = Signal(DUE_BITS), Signal(), Signal(range(PADDED_WORDS + 1)), Signal()
        body = _Body(beat, rest, final, place)
        step = Signal(Step)
        with m.Switch(step):
            with m.Case(Step.HEAD):
                m.d.comb += self.i.ready.eq(1)
                with m.If(valid):
                    m.d.sync += [
                        index.eq(index + 1),
                        short.eq((index != HEAD_WORDS - 1) | ~beat.keep.all()),
                        ended.eq(beat.last),
                    ]
                    with m.Switch(index):
                        with m.Case(KIND_WORD):
                            kind = Const(ETHERTYPE << OCTET_BITS | Kind.UPLOAD, 3 * OCTET_BITS)
                            m.d.sync += [
                                mine.eq((word[OCTET_BITS:] == kind) & beat.keep[2]),
                                odd.eq(word[:OCTET_BITS] != 0),
                            ]
                        with m.Case(KIND_WORD + 1):
                            m.d.sync += fits.eq((word[16:] == due) & (word[:16] == self.counted[WORD_BITS:]))
                        with m.Case(KIND_WORD + 2):
                            m.d.sync += fits.eq(fits & (word == self.counted[:WORD_BITS]))
                    with m.If(beat.last | (index == HEAD_WORDS - 1)):
                        m.d.sync += index.eq(0)
                        m.d.sync += step.eq(Step.JUDGE)
            with m.Case(Step.JUDGE):
                m.d.sync += [mine.eq(0), rest.eq(due), final.eq(due <= WORD_BYTES), place.eq(0), wrong.eq(0)]
                m.d.sync += step.eq(Step.STOPPED)
                with m.If(~mine):
                    m.d.sync += step.eq(Step.REST)
                    with m.If(ended):
                        m.d.sync += step.eq(Step.HEAD)
                # SEC_CM: UPLOAD.ONCE
                with m.Elif(self.complete):
                    m.d.comb += self.second.eq(1)
                with m.Elif(~short & ~fits):
                    m.d.comb += self.order.eq(1)
                # SEC_CM: UPLOAD.CANONICAL
                with m.Elif(short | odd | ended):
                    m.d.comb += self.malformed.eq(1)
                with m.Else():
                    m.d.sync += step.eq(Step.SEND)
            with m.Case(Step.SEND):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.keep.eq((1 << WORD_BYTES) - 1)]
                self._head(m, index, due)
                with m.If(self.o.ready):
                    m.d.sync += index.eq(index + 1)
                    with m.If(index == HEAD_WORDS - 1):
                        m.d.sync += index.eq(0)
                        m.d.sync += step.eq(Step.OCTETS)
            with m.Case(Step.OCTETS):
                m.d.comb += [
                    self.o.valid.eq(valid & self.o_hash.ready),
                    self.o_hash.valid.eq(valid & self.o.ready),
                    self.i.ready.eq(self.o.ready & self.o_hash.ready),
                    self.o.payload.data.eq(beat.data),
                    self.o.payload.keep.eq(body.due),
                    self.o.payload.last.eq(final),
                ]
                with m.If(valid & self.i.ready):
                    m.d.sync += [rest.eq(rest - WORD_BYTES), final.eq(rest <= 2 * WORD_BYTES), wrong.eq(body.wrong)]
                    m.d.sync += place.eq(place + ~body.padded)
                    with m.If(beat.last | body.wrong):
                        m.d.sync += step.eq(Step.ACCEPT)
                    with m.Elif(final):
                        m.d.sync += final.eq(0)
                        m.d.sync += step.eq(Step.PADDING)
            with m.Case(Step.PADDING):
                m.d.comb += self.i.ready.eq(1)
                with m.If(valid):
                    m.d.sync += [wrong.eq(wrong | body.nonzero | body.too_long), place.eq(place + ~body.padded)]
                    with m.If(beat.last | body.too_long):
                        m.d.sync += step.eq(Step.ACCEPT)
            with m.Case(Step.ACCEPT):
                m.d.sync += step.eq(Step.HEAD)
                # SEC_CM: UPLOAD.CANONICAL
                with m.If(wrong):
                    m.d.comb += self.malformed.eq(1)
                    m.d.sync += step.eq(Step.STOPPED)
                with m.Else():
                    m.d.comb += self.accepted.eq(1)
                    m.d.sync += [self.counted.eq(self.counted + due), self.complete.eq(final_frame)]
            with m.Case(Step.REST):
                m.d.comb += self.i.ready.eq(1)
                with m.If(valid & beat.last):
                    m.d.sync += step.eq(Step.HEAD)
        m.d.comb += [
            self.o_hash.payload.word.eq(word),
            self.o_hash.payload.octets.eq(Mux(final, rest[: WORD_BYTES.bit_length()], WORD_BYTES)),
        ]
        return m

    def _due(self, m: Module) -> tuple[Signal, Signal]:
        """The octets of the next frame, and whether it is the last; 2 cycles after ``counted`` has changed. What these are
        compared with comes later than that."""
        left, due, final_frame = Signal(OFFSET_BITS), Signal(DUE_BITS), Signal()
        many = left[DUE_BITS:].any()
        m.d.sync += [
            left.eq(self.total - self.counted),
            due.eq(Mux(many | (left[:DUE_BITS] > UPLOAD_BYTES), UPLOAD_BYTES, left)),
            # SEC_CM: UPLOAD.COUNTED
            final_frame.eq(~many & (left[:DUE_BITS] <= UPLOAD_BYTES)),
        ]
        return due, final_frame

    def _head(self, m: Module, index: Value, due: Value) -> None:
        """Made of what is known, so that nothing in it says anything else."""
        known = Cat(due, Const(0, 16 - DUE_BITS))
        fixed = ETHERTYPE.to_bytes(2) + bytes([Kind.UPLOAD, 0])
        head = Cat(self.counted, known, Const(int.from_bytes(fixed), WORD_BITS), self.gateway, self.server)
        with m.Switch(index):
            for at in range(HEAD_WORDS):
                with m.Case(at):
                    word = head.word_select(HEAD_WORDS - 1 - at, WORD_BITS)
                    m.d.comb += Cat(self.o.payload.data[lane] for lane in reversed(range(WORD_BYTES))).eq(word)


class _Body:
    """Of a word behind the head.

    Attributes:
        due: its lanes that hold octets of weights. nonzero: behind those there is an octet that is not zero.
        padded: more words than zeros may reach to have come before it. too_long: or it is the last of them, and none of the
            frame.
        wrong: there are fewer octets or more than there should be; it is one of those with weights.
    """

    def __init__(self, beat: Any, rest: Value, final: Value, place: Value) -> None:
        lanes = range(WORD_BYTES)
        low = rest[: (WORD_BYTES - 1).bit_length()]
        self.due = Mux(final & (low != 0), lanes_before(WORD_BYTES, low), (1 << WORD_BYTES) - 1)
        self.padded = place == PADDED_WORDS
        self.too_long = ~beat.last & (place >= PADDED_WORDS - 1)
        behind = [beat.keep[lane] & (~final | ~self.due[lane]) for lane in lanes]
        self.nonzero = Cat(behind[lane] & (beat.data[lane] != 0) for lane in lanes).any()
        beyond = Cat(behind).any() & self.padded
        fewer = (self.due & ~beat.keep).any()
        self.wrong = fewer | Mux(final, self.nonzero | beyond | self.too_long, beat.last)
