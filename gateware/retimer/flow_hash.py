# SPDX-License-Identifier: Apache-2.0
"""Sort keys of frames, from the fields that tell their flow."""

from functools import reduce
from operator import xor

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from custodes.retimer import KEY_BITS, POLYNOMIAL, SORT_BITS
from gateware.stream import beat_layout

ETHERNET_BYTES, TAG_BYTES, PORT_BYTES = 14, 4, 4
TYPE, TAGGED_TYPE = 12, 16
"""Where an EtherType is, and where it is behind a tag."""
TAGGED, IPV4, IPV6 = 0x8100, 0x0800, 0x86DD
ADDRESSES = {"ipv4": (12, 20), "ipv6": (8, 40)}
PROTOCOLS = {"ipv4": 9, "ipv6": 6}
WITH_PORTS = (6, 17)
HEADER_BYTES = ETHERNET_BYTES + TAG_BYTES + 40 + PORT_BYTES
"""What is looked at is no further from the start than this."""
FACTS = data.StructLayout({"tagged": 1, "ipv4": 1, "ipv6": 1, "ports": 1})


def power(exponent: int) -> int:
    """Of z, modulo the polynomial."""
    value = 1
    for _ in range(exponent):
        value <<= 1
        if value >> KEY_BITS:
            value ^= POLYNOMIAL
    return value


def total(terms: list[Value]) -> Value:
    """Of values over GF(2)."""
    return reduce(xor, terms)


def stepped(value: Value, by: int) -> Value:
    """``value`` times z^``by``."""
    powers = [power(by + bit) for bit in range(KEY_BITS)]
    return Cat(total([value[i] for i in range(KEY_BITS) if powers[i] >> bit & 1]) for bit in range(KEY_BITS))


class FlowHash(wiring.Component):
    """The lowest bits of the product of a frame's flow fields and a key; see `custodes.model.retimer.sort_key`.

    Args:
        lanes: bytes per beat, 1 or a multiple of 2.

    Members:
        valid, beat: of frames, one per cycle at most; nothing is asked of pauses.
        key: taken 1 cycle after a frame's first beat.
        o: the sort key, right 4 cycles after a frame's last beat, for one cycle at least.
    """

    valid: Signal
    beat: data.View
    key: Signal
    o: Signal

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__({"valid": In(1), "beat": In(beat_layout(lanes)), "key": In(KEY_BITS), "o": Out(SORT_BITS)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes, bits = self.lanes, 8 * self.lanes
        beats = -(-HEADER_BYTES // lanes)
        number, facts = Signal(range(beats + 1)), Signal(FACTS)
        self._find_facts(m, number, facts)
        with m.If(self.valid):
            with m.If(self.beat.last):
                m.d.sync += number.eq(0)
            with m.Elif(number != beats):
                m.d.sync += number.eq(number + 1)

        # A cycle later the facts are those of the frame up to this beat.
        seen, seen_valid, seen_number = Signal(beat_layout(lanes), reset_less=True), Signal(), Signal.like(number)
        m.d.sync += [seen.eq(self.beat), seen_valid.eq(self.valid), seen_number.eq(number)]
        counted = Signal(lanes)
        with m.Switch(seen_number):
            for beat in range(beats):
                with m.Case(beat):
                    m.d.comb += counted.eq(Cat(self._counted(facts, lanes * beat + lane) for lane in range(lanes)))

        # Every beat is multiplied by what the key is multiplied with at that beat's place.
        fields, there, first = Signal(bits), Signal(), Signal()
        factor = Signal(KEY_BITS)
        m.d.sync += [
            fields.eq(Cat(Mux(counted[lane] & seen.keep[lane], seen.data[lane], 0) for lane in range(lanes))),
            there.eq(seen_valid),
            first.eq(seen_number == 0),
        ]
        with m.If(seen_valid):
            m.d.sync += factor.eq(Mux(seen_number == 0, self.key, stepped(factor, bits)))

        powers = [power(degree) & (1 << SORT_BITS) - 1 for degree in range(KEY_BITS + bits - 1)]
        product = {degree: Signal(name=f"product_{degree}") for degree, low in enumerate(powers) if low}
        added, restarts = Signal(), Signal()
        m.d.sync += [added.eq(there), restarts.eq(first)]
        m.d.sync += [
            coefficient.eq(total([fields[i] & factor[degree - i] for i in range(bits) if 0 <= degree - i < KEY_BITS]))
            for degree, coefficient in product.items()
        ]
        reduced = Cat(
            total([coefficient for degree, coefficient in product.items() if powers[degree] >> bit & 1])
            for bit in range(SORT_BITS)
        )
        with m.If(added):
            m.d.sync += self.o.eq(Mux(restarts, 0, self.o) ^ reduced)
        return m

    def _find_facts(self, m: Module, number: Signal, facts: data.View) -> None:
        """Learn from the beat that comes now what the next ones, and this one a cycle later, are looked at for."""
        lanes, beat = self.lanes, self.beat
        previous = Signal(8)

        def at(place: int) -> Value:
            return self.valid & (number == place // lanes)

        def pair(place: int) -> Value:
            low = previous if lanes == 1 else beat.data[place % lanes]
            return Cat(beat.data[(place + 1) % lanes], low)

        with m.If(self.valid):
            m.d.sync += previous.eq(beat.data[lanes - 1])
            with m.If(number == 0):
                m.d.sync += facts.eq(0)
        for place in (TYPE, TAGGED_TYPE):
            here = at(place + 1)
            if place == TYPE:
                with m.If(here):
                    m.d.sync += facts.tagged.eq(pair(place) == TAGGED)
            else:
                here &= facts.tagged
            with m.If(here):
                m.d.sync += [facts.ipv4.eq(pair(place) == IPV4), facts.ipv6.eq(pair(place) == IPV6)]
        for tagged in (0, 1):
            for version, offset in PROTOCOLS.items():
                place = ETHERNET_BYTES + TAG_BYTES * tagged + offset
                with m.If(at(place) & (facts.tagged == tagged) & facts[version]):
                    m.d.sync += facts.ports.eq(one_of(beat.data[place % lanes], WITH_PORTS))

    def _counted(self, facts: data.View, place: int) -> Value:
        """Whether the byte at ``place`` counts."""
        if place < ETHERNET_BYTES:
            return Value.cast(1)
        choices = [facts.tagged] if place < ETHERNET_BYTES + TAG_BYTES else []
        for tagged in (0, 1):
            for version, (begin, end) in ADDRESSES.items():
                offset = place - ETHERNET_BYTES - TAG_BYTES * tagged
                such = (facts.tagged == tagged) & facts[version]
                if begin <= offset < end:
                    choices.append(such)
                elif end <= offset < end + PORT_BYTES:
                    choices.append(such & facts.ports)
        return reduce(lambda x, y: x | y, choices, Value.cast(0))


def one_of(byte: Value, values: tuple[int, ...]) -> Value:
    """Whether ``byte`` is one of the values."""
    return reduce(lambda x, y: x | y, [byte == value for value in values])
