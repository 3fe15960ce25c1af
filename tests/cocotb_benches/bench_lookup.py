# SPDX-License-Identifier: Apache-2.0
"""`gateware.scrubber.lookup.Lookup`: four or five addresses per frame, against a dictionary."""

import random
from collections import deque
from typing import Any, NamedTuple

import cocotb

from custodes.address_table import ROW_BITS, address_key, place_addresses
from gateware.scrubber.layouts import DESTINATIONS, SOURCES, Network
from tests.cocotb_benches.address_writer import AddressWriter
from tests.cocotb_benches.designs import design_under_test
from tests.cocotb_benches.tb import TB, Agent
from tests.gateware.stream.bench import PAUSES, Pause

SPACING_CYCLES = {1: 21, 8: 5, 64: 1}
"""Lanes -> how far apart frames are looked up at least."""
Table = dict[bytes, tuple[int, int]]


class Request(NamedTuple):
    """The addresses of a frame; its destination is a target if ``target`` is 1; if ``error`` is, it quotes a packet that was
    ``quoted`` somewhere."""

    network: Network
    source_mac: bytes
    destination_mac: bytes
    source: bytes
    destination: bytes
    target: int = 0
    error: int = 0
    quoted: bytes = b""


class Found(NamedTuple):
    """An answer on one address."""

    ingress: int
    egress: int
    station: int


class Answer(NamedTuple):
    """On all addresses of a frame, and which rows two of them are in; ``quoted`` is None where nothing is."""

    found: list[Found]
    source_id: int
    destination_id: int
    quoted: int | None


OUTPUTS = ("source_mac", "destination_mac", "source", "destination")


class Frames(Agent):
    """Asks for one frame after the other, keeping the addresses while they are looked up, and collects the answers."""

    def __init__(self, tb: TB, idle: Pause) -> None:
        self.tb = tb
        self.idle = idle
        self.requests: deque[Request] = deque()
        self.errors: deque[int] = deque()
        self.answers: list[Answer] = []
        self._wait = 0

    @property
    def busy(self) -> bool:
        return bool(self.requests)

    def sample(self) -> None:
        dut = self.tb.dut
        if dut.o_valid.value:
            members = [[getattr(dut, f"o_{name}_{member}") for member in Found._fields] for name in OUTPUTS]
            found = [Found(*(member.value for member in output)) for output in members]
            quoted = dut.o_quoted.value if self.errors.popleft() else None
            self.answers.append(Answer(found, dut.o_ids_source.value, dut.o_ids_destination.value, quoted))

    def drive(self) -> None:
        dut = self.tb.dut
        self._wait = max(0, self._wait - 1)
        asks = bool(self.requests) and not self._wait and not self.idle()
        dut.valid.value = asks
        if not asks:
            return
        request = self.requests.popleft()
        self.tb.domains[""].moved = self.tb.cycle
        self._wait = SPACING_CYCLES[design_under_test().lanes]
        self.errors.append(request.error)
        dut.i_network_ethernet_network.value = request.network.value
        dut.i_target.value = request.target
        dut.i_error.value = request.error
        for name, address in zip(("ethernet_source_mac", "ethernet_destination_mac"), request[1:3], strict=True):
            getattr(dut, f"i_network_{name}").value = int.from_bytes(address, "little")
        addresses, target = bytearray(self.tb.random.randbytes(32)), self.tb.random.randbytes(16)
        at, size = SOURCES[request.network]
        addresses[at : at + size] = request.source
        at, size = DESTINATIONS[request.network]
        if request.target:
            target = request.destination
        else:
            addresses[at : at + size] = request.destination
        if request.error:
            target = target[: 16 - len(request.quoted)] + request.quoted
        dut.i_network_addresses.value = int.from_bytes(addresses, "little")
        dut.i_target_address.value = int.from_bytes(target, "little")

    def restart(self) -> None:
        self.requests.clear()
        self.errors.clear()
        self.answers.clear()
        self._wait = 0
        self.tb.dut.valid.value = 0


