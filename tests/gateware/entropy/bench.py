# SPDX-License-Identifier: Apache-2.0
"""A coin in Amaranth's simulator, driven through its registers."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from random import Random
from typing import Any, NamedTuple

from amaranth import Module
from amaranth.sim import Simulator

from custodes.coin_registers import COIN_BLOCK, SHARE_WORDS, CoinFault, CoinOrder, CoinState, Party
from custodes.model import entropy
from gateware.entropy import Coin

PERIOD_S = 8e-9
READ_CYCLES = 3
LIMIT_CYCLES = 600


class Hand(NamedTuple):
    """What a party has for an epoch."""

    party: Party
    epoch: int
    share: bytes
    salt: bytes

    @property
    def commitment(self) -> bytes:
        return entropy.commitment(self.party, self.epoch, self.share, self.salt)


def hands(epoch: int, seed: int = 1) -> tuple[Hand, Hand]:
    """Of prover and verifier."""
    random = Random(seed)
    prover, verifier = (Hand(party, epoch, random.randbytes(32), random.randbytes(32)) for party in Party)
    return prover, verifier


def seed_of(both: Sequence[Hand]) -> bytes:
    return entropy.seed(both[0].epoch, both[0].share, both[1].share)


class Bench:
    """A coin, and what a host does with it."""

    def __init__(self, depth: int = 4) -> None:
        self.coin = Coin(depth)
        self.ctx: Any = None

    def run(self, *testbenches: Callable[[Any], Coroutine[Any, Any, None]], fragment: Any = None) -> None:
        m = Module()
        m.submodules.coin = fragment or self.coin

        async def first(ctx: Any) -> None:
            self.ctx = ctx
            await self.cycles(40)
            await testbenches[0](ctx)

        simulator = Simulator(m)
        simulator.add_clock(PERIOD_S)
        simulator.add_testbench(first)
        for testbench in testbenches[1:]:
            simulator.add_testbench(testbench, background=True)
        simulator.run()

    async def cycles(self, count: int) -> None:
        for _ in range(count):
            await self.ctx.tick()

    async def write(self, name: str, *values: int, index: int = 0) -> None:
        """Registers in a row, a word in each cycle."""
        bus = self.coin.bus
        for at, value in enumerate(values):
            self.ctx.set(bus.address, COIN_BLOCK[name].offset + index + at)
            self.ctx.set(bus.write_data, value)
            self.ctx.set(bus.write, 1)
            await self.ctx.tick()
        self.ctx.set(bus.write, 0)
        self.ctx.set(bus.write_data, 0)

    async def read(self, name: str, index: int = 0) -> int:
        self.ctx.set(self.coin.bus.address, COIN_BLOCK[name].offset + index)
        await self.cycles(READ_CYCLES)
        return self.ctx.get(self.coin.bus.read_data)

    async def octets(self, name: str, index: int, count: int) -> bytes:
        return b"".join([(await self.read(name, index + at)).to_bytes(4, "little") for at in range(count)])

    async def write_octets(self, name: str, party: Party, value: bytes) -> None:
        words = [int.from_bytes(value[at : at + 4], "little") for at in range(0, len(value), 4)]
        await self.write(name, *words, index=SHARE_WORDS * party)

    async def status(self) -> dict[str, int]:
        value = await self.read("COIN_STATUS")
        return {field.name: field.of(value) for field in COIN_BLOCK["COIN_STATUS"].fields}

    async def judged(self) -> tuple[CoinState, CoinFault]:
        status = await self.status()
        return CoinState(status["STATE"]), CoinFault(status["FAULT"])

    async def order(self, order: CoinOrder, party: Party = Party.PROVER) -> None:
        """Give an order, and wait until it has been carried out."""
        await self.write("COIN_COMMAND", party | order << 4)
        for _ in range(LIMIT_CYCLES):
            if not (await self.status())["BUSY"]:
                return
        raise AssertionError(f"{order!r} does not end")

    async def begin(self, epoch: int, limit: int | None = None) -> None:
        if limit is not None:
            await self.write("COIN_LIMIT", limit)
        await self.write("COIN_NEXT", epoch % (1 << 32), epoch >> 32)
        await self.order(CoinOrder.BEGIN)

    async def commit(self, hand: Hand, commitment: bytes | None = None) -> None:
        await self.write_octets("COIN_COMMITMENT", hand.party, commitment or hand.commitment)
        await self.order(CoinOrder.LATCH, hand.party)

    async def reveal(self, hand: Hand) -> None:
        await self.write_octets("COIN_SHARE", hand.party, hand.share)
        await self.write_octets("COIN_SALT", hand.party, hand.salt)
        await self.order(CoinOrder.REVEAL, hand.party)

    async def draw(self, both: Sequence[Hand], limit: int | None = None) -> bytes:
        """Everything as it should be; returns the seed."""
        await self.begin(both[0].epoch, limit)
        for hand in both:
            await self.commit(hand)
        for hand in both:
            await self.reveal(hand)
        return seed_of(both)

    async def take(self, direction: int, count: int) -> list[bytes]:
        """So many words, as soon as they come."""
        o: Any = (self.coin.words_cluster, self.coin.words_world)[direction]
        found: list[bytes] = []
        self.ctx.set(o.ready, 1)
        for _ in range(LIMIT_CYCLES + 100 * count):
            if len(found) == count:
                break
            _, _, valid, payload = await self.ctx.tick().sample(o.valid, o.payload)
            if valid:
                found.append(payload.to_bytes(16, "little"))
        self.ctx.set(o.ready, 0)
        assert len(found) == count, f"{len(found)} of {count} words"
        return found


def words(seed: bytes, direction: int, count: int, first: int = 0) -> list[bytes]:
    """What the specification says they are."""
    return [entropy.word(seed, direction, index) for index in range(first, first + count)]
