# SPDX-License-Identifier: Apache-2.0
"""The address table: which MAC, IPv4 and IPv6 addresses are behind which port."""

from collections.abc import Sequence
from functools import reduce
from operator import or_, xor

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Value, ValueLike
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from custodes.address_table import (
    BOUND_BITS,
    KIND_IPV4,
    KIND_IPV6,
    KIND_MAC,
    ROW_BITS,
    ROW_WORDS,
    TABLES,
    WORD_BITS,
    next_row,
)
from custodes.flow_table import ADDRESS_ID_BITS
from custodes.table import Port
from gateware.pick import gated
from gateware.scrubber.layouts import DESTINATIONS, FOUND, LOOKUP, SOURCES, TRANSPORT, Network

WORD = data.StructLayout({"key": WORD_BITS, "bound": BOUND_BITS})
BOUND = data.StructLayout({"kind": 2, "ports": 2, "station": 8, "unused": 4})
"""What the ``bound`` bits of a row's words make together."""
WRITE = data.StructLayout({"word": WORD, "number": range(ROW_WORDS), "row": ROW_BITS, "table": 1})
HASHED_BITS = 32
RECENT_CYCLES = 16
"""As deep as distributed RAM is, and at least as long as a key is kept."""
KEPT_CYCLES = 5
"""From the last cycle in which a key's row is read until the key has been compared as a whole."""
SLICES = {1: 4, 8: 1, 64: 1}
"""In how many cycles the table takes a key. With one lane there are ten for each of a frame's four keys; in four pieces, a
row's words fill block RAMs of 9 bits side by side, with no multiplexer behind them."""


