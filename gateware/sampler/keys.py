# SPDX-License-Identifier: Apache-2.0
"""The keys of this epoch and the next."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from custodes.gateway_formats import DIGEST_WORDS
from gateware.sampler.layouts import WORD_BITS
from gateware.sampler.program import KEY_ROWS, NEXT_KEY
from gateware.session.memories import DISTRIBUTED


class Keys(wiring.Component):
    """A memory that no register shows.

    Members:
        host_write, host_at, host_word: a word of the next key; it gives way to ``write``.
        write, to, word: any word.
        at: of the ``key``, a cycle later.
    """

    host_write: Signal
    host_at: Signal
    host_word: Signal
    write: Signal
    to: Signal
    word: Signal
    at: Signal
    key: Signal

    def __init__(self) -> None:
        super().__init__(
            {
                "host_write": In(1),
                "host_at": In(range(DIGEST_WORDS)),
                "host_word": In(WORD_BITS),
                "write": In(1),
                "to": In(range(KEY_ROWS)),
                "word": In(WORD_BITS),
                "at": In(range(KEY_ROWS)),
                "key": Out(WORD_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.words = words = Memory(shape=WORD_BITS, depth=KEY_ROWS, init=[], attrs=DISTRIBUTED)
        read, write = words.read_port(domain="comb"), words.write_port()
        m.d.comb += [
            read.addr.eq(self.at),
            write.en.eq(self.write | self.host_write),
            write.addr.eq(Mux(self.write, self.to, NEXT_KEY + self.host_at)),
            write.data.eq(Mux(self.write, self.word, self.host_word)),
        ]
        m.d.sync += self.key.eq(read.data)
        return m
