# SPDX-License-Identifier: Apache-2.0
"""One or two bits of a mode register that flip are a fault, and end the translator until a reset."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from amaranth.hdl import Value

from custodes.flow_table import MIN_FLOWS
from custodes.table import Port
from gateware.flow import Translator
from gateware.flow.engine import Engine
from gateware.flow.geometry import Geometry
from gateware.flow.parser import Parser
from tests.frames import Ip4, Udp
from tests.gateware.control.flips import FlipBench
from tests.gateware.flow.traffic import canonical, ids_of

UNITS: dict[str, tuple[Callable[[], Any], int]] = {
    "Parser, 1 word": (lambda: Parser(1), 1),
    "Parser, 2 words": (lambda: Parser(2), 1),
    "Engine": (lambda: Engine(Geometry(MIN_FLOWS)), 3),
}
"""Name -> how it is made, and how many mode registers it has."""
FRAME = canonical(Port.CLUSTER, Ip4(Udp(b"datagram", 40000, 53)))
UNDER_WAY_CYCLES = 200
"""Until what was judged before a flip has left."""
WAIT_CYCLES = 400
"""In which several frames would be judged."""


@pytest.mark.parametrize("name", UNITS)
def test_every_flip_of_one_or_two_bits_is_a_fault(name: str):
    make, count = UNITS[name]
    dut = make()
    bench = FlipBench(dut)
    assert len(bench.registers) == count
    assert bench.undetected(dut.fault, 0) == []


def test_after_a_flip_no_other_frame_is_judged_until_a_reset():
    dut = Translator(1, MIN_FLOWS)
    bench = FlipBench(dut)
    assert len(bench.registers) == 5
    draw = random.Random(1)

    async def step(ctx: Any, at: int) -> tuple[int, bool, bool]:
        """Byte ``at`` of the frame is offered; which is next, and whether a frame was judged and a byte left."""
        ctx.set(dut.i_cluster.payload.data[0], FRAME.frame[at])
        ctx.set(dut.i_cluster.payload.last, at == len(FRAME.frame) - 1)
        taken, judged, left = (
            ctx.get(dut.i_cluster.ready),
            ctx.get(dut.judged_cluster.valid),
            ctx.get(dut.o_world.valid),
        )
        await ctx.tick()
        return (at + taken) % len(FRAME.frame), bool(judged), bool(left)

    async def run(ctx: Any) -> None:
        for stream in (dut.i_cluster, dut.ids_cluster, dut.words_cluster):
            ctx.set(stream.valid, 1)
        ctx.set(dut.i_cluster.payload.keep, 1)
        ctx.set(dut.ids_cluster.payload.as_value(), ids_of(FRAME.frame))
        ctx.set(dut.live, 0b11)
        ctx.set(dut.o_world.ready, 1)
        for register in bench.registers:
            for moment in ("resting", "busy"):
                ctx.set(bench.reset, 1)
                for _ in range(3):
                    await ctx.tick()
                ctx.set(bench.reset, 0)
                at, frames = 0, 0
                while frames < 2:
                    at, judged, _ = await step(ctx, at)
                    frames += judged
                for _ in range(draw.randrange(100) if moment == "busy" else 0):
                    at, *_ = await step(ctx, at)
                assert not ctx.get(dut.fault)
                mode = ctx.get(Value.cast(register.signal))
                flips = [flip for flip in register.flips() if (flip ^ mode).bit_count() <= 2]
                ctx.set(register.signal, draw.choice(flips))
                for _ in range(UNDER_WAY_CYCLES):
                    at, *_ = await step(ctx, at)
                for _ in range(WAIT_CYCLES):
                    at, judged, left = await step(ctx, at)
                    assert not judged and not left, (register.path, moment)
                    assert ctx.get(dut.fault)

    bench.run(run)
