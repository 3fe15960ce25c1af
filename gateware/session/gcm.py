# SPDX-License-Identifier: Apache-2.0
"""AES-GCM of whole frames, each with a key of its own, without a pause between them."""

from amaranth import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from gateware.session.field import BITS, element
from gateware.session.frames import frame_layout
from gateware.session.ghash import Ghash
from gateware.session.keystream import KeyStream
from gateware.session.loader import KeyLoader, order_layout
from gateware.session.rate import Rate
from gateware.session.sequencer import Sequencer
from gateware.stream import Queue
from gateware.stream.join import piece_beat


class Gcm(wiring.Component):
    """Encrypts or decrypts frames, and makes or checks their tags.

    Args:
        lanes: bytes per beat, see `Rate`.
        keys: how many keys are kept.
        opens: decrypts, and checks tags.

    Members:
        frame: a frame, see `frame_layout`; well before its beats or with them.
        i: its beats: first the additional authenticated data in whole blocks, filled up with zeros; where a beat has several
            blocks, blocks of zeros precede the first, so that the last is a beat's last. Then the text; what fills up its
            last beat does not matter. Once its first beat is here, the others must come without a pause.
        o_valid, o: the text, encrypted or decrypted, a cycle after ``i``; no beat where there is none. It cannot wait. What
            has been decrypted is not to be used before ``good``.
        tag_valid, tag, good: after a frame's text, for one cycle: its tag, or whether that is the one it came with.
        word_valid, word, order, forget: see `KeyLoader`. No frame of a key is inside while that is wiped or
            loaded.
        busy: frames are inside.
        fault: a mode register holds what it cannot, without delay.

    A frame takes as long as its blocks do, and one for the lengths: 16 cycles each with 1 lane, 2 with 8; with more than 16
    lanes so many at once that the lengths often share a beat. Frames come back to back without a bubble, whatever their
    keys; loading a further key costs one block in between per power. Constant time: what is done when depends on lengths
    and on what key numbers frames have, never on keys or data. Reset forgets the frames inside, and leaves keys.

    Standard: NIST SP 800-38D, 7, with IVs of 96 bits and tags of 128.
    """

    frame: stream.Interface
    i: stream.Interface
    o_valid: Signal
    o: data.View
    tag_valid: Signal
    tag: Signal
    good: Signal
    word_valid: Signal
    word: Signal
    order: stream.Interface
    forget: Signal
    busy: Signal
    fault: Signal

    def __init__(self, lanes: int, keys: int, opens: bool) -> None:
        self.rate = Rate(lanes)
        self.keys = keys
        self.opens = opens
        self.key_stream = KeyStream(self.rate, keys, opens)
        super().__init__(
            {
                "frame": In(stream.Signature(frame_layout(keys, opens))),
                "i": In(stream.Signature(data.ArrayLayout(8, lanes))),
                "o_valid": Out(1),
                "o": Out(piece_beat(lanes)),
                "tag_valid": Out(1),
                "tag": Out(BITS),
                "good": Out(1),
                "word_valid": In(1),
                "word": In(32),
                "order": In(stream.Signature(order_layout(keys))),
                "forget": In(1),
                "busy": Out(1),
                "fault": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        rate, key_stream = self.rate, self.key_stream
        m.submodules.key_stream = key_stream
        m.submodules.sequencer = sequencer = Sequencer(rate, self.keys, self.opens, key_stream.frames_depth)
        m.submodules.ghash = ghash = Ghash(rate, self.keys)
        m.submodules.loader = loader = KeyLoader(rate, self.keys)
        wiring.connect(m, wiring.flipped(self.frame), key_stream.frame)
        wiring.connect(m, wiring.flipped(self.i), sequencer.i)
        wiring.connect(m, wiring.flipped(self.order), loader.i)
        wiring.connect(m, loader.ask, key_stream.ask)
        wiring.connect(m, key_stream.begun, sequencer.begun)
        wiring.connect(m, key_stream.texts, sequencer.texts)
        m.d.comb += [
            self.o_valid.eq(sequencer.o_valid),
            self.o.eq(sequencer.o),
            self.busy.eq(key_stream.busy),
            self.fault.eq(sequencer.fault | loader.fault),
            loader.word_valid.eq(self.word_valid),
            loader.word.eq(self.word),
            loader.forget.eq(self.forget),
            loader.reply_valid.eq(key_stream.reply_valid),
            loader.reply.eq(key_stream.reply),
            loader.product_valid.eq(ghash.o_valid & ghash.o_note),
            loader.product.eq(element(ghash.o)),
            key_stream.row_valid.eq(loader.row_valid),
            key_stream.row.eq(loader.row),
            sequencer.told.eq(key_stream.told),
            sequencer.multiply.eq(loader.multiply),
            sequencer.key.eq(loader.i.payload.key),
            sequencer.factor.eq(loader.factor),
            sequencer.product_valid.eq(loader.product_valid),
            ghash.power_valid.eq(loader.power_valid),
            ghash.power.eq(loader.power),
            ghash.valid.eq(sequencer.hash_valid),
            ghash.i.eq(sequencer.hash),
        ]
        self._finish(m, ghash)
        return m

    def _finish(self, m: Module, ghash: Ghash) -> None:
        """A tag is the frame's hash and a block of key stream."""
        found, tags = Signal(), self.key_stream.tags
        m.d.comb += [found.eq(ghash.o_valid & ~ghash.o_note), tags.ready.eq(found)]
        tag = element(ghash.o) ^ tags.payload
        if not self.opens:
            m.d.sync += [self.tag_valid.eq(found), self.tag.eq(tag)]
            return
        m.submodules.expected = expected = Queue(BITS, self.key_stream.frames_depth)
        differences = Signal(BITS)
        compared = Signal()
        m.d.comb += expected.o.ready.eq(found)
        m.d.sync += [
            # All key stream of the frame has been asked for, which is long before its tag is there.
            expected.i.valid.eq(self.frame.valid & self.frame.ready),
            expected.i.payload.eq(self.frame.payload.tag),
            differences.eq(tag ^ expected.o.payload),
            compared.eq(found),
            self.tag_valid.eq(compared),
            self.good.eq(compared & (differences == 0)),
        ]
