# SPDX-License-Identifier: Apache-2.0
"""Shares, salts, seeds, words and the retimer's key are gone from every memory and register when not needed any more."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from amaranth import Signal
from amaranth.hdl import Fragment, MemoryData, Value

from custodes.coin_registers import CoinOrder
from custodes.model import entropy
from tests.gateware.control.flips import mode_registers
from tests.gateware.entropy.bench import Bench, hands, seed_of
from tests.gateware.hash.test_clear import registers

WIPE_CYCLES = 35
"""After what ends an epoch; that a mode does not exist is seen in the first of them."""
PIECE_BYTES = 4
"""Of a secret: whoever finds so many bytes of it in a row has found it."""


class Look:
    """Everything that a coin holds; of its memories all but tables."""

    def __init__(self, bench: Bench, memories: list[MemoryData]) -> None:
        self.bench = bench
        self.fragment: Any = Fragment.get(bench.coin, None)
        self.memories = memories
        self.registers: list[Signal] = list({id(one): one for one in registers(self.fragment)}.values())

    def holds(self, ctx: Any, secrets: Iterable[bytes]) -> bool:
        """Whether any four bytes of them are somewhere."""
        rows = [ctx.get(data[at]) for data in self.memories for at in range(data.depth)]
        numbers = [*rows, *(ctx.get(Value.cast(one)) for one in self.registers)]
        held = [number.to_bytes((number.bit_length() + 7) // 8) for number in numbers if number]
        pieces = [
            piece
            for secret in secrets
            for at in range(0, len(secret), PIECE_BYTES)
            for piece in (secret[at : at + PIECE_BYTES], secret[at : at + PIECE_BYTES][::-1])
        ]
        return any(piece in one for one in held for piece in pieces)


def test_salts_are_forgotten_when_checked_and_shares_when_there_is_a_seed(memories: list[MemoryData]):
    bench = Bench()
    look = Look(bench, memories)
    prover, verifier = hands(9)

    async def run(ctx: Any) -> None:
        await bench.begin(9)
        await bench.commit(prover)
        await bench.commit(verifier)
        await bench.reveal(prover)
        assert not look.holds(ctx, [prover.salt])
        assert look.holds(ctx, [prover.share])
        await bench.reveal(verifier)
        assert not look.holds(ctx, [prover.share, prover.salt, verifier.share, verifier.salt])
        assert look.holds(ctx, [seed_of((prover, verifier))])

    bench.run(run, fragment=look.fragment)


@pytest.mark.parametrize("how", ["end", "clear", "fault", "flip"])
@pytest.mark.parametrize("when", ["share written", "share checked", "words come"])
def test_whatever_ends_an_epoch_leaves_nothing_of_it(how: str, when: str, memories: list[MemoryData]):
    bench = Bench()
    look = Look(bench, memories)
    prover, verifier = hands(9)
    seed = seed_of((prover, verifier))
    words = [entropy.word(seed, direction, index) for direction in (0, 1) for index in range(20)]
    key = entropy.retimer_key(seed).to_bytes(8)
    secrets = [prover.share, prover.salt, verifier.share, verifier.salt, seed, key, *words]

    async def run(ctx: Any) -> None:
        await bench.begin(9)
        await bench.commit(prover)
        await bench.commit(verifier)
        if when == "share written":
            await bench.write_octets("COIN_SHARE", prover.party, prover.share)
            await bench.write_octets("COIN_SALT", prover.party, prover.salt)
        else:
            await bench.reveal(prover)
        if when == "words come":
            await bench.reveal(verifier)
            await bench.cycles(300)
        assert look.holds(ctx, secrets)
        if how == "clear":
            ctx.set(bench.coin.clear, 1)
            await ctx.tick()
            ctx.set(bench.coin.clear, 0)
        elif how == "flip":
            match = next(one for one in mode_registers(look.fragment) if one.signal.name == "match")
            ctx.set(match.signal, next(match.flips()))
            await ctx.tick()
        else:
            order = CoinOrder.END if how == "end" else CoinOrder.LATCH
            await bench.write("COIN_COMMAND", order << 4)
            await bench.cycles(2)
        await bench.cycles(WIPE_CYCLES)
        assert not look.holds(ctx, secrets)

    bench.run(run, fragment=look.fragment)
