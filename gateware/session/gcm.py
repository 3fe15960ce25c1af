# SPDX-License-Identifier: Apache-2.0
"""AES-GCM of whole frames, each with a key of its own, without a pause between them."""

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from gateware.mask import lanes_before
from gateware.session.aes import UNIT_CYCLES, Aes, Use
from gateware.session.field import BITS, element
from gateware.session.ghash import Ghash
from gateware.session.loader import KeyLoader, order_layout
from gateware.session.rate import BLOCK_BYTES, Rate
from gateware.stream import Queue
from gateware.stream.join import piece_beat

MAX_BYTES = 2047
IV_BYTES = 12
_QUEUE_CYCLES = 6
"""From a reply of AES to when a queue has handed it on, and one more."""


class Part(enum.Enum, shape=5):
    """What of a frame a beat belongs to. Any two differ in two bits, so that one that flips means none."""

    IDLE = 0b00000
    AAD = 0b00011
    TEXT = 0b00101
    LENGTHS = 0b01001
    POWER = 0b10001


def frame_layout(keys: int, opens: bool) -> data.StructLayout:
    """A frame to be sealed or opened.

    Members:
        key, short: number of its key, and whether that has 128 bits.
        iv: 12 bytes, the first lowest.
        aad, text: how many bytes of additional authenticated data and of text it has.
        tag: that it came with; only where frames are opened.
    """
    members = {
        "key": range(keys),
        "short": 1,
        "iv": 8 * IV_BYTES,
        "aad": range(MAX_BYTES + 1),
        "text": range(MAX_BYTES + 1),
    }
    return data.StructLayout(members | ({"tag": BITS} if opens else {}))


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

    def __init__(self, lanes: int, keys: int, opens: bool) -> None:
        self.rate = rate = Rate(lanes)
        self.keys = keys
        self.opens = opens
        # A block may wait while others go round through all units once less than there are passes.
        self.round_cycles = UNIT_CYCLES * rate.units * (rate.passes - 1)
        # So many are asked for ahead that each is there in time, though it is asked for when an earlier one is used.
        ahead = (self.round_cycles + UNIT_CYCLES * rate.rounds + 2 * _QUEUE_CYCLES) // rate.cycles
        self.text_depth = max(16, 1 << ahead.bit_length())
        self.frames_depth = 16 if lanes <= 8 else 64
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
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        rate = self.rate
        m.submodules.aes = aes = Aes(rate, self.keys)
        m.submodules.ghash = ghash = Ghash(rate, self.keys)
        m.submodules.loader = loader = KeyLoader(rate, self.keys)
        m.submodules.texts = texts = Queue(BITS * rate.blocks, self.text_depth)
        m.submodules.tags = tags = Queue(BITS, self.frames_depth)
        m.submodules.begun = begun = Queue(self._begun_layout(), self.frames_depth)
        wiring.connect(m, wiring.flipped(self.order), loader.i)
        use, reply = aes.o.use, aes.o.blocks
        m.d.comb += [
            loader.word_valid.eq(self.word_valid),
            loader.word.eq(self.word),
            loader.forget.eq(self.forget),
            aes.row_valid.eq(loader.row_valid),
            aes.row.eq(loader.row),
            ghash.power_valid.eq(loader.power_valid),
            ghash.power.eq(loader.power),
            loader.reply_valid.eq(aes.o_valid & (use == Use.HASH_KEY)),
            loader.reply.eq(reply[:BITS]),
            loader.product_valid.eq(ghash.o_valid & ghash.o_note),
            loader.product.eq(element(ghash.o)),
            texts.i.valid.eq(aes.o_valid & (use == Use.TEXT)),
            texts.i.payload.eq(reply),
            tags.i.valid.eq(aes.o_valid & (use == Use.TAG)),
            tags.i.payload.eq(reply[:BITS]),
        ]
        self._request(m, aes, loader, texts, tags, begun)
        self._beats(m, ghash, loader, texts, tags, begun)
        self._finish(m, ghash, tags, begun.i.valid)
        return m

    def _begun_layout(self) -> data.StructLayout:
        """What is still needed of a frame whose key stream is on its way. ``after``: blocks behind its first place."""
        sizes = {"aad": range(MAX_BYTES + 1), "text": range(MAX_BYTES + 1), "after": range(1 << 9)}
        return data.StructLayout({"key": range(self.keys), **sizes})

    def _blocks(self, count: Value, side_by_side: int) -> Value:
        """So many bytes in blocks, or in beats of blocks side by side, the last perhaps not full."""
        size = BLOCK_BYTES * side_by_side
        return (count + (size - 1)) >> (size - 1).bit_length()

    def _request(self, m: Module, aes: Aes, loader: KeyLoader, texts: Queue, tags: Queue, begun: Queue) -> None:
        """Ask for a frame's key stream: one block for its tag, then those for its text, with counters 1, 2 and so on."""
        rate, frame = self.rate, self.frame.payload
        counters = [Signal(32, init=1 + number, name=f"counter_{number}") for number in range(rate.blocks)]
        started, left, final = Signal(), Signal(range(MAX_BYTES // BLOCK_BYTES + 2)), Signal()
        texts_out, frames_out = Signal(range(self.text_depth + 1)), Signal(range(self.frames_depth + 1))
        asks, asks_text, asks_tag, takes, ends = Signal(), Signal(), Signal(), Signal(), Signal()
        hash_key = Signal()
        room, text_beats = Signal(2), self._blocks(frame.text, rate.blocks)
        if rate.cycles > 1:
            # There is time to hand a frame back a cycle later, and so to keep where it comes from out of a long path.
            m.d.sync += self.frame.ready.eq(ends)
            waits = self.frame.valid & ~self.frame.ready
        else:
            m.d.comb += self.frame.ready.eq(ends)
            waits = self.frame.valid
        m.d.comb += [
            asks.eq(waits & Mux(started, room[0], room[1]) & ~hash_key),
            takes.eq(asks & aes.i.ready),
            asks_text.eq(takes & started),
            asks_tag.eq(takes & ~started),
            ends.eq(takes & Mux(started, final, text_beats == 0)),
            aes.i.valid.eq(asks | hash_key),
            loader.ask.ready.eq(hash_key & aes.i.ready),
            begun.i.valid.eq(asks_tag),
            begun.i.payload.key.eq(frame.key),
            begun.i.payload.aad.eq(frame.aad),
            begun.i.payload.text.eq(frame.text),
            begun.i.payload.after.eq(self._blocks(frame.text, 1) + rate.blocks * self._aad_beats(frame.aad)),
        ]
        m.d.sync += hash_key.eq(loader.ask.valid & ~loader.ask.ready)
        with m.If(hash_key):
            m.d.comb += aes.i.payload.eq(loader.ask.payload)
        with m.Else():
            m.d.comb += [
                aes.i.payload.key.eq(frame.key),
                aes.i.payload.short.eq(frame.short),
                aes.i.payload.use.eq(Mux(started, Use.TEXT, Use.TAG)),
                aes.i.payload.blocks.eq(
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
        # What has been asked for and not yet used has a place of its own.
        m.d.sync += [
            texts_out.eq(texts_out + asks_text - (texts.o.valid & texts.o.ready)),
            frames_out.eq(frames_out + asks_tag - (tags.o.valid & tags.o.ready)),
            self.busy.eq(self.frame.valid | (frames_out != 0)),
        ]
        # One more of each may be on its way to being counted.
        m.d.sync += room.eq(Cat(texts_out < self.text_depth - 1, frames_out < self.frames_depth - 1))

    def _aad_beats(self, aad: Value) -> Value:
        """Blocks or beats of additional data; a frame without has one of zeros."""
        return self._blocks(aad, self.rate.blocks) | (aad == 0)

    def _beats(self, m: Module, ghash: Ghash, loader: KeyLoader, texts: Queue, tags: Queue, begun: Queue) -> None:
        """A frame's beats one after the other: additional data, text, lengths."""
        rate = self.rate
        lanes = rate.lanes
        part, cycle = Signal(Part), Signal(range(rate.cycles))
        key, aad, text = Signal(range(self.keys)), Signal(range(MAX_BYTES + 1)), Signal(range(MAX_BYTES + 1))
        hollow, aad_left, text_left = (
            Signal(),
            Signal(range(MAX_BYTES // BLOCK_BYTES + 2)),
            Signal(range(MAX_BYTES + 1)),
        )
        some_text, last_text, few = Signal(), Signal(), Signal()  # is left; ends with this beat; all blocks do
        after, number = Signal(begun.i.payload.after.shape()), Signal(range(rate.chains // rate.blocks + 1))

        takes_text, steps, block_ends, ends = Signal(), Signal(), Signal(), Signal()
        closing = Signal(init=rate.cycles == 1)
        in_place = [after - place for place in range(rate.blocks)]
        m.d.comb += [
            takes_text.eq((part == Part.TEXT) & some_text),
            self.i.ready.eq(takes_text & texts.o.valid | (part == Part.AAD) & ~hollow),
            steps.eq((part != Part.IDLE) & ((part != Part.TEXT) | texts.o.valid) & (~self.i.ready | self.i.valid)),
            block_ends.eq(steps & closing),
            ends.eq(few & (part != Part.AAD)),
            texts.o.ready.eq((part == Part.TEXT) & block_ends),
        ]
        with m.If(steps):
            m.d.sync += [cycle.eq(cycle + 1), closing.eq(cycle == rate.cycles - 2)] if rate.cycles > 1 else []
        kept = Signal(lanes)

        def kept_of(left: Value, ends: Value) -> Value:
            return lanes_before(lanes, left) | (~ends).replicate(lanes)

        with m.If(steps & takes_text):
            m.d.sync += [
                kept.eq(Mux(last_text, 0, kept_of(text_left - lanes, text_left <= 2 * lanes))),
                text_left.eq(text_left - lanes),
                some_text.eq(~last_text),
                last_text.eq(text_left <= 2 * lanes),
            ]
        with m.If(block_ends):
            m.d.sync += [
                after.eq(after - rate.blocks),
                few.eq(after < 2 * rate.blocks),
                number.eq(number + (number != rate.chains // rate.blocks)),
                aad_left.eq(aad_left - 1),
            ]
            with m.If((part == Part.AAD) & (aad_left == 1)):
                m.d.sync += part.eq(Mux(some_text, Part.TEXT, Part.LENGTHS))
            with m.If((part == Part.TEXT) & (last_text | ~some_text)):
                m.d.sync += part.eq(Part.LENGTHS)

        # The next frame, or the next power of a key, follows at once.
        waits, multiplying = Signal(range(self.frames_depth + 1)), Signal()
        free, multiplies, starts = Signal(), Signal(), Signal()
        # Once the block for a frame's tag has come, those for its text come in time. Only with few lanes may they be late.
        told = Signal(_QUEUE_CYCLES + (0 if rate.serial else self.round_cycles))
        m.d.sync += [
            told.eq(Cat(tags.i.valid, told)),
            waits.eq(waits + told[-1] - begun.o.ready),
            begun.o.ready.eq(starts),
            multiplying.eq((multiplying | multiplies) & ~loader.product_valid),
        ]
        next_frame = begun.o.payload
        m.d.comb += [
            free.eq((part == Part.IDLE) | (block_ends & ends)),
            multiplies.eq(free & loader.multiply & ~multiplying if rate.chains > 1 else 0),
            # A frame takes two beats or more, so that there is time to take it out of the queue a cycle later.
            starts.eq(
                free & ~multiplies & begun.o.valid & ~begun.o.ready & (self.i.valid | (next_frame.aad == 0)) & (waits != 0)
            ),
        ]
        with m.If(free):
            m.d.sync += [
                part.eq(Mux(multiplies, Part.POWER, Mux(starts, Part.AAD, Part.IDLE))),
                key.eq(Mux(multiplies, loader.i.payload.key, next_frame.key)),
                aad.eq(next_frame.aad),
                text.eq(next_frame.text),
                hollow.eq(next_frame.aad == 0),
                aad_left.eq(self._aad_beats(next_frame.aad)),
                text_left.eq(next_frame.text),
                some_text.eq(next_frame.text != 0),
                kept.eq(kept_of(next_frame.text, next_frame.text <= lanes)),
                last_text.eq(next_frame.text <= lanes),
                after.eq(Mux(multiplies, 0, next_frame.after)),
                few.eq(multiplies),
                number.eq(0),
            ]

        stream_bytes = texts.o.payload.word_select(cycle, 8 * lanes) if rate.cycles > 1 else texts.o.payload
        lengths = Cat(_bits_of(aad), _bits_of(text))
        mask = Cat(bit.replicate(8) for bit in kept)
        ours = self.i.payload.as_value()
        theirs = ours ^ stream_bytes
        m.d.sync += [
            self.o_valid.eq(steps & takes_text),
            self.o.data.eq(theirs & mask),
            self.o.count.eq(Mux(last_text, text_left, lanes)),
            self.o.last.eq(last_text),
        ]
        beat: Any = Signal(ghash.i.shape())
        hashed = Signal(8 * lanes)
        with m.Switch(part):
            with m.Case(Part.AAD):
                m.d.comb += hashed.eq(Mux(hollow, 0, ours))
            with m.Case(Part.TEXT):
                m.d.comb += hashed.eq((ours if self.opens else theirs) & mask)
            with m.Case(Part.POWER):
                m.d.comb += hashed.eq(_digit(loader.factor, cycle, rate))
        if rate.blocks == 1:
            with m.If(part == Part.LENGTHS):
                m.d.comb += hashed.eq(_digit(lengths, cycle, rate))
            m.d.comb += beat.data.eq(hashed)
        else:
            # The lengths have the place after the last of the text.
            ending = (part == Part.TEXT) | (part == Part.LENGTHS)
            for place, behind in enumerate(in_place):
                m.d.comb += beat.data.word_select(place, BITS).eq(
                    Mux(ending & (behind == 0), lengths, hashed.word_select(place, BITS))
                )
        adding = [(behind < rate.chains) & ~behind[-1] for behind in in_place]
        last_adds = after < rate.chains + rate.blocks - 1
        m.d.sync += [ghash.valid.eq(steps), ghash.i.eq(beat)]
        m.d.comb += [
            beat.key.eq(key),
            beat.first.eq(cycle == 0),
            beat.last.eq(cycle == rate.cycles - 1),
            beat.begins.eq(last_adds & ((number == 0) | (after + 1 >= rate.chains))),
            beat.ends.eq(ends),
            beat.note.eq(part == Part.POWER),
        ]
        for place, (behind, adds) in enumerate(zip(in_place, adding, strict=True)):
            m.d.comb += [
                beat.places[place].power.eq(Mux(adds, behind, rate.chains - 1)),
                beat.places[place].fresh.eq(number < rate.chains // rate.blocks),
                beat.places[place].adds.eq(adds),
            ]

    def _finish(self, m: Module, ghash: Ghash, tags: Queue, begins: Value) -> None:
        """A tag is the frame's hash and a block of key stream."""
        found = Signal()
        m.d.comb += [found.eq(ghash.o_valid & ~ghash.o_note), tags.o.ready.eq(found)]
        m.d.sync += self.tag_valid.eq(found)
        tag = element(ghash.o) ^ tags.o.payload
        if not self.opens:
            m.d.sync += self.tag.eq(tag)
            return
        m.submodules.expected = expected = Queue(BITS, self.frames_depth)
        differences = Signal(BITS)
        compared = Signal()
        m.d.comb += expected.o.ready.eq(found)
        m.d.sync += [
            expected.i.valid.eq(begins),
            expected.i.payload.eq(self.frame.payload.tag),
            differences.eq(tag ^ expected.o.payload),
            compared.eq(found),
            self.tag_valid.eq(compared),
            self.good.eq(compared & (differences == 0)),
        ]


def _bits_of(count: Value) -> Value:
    """A number of bytes as a number of bits, in 8 bytes, the most significant first."""
    value = Cat(Const(0, 3), count, Const(0, 64 - 3 - len(count)))
    return Cat(value.word_select(byte, 8) for byte in reversed(range(8)))


def _digit(block: Value, cycle: Value, rate: Rate) -> Value:
    """Of a block's bytes those of one of its beats."""
    return block.word_select(cycle, 8 * rate.lanes) if rate.cycles > 1 else block
