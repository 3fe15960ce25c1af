# SPDX-License-Identifier: Apache-2.0
"""`gateware.trng.trng.Trng`: from samples to random words, against hashlib and the DRBG of the specification."""

from __future__ import annotations

import hashlib
from collections import deque
from typing import Any

import cocotb

from custodes.control_registers import Noise as State
from custodes.model.hash_drbg import HashDrbg
from custodes.model.health import STARTUP_SAMPLES, Claim, Health
from gateware.trng.drbg import DIGEST_BYTES, REQUEST_BLOCKS
from gateware.trng.health import ALARM_CYCLES, HealthParameters
from sim.noise import PARTS, Noise
from tests.cocotb_benches.tb import TB, Agent
from tests.gateware.stream.bench import PAUSES, Pause

PARAMETERS = HealthParameters()
CLAIM = Claim("0.5", 30)
SEED_SAMPLES = PARAMETERS.conditioned_samples(256)
REQUEST_BYTES = REQUEST_BLOCKS * DIGEST_BYTES
REQUEST_WORDS = REQUEST_BYTES // 4
SETTLE_CYCLES = 1000
"""After which a digest has been made and taken, and the conditioner collects again."""
QUIET_CYCLES = 3000
"""In which a source that is good would have made words."""
LIMIT_CYCLES = 100_000


class Feed(Agent):
    """Gives samples of a source as long as there are some to be given; ``given`` has them, ``cycles`` when they came."""

    def __init__(self, tb: TB, idle: Pause) -> None:
        self.tb, self.idle = tb, idle
        self.noise = Noise()
        self.left = 0
        self.given: list[int] = []
        self.cycles: list[int] = []

    @property
    def busy(self) -> bool:
        return self.left > 0

    def sample(self) -> None:
        if self.tb.dut.sample_valid.value:
            self.given.append(self.tb.dut.sample.value)
            self.cycles.append(self.tb.cycle)

    def drive(self) -> None:
        gives = self.left > 0 and not self.idle()
        self.tb.dut.sample_valid.value = gives
        if gives:
            self.left -= 1
            self.tb.dut.sample.value = self.noise.sample()

    def restart(self) -> None:
        self.left = 0
        self.given.clear()
        self.cycles.clear()
        self.tb.dut.sample_valid.value = 0


class Taker(Agent):
    """Takes words from a port whose offers may be withdrawn; ``cycles`` has when."""

    def __init__(self, tb: TB, name: str, stall: Pause) -> None:
        self.tb, self.stall = tb, stall
        self.valid, self.ready, self.payload = (
            getattr(tb.dut, f"{name}_{part}") for part in ("valid", "ready", "payload")
        )
        self.words: deque[int] = deque()
        self.cycles: list[int] = []

    def sample(self) -> None:
        if self.valid.value and self.ready.value:
            self.words.append(self.payload.value)
            self.cycles.append(self.tb.cycle)

    def drive(self) -> None:
        self.ready.value = not self.stall()

    def restart(self) -> None:
        self.ready.value = 0
        self.words.clear()
        self.cycles.clear()


class AlarmWatch(Agent):
    """When the alarm was first seen (0: never), and that nothing is offered as long as it is."""

    def __init__(self, tb: TB) -> None:
        self.tb = tb
        self.since = 0

    def sample(self) -> None:
        dut = self.tb.dut
        assert dut.fault.value == 0
        if dut.alarm.value:
            self.since = self.since or self.tb.cycle
            assert dut.state.value == State.ALARM
            assert dut.o_valid.value == 0
            assert dut.o_payload.value == 0
        else:
            assert not self.since, "the alarm ends by itself"

    def restart(self) -> None:
        self.since = 0


