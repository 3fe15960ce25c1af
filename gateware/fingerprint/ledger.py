# SPDX-License-Identifier: Apache-2.0
"""Where records are made, and kept until they are taken."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from custodes.border_registers import MAX_RECORDS
from custodes.fingerprint import RECORD_WORDS, WORD_BYTES

WORD_BITS = 8 * WORD_BYTES
SLOTS = MAX_RECORDS + 1
SLOT_WORDS = 32
"""Of which a record needs `RECORD_WORDS`; those after it are for what is needed to make it."""


class Ledger(wiring.Component):
    """Keeps up to ``SLOTS`` - 1 records, and makes the next one in the slot that is left.

    Members:
        place, i, write: a word of the slot in which the next record is made; it is there two cycles later.
        source, before, o: the word at ``source``, or with ``before`` that of the record before, a cycle later.
        keep: the record is made. Where ``full`` is set it is not kept, and the slot is used again.
        full: there is no room for a record.
        count: records that are kept.
        index, value: a word of the oldest record, a cycle later; its first byte lowest.
        take: forget the oldest record.

    Reset: no record is kept, and there is none before.
    """

    place: Signal
    i: Signal
    write: Signal
    source: Signal
    before: Signal
    o: Signal
    keep: Signal
    full: Signal
    count: Signal
    index: Signal
    value: Signal
    take: Signal

    def __init__(self) -> None:
        super().__init__(
            {
                "place": In(range(SLOT_WORDS)),
                "i": In(WORD_BITS),
                "write": In(1),
                "source": In(range(SLOT_WORDS)),
                "before": In(1),
                "o": Out(WORD_BITS),
                "keep": In(1),
                "full": Out(1),
                "count": Out(range(SLOTS)),
                "index": In(range(RECORD_WORDS)),
                "value": Out(WORD_BITS),
                "take": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.words = words = Memory(shape=WORD_BITS, depth=SLOTS * SLOT_WORDS, init=[])
        write, back, host = words.write_port(), words.read_port(), words.read_port()
        made, oldest, last = Signal(range(SLOTS)), Signal(range(SLOTS)), Signal(range(SLOTS))
        # Words come from all over the place: they wait near the memory.
        writes, slot_place, word = (
            Signal(),
            Signal.like(write.addr, reset_less=True),
            Signal(WORD_BITS, reset_less=True),
        )
        m.d.sync += [writes.eq(self.write), slot_place.eq(Cat(self.place, made)), word.eq(self.i)]
        m.d.comb += [
            self.count.eq(made - oldest),
            self.full.eq(self.count == SLOTS - 1),
            write.addr.eq(slot_place),
            write.data.eq(word),
            write.en.eq(writes),
            back.addr.eq(Cat(self.source, Mux(self.before, last, made))),
            self.o.eq(back.data),
            host.addr.eq(Cat(self.index, oldest)),
            self.value.eq(Cat(host.data.word_select(at, 8) for at in reversed(range(WORD_BYTES)))),
        ]
        with m.If(self.keep):
            m.d.sync += last.eq(made)
            with m.If(~self.full):
                m.d.sync += made.eq(made + 1)
        with m.If(self.take & (self.count != 0)):
            m.d.sync += oldest.eq(oldest + 1)
        return m
