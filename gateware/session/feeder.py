# SPDX-License-Identifier: Apache-2.0
"""Feeds frames to the engine: first what is authenticated only, then text."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from custodes.macsec import HEADER_BYTES, MAX_SEALED_BYTES
from gateware.control.guarded import guarded
from gateware.session.rate import BLOCK_BYTES, Rate
from gateware.stream import FrameSignature, SkidBuffer
from gateware.stream.join import piece_beat

AAD_BYTES = -(-HEADER_BYTES // BLOCK_BYTES) * BLOCK_BYTES


class Feeding(enum.Enum, shape=5):
    """What goes to the engine, or is thrown away. Any two differ in three bits; whatever is none of them throws away."""

    HEADER = 0b00000
    TEXT = 0b00111
    REST = 0b11001


def feed_layout() -> data.StructLayout:
    """A frame: its 28 bytes of header, the first lowest, and how many bytes of text follow.

    ``passes``: the engine gets it; or else it is thrown away. ``stored``: there is something of it in the store.
    """
    return data.StructLayout(
        {"header": 8 * HEADER_BYTES, "text": range(MAX_SEALED_BYTES + 1), "passes": 1, "stored": 1}
    )


class Feeder(wiring.Component):
    """Takes frames out of the store and feeds them to `Gcm`, or throws them away.

    Args:
        lanes: bytes per beat.
        head_bytes: how much of the header leaves.

    Members:
        frame: in order.
        store: what follows each header; more than the text, which is an ICV at most, is thrown away.
        o: see ``Gcm.i``.
        head_valid, head: the piece of the header that leaves; cannot wait.
        fault: the register of `Feeding` holds none of it, without delay.

    Latency: 3 cycles, of a beat from the store; a beat per cycle. Reset forgets the frame under way.
    """

    frame: stream.Interface
    store: stream.Interface
    o: stream.Interface
    head_valid: Signal
    head: data.View
    fault: Signal

    def __init__(self, lanes: int, head_bytes: int) -> None:
        self.lanes = lanes
        self.head_bytes = head_bytes
        super().__init__(
            {
                "frame": In(stream.Signature(feed_layout())),
                "store": In(FrameSignature(lanes)),
                "o": Out(stream.Signature(data.ArrayLayout(8, lanes))),
                "head_valid": Out(1),
                "head": Out(piece_beat(lanes)),
                "fault": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes, rate, frame = self.lanes, Rate(self.lanes), self.frame.payload
        # Where a beat has several blocks, the first are empty.
        lead = -AAD_BYTES % (BLOCK_BYTES * rate.blocks)
        filled = Cat(Const(0, 8 * lead), frame.header, Const(0, 8 * (AAD_BYTES - HEADER_BYTES)))
        beats = (lead + AAD_BYTES) // lanes
        # SEC_CM: FEEDER.MODE.GUARDED
        feeding, fault = guarded(Feeding)
        index = Signal(range(beats + 1))
        left, moves, trails = Signal(range(MAX_SEALED_BYTES + 1)), Signal(), Signal()
        last_head = (self.head_bytes - 1) // lanes
        head = Cat(frame.header[: 8 * self.head_bytes], Const(0, 8 * ((last_head + 1) * lanes - self.head_bytes)))
        word_valid, word, waits, hands_back = Signal(), Signal.like(self.o.payload), Signal(), Signal()
        # What is ready, and which byte is due, are long paths: each ends in a register.
        m.submodules.store_slice = store_slice = SkidBuffer(self.store.payload.shape())
        m.submodules.o_slice = o_slice = SkidBuffer(self.o.payload.shape())
        wiring.connect(m, wiring.flipped(self.store), store_slice.i)
        wiring.connect(m, o_slice.o, wiring.flipped(self.o))
        store, beat = store_slice.o, store_slice.o.payload
        free = ~o_slice.i.valid | o_slice.i.ready
        m.d.comb += [moves.eq(word_valid & free), self.fault.eq(fault)]
        with m.If(free):
            m.d.sync += [o_slice.i.valid.eq(word_valid), o_slice.i.payload.eq(word)]
        m.d.sync += [self.head_valid.eq(0), self.frame.ready.eq(hands_back)]
        m.d.comb += waits.eq(self.frame.valid & ~self.frame.ready)
        with m.Switch(feeding):
            with m.Case(Feeding.HEADER):
                m.d.comb += [
                    # That the text is there by then is sure: frames are in the store whole.
                    word_valid.eq(waits & frame.passes & (store.valid | trails)),
                    word.eq(filled.word_select(index, 8 * lanes)),
                    hands_back.eq(waits & (~frame.passes | (moves & (index == beats - 1)))),
                ]
                m.d.sync += [
                    self.head_valid.eq(moves & (index <= last_head)),
                    self.head.data.eq(head.word_select(index, 8 * lanes)),
                    self.head.last.eq(index == last_head),
                    self.head.count.eq(Mux(index == last_head, self.head_bytes - last_head * lanes, lanes)),
                ]
                with m.If(moves):
                    m.d.sync += [index.eq(index + 1), left.eq(frame.text)]
                    with m.If(index == beats - 1):
                        m.d.sync += [index.eq(0), feeding.eq(Feeding.TEXT)]
                with m.If(waits & ~frame.passes & frame.stored):
                    m.d.sync += feeding.eq(Feeding.REST)
            with m.Case(Feeding.TEXT):
                m.d.comb += [
                    word_valid.eq(store.valid & ~trails),
                    word.eq(beat.data),
                    store.ready.eq(free),
                ]
                with m.If(moves):
                    m.d.sync += left.eq(left - lanes)
                    with m.If(beat.last | (left <= lanes)):
                        m.d.sync += [feeding.eq(Feeding.HEADER), trails.eq(~beat.last)]
            with m.Default():
                m.d.comb += store.ready.eq(1)
                m.d.sync += feeding.eq(Feeding.REST)
                with m.If(store.valid & beat.last & ~trails):
                    m.d.sync += feeding.eq(Feeding.HEADER)
        # What trails a text is thrown away while the next header goes, which has more beats.
        with m.If(trails):
            m.d.comb += store.ready.eq(1)
            with m.If(store.valid & beat.last):
                m.d.sync += trails.eq(0)
        return m