class AddressTable(wiring.Component):
    """Exact match in two hash tables of 512 rows; the host places the keys so that each is in one of its two rows.

    Args:
        port: the ingress port, for which ``ingress`` and ``egress`` are told apart.
        slices: in how many pieces a key comes, one per cycle; they share the logic that hashes and compares.

    Members:
        valid, key, kind: a key's first piece, and in the cycles after it the others. ``kind`` stays with the key.
        mark: goes along with a key's first piece.
        o_valid, o, id, o_mark: the answer; ``id`` is where the key is: the table, then the row.
        write_valid, write: replaces a word of a row. What is looked up in that cycle is not found.

    Latency 2 * ``slices`` + 8 cycles; throughput one key in ``slices`` cycles.
    """

    valid: Signal
    key: Signal
    kind: Signal
    mark: Signal
    o_valid: Signal
    o: data.View
    id: Signal
    o_mark: Signal
    write_valid: Signal
    write: data.View

    def __init__(self, port: Port, slices: int) -> None:
        self.port = port
        self.slices = slices
        self.words = ROW_WORDS // slices
        super().__init__(
            {
                "valid": In(1),
                "key": In(self.words * WORD_BITS),
                "kind": In(2),
                "mark": In(1),
                "o_valid": Out(1),
                "o": Out(FOUND),
                "id": Out(ADDRESS_ID_BITS),
                "o_mark": Out(1),
                "write_valid": In(1),
                "write": In(WRITE),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        slices = self.slices
        # Keys come late, and words from the block RAM even later: they are registered twice more, then compared word by
        # word, then as a whole.
        compared = slices + 6  # cycles until its first piece is
        answered = compared + slices + 2
        begins, marks = self._delayed(m, self.valid, answered, "begins"), self._delayed(m, self.mark, answered, "mark")
        keys = self._delayed(m, self.key, 1, "key")
        kinds = self._delayed(m, self.kind, 2, "kind")
        key, kind = self._recalled(m, compared)
        number = Signal(range(slices))  # of the piece that is read
        m.d.sync += number.eq(Mux(begins[slices + 2], 0, number + 1))
        sound = self._delayed(m, ~self.write_valid, 3, "sound")
        answers: list[Value] = []
        ids: list[Value] = []
        for table in range(TABLES):
            row = self._row(m, table, keys[1], kinds[2], begins)
            held = self._read(m, table, row, number)
            same = Signal(self.words + 1, name=f"same_{table}")
            found, bound = Signal(name=f"found_{table}"), Signal(BOUND, name=f"bound_{table}")
            bits = Cat(word.bound for word in held)
            kind_differs = begins[compared] & (bits[:2] != kind)
            m.d.sync += [
                *(same[at].eq(held[at].key == key.word_select(at, WORD_BITS)) for at in range(self.words)),
                same[-1].eq(sound[3] & ~kind_differs),
                bound.eq(Cat(bound, bits)[len(bits) :]),
            ]
            late = Signal.like(bound, name=f"late_{table}")
            m.d.sync += [late.eq(bound), found.eq(same.all() & (begins[compared + 1] | found))]
            answers.append(Mux(found, late.as_value(), 0))
            ids.append(Mux(found, self._kept(m, f"row_{table}", row, begins) | table << ROW_BITS, 0))
        either = BOUND(answers[0] | answers[1])
        m.d.sync += [
            self.o.ingress.eq(either.ports[self.port]),
            self.o.egress.eq(either.ports[self.port.other]),
            self.o.station.eq(either.station),
            self.id.eq(reduce(or_, ids)),
        ]
        m.d.comb += [self.o_valid.eq(begins[answered]), self.o_mark.eq(marks[answered])]
        return m

    def _kept(self, m: Module, name: str, row: Value, begins: list[Value]) -> Value:
        """The row of a key until it has been compared as a whole: moved on as the next key's comes in."""
        moves = range(2 * self.slices + 2, 2 * self.slices + 2 + KEPT_CYCLES, self.slices)
        for number, cycle in enumerate(moves):
            kept = Signal(ROW_BITS, name=f"{name}_kept_{number}")
            with m.If(begins[cycle]):
                m.d.sync += kept.eq(row)
            row = kept
        return row

    @staticmethod
    def _delayed(m: Module, value: Value, cycles: int, name: str) -> list[Value]:
        """``value`` as it was 0, 1, ... ``cycles`` cycles ago."""
        delayed = [value]
        for cycle in range(1, cycles + 1):
            register = Signal(value.shape(), name=f"{name}_{cycle}")
            m.d.sync += register.eq(delayed[-1])
            delayed.append(register)
        return delayed

    def _recalled(self, m: Module, cycles: int) -> tuple[Value, Value]:
        """Key and kind as they were so many cycles ago. A memory for that is smaller than registers, and is one place."""
        key, kind = Signal.like(self.key, name="key_recalled"), Signal.like(self.kind, name="kind_recalled")
        m.submodules.recent = memory = Memory(shape=len(key) + len(kind), depth=RECENT_CYCLES, init=[])
        read, write = memory.read_port(domain="comb"), memory.write_port()
        now, then = Signal(range(RECENT_CYCLES)), Signal(range(RECENT_CYCLES), init=(1 - cycles) % RECENT_CYCLES)
        m.d.comb += [
            write.addr.eq(now),
            write.data.eq(Cat(self.key, self.kind)),
            write.en.eq(1),
            read.addr.eq(then),
        ]
        m.d.sync += [now.eq(now + 1), then.eq(then + 1), Cat(key, kind).eq(read.data)]
        return key, kind

    def _row(self, m: Module, table: int, key: Value, kind: Value, begins: list[Value]) -> Value:
        """The row where a key can be, from the fourth cycle after its last piece on, for as long as it has pieces."""

        def after(row: int, key: int) -> int:
            for word in range(self.words):
                row = next_row(table, row, key >> WORD_BITS * word & (1 << WORD_BITS) - 1)
            return row

        from_row = [after(1 << bit, 0) for bit in range(ROW_BITS)]
        from_key = [after(0, 1 << bit) for bit in range(len(key))]
        parities: list[Value] = []
        for at in range(0, len(key), HASHED_BITS):
            parity = Signal(ROW_BITS, name=f"parity_{table}_{at}")
            m.d.sync += parity.eq(_linear(key[at : at + HASHED_BITS], from_key[at : at + HASHED_BITS]))
            parities.append(parity)
        row, whole = Signal(ROW_BITS, name=f"row_{table}"), Signal(ROW_BITS, name=f"whole_{table}")
        before = Mux(begins[2], kind, row) if self.slices > 1 else kind
        m.d.sync += row.eq(reduce(xor, parities, _linear(before, from_row[: len(before)])))
        with m.If(begins[self.slices + 2]):
            m.d.sync += whole.eq(row)
        return whole

    def _read(self, m: Module, table: int, row: Value, number: Value) -> data.View:
        """Piece ``number`` of a row, three cycles later."""
        entry = data.ArrayLayout(WORD, self.words)
        m.submodules[f"rows_{table}"] = memory = Memory(shape=entry, depth=self.slices << ROW_BITS, init=[])
        # No read while there is a write: Yosys sees that, and adds no bypass around the block RAM.
        read, write = memory.read_port(domain="comb"), memory.write_port(granularity=1)
        place, near, held = (
            Signal(entry, reset_less=True, name=f"{name}_{table}") for name in ("place", "near", "held")
        )
        writes = self.write_valid & (self.write.table == table)
        chosen = self.write.number[: (self.words - 1).bit_length()]
        m.d.comb += [
            read.addr.eq(Cat(number, row)[-len(read.addr) :]),
            write.addr.eq(Cat(self.write.number, self.write.row)[-len(write.addr) :]),
            *(word.eq(self.write.word) for word in write.data),
            *(write.en[at].eq(writes & (chosen == at)) for at in range(self.words)),
        ]
        with m.If(~self.write_valid):
            m.d.sync += place.eq(read.data)
        m.d.sync += [near.eq(place), held.eq(near)]
        return held


def _linear(value: Value, images: list[int]) -> Value:
    """The sum over GF(2) of the ``images`` of the bits that are set."""
    return Cat(Cat(value[k] for k, image in enumerate(images) if image >> bit & 1).xor() for bit in range(ROW_BITS))


ADDRESSES = 5
"""Two of the Ethernet header, two of the network header, one of what an ICMP error quotes."""


class Lookup(wiring.Component):
    """Looks up a frame's four addresses, and a fifth where an ICMP error quotes a packet: one after the other in one table
    up to 8 lanes, in five copies of the table above. Frames that need none of it are looked up, too, to no purpose.

    Members:
        valid, i: a frame's `TRANSPORT`, 1 cycle after the frame before with 64 lanes, 5 with 8 and 21 with one, or later;
            with one lane the addresses stay for so long.
        o_valid, o: one `LOOKUP` per frame, in order: 30, 15 and 10 cycles later with 1, 8 and 64 lanes, that of an ICMP
            error 34, 16 and 10.
        write_valid, write: replaces a word of a row.
    """

    valid: Signal
    i: data.View
    o_valid: Signal
    o: data.View
    write_valid: Signal
    write: data.View

    def __init__(self, lanes: int, port: Port) -> None:
        self.slices = SLICES[lanes]
        self.parallel = lanes > 8
        self.port = port
        super().__init__(
            {
                "valid": In(1),
                "i": In(TRANSPORT),
                "o_valid": Out(1),
                "o": Out(LOOKUP),
                "write_valid": In(1),
                "write": In(WRITE),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        tables = [AddressTable(self.port, self.slices) for _ in range(ADDRESSES if self.parallel else 1)]
        for number, table in enumerate(tables):
            m.submodules[f"table_{number}"] = table
            m.d.comb += [table.write_valid.eq(self.write_valid), table.write.eq(self.write)]
        if self.parallel:
            self._at_once(m, tables)
        else:
            self._in_turn(m, tables[0])
        return m

    @property
    def _found(self) -> list[data.View]:
        return [self.o.source_mac, self.o.destination_mac, self.o.source, self.o.destination]

    def _keys(self, network: Value, target: Value, error: Value) -> Sequence[Sequence[tuple[ValueLike, range]]]:
        """Source MAC, destination MAC, source, destination, quoted destination: when, and where among the bytes of
        `_fields`. A neighbour solicitation to a group is for its target: that is the address to look up."""

        def places(where: dict[Network, tuple[int, int]]) -> list[tuple[Value, range]]:
            return [(network == kind, range(12 + at, 12 + at + size)) for kind, (at, size) in where.items()]

        (is_ipv6, destination), *others = places(DESTINATIONS)
        target_address = range(44, 60)
        return [
            [(1, range(6))],
            [(1, range(6, 12))],
            places(SOURCES),
            [(is_ipv6 & ~target, destination), (is_ipv6 & target, target_address), *others],
            [(is_ipv6 & error, target_address), (~is_ipv6 & error, target_address[-4:])],
        ]

    def _fields(self, target: data.View) -> Value:
        """The bytes that can be addresses."""
        ethernet = self.i.network.ethernet
        return Cat(ethernet.source_mac, ethernet.destination_mac, self.i.network.addresses, target)

    def _at_once(self, m: Module, tables: list[AddressTable]) -> None:
        network, fields = self.i.network.ethernet.network, self._fields(self.i.target_address)
        for table, key in zip(tables, self._keys(network, self.i.target, self.i.error), strict=True):
            places = ((when, fields[8 * where.start : 8 * where.stop]) for when, where in key)
            m.d.comb += [
                table.valid.eq(self.valid),
                table.key.eq(gated(places)),
                table.kind.eq(KIND_MAC if len(key) == 1 else Mux(network == Network.IPV6, KIND_IPV6, KIND_IPV4)),
                table.mark.eq(self.i.error),
            ]
        _, _, source, destination, quoted = tables
        m.d.comb += [
            *(output.eq(table.o) for output, table in zip(self._found, tables, strict=False)),
            self.o.quoted.eq(quoted.o.ingress),
            self.o.ids.source.eq(Mux(source.o_mark, quoted.id, source.id)),
            self.o.ids.destination.eq(destination.id),
            self.o_valid.eq(source.o_valid),
        ]

    def _in_turn(self, m: Module, table: AddressTable) -> None:
        # What says where the addresses are is kept beside them: another frame's description is here before all of them are
        # looked up. Every place has a registered bit that gates it in its turn: far smaller than a switch.
        network, target, error = Signal(Network), Signal(), Signal()
        address = self.i.target_address
        if self.slices == 1:
            # The fifth turn comes when the next frame's addresses may be here.
            address = Signal.like(address, name="target_address")
            with m.If(self.valid):
                m.d.sync += address.eq(self.i.target_address)
        turns_left, answered = Signal(ADDRESSES * self.slices - 1), Signal(range(ADDRESSES))
        turn = Cat(self.valid, turns_left)
        first = turn[:: self.slices]
        m.d.sync += turns_left.eq(turn)
        with m.If(self.valid):
            m.d.sync += [
                network.eq(self.i.network.ethernet.network),
                target.eq(self.i.target),
                error.eq(self.i.error),
            ]
        size = len(table.key) // 8
        turns: dict[range, list[Value]] = {}
        for number, key in enumerate(self._keys(network.as_value(), target, error)):
            for when, where in key:
                for piece, at in enumerate(range(where.start, where.stop, size)):
                    place = range(at, min(at + size, where.stop))
                    turns.setdefault(place, []).append(turn[number * self.slices + piece] & when)
        fields, gates = self._fields(address), Signal(len(turns))
        places = ((gate, fields[8 * at.start : 8 * at.stop]) for gate, at in zip(gates, turns, strict=True))
        ip = Mux(network == Network.IPV6, KIND_IPV6, KIND_IPV4)
        m.d.sync += [
            gates.eq(Cat(Cat(*when).any() for when in turns.values())),
            table.valid.eq(first[:-1].any() | first[-1] & error),
            table.kind.eq(Mux(turn[: 2 * self.slices].any(), KIND_MAC, ip)),
            table.mark.eq(Mux(error, first[-1], first[-2])),
        ]
        m.d.comb += table.key.eq(gated(places))
        with m.If(table.o_valid):
            m.d.sync += answered.eq(Mux(table.o_mark, 0, answered + 1))
        for number, output in enumerate(self._found):
            with m.If(table.o_valid & (answered == number)):
                m.d.sync += output.eq(table.o)
        with m.If(table.o_valid & ~answered[0]):
            m.d.sync += [self.o.ids.source.eq(table.id), self.o.quoted.eq(table.o.ingress)]
        with m.If(table.o_valid & (answered == 3)):
            m.d.sync += self.o.ids.destination.eq(table.id)
        m.d.sync += self.o_valid.eq(table.o_valid & table.o_mark)
