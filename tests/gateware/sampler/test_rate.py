# SPDX-License-Identifier: Apache-2.0
"""How much passes, and how many pairs are worked off: in cycles."""

from __future__ import annotations

from typing import Any

import pytest

from custodes.gateway_formats import ALWAYS, Kind
from tests.gateware.sampler.bench import Bench, Specification
from tests.host.sampler_traffic import ACK, KEY, Talk

WIRE_BYTES = 24
"""Between two frames at least: FCS, gap, preamble."""
PAIR_CYCLES = {0: 720, ALWAYS: 900}
"""For a pair of two short segments that is dropped, or kept, with half a node."""


def beats(bench: Bench) -> int:
    return sum(len(beats) for beats in bench.sent.values())


@pytest.mark.parametrize("payload", [b"", b"abcdef"], ids=["no payload", "payload"])
@pytest.mark.parametrize("size", [60, 74, 1514])
@pytest.mark.parametrize("version", [4, 6])
def test_line_rate_of_both_directions_at_one_lane(payload: bytes, size: int, version: int):
    """With all the places of the table that there are in a device."""
    if version == 6 and size == 60:
        size = 80
    bench = Bench(flows=16)
    made = Specification(flows=16)
    made.epoch(KEY, 0)
    talk = Talk(made, version=version)
    assert talk.ask(b"a") and talk.answer(b"b")
    count = 4 if size > 200 else 30
    # Repetitions, which pass for ever while there is room for them.
    frames = [
        [talk.segment(server, talk.next[server], payload).ljust(size, b"\0") for _ in range(count)]
        for server in (False, True)
    ]
    if not payload:
        # Of a connection that is not there, so that all of the table is searched.
        other = Talk(made, 50001, version=version)
        frames = [[other.segment(server, 1).ljust(size, b"\0") for _ in range(count)] for server in (False, True)]
    period = size + WIRE_BYTES

    async def script(ctx: Any) -> None:
        await bench.play(ctx, made.happened)
        start, before = bench.now, [len(bench.outputs[name].frames) for name in ("o_server", "o_world")]
        for number in range(count):
            for server in (False, True):
                assert not bench.sent[("i_world", "i_server")[server]], "the line does not wait"
                bench.send(server, frames[server][number])
            await bench.cycles(ctx, start + (number + 1) * period - bench.now)
        await bench.cycles(ctx, 2 * period + 100)
        after = [len(bench.outputs[name].frames) for name in ("o_server", "o_world")]
        assert [b - a for a, b in zip(before, after, strict=True)] == [count, count]

    bench.run(script)


def test_frames_of_both_directions_at_eight_lanes_wait_and_pass_whole():
    bench, made = Bench(8), Specification()
    talk = Talk(made)
    frames = [[talk.segment(server, at, b"").ljust(60 + at, b"\7") for at in range(40)] for server in (False, True)]

    async def script(ctx: Any) -> None:
        start = bench.now
        for server in (False, True):
            for frame in frames[server]:
                bench.send(server, frame)
        await bench.until(
            ctx, lambda: len(bench.outputs["o_world"].frames) == len(bench.outputs["o_server"].frames) == 40
        )
        assert bench.now - start < 80 * 40
        for name, expected in zip(("o_server", "o_world"), frames, strict=True):
            assert [frame.data for frame in bench.outputs[name].frames] == expected

    bench.run(script)


def test_a_direction_that_is_held_back_does_not_hold_back_the_other():
    bench, made = Bench(), Specification()
    talk = Talk(made)
    frame = talk.segment(True, 1, b"").ljust(1514, b"\7")

    async def script(ctx: Any) -> None:
        bench.held.add("o_server")
        for _ in range(4):
            bench.send(False, frame)
        await bench.cycles(ctx, 8000)
        bench.send(True, frame)
        await bench.until(ctx, lambda: len(bench.outputs["o_world"].frames) == 1)
        assert not bench.outputs["o_server"].frames
        bench.held.clear()
        await bench.until(ctx, lambda: len(bench.outputs["o_server"].frames) == 4)
        assert all(frame == one.data for one in bench.outputs["o_server"].frames)

    bench.run(script)


@pytest.mark.parametrize("threshold", PAIR_CYCLES)
def test_pairs_are_worked_off_one_after_the_other(threshold: int):
    """A full store of pairs, all of which are complete."""
    made, bench = Specification(), Bench(8)
    made.epoch(KEY, threshold)
    for port in range(4):
        talk = Talk(made, 50000 + port)
        assert talk.ask(b"question") and talk.answer(b"answer")
        talk.close()
    frames = [(what[1], what[2]) for what in made.happened[1:]]

    async def script(ctx: Any) -> None:
        await bench.play(ctx, made.happened[:1])
        for from_server, frame in frames:
            bench.send(from_server, frame)
            await bench.cycles(ctx, 60)
        leaves = bench.outputs["o_samples"]
        await bench.settled(ctx, 0, 0)
        at = [cycle for beat, cycle in zip(leaves.beats, leaves.cycles, strict=True) if beat.last]
        kinds = [frame.data[14] for frame in leaves.frames]
        first, *_, last = (cycle for kind, cycle in zip(kinds, at, strict=True) if kind == Kind.LEAF)
        assert (last - first) / 3 <= PAIR_CYCLES[threshold]

        await bench.agrees(ctx, made)

    bench.run(script)


def test_a_transcript_is_worked_off_at_the_rate_of_the_hash():
    """65 cycles for 64 octets, and one for each word to be erased."""
    made, bench = Specification(), Bench(8)
    made.epoch(KEY, 0)
    talks = [Talk(made, 50000 + at) for at in range(2)]
    for talk in talks:
        assert talk.ask(bytes(1400)) and talk.answer(bytes(600))
    for talk in talks:
        assert talk.at(True, 0, b"", ACK | 4)

    async def script(ctx: Any) -> None:
        await bench.play(ctx, made.happened[:-2])
        for what in made.happened[-2:]:
            bench.send(what[1], what[2])
        await bench.settled(ctx, 0, 0)
        leaves = bench.outputs["o_samples"]
        *_, first, last = (cycle for beat, cycle in zip(leaves.beats, leaves.cycles, strict=True) if beat.last)
        assert last - first < 2048 // 64 * 65 + 512 + PAIR_CYCLES[0]

        await bench.agrees(ctx, made)

    bench.run(script)
