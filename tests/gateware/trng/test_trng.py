# SPDX-License-Identifier: Apache-2.0
"""Which samples random words are made of, found out from outside: from the words alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

from amaranth import Module
from amaranth.sim import Simulator

from custodes.model.hash_drbg import HashDrbg
from custodes.model.health import STARTUP_SAMPLES
from gateware.trng.health import HealthParameters
from gateware.trng.trng import SEED_BITS, Trng
from sim.noise import Noise

PERIOD_S = 1e-8
LIMIT_CYCLES = 10_000
SEED_SAMPLES = HealthParameters().conditioned_samples(SEED_BITS)
WIPE_SLACK, DIGEST_SLACK = range(64), range(128, 320)
"""Samples that come after the start-up test, and between two digests, before the conditioner takes some again."""
CHECKED_WORDS = 4


class Run(NamedTuple):
    """``shown`` are raw words by the number of their last sample."""

    samples: list[int]
    shown: dict[int, int]
    words: list[int]


def run(takes_raw: bool, source: Noise) -> Run:
    """A sample in every cycle, until some words are made."""
    m = Module()
    m.submodules.trng = trng = Trng()
    found = Run([], {}, [])

    async def bench(ctx):
        ctx.set(trng.sample_valid, 1)
        ctx.set(trng.raw.ready, takes_raw)
        ctx.set(trng.o.ready, 1)
        for _ in range(LIMIT_CYCLES):
            if len(found.words) == CHECKED_WORDS:
                break
            if takes_raw and ctx.get(trng.raw.valid):
                found.shown[len(found.samples) - 1] = ctx.get(trng.raw.payload)
            if ctx.get(trng.o.valid):
                found.words.append(ctx.get(trng.o.payload))
            found.samples.append(source.sample())
            ctx.set(trng.sample, found.samples[-1])
            await ctx.tick()

    simulator = Simulator(m)
    simulator.add_clock(PERIOD_S)
    simulator.add_testbench(bench)
    simulator.run()
    return found


def packed(samples: Sequence[int]) -> int:
    return sum(sample << place for place, sample in enumerate(samples))


def digest(samples: Sequence[int]) -> bytes:
    words = [packed(samples[at : at + 32]) for at in range(0, len(samples), 32)]
    return hashlib.sha256(b"".join(word.to_bytes(4) for word in words)).digest()


def used(found: Run) -> Iterator[range]:
    """The two pieces of the samples whose digests make these words: all are tried."""
    wanted = b"".join(word.to_bytes(4) for word in found.words)
    for before, between in product(WIPE_SLACK, DIGEST_SLACK):
        pieces = [range(start, start + SEED_SAMPLES) for start in (STARTUP_SAMPLES + before, 0)]
        pieces[1] = range(pieces[0].stop + between, pieces[0].stop + between + SEED_SAMPLES)
        entropy, nonce = (digest([found.samples[at] for at in piece]) for piece in pieces)
        if HashDrbg(entropy, nonce).generate(len(wanted)) == wanted:
            yield from pieces
            return


def test_words_are_made_of_two_digests_of_samples_after_the_startup_test():
    pieces = list(used(run(False, Noise())))
    assert len(pieces) == 2
    assert pieces[0].start >= STARTUP_SAMPLES


def test_no_sample_that_a_reader_of_raw_samples_sees_is_in_a_seed():
    """The reader takes every word that is shown."""
    found = run(True, Noise())
    pieces = list(used(found))
    assert len(pieces) == 2
    assert len(found.shown) > STARTUP_SAMPLES // 40
    for last, word in found.shown.items():
        assert word == packed(found.samples[last - 31 : last + 1])
        assert not any(set(piece) & {*range(last - 31, last + 1)} for piece in pieces)


def test_a_source_that_fails_the_startup_test_makes_nothing():
    assert run(True, Noise(stuck=1)).words == []
