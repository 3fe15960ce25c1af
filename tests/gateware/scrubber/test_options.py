# SPDX-License-Identifier: Apache-2.0
"""The options layer alone against the executable specification, with frames as close to each other as they may come."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pytest
from amaranth.sim import Simulator

from custodes.model.frame import Drop
from custodes.model.transport import MSS, SACK, SACK_PERMITTED, WINDOW_SCALE, Options, walk_options
from custodes.table import Reason
from gateware.scrubber.options import SPACING_CYCLES, OptionsLayer

MSS_LIMIT = 1400
RESULTS_CYCLES = 60
"""More than a result takes."""
IDLE_CYCLES = {1: 2, 8: 0, 64: 0}
"""Between frames at least."""
NUMBERS = bytes((0, 1, 2, 3, 4, 5, 8, 19, 29, 30, 254))
LENGTHS = bytes((0, 1, 2, 3, 4, 5, 10, 18, 26, 34, 40, 41, 63, 64, 66, 74, 130, 255))


class Segment(NamedTuple):
    """Options, a multiple of 4 bytes, and what follows them."""

    options: bytes
    payload: int = 0
    syn: bool = False
    rst: bool = False


def filled(options: bytes, fill: int = 1) -> bytes:
    cut = options[:40]
    return cut + bytes((fill,)) * (-len(cut) % 4)


def every_length() -> Iterator[Segment]:
    """Each kind with each length byte, on its own, at the end and twice."""
    for kind in NUMBERS:
        for length in LENGTHS:
            option = bytes((kind, length)) + bytes(range(9, 9 + max(0, min(length, 40) - 2)))
            for options in (option, b"\1" * (40 - len(option[:38])) + option, option + option):
                yield Segment(filled(options), syn=kind < 5)


def every_cut() -> Iterator[Segment]:
    """Edges at each position, those too that leave no room for all of them; options that lack their last byte."""
    for at in range(40):
        for blocks in (1, 2, 3, 4):
            edges = bytes((255 - 7 * k) % 256 for k in range(8 * blocks))
            yield Segment(filled(b"\1" * at + bytes((5, 2 + 8 * blocks)) + edges, 0), rst=at == 1)
    for kind in NUMBERS:
        for room in range(4, 41, 4):
            yield Segment(bytes((kind, room + 1)).ljust(room, b"\7"), syn=kind < 5)


def chance(r: random.Random) -> Segment:
    parts = [
        lambda: bytes((2, 4)) + r.choice((MSS_LIMIT, MSS_LIMIT + 1, r.randrange(65536))).to_bytes(2),
        lambda: bytes((3, 3, r.choice((0, 7, 14, 15, 16, 255)))),
        lambda: bytes((4, 2)),
        lambda: bytes((5, 2 + 8 * (blocks := r.randint(1, 4)))) + r.randbytes(8 * blocks),
        lambda: bytes((8, 10)) + r.randbytes(8),
        lambda: bytes((r.choice((19, 29)), length := r.randint(2, 18))) + r.randbytes(length - 2),
        lambda: bytes((r.choice(NUMBERS), length := r.randint(2, 9))) + r.randbytes(length - 2),
        lambda: bytes((r.choice(NUMBERS), r.choice(LENGTHS))),
        lambda: b"\1" * r.randrange(4),
        lambda: bytes((0,)) + r.randbytes(3),
    ]
    chosen = r.choice((parts[:3], parts[3:5], parts[:5], parts))
    options = filled(b"".join(r.choice(chosen)() for _ in range(r.randrange(7))), r.choice((0, 1)))
    if r.random() < 0.1:
        options = bytes(r.choice(NUMBERS + LENGTHS) for _ in range(4 * r.randrange(11)))
    return Segment(options, r.choice((0, 0, 0, 1, 7, 8, r.randrange(70))), r.random() < 0.4, r.random() < 0.2)


def run(lanes: int, segments: Sequence[Segment], spacing: int) -> list[dict[str, Any]]:
    """Every ``found``, with ``found_valid`` at least ``spacing`` cycles apart."""
    dut = OptionsLayer(lanes)
    results: list[dict[str, Any]] = []

    async def send(ctx: Any) -> None:
        ctx.set(dut.policy.mss, MSS_LIMIT)
        now = found = 0
        for segment in segments:
            wire = segment.options + b"\2" * segment.payload
            beats = max(1, -(-len(wire) // lanes))
            offset = min(beats - 1, len(segment.options) // lanes)
            start = max(now + IDLE_CYCLES[lanes] if now else 0, found + spacing - offset)
            await ctx.tick().repeat(start - now) if start > now else None
            now, found = start + beats, start + offset
            flags = {"options": len(segment.options), "syn": segment.syn, "rst": segment.rst}
            ctx.set(dut.i.meta, flags)
            ctx.set(dut.i.valid, 1)
            for beat in range(beats):
                part = wire[lanes * beat : lanes * (beat + 1)]
                payload = {"data": part.ljust(lanes, b"\5"), "keep": (1 << len(part)) - 1, "last": beat == beats - 1}
                ctx.set(dut.i.payload, payload)
                await ctx.tick()
            ctx.set(dut.i.valid, 0)
        await ctx.tick().repeat(RESULTS_CYCLES)

    async def receive(ctx: Any) -> None:
        async for _, _, valid, found in ctx.tick().sample(dut.found_valid, dut.found):
            if valid:
                results.append({name: found[name] for name in dut.found.shape().members})

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(send)
    simulator.add_testbench(receive, background=True)
    simulator.run()
    return results


def specified(segment: Segment) -> Options | Reason:
    admitted = (MSS, WINDOW_SCALE, SACK_PERMITTED) if segment.syn else () if segment.rst else (SACK,)
    try:
        return walk_options(segment.options, frozenset(admitted))
    except Drop as drop:
        return drop.reason


def check(segment: Segment, found: dict[str, Any]) -> None:
    wanted = specified(segment)
    dropped = {Reason.TCP_AUTHENTICATED: found["authenticated"], Reason.TCP_OPTION: found["malformed"]}
    if isinstance(wanted, Reason):
        assert next((reason for reason, flag in dropped.items() if flag), None) == wanted, segment
        return
    assert not any(dropped.values()), segment
    kept, edges = wanted.kept, wanted.kept.get(SACK, b"")
    flags = {
        "has_mss": MSS in kept,
        "has_window_scale": WINDOW_SCALE in kept,
        "has_sack_permitted": SACK_PERMITTED in kept,
        "timestamps": wanted.timestamps > 0,
        "other": wanted.other > 0,
        "clamped": int.from_bytes(kept.get(MSS, b"")) > MSS_LIMIT,
        "sack_blocks": len(edges) // 8,
        "words": 4 * len(kept) + len(edges),
    }
    assert {name: found[name] for name in flags} == flags, segment
    if MSS in kept:
        assert found["mss"] == int.from_bytes(kept[MSS]), segment
    if WINDOW_SCALE in kept:
        assert found["window_scale"] == kept[WINDOW_SCALE][0], segment
    if edges:
        start = found["sack_start"]
        assert segment.options[start : start + len(edges)] == edges, segment
        assert (found["sack_high"], found["sack_low"]) == (sum(edges[::2]), sum(edges[1::2])), segment


def spacing_cycles(lanes: int) -> int:
    return SPACING_CYCLES.get(lanes, 1)


@pytest.mark.parametrize(("lanes", "idle"), ((1, 0), (8, 0), (8, 5), (64, 0)))
def test_finds_what_the_specification_finds(lanes: int, idle: int) -> None:
    r = random.Random(f"{lanes} {idle}")
    segments = [*r.sample([*every_length()], 100), *r.sample([*every_cut()], 100), *(chance(r) for _ in range(180))]
    r.shuffle(segments)
    results = run(lanes, segments, spacing_cycles(lanes) + idle)
    assert len(results) == len(segments)
    for segment, found in zip(segments, results, strict=True):
        check(segment, found)


@pytest.mark.parametrize("spacing", range(1, SPACING_CYCLES[8]))
def test_fails_closed_when_the_next_frame_comes_too_early(spacing: int) -> None:
    """The frame that it runs into counts as malformed; the one that nothing runs into is right."""
    r = random.Random(spacing)
    good = [segment for _ in range(200) if not isinstance(specified(segment := chance(r)), Reason)]
    short = [segment._replace(payload=0) for segment in good if len(segment.options) <= 8][:40]
    results = run(8, short, spacing)
    assert len(results) == len(short)
    assert all(found["malformed"] for found in results[:-1])
    check(short[-1], results[-1])
