# SPDX-License-Identifier: Apache-2.0
"""Internet checksums of headers of which some words have changed (RFC 1624)."""

from amaranth import Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

LATENCY_CYCLES = 5
MODULUS = 0xFFFF


def halves(word: Value) -> Value:
    """The sum of both halves of 32 bits: modulo 65535 the word itself."""
    return word[:16] + word[16:]


class ChecksumUpdate(wiring.Component):
    """The checksum after words have been replaced.

    The sum, of which the checksum is the complement, grows by the new words less the old, modulo 65535. It is not 0, as some
    of what is summed is not: so the checksum is not 65535, but of UDP, where that stands for 0.

    Args:
        numbers: how many of 32 bits can change.
        more_bits: width of ``more``.

    Members:
        before: the words are those that came, as they have been for 3 cycles at the end of it; then they are those that
            leave.
        numbers: the words.
        more: the checksum that came, and then what else the sum grows by.
        udp: it is one of UDP.
        o: the checksum, 5 cycles later.
    """

    before: Signal
    numbers: list[Signal]
    more: Signal
    udp: Signal
    o: Signal

    def __init__(self, numbers: int, more_bits: int) -> None:
        super().__init__(
            {
                "before": In(1),
                "numbers": In(32).array(numbers),
                "more": In(more_bits),
                "udp": In(1),
                "o": Out(16),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        terms: list[Signal] = []
        for number, value in enumerate([*(halves(word) for word in self.numbers), self.more]):
            terms.append(term := Signal(value.shape(), name=f"term_{number}"))
            m.d.sync += term.eq(value)
        added: Value = sum(terms[1:], start=terms[0])
        total = Signal(added.shape())
        # More than there is to be taken from it, so that no difference is below 0; all that counts is left modulo 65535.
        most = (2 * len(self.numbers) + 2) * MODULUS
        base = Signal(range(most + 1))
        changed = Signal(max(len(total), len(base)) + 1)
        m.d.sync += [total.eq(added), changed.eq(base + total)]
        with m.If(self.before):
            m.d.sync += base.eq(most - total)
        # Twice what is above 16 bits comes back below.
        folded, inverse = Signal(17), Signal(16)
        m.d.sync += folded.eq(changed[:16] + changed[16:])
        m.d.comb += inverse.eq(~(folded[:16] + folded[16]))
        m.d.sync += self.o.eq(Mux(self.udp & (inverse == 0), 0xFFFF, inverse))
        return m
