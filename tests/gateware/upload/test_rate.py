# SPDX-License-Identifier: Apache-2.0
"""Weights are taken as fast as they are digested, with one lane as fast as they can come; what passes, at once."""

from __future__ import annotations

import pytest

from custodes.gateway_formats import UPLOAD_BYTES, UPLOAD_HEAD_BYTES
from custodes.upload_modes import Mode
from tests.gateware.upload.bench import Both, other, upload

FRAME_CYCLES = UPLOAD_HEAD_BYTES + UPLOAD_BYTES
"""With one lane, and nothing between two frames; on the line there are 24 octets of FCS, preamble and gap. It is also what
23 1/4 blocks take, of 65 cycles each."""
HASH_AHEAD_CYCLES = 65
"""By so much a frame may leave earlier than another, as words wait for the engine."""
COUNT = 8


@pytest.mark.parametrize("lanes", [1, 8, 64])
def test_full_frames_are_taken_without_an_end_at_line_rate_of_one_lane(lanes: int):
    both = Both(lanes)
    octets, frames = upload(COUNT * UPLOAD_BYTES)
    bench = both.bench

    async def run() -> None:
        await both.start(octets)
        begin = bench.cycle
        for at, frame in enumerate(frames):
            both.send(frame)
            while bench.cycle < begin + (at + 1) * FRAME_CYCLES:
                await bench.step()
        await bench.settle()
        left = bench.left["o_weights"]
        ends = [cycle for cycle, beat in zip(left.cycles, left.beats, strict=True) if beat.last]
        assert len(ends) == COUNT
        assert ends[-1] - ends[0] <= (COUNT - 1) * FRAME_CYCLES + HASH_AHEAD_CYCLES
        both.model.digested()
        await both.same()
        assert both.model.mode == Mode.SERVING

    both.run(run)


@pytest.mark.parametrize("lanes", [1, 8, 64])
def test_what_passes_takes_a_cycle_for_a_beat(lanes: int):
    both = Both(lanes)
    octets, frames = upload(40)
    bench = both.bench

    async def run() -> None:
        await both.serve(octets, frames)
        for port, left in (("i_world", "o_world"), ("i_server", "o_server")):
            bench.left[left].cycles.clear()
            for at in range(10):
                bench.send(port, other(60 + at, at))
            beats = len(bench.inputs[port])
            await bench.cycles(beats)
            assert bench.left[left].cycles == list(range(bench.cycle - beats, bench.cycle))

    both.run(run)
