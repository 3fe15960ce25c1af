# SPDX-License-Identifier: Apache-2.0
"""Slots with pairs, those that are free, and those that are complete."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from custodes.gateway_formats import WORD_BYTES, Tag
from gateware.flow.memory import Rows
from gateware.sampler.layouts import WORD_BITS, slot_bits
from gateware.stream import Queue

TAG_ROWS = 4
"""For each slot: its tag but for the epoch."""


def tag_row(word: Tag) -> int:
    return word - Tag.NUMBER_HIGH


class Store(wiring.Component):
    """Transcripts and tags of pairs.

    Args:
        slots, slot_bytes: powers of two.

    Members:
        write, slot, at, word: of a transcript; written a cycle later.
        tag_write, tag_slot, tag_at, tag_word: the same of a tag.
        free: slots in which there is nothing.
        complete: slots whose pairs are complete. At ``i`` there is always room.
        source, source_at: what is read: ``transcript`` and ``tag``, 3 cycles later, the tag's word by the lowest bits.
        erase, erase_at: zeros take the place of a word of ``source``; ``erased``: without delay, that this is being done.
        gives: ``source`` is free.
        used: slots that are not free; ``waiting``: those that are complete, and not taken.

    Reset: every slot is taken, and has to be given.
    """

    write: Signal
    slot: Signal
    at: Signal
    word: Signal
    tag_write: Signal
    tag_slot: Signal
    tag_at: Signal
    tag_word: Signal
    free: stream.Interface
    completes: Signal
    complete: stream.Interface
    source: Signal
    source_at: Signal
    transcript: Signal
    tag: Signal
    erase: Signal
    erase_at: Signal
    erased: Signal
    gives: Signal
    used: Signal
    waiting: Signal

    def __init__(self, slots: int, slot_bytes: int) -> None:
        self.slots = slots
        self.slot_words = slot_bytes // WORD_BYTES
        slot, at = range(slots), range(self.slot_words)
        super().__init__(
            {
                "write": In(1),
                "slot": In(slot),
                "at": In(at),
                "word": In(WORD_BITS),
                "tag_write": In(1),
                "tag_slot": In(slot),
                "tag_at": In(range(TAG_ROWS)),
                "tag_word": In(WORD_BITS),
                "free": Out(stream.Signature(slot_bits(slots))),
                "completes": In(1),
                "complete": Out(stream.Signature(slot_bits(slots))),
                "source": In(slot),
                "source_at": In(at),
                "transcript": Out(WORD_BITS),
                "tag": Out(WORD_BITS),
                "erase": In(1),
                "erase_at": In(at),
                "erased": Out(1),
                "gives": In(1),
                "used": Out(range(slots + 1)),
                "waiting": Out(range(slots + 1)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bits, source_at = slot_bits(self.slots), Signal.like(self.source_at)
        m.submodules.transcripts = transcripts = Rows(WORD_BITS, self.slots * self.slot_words)
        m.submodules.tags = tags = Rows(WORD_BITS, self.slots * TAG_ROWS)
        m.submodules.free_slots = free = Queue(bits, self.slots, registers=1)
        m.submodules.complete_slots = complete = Queue(bits, self.slots, registers=1)
        wiring.connect(m, free.o, wiring.flipped(self.free))
        wiring.connect(m, complete.o, wiring.flipped(self.complete))
        m.d.comb += [
            self.erased.eq(self.erase & ~self.write),
            transcripts.address.eq(Cat(source_at, self.source)),
            self.transcript.eq(transcripts.o),
            tags.address.eq(Cat(source_at[:2], self.source)),
            self.tag.eq(tags.o),
            free.i.valid.eq(self.gives),
            free.i.payload.eq(self.source),
            complete.i.valid.eq(self.completes),
            complete.i.payload.eq(self.tag_slot),
            self.used.eq(self.slots - free.level - free.o.valid),
            self.waiting.eq(complete.level + complete.o.valid),
        ]
        # What is written comes from far, and what is read is far.
        m.d.sync += [
            source_at.eq(self.source_at),
            transcripts.write.eq(self.write | self.erase),
            transcripts.write_address.eq(Mux(self.write, Cat(self.at, self.slot), Cat(self.erase_at, self.source))),
            transcripts.write_row.eq(Mux(self.write, self.word, 0)),
            tags.write.eq(self.tag_write),
            tags.write_address.eq(Cat(self.tag_at, self.tag_slot)),
            tags.write_row.eq(self.tag_word),
        ]
        return m
