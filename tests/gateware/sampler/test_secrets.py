# SPDX-License-Identifier: Apache-2.0
"""What nobody may read, and what is gone when it is not needed any more; bits that flip; resets."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from amaranth.hdl import Fragment, MemoryData

from custodes.gateway_formats import ALWAYS, Kind, Record
from gateware.sampler import Sampler
from gateware.sampler.registers import REGISTERS
from tests.gateware.control.flips import FlipBench, mode_registers
from tests.gateware.sampler.bench import FLOWS, READ_CYCLES, SLOT_BYTES, SLOTS, Bench, Specification
from tests.gateware.stream.bench import refusal
from tests.host.sampler_traffic import ACK, KEY, RST, Talk

OTHER_KEY = bytes(range(100, 132))
MODE_REGISTERS = 3
"""Of the passage, of the closer, and whether there is an epoch."""
SETTLED_CYCLES = 3000
"""In which all of the store has been overwritten, and registers before."""


def key_words(key: bytes) -> set[int]:
    return {int.from_bytes(key[at : at + 4], order) for at in range(0, len(key), 4) for order in ("big", "little")}


async def readable(bench: Bench, ctx: Any) -> set[int]:
    found = set()
    for address in range(REGISTERS):
        ctx.set(bench.dut.bus.address, address)
        await bench.cycles(ctx, READ_CYCLES)
        found.add(ctx.get(bench.dut.bus.read_data))
    return found


def holding(ctx: Any, memories: list[MemoryData], words: set[int]) -> int:
    """In how many places a word is."""
    return sum(ctx.get(data[at]) in words for data in memories if data.shape == 32 for at in range(data.depth))


def test_a_key_cannot_be_read_until_its_epoch_has_ended():
    bench = Bench()

    async def script(ctx: Any) -> None:
        await bench.order(ctx, KEY, ALWAYS)
        assert not await readable(bench, ctx) & key_words(KEY)
        await bench.settled(ctx, 0, 0)
        await bench.order(ctx, OTHER_KEY, ALWAYS)
        await bench.settled(ctx, 0, 0)
        found = await readable(bench, ctx)
        assert len(found & key_words(KEY)) == 8 and not found & key_words(OTHER_KEY)

    bench.run(script)


def test_an_epoch_waits_for_every_word_of_a_key_of_its_own():
    made, bench = Specification(), Bench()
    made.epoch(KEY, ALWAYS)
    made.epoch(OTHER_KEY, ALWAYS)

    async def script(ctx: Any) -> None:
        await bench.play(ctx, made.happened[:1])
        await bench.order(ctx, OTHER_KEY[:28], ALWAYS)
        await bench.cycles(ctx, 3000)
        assert not bench.words
        assert await bench.state(ctx, "BUSY") and await bench.read(ctx, "EPOCH") == 1
        bench.words.append(int.from_bytes(OTHER_KEY[28:]))
        await bench.settled(ctx, 0, 0)
        await bench.agrees(ctx, made)

    bench.run(script)


def test_threshold_and_order_are_not_taken_while_an_epoch_is_ended():
    made, bench = Specification(), Bench()
    made.epoch(KEY, 5)
    made.epoch(OTHER_KEY, 1 << 40)

    async def script(ctx: Any) -> None:
        await bench.play(ctx, made.happened[:1])
        bench.held.add("o_samples")
        await bench.order(ctx, OTHER_KEY, 1 << 40)
        await bench.cycles(ctx, 500)
        assert await bench.state(ctx, "BUSY")
        await bench.order(ctx, KEY, 3)
        bench.held.clear()
        await bench.settled(ctx, 0, 0)
        await bench.agrees(ctx, made)

    bench.run(script)


@pytest.mark.parametrize("threshold", [0, ALWAYS])
def test_a_slot_holds_zeros_when_its_pair_has_been_worked_off(memories: list[MemoryData], threshold: int):
    made, bench = Specification(), Bench(own=True)
    made.epoch(KEY, threshold)
    for port, length in ((50000, 1), (50001, 400), (50002, 1448)):
        talk = Talk(made, port)
        assert talk.ask(b"\xa5" * length) and talk.answer(b"\xa5" * 4)
        assert talk.ask(b"\xa5" * 4, ACK | RST)
    fragment = Fragment.get(bench.dut, None)

    async def script(ctx: Any) -> None:
        store = next(data for data in memories if data.depth == SLOTS * SLOT_BYTES // 4)
        for at, what in enumerate(made.happened):
            await bench.play(ctx, [what])
            taken = any(ctx.get(store[row]) for row in range(store.depth))
            # The slot of the pair that ended the connection is free, too.
            assert taken == (at % 3 in (1, 2)), at

    bench.run(script, fragment)


def test_a_reset_forgets_everything(memories: list[MemoryData]):
    bench = Bench(own=True)
    first, made = Specification(), Specification()
    first.epoch(KEY, ALWAYS)
    talk = Talk(first)
    assert talk.ask(b"\xa5" * 40) and talk.answer(b"\xa5" * 40)
    made.epoch(OTHER_KEY, ALWAYS)
    assert not Talk(made).answer(b"abcd") and Talk(made).ask(b"abcd")
    fragment = Fragment.get(bench.dut, None)

    async def script(ctx: Any) -> None:
        await bench.play(ctx, first.happened)
        ctx.set(bench.reset, 1)
        await bench.cycle(ctx)
        ctx.set(bench.reset, 0)
        bench.clear()
        await bench.cycles(ctx, SETTLED_CYCLES)
        assert not holding(ctx, memories, {0xA5A5A5A5} | key_words(KEY))
        assert [await bench.read(ctx, name) for name in ("EPOCH", "THRESHOLD", "RECOMPUTER_MAC")] == [0, 0, 0]
        await bench.set_up(ctx)
        await bench.play(ctx, made.happened)
        await bench.agrees(ctx, made)

    bench.run(script, fragment)


@pytest.mark.parametrize("lanes", [1, 8])
@pytest.mark.parametrize("cycles", [3, 30, 75, 110])
def test_a_reset_within_a_frame(lanes: int, cycles: int):
    bench, made = Bench(lanes), Specification()
    made.epoch(KEY, ALWAYS)
    talk = Talk(made)
    assert talk.ask(b"a" * 60) and talk.answer(b"b" * 60) and talk.ask(b"c" * 20)

    async def script(ctx: Any) -> None:
        await bench.play(ctx, made.happened[:2])
        bench.send(False, made.happened[3][2])
        bench.send(True, made.happened[2][2])
        await bench.cycles(ctx, cycles)
        ctx.set(bench.reset, 1)
        bench.clear()
        for port in (bench.dut.i_world, bench.dut.i_server):
            ctx.set(port.valid, 0)
        await bench.cycle(ctx)
        ctx.set(bench.reset, 0)
        bench.clear()
        await bench.set_up(ctx)
        await bench.play(ctx, made.happened)
        await bench.agrees(ctx, made)

    bench.run(script)


def test_the_leaf_leaves_before_it_is_decided_whether_the_pair_is_kept():
    made, bench = Specification(), Bench()
    made.epoch(KEY, ALWAYS)
    talk = Talk(made)
    assert talk.ask(b"a")
    talk.close()

    async def script(ctx: Any) -> None:
        await bench.play(ctx, made.happened[:2])
        bench.held.add("o_samples")
        for _, from_server, frame, *_ in made.happened[2:]:
            bench.send(from_server, frame)
        await bench.cycles(ctx, 2000)
        assert await bench.read(ctx, "COUNTS", Record.PAIRS - Record.PAIRS) == 0
        assert await bench.state(ctx, "SLOTS") == 1
        bench.held.clear()
        await bench.settled(ctx, 0, 0)
        assert [frame.data[14] for frame in bench.outputs["o_samples"].frames] == [Kind.BEGIN, Kind.LEAF, Kind.PAIR]

    bench.run(script)


def test_every_flip_of_one_or_two_bits_is_a_fault():
    dut = Sampler(1, FLOWS, SLOTS, SLOT_BYTES)
    bench = FlipBench(dut)
    assert len(bench.registers) == MODE_REGISTERS
    assert bench.undetected(dut.fault, 0) == []


@pytest.mark.parametrize("register", range(2))
def test_a_mode_that_does_not_exist_lets_nothing_pass(register: int):
    """Of the passage no frame, of the closer no sample: both are all that there are but whether there is an epoch."""
    made, bench = Specification(), Bench(own=True)
    made.epoch(KEY, ALWAYS)
    fragment: Any = Fragment.get(bench.dut, None)
    registers = [one for one in mode_registers(fragment) if one.path.split(".")[-1] in ("phase", "task")]
    frame = Talk(made).segment(False, 1000, b"abcd")

    async def script(ctx: Any) -> None:
        await bench.play(ctx, made.happened)
        one = registers[register]
        ctx.set(one.signal, Random(register).choice([*one.flips()]))
        assert ctx.get(bench.dut.fault)
        bench.send(False, frame)
        await bench.order(ctx, OTHER_KEY, 0)
        await bench.cycles(ctx, 1500)
        assert ctx.get(bench.dut.fault)
        frames = bench.outputs["o_server"].frames
        assert not frames if "phase" in one.path else len(bench.outputs["o_samples"].frames) == 1

    bench.run(script, fragment)


REFUSED: list[tuple[Callable[[], object], str]] = [
    (lambda: Sampler(1, slots=3), "slots must be a power of two, not 3"),
    (lambda: Sampler(1, slot_bytes=1024), "slot_bytes must be a power of two of at least 2048, not 1024"),
]


@pytest.mark.parametrize(("make", "message"), REFUSED)
def test_refuses_sizes_that_it_cannot_have(make: Callable[[], object], message: str):
    assert refusal(make) == message