class Bench:
    def __init__(self, dut: Any, idle: str = "none", stall: str = "none") -> None:
        self.dut = dut
        self.tb = TB(dut, idle, stall)
        self.feed = Feed(self.tb, PAUSES[idle](self.tb.seed()))
        self.feed.noise = Noise(seed=1 + self.tb.seed())
        self.o = Taker(self.tb, "o", PAUSES[stall](self.tb.seed()))
        self.raw = Taker(self.tb, "raw", PAUSES[stall](self.tb.seed()))
        self.alarm = AlarmWatch(self.tb)
        for agent in (self.feed, self.o, self.raw, self.alarm):
            self.tb.add(agent)
        dut.clear.value = 0

    @property
    def state(self) -> int:
        return int(self.dut.state.value)

    async def give(self, samples: int, settle: int = SETTLE_CYCLES) -> list[int]:
        """Samples, and time until what they lead to has happened; returns them."""
        before = len(self.feed.given)
        self.feed.left = samples
        for _ in range(LIMIT_CYCLES):
            if not self.feed.busy:
                break
            await self.tb.cycles(1)
        await self.tb.cycles(settle)
        given = self.feed.given[before:]
        assert len(given) == samples
        return given

    async def seeded(self) -> HashDrbg:
        """Until words come; returns the DRBG of the specification with the same seed."""
        await self.give(STARTUP_SAMPLES)
        assert self.state == State.READY
        entropy, nonce = [digest(await self.give(SEED_SAMPLES)) for _ in range(2)]
        return HashDrbg(entropy, nonce)

    async def take(self, words: int) -> list[int]:
        for _ in range(LIMIT_CYCLES):
            if len(self.o.words) >= words:
                return [self.o.words.popleft() for _ in range(words)]
            await self.tb.cycles(1)
        raise AssertionError("no words")


def words(drbg: HashDrbg) -> list[int]:
    """Those of a request."""
    made = drbg.generate(REQUEST_BYTES)
    return [int.from_bytes(made[at : at + 4]) for at in range(0, REQUEST_BYTES, 4)]


def digest(samples: list[int]) -> bytes:
    return hashlib.sha256(b"".join(word.to_bytes(4) for word in packed(samples))).digest()


def packed(samples: list[int]) -> list[int]:
    """Whole words of samples, the first the lowest bit."""
    return [
        sum(bit << place for place, bit in enumerate(samples[at : at + 32])) for at in range(0, len(samples) - 31, 32)
    ]


@cocotb.test()
@cocotb.parametrize(stall=list(PAUSES), idle=list(PAUSES))
async def words_are_those_of_the_drbg_that_two_digests_seed(dut: Any, stall: str, idle: str) -> None:
    bench = Bench(dut, idle, stall)
    await bench.tb.start()
    drbg = await bench.seeded()
    assert await bench.take(2 * REQUEST_WORDS) == words(drbg) + words(drbg)


@cocotb.test()
async def a_digest_that_waits_is_a_new_seed_between_two_requests(dut: Any) -> None:
    bench = Bench(dut)
    takes = 0
    bench.o.stall = lambda: len(bench.o.words) >= takes
    await bench.tb.start()
    drbg = await bench.seeded()
    await bench.tb.cycles(QUIET_CYCLES)
    for _ in range(3):
        seed = digest(await bench.give(SEED_SAMPLES, QUIET_CYCLES))
        takes = REQUEST_WORDS
        assert await bench.take(REQUEST_WORDS) == words(drbg), "made before"
        takes = 0
        await bench.tb.cycles(QUIET_CYCLES)
        takes = REQUEST_WORDS
        assert await bench.take(REQUEST_WORDS) == words(drbg), "made while the seed waits"
        takes = 0
        await bench.tb.cycles(QUIET_CYCLES)
        drbg.reseed(seed)


@cocotb.test()
async def nothing_comes_before_the_startup_test_and_both_seeds(dut: Any) -> None:
    bench = Bench(dut)
    await bench.tb.start()
    await bench.give(STARTUP_SAMPLES - 1, QUIET_CYCLES)
    assert bench.state == State.STARTUP
    await bench.give(1, QUIET_CYCLES)
    assert bench.state == State.READY
    await bench.give(2 * SEED_SAMPLES - 1, QUIET_CYCLES)
    await bench.give(SETTLE_CYCLES, QUIET_CYCLES)
    assert bench.o.words, "then they come"


@cocotb.test()
@cocotb.parametrize(stall=list(PAUSES))
async def raw_words_are_consecutive_samples_of_which_nothing_is_made(dut: Any, stall: str) -> None:
    bench = Bench(dut, stall=stall)
    bench.raw.stall = lambda: False
    await bench.tb.start()
    started = await bench.give(STARTUP_SAMPLES)
    # A word holds until it is taken, which costs a sample between two words.
    shown = [packed(started[at : at + 32])[0] for at in range(0, STARTUP_SAMPLES - 31, 33)]
    assert list(bench.raw.words) == shown
    bench.raw.words.clear()
    for _ in range(2):
        await bench.give(SEED_SAMPLES)
        assert not bench.raw.words, "the conditioner comes first"


