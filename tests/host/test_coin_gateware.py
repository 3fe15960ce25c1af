# SPDX-License-Identifier: Apache-2.0
"""The coin flip's protocol with the gateware as its device, simulated: what all agree on is what words are made of."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from amaranth import Module
from amaranth.sim import Simulator

from custodes.coin import CoinError, Kind, Offence, Speaker
from custodes.coin_registers import COIN_BASE, COIN_WORDS, CoinFault, CoinState
from custodes.coin_warden import Pace
from custodes.link import Link, Outcome
from custodes.model import entropy
from gateware.entropy import Coin
from tests.host.coin_scene import SHARE, Attacker, Scene
from tests.host.fake_coin import FakeCoin

READ_CYCLES, TAKE_CYCLES = 3, 250
PERIOD_S = 8e-9
PATIENT = Pace(step=240, epoch=0.05, grace=1, join=60, poll=0.05)
"""A simulation takes its time."""


class SimulatedCoin(Link):
    """A `gateware.entropy.Coin`, whose clock goes on only while its registers are used.

    Members:
        words: those of the cluster that have been taken, a few in each epoch.
    """

    def __init__(self, count: int = 5) -> None:
        self.lanes = 1
        self.words: list[bytes] = []
        self._count = count
        self.coin = Coin()
        self._asked: tuple[int, int | None] | None = None
        self._answer, self._done = 0, False
        m = Module()
        m.submodules.coin = self.coin
        self._simulator = Simulator(m)
        self._simulator.add_clock(PERIOD_S)
        self._simulator.add_testbench(self._serve)

    async def _serve(self, ctx: Any) -> None:
        bus = self.coin.bus
        while True:
            asked, self._asked = self._asked, None
            if asked:
                address, value = asked
                ctx.set(bus.address, address)
                ctx.set(bus.write_data, value or 0)
                ctx.set(bus.write, value is not None)
                await ctx.tick()
                ctx.set(bus.write, 0)
                for _ in range(READ_CYCLES):
                    await ctx.tick()
                self._answer = ctx.get(bus.read_data)
                if ctx.get(self.coin.seeded):
                    await self._take(ctx)
                self._done = True
            await ctx.tick()

    async def _take(self, ctx: Any) -> None:
        """Some time goes by, in which words are taken."""
        words = self.coin.words_cluster
        for _ in range(TAKE_CYCLES):
            ready = len(self.words) < self._count
            ctx.set(words.ready, ready)
            if ready and ctx.get(words.valid):
                self.words.append(ctx.get(words.payload).to_bytes(16, "little"))
            await ctx.tick()
        ctx.set(words.ready, 0)

    def _access(self, address: int, value: int | None) -> int:
        if not COIN_BASE <= address < COIN_BASE + COIN_WORDS:
            return FakeCoin().read(address)
        self._asked = (address - COIN_BASE, value)
        self._done = False
        while not self._done:
            self._simulator.advance()
        return self._answer

    def read(self, address: int) -> int:
        return self._access(address, None)

    def write(self, address: int, value: int) -> None:
        self._access(address, value)

    def exchange(self, frames: object) -> list[Outcome]:
        raise AssertionError("the coin flip sends no frames")

    def close(self) -> None:
        pass


def test_words_of_the_gateware_are_made_of_what_all_agree_on(tmp_path: Path):
    link = SimulatedCoin()
    scene = Scene(tmp_path, PATIENT, link)
    assert asyncio.run(scene.play()) == [None, None, None]
    (result,) = scene.results
    assert link.words == [entropy.word(result.seed, 0, index) for index in range(5)]
    assert result.used == (5, 0)
    assert link.read(COIN_BASE) & 0x7F == CoinState.IDLE


def test_the_gateware_refuses_a_share_that_was_not_committed_to(tmp_path: Path):
    link = SimulatedCoin()
    scene = Scene(tmp_path, PATIENT, link)

    async def attack(attacker: Attacker) -> None:
        await attacker.greet()
        await attacker.commit()
        await attacker.view()
        await attacker.say(Kind.REVEAL, attacker.sealed(SHARE[::-1]))
        await attacker.until_fault()

    warden, verifier = asyncio.run(scene.play(attack))
    assert isinstance(warden, CoinError) and isinstance(verifier, CoinError)
    assert (warden.offence, warden.by) == (verifier.offence, verifier.by) == (Offence.MISMATCH, Speaker.PROVER)
    assert (link.read(COIN_BASE) & 0x7F, link.read(COIN_BASE) >> 8 & 7) == (CoinState.FAULT, CoinFault.MISMATCH)
    assert link.words == []
