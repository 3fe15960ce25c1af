# SPDX-License-Identifier: Apache-2.0
"""The key stream of frames: AES in counter mode, asked for ahead."""

from typing import Any

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from gateware.session import aes
from gateware.session.aes import UNIT_CYCLES, Aes, Use
from gateware.session.field import BITS
from gateware.session.frames import MAX_BYTES, aad_beats, begun_layout, blocks_of, frame_layout
from gateware.session.rate import BLOCK_BYTES, Rate
from gateware.stream import Queue, SkidBuffer

QUEUE_CYCLES = 7
"""From a reply of AES to when a queue and a slice have handed it on, and one more."""


class KeyStream(wiring.Component):
    """Makes of each frame's IV one block for its tag, then those for its text, with counters 1, 2 and so on.

    Args:
        rate: blocks side by side, and how often.
        keys: how many keys are kept.
        opens: frames come with a tag, which is of no use here.

    Members:
        frame: a frame, see `frame_layout`. ``begun``: in the same order, when its first block has been asked for.
        texts: key stream for the texts of frames, each from a beat of its own on. ``tags``: a block per frame.
        told: a frame's first block has come. With many lanes all others come without a pause, and told is put off until
            each is there in time.
        ask, reply_valid, reply: a hash key, in between.
        row_valid, row: see `Aes`.
        busy: frames are inside, or their key stream is.

    Throughput: blocks as the rate says, and one for each tag, frames back to back. What is asked for has a place of its
    own. Reset forgets the frames inside. Standard: NIST SP 800-38D, 6.5 and 7.1.
    """

    frame: stream.Interface
    begun: stream.Interface
    texts: stream.Interface
    tags: stream.Interface
    told: Signal
    ask: stream.Interface
    reply_valid: Signal
    reply: Signal
    row_valid: Signal
    row: data.View
    busy: Signal

    def __init__(self, rate: Rate, keys: int, opens: bool) -> None:
        self.rate = rate
        self.keys = keys
        # A block may wait while others go round through all units once less than there are passes.
        self.round_cycles = UNIT_CYCLES * rate.units * (rate.passes - 1)
        # So many are asked for ahead that each is there in time, though it is asked for when an earlier one is used.
        ahead = (self.round_cycles + UNIT_CYCLES * rate.rounds + 2 * QUEUE_CYCLES) // rate.cycles
        self.text_depth = max(16, 1 << ahead.bit_length())
        self.frames_depth = 16 if rate.lanes <= 8 else 64
        super().__init__(
            {
                "frame": In(stream.Signature(frame_layout(keys, opens))),
                "begun": Out(stream.Signature(begun_layout(keys))),
                "texts": Out(stream.Signature(BITS * rate.blocks)),
                "tags": Out(stream.Signature(BITS)),
                "told": Out(1),
                "ask": In(stream.Signature(aes.request_layout(rate, keys))),
                "reply_valid": Out(1),
                "reply": Out(BITS),
                "row_valid": In(1),
                "row": In(aes.row_layout(rate, keys)),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        rate = self.rate
        m.submodules.aes = cipher = Aes(rate, self.keys)
        m.submodules.text_queue = texts = Queue(BITS * rate.blocks, self.text_depth)
        m.submodules.tag_queue = tags = Queue(BITS, self.frames_depth)
        m.submodules.begun_queue = begun = Queue(begun_layout(self.keys), self.frames_depth)
        # A slice, as how far a text has got is known late in a cycle, and a queue has many registers to tell.
        m.submodules.text_slice = text_slice = SkidBuffer(BITS * rate.blocks)
        wiring.connect(m, texts.o, text_slice.i)
        wiring.connect(m, text_slice.o, wiring.flipped(self.texts))
        wiring.connect(m, tags.o, wiring.flipped(self.tags))
        wiring.connect(m, begun.o, wiring.flipped(self.begun))
        use, reply = cipher.o.use, cipher.o.blocks
        m.d.comb += [
            cipher.row_valid.eq(self.row_valid),
            cipher.row.eq(self.row),
            self.reply_valid.eq(cipher.o_valid & (use == Use.HASH_KEY)),
            self.reply.eq(reply[:BITS]),
            texts.i.valid.eq(cipher.o_valid & (use == Use.TEXT)),
            texts.i.payload.eq(reply),
            tags.i.valid.eq(cipher.o_valid & (use == Use.TAG)),
            tags.i.payload.eq(reply[:BITS]),
        ]
        # Once the block for a frame's tag has come, those for its text come in time. Only with few lanes may they be late.
        lag = Signal(QUEUE_CYCLES + (0 if rate.serial else self.round_cycles))
        m.d.sync += lag.eq(Cat(tags.i.valid, lag))
        m.d.comb += self.told.eq(lag[-1])
        self._request(m, cipher, begun)
        return m

    def _request(self, m: Module, cipher: Aes, begun: Queue) -> None:
        """Ask for one frame's blocks after the other's, as long as there is room for what comes."""
        rate, frame = self.rate, self.frame.payload
        counters = [Signal(32, init=1 + number, name=f"counter_{number}") for number in range(rate.blocks)]
        started, left, final = Signal(), Signal(range(MAX_BYTES // BLOCK_BYTES + 2)), Signal()
        asks, takes, ends, waits, hash_key = Signal(), Signal(), Signal(), Signal(), Signal()
        text_beats = blocks_of(frame.text, rate.blocks)
        text_room, tag_room = self._room(m, takes & started, takes & ~started)
        if rate.cycles > 1:
            # There is time to hand a frame back a cycle later, and so to keep where it comes from out of a long path.
            m.d.sync += self.frame.ready.eq(ends)
            m.d.comb += waits.eq(self.frame.valid & ~self.frame.ready)
        else:
            m.d.comb += [self.frame.ready.eq(ends), waits.eq(self.frame.valid)]
        m.d.comb += [
            asks.eq(waits & Mux(started, text_room, tag_room) & ~hash_key),
            takes.eq(asks & cipher.i.ready),
            ends.eq(takes & Mux(started, final, frame.text == 0)),
            cipher.i.valid.eq(asks | hash_key),
            self.ask.ready.eq(hash_key & cipher.i.ready),
        ]
        m.d.sync += [
            hash_key.eq(self.ask.valid & ~self.ask.ready),
            begun.i.valid.eq(takes & ~started),
            begun.i.payload.key.eq(frame.key),
            begun.i.payload.empty.eq((frame.aad == 0) & (frame.text == 0)),
            begun.i.payload.aad.eq(frame.aad),
            begun.i.payload.text.eq(frame.text),
            begun.i.payload.after.eq(blocks_of(frame.text) + rate.blocks * aad_beats(frame.aad, rate)),
        ]
        asked: Any = cipher.i.payload
        with m.If(hash_key):
            m.d.comb += asked.eq(self.ask.payload)
        with m.Else():
            m.d.comb += [
                asked.key.eq(frame.key),
                asked.short.eq(frame.short),
                asked.use.eq(Mux(started, Use.TEXT, Use.TAG)),
                asked.blocks.eq(
                    Cat(Cat(frame.iv, *(count.word_select(byte, 8) for byte in (3, 2, 1, 0))) for count in counters)
                ),
            ]
        with m.If(takes):
            for number, count in enumerate(counters):
                # The only block that counts of the first request is the one in the first place.
                m.d.sync += count.eq(count + Mux(started, rate.blocks, 1))
                with m.If(ends):
                    m.d.sync += count.eq(1 + number)
            m.d.sync += [
                started.eq(~ends),
                left.eq(Mux(started, left - 1, text_beats)),
                final.eq(Mux(started, left == 2, text_beats == 1)),
            ]

    def _room(self, m: Module, asks_text: Any, asks_tag: Any) -> tuple[Signal, Signal]:
        """Whether one more block for texts, and for tags, would find a place when it comes."""
        texts_out, frames_out = Signal(range(self.text_depth + 1)), Signal(range(self.frames_depth + 1))
        text_room, tag_room = Signal(), Signal()
        m.d.sync += [
            texts_out.eq(texts_out + asks_text - (self.texts.valid & self.texts.ready)),
            frames_out.eq(frames_out + asks_tag - (self.tags.valid & self.tags.ready)),
            # One more of each may be on its way to being counted.
            text_room.eq(texts_out < self.text_depth - 1),
            tag_room.eq(frames_out < self.frames_depth - 1),
            self.busy.eq(self.frame.valid | (frames_out != 0)),
        ]
        return text_room, tag_room