@cocotb.test()
@cocotb.parametrize(value=[0, 1], after=[0, 1, 500, 700, 1300, 5000])
async def alarm_of_a_stuck_source_stops_words_in_the_designed_time_until_a_reset(
    dut: Any, value: int, after: int
) -> None:
    """``after`` so many good samples: while it collects, digests, makes the first words, or is at rest."""
    bench = Bench(dut)
    await bench.tb.start()
    await bench.give(STARTUP_SAMPLES, settle=1)
    await bench.give(after, settle=1)
    bench.feed.noise.stuck = value
    await bench.give(PARAMETERS.repetition_cutoff, settle=5)
    failed = _failure(bench.feed.given)
    assert failed - (STARTUP_SAMPLES + after) < PARAMETERS.repetition_cutoff
    bench.feed.noise.stuck = None
    bench.raw.words.clear()
    good = await bench.give(2 * SEED_SAMPLES, QUIET_CYCLES)
    assert bench.alarm.since == bench.feed.cycles[failed] + ALARM_CYCLES
    assert all(cycle < bench.alarm.since for cycle in bench.o.cycles)
    assert int(dut.repetitions.value) == 1
    assert bench.raw.words and len(bench.raw.words) > len(good) // 40, "raw samples can be looked at"

    await bench.tb.reset()
    drbg = await bench.seeded()
    assert await bench.take(REQUEST_WORDS) == words(drbg)


@cocotb.test()
@cocotb.parametrize(stall=list(PAUSES), after=range(0, 64, 9))
async def words_on_offer_are_withdrawn_with_the_alarm(dut: Any, stall: str, after: int) -> None:
    bench = Bench(dut, stall=stall)
    takes = bench.o.stall
    bench.o.stall = lambda: True
    await bench.tb.start()
    await bench.seeded()
    await bench.tb.cycles(QUIET_CYCLES)
    assert dut.o_valid.value == 1
    bench.feed.noise.stuck = 0
    bench.feed.left = 2 * PARAMETERS.repetition_cutoff
    await bench.tb.cycles(after)
    bench.o.stall = takes
    await bench.tb.cycles(QUIET_CYCLES)
    failed = _failure(bench.feed.given)
    assert bench.alarm.since == bench.feed.cycles[failed] + ALARM_CYCLES
    assert bench.o.words or stall == "bursts" or after > PARAMETERS.repetition_cutoff
    assert all(cycle < bench.alarm.since for cycle in bench.o.cycles)


@cocotb.test()
@cocotb.parametrize(fault=["leaning", "repeating"])
async def alarm_of_a_bad_source_comes_with_the_sample_that_the_specification_says(dut: Any, fault: str) -> None:
    bench = Bench(dut, "often")
    await bench.tb.start()
    await bench.seeded()
    good = len(bench.feed.given)
    if fault == "leaning":
        bench.feed.noise.ones = 9 * PARTS // 10
    else:
        bench.feed.noise.repeats = 97 * PARTS // 100
    await bench.give(2 * PARAMETERS.window, settle=5)
    failed = _failure(bench.feed.given)
    assert good < failed < good + 2 * PARAMETERS.window
    assert bench.alarm.since == bench.feed.cycles[failed] + ALARM_CYCLES
    assert all(cycle < bench.alarm.since for cycle in bench.o.cycles)
    health = Health(CLAIM)
    for sample in bench.feed.given:
        health.take(sample)
    assert (int(dut.repetitions.value), int(dut.proportions.value)) == (health.repetitions, health.proportions)


def _failure(samples: list[int]) -> int:
    """The sample with which the specification gives alarm."""
    health = Health(CLAIM)
    return next(at for at, sample in enumerate(samples) if health.take(sample) == State.ALARM)


@cocotb.test()
@cocotb.parametrize(after=[0, 300, 1300, 1281, 3000])
async def clear_forgets_everything_and_starts_over(dut: Any, after: int) -> None:
    bench = Bench(dut)
    await bench.tb.start()
    await bench.give(STARTUP_SAMPLES)
    await bench.give(after, settle=20)
    dut.clear.value = 1
    await bench.tb.cycles(2)
    assert bench.state == State.STARTUP
    assert dut.o_valid.value == 0
    dut.clear.value = 0
    await bench.tb.cycles(1)
    bench.o.words.clear()
    drbg = await bench.seeded()
    assert await bench.take(REQUEST_WORDS) == words(drbg)