class Bench:
    """The unit with what asks it and what writes its table."""

    def __init__(self, dut: Any, idle: str = "none") -> None:
        self.tb = TB(dut, idle)
        self.frames = Frames(self.tb, PAUSES[idle](self.tb.seed()))
        self.tb.add(self.frames)
        self.writer = AddressWriter(self.tb, self.tb.dut.write_valid, "write")

    def table(self, count: int) -> Table:
        """Random addresses of each kind, behind either port or both."""
        source = self.tb.random
        return {
            source.randbytes(source.choice((4, 6, 16))): (source.randint(1, 3), source.getrandbits(8))
            for _ in range(count)
        }

    async def check(self, requests: list[Request], table: Table) -> None:
        """The answers to ``requests`` are what ``table`` says."""
        self.frames.requests.extend(requests)
        await self.tb.finish()
        assert self.frames.answers == [answer(request, table) for request in requests]
        self.frames.answers.clear()


def answer(request: Request, table: Table) -> Answer:
    port = design_under_test().port
    placed = place_addresses([address_key(address) for address in table])
    ids = {key: where << ROW_BITS | row for (where, row), key in placed.items()}

    def found(address: bytes) -> Found:
        ports, station = table.get(address, (0, 0))
        return Found(ports >> port & 1, ports >> port.other & 1, station)

    source, destination = request.quoted if request.error else request.source, request.destination
    return Answer(
        [found(address) for address in request[1:5]],
        ids.get(address_key(source), 0),
        ids.get(address_key(destination), 0),
        found(request.quoted).ingress if request.error else None,
    )


def ask(source: random.Random, table: Table, hit_share: float = 0.7) -> Request:
    """A frame with addresses from the table, and some that are one bit off."""

    def address(size: int) -> bytes:
        known = [entry for entry in table if len(entry) == size]
        chosen = source.choice(known) if known else bytes(size)
        flip = 0 if source.random() < hit_share else 1 << source.randrange(8 * size)
        return (int.from_bytes(chosen, "little") ^ flip).to_bytes(size, "little")

    network = source.choice(list(SOURCES))
    _, ip = SOURCES[network]
    target = source.getrandbits(1) if network is Network.IPV6 else 0
    error = int(network is not Network.ARP and not target and source.random() < 0.3)
    return Request(network, address(6), address(6), address(ip), address(ip), target, error, address(ip))


@cocotb.test()
@cocotb.parametrize(idle=list(PAUSES))
async def finds_what_is_in_the_table_and_nothing_else(dut: Any, idle: str) -> None:
    bench = Bench(dut, idle)
    await bench.tb.start()
    table = bench.table(300)
    await bench.writer.fill(table)
    await bench.check([ask(bench.tb.random, table) for _ in range(300)], table)
    await bench.writer.clear(table)
    await bench.check([ask(bench.tb.random, table) for _ in range(60)], {})


@cocotb.test()
async def an_ipv4_address_is_not_an_ipv6_address_of_the_same_bytes(dut: Any) -> None:
    bench = Bench(dut)
    await bench.tb.start()
    table: Table = {b"\x0a\x00\x00\x01": (3, 7), b"\x0a\x00\x00\x02" + bytes(12): (3, 9)}
    await bench.writer.fill(table)
    as_ipv4 = Request(Network.IPV4, bytes(6), bytes(6), b"\x0a\x00\x00\x01", b"\x0a\x00\x00\x02")
    as_ipv6 = Request(Network.IPV6, bytes(6), bytes(6), as_ipv4.source + bytes(12), as_ipv4.destination + bytes(12))
    await bench.check([as_ipv4, as_ipv6], table)
    await bench.writer.clear(table)


@cocotb.test()
async def finds_nothing_while_the_table_is_written(dut: Any) -> None:
    bench = Bench(dut)
    await bench.tb.start()
    table = bench.table(100)
    await bench.writer.fill(table)
    dut.write_valid.value = 1
    await bench.check([ask(bench.tb.random, table, 1.0) for _ in range(20)], {})
    dut.write_valid.value = 0
    await bench.check([ask(bench.tb.random, table) for _ in range(20)], table)
    await bench.writer.clear(table)


@cocotb.test()
async def reset_keeps_the_table_and_forgets_the_frame(dut: Any) -> None:
    bench = Bench(dut)
    await bench.tb.start()
    table = bench.table(100)
    await bench.writer.fill(table)
    for _ in range(10):
        bench.frames.requests.extend(ask(bench.tb.random, table, 1.0) for _ in range(20))
        await bench.tb.cycles(bench.tb.random.randrange(4, 12))
        await bench.tb.reset()
        await bench.check([ask(bench.tb.random, table) for _ in range(10)], table)
    await bench.writer.clear(table)
