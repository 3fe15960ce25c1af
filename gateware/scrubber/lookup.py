# SPDX-License-Identifier: Apache-2.0
"""The address table: which MAC, IPv4 and IPv6 addresses are behind which port."""

from itertools import pairwise

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from custodes.registers import HASH_MASKS, KEY_BITS, KIND_IPV4, KIND_IPV6, KIND_MAC, ROW_BITS, TABLES
from custodes.table import Port
from gateware.scrubber.layouts import FOUND, LOOKUP, TRANSPORT, Network

ENTRY = data.StructLayout({"key": KEY_BITS, "ports": 2, "station": 8})
COMPARED_BITS = 16
LATENCY_CYCLES = 7
HASHED_BITS = 33
WRITE = data.StructLayout({"row": ROW_BITS, "table": 1, "entry": ENTRY})


class AddressTable(wiring.Component):
    """Exact match in two hash tables of 512 rows; the host places the keys so that each is in one of its two rows.

    Members:
        key: what to look up; ``o`` is the answer, 7 cycles later, one look-up per cycle.
        write_valid, write: replaces a row. What is looked up in that cycle is not found.

    Args:
        port: the ingress port, for which ``ingress`` and ``egress`` are told apart.
    """

    key: Signal
    o: data.View
    write_valid: Signal
    write: data.View

    def __init__(self, port: Port) -> None:
        self.port = port
        super().__init__({"key": In(KEY_BITS), "o": Out(FOUND), "write_valid": In(1), "write": In(WRITE)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # Keys come late, and so do rows from the block RAM: they are registered once more, then compared in pieces, then
        # as a whole.
        keys = [Signal(KEY_BITS, name=f"key_{stage}") for stage in range(5)]
        fresh = [Signal(name=f"fresh_{stage}") for stage in range(3)]
        m.d.sync += [
            *(after.eq(before) for before, after in pairwise([self.key, *keys])),
            *(after.eq(before) for before, after in pairwise(fresh)),
            fresh[0].eq(~self.write_valid & (keys[2][128:] != 0)),
        ]
        answers = []
        for table in range(TABLES):
            m.submodules[f"rows_{table}"] = memory = Memory(shape=ENTRY, depth=1 << ROW_BITS, init=[])
            # No read while there is a write: Yosys sees that, and adds no bypass around the block RAM.
            read, write = memory.read_port(domain="comb"), memory.write_port()
            row = Signal(ENTRY, reset_less=True, name=f"row_{table}")
            held = Signal(ENTRY, reset_less=True, name=f"held_{table}")
            same = Signal(-(-KEY_BITS // COMPARED_BITS), name=f"same_{table}")
            value = Signal(10, name=f"value_{table}")
            address = Signal(ROW_BITS, name=f"address_{table}")
            m.d.sync += address.eq(Cat(self._row_bit(m, keys[0], mask) for mask in HASH_MASKS[table]))
            m.d.comb += [
                read.addr.eq(address),
                write.addr.eq(self.write.row),
                write.data.eq(self.write.entry),
                write.en.eq(self.write_valid & (self.write.table == table)),
            ]
            with m.If(~self.write_valid):
                m.d.sync += row.eq(read.data)
            m.d.sync += [held.eq(row), value.eq(Cat(held.ports, held.station))]
            for piece in range(len(same)):
                part = slice(COMPARED_BITS * piece, COMPARED_BITS * (piece + 1))
                m.d.sync += same[piece].eq(held.key[part] == keys[4][part])
            answers.append(Mux(fresh[2] & same.all(), value, 0))
        either = answers[0] | answers[1]
        m.d.sync += [
            self.o.ingress.eq(either[self.port]),
            self.o.egress.eq(either[self.port.other]),
            self.o.station.eq(either[2:]),
        ]
        return m

    @staticmethod
    def _row_bit(m: Module, key: Value, mask: int) -> Value:
        """The parity of the masked key: of its pieces first, a cycle before that of the whole."""
        pieces = [key[at : at + HASHED_BITS] for at in range(0, KEY_BITS, HASHED_BITS)]
        parities = Signal(len(pieces))
        for number, piece in enumerate(pieces):
            m.d.sync += parities[number].eq((piece & mask >> HASHED_BITS * number & (1 << len(piece)) - 1).xor())
        return parities.xor()


class Lookup(wiring.Component):
    """Looks up a frame's four addresses: one after the other in one table up to 8 lanes, where a frame that needs it
    lasts four cycles at least, and in four copies of the table above.

    Members:
        valid, i: a frame's `TRANSPORT`, taken where it asks for a look-up; its addresses stay until the next that does.
        o_valid, o: one `LOOKUP` per frame that does, in order, at most 12 cycles later.
        write_valid, write: replaces a row.
    """

    valid: Signal
    i: data.View
    o_valid: Signal
    o: data.View
    write_valid: Signal
    write: data.View

    def __init__(self, lanes: int, port: Port) -> None:
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
        network = self.i.network
        asks = self.valid & self.i.lookup
        ipv6, was_ipv6 = network.ethernet.network == Network.IPV6, Signal()
        with m.If(asks):
            m.d.sync += was_ipv6.eq(ipv6)
        kind = Mux(ipv6 if self.parallel else was_ipv6, KIND_IPV6, KIND_IPV4)
        padding = Const(0, 80)
        keys = [
            Cat(network.ethernet.source_mac.as_value(), padding, Const(KIND_MAC, 2)),
            Cat(network.ethernet.destination_mac.as_value(), padding, Const(KIND_MAC, 2)),
            Cat(network.source.as_value(), kind),
            Cat(network.destination.as_value(), kind),
        ]
        tables = [AddressTable(self.port) for _ in keys] if self.parallel else [AddressTable(self.port)]
        for number, table in enumerate(tables):
            m.submodules[f"table_{number}"] = table
            m.d.comb += [table.write_valid.eq(self.write_valid), table.write.eq(self.write)]
        outputs = [self.o.source_mac, self.o.destination_mac, self.o.source, self.o.destination]
        if self.parallel:
            delay = Signal(LATENCY_CYCLES)
            m.d.sync += delay.eq(Cat(asks, delay))
            m.d.comb += self.o_valid.eq(delay[-1])
            for table, key, output in zip(tables, keys, outputs, strict=True):
                m.d.comb += [table.key.eq(key), output.eq(table.o)]
            return m
        turn = Signal(range(len(keys)))
        answered = Signal(LATENCY_CYCLES + len(keys))
        m.d.sync += [answered.eq(Cat(asks, answered)), turn.eq(Mux(asks | (turn != 0), turn + 1, 0))]
        with m.Switch(turn):
            for number, key in enumerate(keys):
                with m.Case(number):
                    m.d.comb += tables[0].key.eq(key)
        for number, output in enumerate(outputs):
            with m.If(answered[LATENCY_CYCLES - 1 + number]):
                m.d.sync += output.eq(tables[0].o)
        m.d.sync += self.o_valid.eq(answered[LATENCY_CYCLES + len(keys) - 2])
        return m
