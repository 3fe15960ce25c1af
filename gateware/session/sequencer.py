# SPDX-License-Identifier: Apache-2.0
"""The beats of frames one after the other: additional data, text, lengths."""

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from gateware.control.guarded import guarded
from gateware.mask import lanes_before
from gateware.session.field import BITS
from gateware.session.frames import MAX_BYTES, aad_beats, begun_layout
from gateware.session.ghash import beat_layout
from gateware.session.rate import BLOCK_BYTES, Rate
from gateware.stream.join import piece_beat


class Part(enum.Enum, shape=6):
    """What of a frame a beat belongs to. Any two differ in three bits, so that one or two that flip mean none."""

    IDLE = 0b000000
    AAD = 0b000111
    TEXT = 0b011001
    LENGTHS = 0b011110
    POWER = 0b101010


class Sequencer(wiring.Component):
    """Encrypts or decrypts the text of frames, and says what is to be hashed.

    Args:
        rate, keys: those of the engine.
        opens: what comes in is hashed, not what goes out.
        frames: that have been begun at most.

    Members:
        begun, told, texts: see `KeyStream`.
        i, o_valid, o: see `Gcm`.
        multiply, key, factor, product_valid: a power of a key is to be made; see `KeyLoader`.
        hash_valid, hash: see `Ghash`; a cycle after the beat.
        fault: the register of `Part` holds none of it, without delay.

    Throughput: a beat per cycle, and with up to 16 lanes those of one block per frame for its lengths.
    """

    begun: stream.Interface
    told: Signal
    texts: stream.Interface
    i: stream.Interface
    o_valid: Signal
    o: data.View
    multiply: Signal
    key: Signal
    factor: Signal
    product_valid: Signal
    hash_valid: Signal
    hash: data.View
    fault: Signal

    def __init__(self, rate: Rate, keys: int, opens: bool, frames: int) -> None:
        self.rate = rate
        self.keys = keys
        self.opens = opens
        self.frames = frames
        super().__init__(
            {
                "begun": In(stream.Signature(begun_layout(keys))),
                "told": In(1),
                "texts": In(stream.Signature(BITS * rate.blocks)),
                "i": In(stream.Signature(data.ArrayLayout(8, rate.lanes))),
                "o_valid": Out(1),
                "o": Out(piece_beat(rate.lanes)),
                "multiply": In(1),
                "key": In(range(keys)),
                "factor": In(BITS),
                "product_valid": In(1),
                "hash_valid": Out(1),
                "hash": Out(beat_layout(rate, keys)),
                "fault": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        rate, lanes = self.rate, self.rate.lanes
        # SEC_CM: SEQUENCER.MODE.GUARDED
        self.part, fault = guarded(Part)
        m.d.comb += self.fault.eq(fault)
        self.cycle = Signal(range(rate.cycles))
        # Of the frame: its key and lengths; whether it has no additional data; how much is left of it.
        self.now: Any = Signal(begun_layout(self.keys))
        self.hollow, self.aad_left = Signal(), Signal(range(MAX_BYTES // BLOCK_BYTES + 2))
        # Some text is left, which ends with this beat, or with the next at the latest; these of its lanes are kept.
        self.some_text, self.last_text, self.ending, self.kept = Signal(), Signal(), Signal(), Signal(lanes)
        # All blocks end with this beat; so many have come, as far as that matters.
        self.few, self.number = Signal(), Signal(range(rate.chains // rate.blocks + 1))
        # This beat is over; with it a block; that was the last; another frame can begin.
        self.steps, self.block_ends, self.ends, self.free = Signal(), Signal(), Signal(), Signal()
        self._step(m)
        self._follow(m)
        stream_bytes = self.texts.payload
        if rate.cycles > 1:
            stream_bytes = stream_bytes.word_select(self.cycle, 8 * lanes)
        ours, mask = self.i.payload.as_value(), Cat(bit.replicate(8) for bit in self.kept)
        theirs = ours ^ stream_bytes
        m.d.sync += [
            self.o_valid.eq((self.part == Part.TEXT) & self.some_text & self.text_steps),
            self.o.data.eq(theirs & mask),
            self.o.count.eq(Mux(self.last_text, self.now.text, lanes)),
            self.o.last.eq(self.last_text),
        ]
        self._hash(m, (ours if self.opens else theirs) & mask)
        return m

    def _kept(self, left: Value, ends: Value) -> Value:
        """Which lanes of a beat hold text, if so many bytes are left."""
        return lanes_before(self.rate.lanes, left) | (~ends).replicate(self.rate.lanes)

    def _step(self, m: Module) -> None:
        """From beat to beat of a frame. ``now.text`` and ``now.after`` are what is left."""
        rate, lanes, part, now = self.rate, self.rate.lanes, self.part, self.now
        takes_text, closing = Signal(), Signal(init=rate.cycles == 1)
        self.text_steps, aad_steps = Signal(), Signal()
        text_steps, text, aad = self.text_steps, part == Part.TEXT, part == Part.AAD
        m.d.comb += [
            takes_text.eq(text & self.some_text),
            self.i.ready.eq(takes_text & self.texts.valid | aad & ~self.hollow),
            # As little as can be after the part: a beat that is needed is here, and so is the key stream.
            text_steps.eq(self.texts.valid & (~self.some_text | self.i.valid)),
            aad_steps.eq(self.hollow | self.i.valid),
            self.steps.eq(Mux(text, text_steps, Mux(aad, aad_steps, part != Part.IDLE))),
            self.block_ends.eq(self.steps & closing),
            self.ends.eq(self.few & ~aad),
            self.free.eq((part == Part.IDLE) | (closing & self.few & Mux(text, text_steps, ~aad))),
            # Whether there is any does not matter here, and would lengthen the way into the queue.
            self.texts.ready.eq(text & closing & (~self.some_text | self.i.valid)),
        ]
        if rate.cycles > 1:
            with m.If(self.steps):
                m.d.sync += [self.cycle.eq(self.cycle + 1), closing.eq(self.cycle == rate.cycles - 2)]
        with m.If(takes_text & text_steps):
            if lanes > 1:
                m.d.sync += self.kept.eq(Mux(self.last_text, 0, self._kept(now.text - lanes, self.ending)))
            m.d.sync += [
                now.text.eq(now.text - lanes),
                self.some_text.eq(~self.last_text),
                self.last_text.eq(self.ending),
                self.ending.eq(now.text <= 3 * lanes),
            ]
        if lanes == 1:
            m.d.comb += self.kept.eq(self.some_text)
        with m.If(self.block_ends):
            m.d.sync += [
                now.after.eq(now.after - rate.blocks),
                self.few.eq(now.after < 2 * rate.blocks),
                self.number.eq(self.number + (self.number != rate.chains // rate.blocks)),
                self.aad_left.eq(self.aad_left - 1),
            ]
        with m.If(aad & aad_steps & closing & (self.aad_left == 1)):
            m.d.sync += part.eq(Mux(self.some_text, Part.TEXT, Part.LENGTHS))
        with m.If(text & text_steps & closing & (self.last_text | ~self.some_text)):
            m.d.sync += part.eq(Part.LENGTHS)

    def _follow(self, m: Module) -> None:
        """The next frame, or the next power of a key, follows at once."""
        rate, part, following = self.rate, self.part, self.begun.payload
        waiting, multiplying = Signal(range(self.frames + 1)), Signal()
        free, multiplies, starts = self.free, Signal(), Signal()
        powers, can_start = Signal(), Signal()
        m.d.sync += [
            waiting.eq(waiting + self.told - self.begun.ready),
            multiplying.eq((multiplying | multiplies) & ~self.product_valid),
            # A frame takes two beats or more: there is time to take it out of the queue a cycle later.
            self.begun.ready.eq(starts),
        ]
        here = self.begun.valid & ~self.begun.ready & (waiting != 0)
        m.d.comb += [
            powers.eq(self.multiply & ~multiplying if rate.chains > 1 else 0),
            multiplies.eq(free & powers),
            # From its first beat on there is no pause.
            can_start.eq(~powers & here & (self.i.valid | following.empty)),
            starts.eq(free & can_start),
        ]
        self.text_bytes = Signal.like(following.text)
        with m.If(free):
            last = following.text <= rate.lanes
            m.d.sync += [
                part.eq(Mux(powers, Part.POWER, Mux(can_start, Part.AAD, Part.IDLE))),
                self.now.eq(following),
                self.now.key.eq(Mux(powers, self.key, following.key)),
                self.now.after.eq(Mux(powers, 0, following.after)),
                self.text_bytes.eq(following.text),
                self.hollow.eq(following.aad == 0),
                self.aad_left.eq(aad_beats(following.aad, rate)),
                self.some_text.eq(following.text != 0),
                self.last_text.eq(last),
                self.ending.eq(following.text <= 2 * rate.lanes),
                self.few.eq(powers),
                self.number.eq(0),
            ]
            if rate.lanes > 1:
                m.d.sync += self.kept.eq(self._kept(following.text, last))

    def _hash(self, m: Module, text: Value) -> None:
        """What GHASH is told of the beat."""
        rate, part, after = self.rate, self.part, self.now.after
        behind = [after - place for place in range(rate.blocks)]
        lengths = Cat(_bits_of(self.now.aad), _bits_of(self.text_bytes))
        beat: Any = Signal(self.hash.shape())
        hashed = Signal(8 * rate.lanes)
        with m.Switch(part):
            with m.Case(Part.AAD):
                m.d.comb += hashed.eq(Mux(self.hollow, 0, self.i.payload.as_value()))
            with m.Case(Part.TEXT):
                m.d.comb += hashed.eq(text)
            with m.Case(Part.POWER):
                m.d.comb += hashed.eq(self._digit(self.factor))
        if rate.blocks == 1:
            with m.If(part == Part.LENGTHS):
                m.d.comb += hashed.eq(self._digit(lengths))
            m.d.comb += beat.data.eq(hashed)
        else:
            # The lengths have the place after the last of the text.
            ending = (part == Part.TEXT) | (part == Part.LENGTHS)
            for place in range(rate.blocks):
                m.d.comb += beat.data.word_select(place, BITS).eq(
                    Mux(ending & (behind[place] == 0), lengths, hashed.word_select(place, BITS))
                )
        last_adds = after < rate.chains + rate.blocks - 1
        m.d.comb += [
            beat.key.eq(self.now.key),
            beat.first.eq(self.cycle == 0),
            beat.last.eq(self.cycle == rate.cycles - 1),
            beat.begins.eq(last_adds & ((self.number == 0) | (after + 1 >= rate.chains))),
            beat.ends.eq(self.ends),
            beat.note.eq(part == Part.POWER),
        ]
        for place, blocks in enumerate(behind):
            adds = (blocks < rate.chains) & ~blocks[-1]
            m.d.comb += [
                beat.places[place].power.eq(Mux(adds, blocks, rate.chains - 1)),
                beat.places[place].fresh.eq(self.number < rate.chains // rate.blocks),
                beat.places[place].adds.eq(adds),
            ]
        m.d.sync += [self.hash_valid.eq(self.steps), self.hash.eq(beat)]

    def _digit(self, block: Value) -> Value:
        """Of a block's bytes those of one of its beats."""
        return block.word_select(self.cycle, 8 * self.rate.lanes) if self.rate.cycles > 1 else block


def _bits_of(count: Value) -> Value:
    """A number of bytes as a number of bits, in 8 bytes, the most significant first."""
    value = Cat(Const(0, 3), count, Const(0, 64 - 3 - len(count)))
    return Cat(value.word_select(byte, 8) for byte in reversed(range(8)))
