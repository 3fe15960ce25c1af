# SPDX-License-Identifier: Apache-2.0
"""The coin against its specification: words of both shares, and none otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from custodes.coin_registers import CoinFault, CoinOrder, CoinState, Party
from tests.gateware.entropy.bench import Bench, Hand, hands, seed_of, words

VOID = CoinState.FAULT
BIG = (1 << 63) + 12345


@pytest.mark.parametrize("epoch", [1, BIG])
@pytest.mark.parametrize("turned", [False, True])
def test_words_are_those_of_the_specification_whoever_is_first(epoch: int, turned: bool):
    bench = Bench()
    both = hands(epoch)

    async def run(ctx: Any) -> None:
        await bench.begin(epoch)
        order = both[::-1] if turned else both
        for hand in order:
            await bench.commit(hand)
        for hand in order[::-1]:
            await bench.reveal(hand)
        seed = seed_of(both)
        assert await bench.judged() == (CoinState.DRAWN, CoinFault.NONE)
        for direction in (0, 1, 0):
            first = 40 if direction == 0 and (await bench.read("COIN_USED")) else 0
            assert await bench.take(direction, 40) == words(seed, direction, 40, first)
        assert [await bench.read("COIN_USED", at) for at in (0, 1)] == [80, 40]
        assert await bench.octets("COIN_EPOCH", 0, 2) == epoch.to_bytes(8, "little")
        assert await bench.octets("COIN_COMMITMENT", 0, 16) == both[0].commitment + both[1].commitment

    bench.run(run)


def test_each_step_is_shown():
    bench = Bench()
    prover, verifier = hands(7)

    async def run(ctx: Any) -> None:
        assert await bench.judged() == (CoinState.IDLE, CoinFault.NONE)
        await bench.begin(7)
        assert await bench.judged() == (CoinState.COMMIT, CoinFault.NONE)
        await bench.commit(verifier)
        status = await bench.status()
        assert (status["STATE"], status["LATCHED_PROVER"], status["LATCHED_VERIFIER"]) == (CoinState.COMMIT, 0, 1)
        await bench.commit(prover)
        assert await bench.judged() == (CoinState.REVEAL, CoinFault.NONE)
        await bench.reveal(prover)
        status = await bench.status()
        assert (status["STATE"], status["REVEALED_PROVER"], status["REVEALED_VERIFIER"]) == (CoinState.REVEAL, 1, 0)
        assert not status["LIVE_CLUSTER"] and not ctx.get(bench.coin.words_cluster.valid)
        await bench.reveal(verifier)
        status = await bench.status()
        assert (status["STATE"], status["LIVE_CLUSTER"], status["LIVE_WORLD"]) == (CoinState.DRAWN, 1, 1)

    bench.run(run)


def fault(expected: CoinFault, steps: Any, epoch: int = 3) -> None:
    """These steps void the epoch, whatever comes after them; the next epoch goes well."""
    bench = Bench()
    both, later = hands(epoch), hands(epoch + 1, seed=2)

    async def watch(ctx: Any) -> None:
        coin = bench.coin
        ctx.set(coin.words_cluster.ready, 0)
        async for _, _, cluster, world, number in ctx.tick().sample(
            coin.words_cluster.valid, coin.words_world.valid, coin.epoch
        ):
            assert number > epoch or not (cluster or world)

    async def run(ctx: Any) -> None:
        await steps(bench, both)
        assert await bench.judged() == (VOID, expected)
        for hand in both:
            await bench.commit(hand)
            await bench.reveal(hand)
        await bench.order(CoinOrder.END)
        assert (await bench.status())["REFUSED"]
        assert await bench.judged() == (VOID, expected)
        seed = await bench.draw(later)
        assert await bench.take(1, 3) == words(seed, 1, 3)

    bench.run(run, watch)


@pytest.mark.parametrize("second", Party)
def test_a_copied_commitment_voids_the_epoch(second: Party):
    async def steps(bench: Bench, both: tuple[Hand, Hand]) -> None:
        await bench.begin(3)
        copied = both[1 - second].commitment
        await bench.commit(both[1 - second])
        await bench.commit(both[second], copied)

    fault(CoinFault.COPIED, steps)


@pytest.mark.parametrize("changed", range(8))
def test_commitments_that_differ_in_one_word_are_no_copies(changed: int):
    bench = Bench()
    both = hands(1)

    async def run(ctx: Any) -> None:
        await bench.begin(1)
        await bench.commit(both[0])
        commitment = bytearray(both[0].commitment)
        commitment[4 * changed + changed % 4] ^= 1 << changed
        await bench.commit(both[1], bytes(commitment))
        assert await bench.judged() == (CoinState.REVEAL, CoinFault.NONE)

    bench.run(run)


@pytest.mark.parametrize("committed", [(), (Party.PROVER,), (Party.VERIFIER,)])
@pytest.mark.parametrize("early", Party)
def test_a_share_before_both_commitments_voids_the_epoch(committed: tuple[Party, ...], early: Party):
    async def steps(bench: Bench, both: tuple[Hand, Hand]) -> None:
        await bench.begin(3)
        for party in committed:
            await bench.commit(both[party])
        await bench.reveal(both[early])

    fault(CoinFault.EARLY, steps)


@pytest.mark.parametrize("party", Party)
@pytest.mark.parametrize("what", ["share", "salt", "epoch", "party"])
def test_a_share_that_was_not_committed_to_voids_the_epoch(party: Party, what: str):
    async def steps(bench: Bench, both: tuple[Hand, Hand]) -> None:
        await bench.begin(3)
        told = list(both)
        if what == "epoch":
            told[party] = told[party]._replace(epoch=2)
        if what == "party":
            told[party] = told[party]._replace(party=Party(1 - party))
        await bench.commit(both[0], told[0].commitment)
        await bench.commit(both[1], told[1].commitment)
        await bench.reveal(both[1 - party])
        lie = both[party]
        if what == "share":
            lie = lie._replace(share=lie.share[:-1] + bytes([lie.share[-1] ^ 1]))
        if what == "salt":
            lie = lie._replace(salt=bytes([lie.salt[0] ^ 0x80]) + lie.salt[1:])
        await bench.reveal(lie)

    fault(CoinFault.MISMATCH, steps)


@pytest.mark.parametrize("when", ["before the other", "after both", "when words come"])
def test_a_second_commitment_voids_the_epoch(when: str):
    async def steps(bench: Bench, both: tuple[Hand, Hand]) -> None:
        await bench.begin(3)
        await bench.commit(both[0])
        if when != "before the other":
            await bench.commit(both[1])
        if when == "when words come":
            await bench.reveal(both[0])
            await bench.reveal(both[1])
        await bench.commit(both[0])

    if when == "when words come":
        _ends_words(CoinFault.REPEATED, steps)
    else:
        fault(CoinFault.REPEATED, steps)


def _ends_words(expected: CoinFault, steps: Any) -> None:
    """Words that come already are withdrawn."""
    bench = Bench()

    async def run(ctx: Any) -> None:
        await steps(bench, hands(3))
        assert await bench.judged() == (VOID, expected)
        coin = bench.coin
        for _ in range(300):
            assert not ctx.get(coin.words_cluster.valid) and not ctx.get(coin.words_world.valid)
            assert not ctx.get(coin.live)
            await ctx.tick()

    bench.run(run)


def test_a_second_share_voids_the_epoch():
    async def steps(bench: Bench, both: tuple[Hand, Hand]) -> None:
        await bench.begin(3)
        await bench.commit(both[0])
        await bench.commit(both[1])
        await bench.reveal(both[1])
        await bench.reveal(both[1])

    fault(CoinFault.REPEATED, steps)


def test_a_share_when_words_come_ends_them():
    async def steps(bench: Bench, both: tuple[Hand, Hand]) -> None:
        await bench.draw(both)
        await bench.reveal(both[0])

    _ends_words(CoinFault.REPEATED, steps)


@pytest.mark.parametrize(("before", "after"), [(3, 3), (3, 2), (1 << 32, 5), ((5 << 32) + 1, 5 << 32), (3, 0)])
def test_an_epoch_that_is_not_later_ends_words(before: int, after: int):
    async def steps(bench: Bench, both: tuple[Hand, Hand]) -> None:
        await bench.draw(hands(before))
        await bench.begin(after)
        assert await bench.octets("COIN_EPOCH", 0, 2) == before.to_bytes(8, "little")

    _ends_words(CoinFault.EPOCH, steps)


def test_the_epoch_zero_never_begins():
    async def steps(bench: Bench, both: tuple[Hand, Hand]) -> None:
        await bench.begin(0)

    _ends_words(CoinFault.EPOCH, steps)


@pytest.mark.parametrize("how", ["order", "clear", "epoch"])
def test_words_stop_when_the_epoch_ends_and_those_of_the_next_are_others(how: str):
    bench = Bench()
    both, later = hands(3), hands(4, seed=2)

    async def run(ctx: Any) -> None:
        coin = bench.coin
        seed = await bench.draw(both)
        assert await bench.take(0, 5) == words(seed, 0, 5)
        if how == "order":
            await bench.order(CoinOrder.END)
        elif how == "clear":
            ctx.set(coin.clear, 1)
            await ctx.tick()
            assert not ctx.get(coin.words_cluster.valid) and not ctx.get(coin.live)
            ctx.set(coin.clear, 0)
            await bench.cycles(40)
        else:
            await bench.begin(4)
        for _ in range(200):
            assert not ctx.get(coin.words_cluster.valid) and not ctx.get(coin.words_world.valid)
            await ctx.tick()
        expected = CoinState.COMMIT if how == "epoch" else CoinState.IDLE
        assert await bench.judged() == (expected, CoinFault.NONE)
        assert await bench.read("COIN_USED") == (0 if how == "epoch" else 5)
        if how == "epoch":
            for hand in later:
                await bench.commit(hand)
            for hand in later:
                await bench.reveal(hand)
        else:
            await bench.draw(later)
        assert await bench.take(0, 5) == words(seed_of(later), 0, 5)

    bench.run(run)


@pytest.mark.parametrize("limit", [0, 1, 2, 7])
def test_words_run_out_at_the_limit_of_each_direction(limit: int):
    bench = Bench()

    async def run(ctx: Any) -> None:
        coin = bench.coin
        seed = await bench.draw(hands(1), limit)
        for direction, o in enumerate((coin.words_cluster, coin.words_world)):
            assert (ctx.get(coin.live) >> direction & 1) == (limit > 0)
            assert await bench.take(direction, limit) == words(seed, direction, limit)
            ctx.set(o.ready, 1)
            for _ in range(200):
                assert not ctx.get(o.valid)
                assert not ctx.get(coin.live) >> direction & 1
                await ctx.tick()
            assert await bench.read("COIN_USED", direction) == limit
        assert await bench.judged() == (CoinState.DRAWN, CoinFault.NONE)

    bench.run(run)


def test_what_is_written_to_a_latched_commitment_is_lost():
    bench = Bench()
    both = hands(1)

    async def run(ctx: Any) -> None:
        await bench.begin(1)
        await bench.commit(both[0])
        await bench.write_octets("COIN_COMMITMENT", Party.PROVER, bytes(32))
        await bench.commit(both[1])
        await bench.write_octets("COIN_COMMITMENT", Party.VERIFIER, bytes(32))
        assert await bench.octets("COIN_COMMITMENT", 0, 16) == both[0].commitment + both[1].commitment

    bench.run(run)


def test_orders_that_are_none_or_out_of_place_are_refused():
    bench = Bench()

    async def run(ctx: Any) -> None:
        for order in (CoinOrder.LATCH, CoinOrder.REVEAL, CoinOrder.END):
            await bench.order(order)
            assert (await bench.status())["REFUSED"]
        await bench.begin(1)
        assert not (await bench.status())["REFUSED"]
        for order in (0, 5, 6, 7):
            await bench.write("COIN_COMMAND", order << 4)
            assert (await bench.status())["REFUSED"]
        assert await bench.judged() == (CoinState.COMMIT, CoinFault.NONE)
        await bench.order(CoinOrder.END)
        assert not (await bench.status())["REFUSED"]

    bench.run(run)


def test_orders_while_at_work_are_refused_and_end_is_not():
    bench = Bench()
    both = hands(1)

    async def run(ctx: Any) -> None:
        await bench.begin(1)
        for hand in both:
            await bench.commit(hand)
        await bench.write_octets("COIN_SHARE", Party.PROVER, both[0].share)
        await bench.write_octets("COIN_SALT", Party.PROVER, both[0].salt)
        await bench.write("COIN_COMMAND", CoinOrder.REVEAL << 4)
        await bench.write("COIN_COMMAND", CoinOrder.REVEAL << 4 | Party.VERIFIER)
        status = await bench.status()
        assert (status["STATE"], status["BUSY"], status["REFUSED"]) == (CoinState.CHECK, 1, 1)
        await bench.order(CoinOrder.END)
        status = await bench.status()
        assert (status["STATE"], status["REFUSED"]) == (CoinState.IDLE, 0)

    bench.run(run)
