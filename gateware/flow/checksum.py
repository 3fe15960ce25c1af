# SPDX-License-Identifier: Apache-2.0
"""Internet checksums of headers of which some words have changed (RFC 1624)."""

from amaranth import Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

LATENCY_CYCLES = 5


def halves(word: Value) -> Value:
    """The sum of both halves of 32 bits: modulo 65535 the word itself."""
    return word[:16] + word[16:]


class ChecksumUpdate(wiring.Component):
    """The checksum after words have been replaced.

    The sum, of which the checksum is the complement, grows by the new words and by the complements of the old, modulo 65535.
    It is not 0, as some of what is summed is not: so the checksum is not 65535, but of UDP, where that stands for 0.

    Args:
        numbers: how many of 32 bits can change, and
        shorts: of 16.
        more_bits: width of ``more``.

    Members:
        checksum, udp: as it came, and whether it is one of UDP.
        numbers_before, numbers_after, shorts_before, shorts_after: what can have changed.
        more: what else the sum grows by.
        o: the checksum, 5 cycles later.
    """

    checksum: Signal
    udp: Signal
    numbers_before: list[Signal]
    numbers_after: list[Signal]
    shorts_before: list[Signal]
    shorts_after: list[Signal]
    more: Signal
    o: Signal

    def __init__(self, numbers: int, shorts: int, more_bits: int) -> None:
        super().__init__(
            {
                "checksum": In(16),
                "udp": In(1),
                "numbers_before": In(32).array(numbers),
                "numbers_after": In(32).array(numbers),
                "shorts_before": In(16).array(shorts),
                "shorts_after": In(16).array(shorts),
                "more": In(more_bits),
                "o": Out(16),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        terms: list[Value] = [
            *(halves(after) for after in self.numbers_after),
            *(halves(~before) for before in self.numbers_before),
            *(after + (~before)[:16] for before, after in zip(self.shorts_before, self.shorts_after, strict=True)),
            (~self.checksum)[:16] + self.more,
        ]
        # Sums of four at a time, then twice what is above 16 bits comes back below.
        level = self._registered(m, "term", terms)
        while len(level) > 1:
            level = self._registered(
                m, f"sum_{len(level)}", [_total(level[at : at + 4]) for at in range(0, len(level), 4)]
            )
        (total,) = level
        folded = Signal(17)
        m.d.sync += folded.eq(total[:16] + total[16:])
        inverse = Signal(16)
        m.d.comb += inverse.eq(~(folded[:16] + folded[16]))
        m.d.sync += self.o.eq(Mux(self.udp & (inverse == 0), 0xFFFF, inverse))
        return m

    @staticmethod
    def _registered(m: Module, name: str, values: list[Value]) -> list[Value]:
        registers: list[Value] = []
        for number, value in enumerate(values):
            register = Signal(value.shape(), name=f"{name}_{number}")
            m.d.sync += register.eq(value)
            registers.append(register)
        return registers


def _total(values: list[Value]) -> Value:
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total
