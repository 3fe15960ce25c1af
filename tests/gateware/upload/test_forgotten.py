# SPDX-License-Identifier: Apache-2.0
"""Whatever takes power leaves nothing of an upload; nor does a reset, whenever it comes."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from hashlib import sha256
from typing import Any

import pytest
from amaranth.hdl import Fragment, Value

from custodes.upload_modes import Fault, Mode, UploadOrder
from tests.gateware.hash.test_clear import registers
from tests.gateware.stream.bench import PAUSES
from tests.gateware.upload.bench import OFF_CYCLES, OTHER, SERVER, STATION, Bench, upload

CHECK_CYCLES = 200
PIECE_BYTES = 4


async def announced(bench: Bench, octets: bytes, digest: bytes | None = None) -> None:
    await bench.cycles(OFF_CYCLES)
    await bench.announce(8 * len(octets), digest or sha256(octets).digest())
    await bench.order(UploadOrder.START)


async def nothing_is_known(bench: Bench, fault: Fault) -> None:
    ctx, dut = bench.ctx, bench.dut
    assert not ctx.get(dut.power) and not ctx.get(dut.serving) and ctx.get(dut.forget)
    assert (await bench.mode(), await bench.field("FAULT")) == (Mode.OFF, fault)
    assert await bench.read_both("UPLOAD_COUNTED") == await bench.read_both("UPLOAD_BITS") == 0
    assert await bench.digest() == bytes(32)


@pytest.mark.parametrize("lanes", [1, 8, 64])
def test_a_reset_at_every_beat_and_until_it_serves_forgets_everything(lanes: int):
    """The rest of the frame that was under way comes afterwards, and makes no difference."""
    bench = Bench(lanes)
    octets, frames = upload(150)
    beats = -(-len(frames[0]) // lanes)

    async def run() -> None:
        for at in [*range(beats + 2), *range(beats + 2, beats + CHECK_CYCLES, 13)]:
            await announced(bench, octets)
            bench.send("i_world", frames[0])
            await bench.cycles(at)
            rest = list(bench.inputs["i_world"])
            await bench.reset()
            assert not bench.ctx.get(bench.dut.power)
            bench.inputs["i_world"].extend(rest)
            await bench.cycles(len(rest) + 1)
            await nothing_is_known(bench, Fault.RESET)
            await bench.order(UploadOrder.START)  # without an announcement
            await nothing_is_known(bench, Fault.LENGTH)
            assert not bench.left["o_world"].beats
        await announced(bench, octets)
        bench.send("i_world", frames[0])
        await bench.settle()
        assert await bench.mode() == Mode.SERVING
        await bench.reset()
        await nothing_is_known(bench, Fault.RESET)

    bench.run(run)


@pytest.mark.parametrize("pauses", PAUSES)
@pytest.mark.parametrize("lanes", [1, 8, 64])
def test_power_that_goes_at_any_moment_cuts_what_is_under_way_and_the_next_upload_goes_well(lanes: int, pauses: str):
    bench = Bench(lanes, pauses)
    octets, frames = upload(150)
    sent = STATION + OTHER

    async def run() -> None:
        await bench.addresses(SERVER, OTHER)
        for at in range(3, 3 + 30 * 13, 13):
            await announced(bench, octets)
            bench.send("i_world", frames[0])
            await bench.cycles(at)
            await bench.order(UploadOrder.STOP)
            await nothing_is_known(bench, Fault.ORDERED)
            await bench.settle()
            # Of what has begun to leave, the end says that it must not be used.
            assert not bench.left["o_weights"].open
            whole = [frame.data for frame in bench.left["o_weights"].frames if not frame.error]
            assert whole in ([], [SERVER + OTHER + frames[0][len(sent) :]])
            bench.left["o_weights"].frames.clear()
            await announced(bench, octets)
            bench.send("i_world", frames[0])
            await bench.settle()
            assert await bench.mode() == Mode.SERVING
            assert [frame.error for frame in bench.left["o_weights"].frames] == [False]
            bench.left["o_weights"].frames.clear()
            await bench.order(UploadOrder.STOP)

    bench.run(run)


def ends(bench: Bench, how: str) -> Callable[[], Coroutine[Any, Any, None]]:
    async def end() -> None:
        if how == "stop":
            await bench.order(UploadOrder.STOP)
        elif how == "alarm":
            bench.ctx.set(bench.dut.alarm, 1)
            await bench.step()
            bench.ctx.set(bench.dut.alarm, 0)
        else:
            bench.send("i_world", upload(9)[1][0])
        await bench.settle()

    return end


@pytest.mark.parametrize("how", ["stop", "alarm", "world"])
def test_no_register_holds_anything_of_the_digest_without_power(how: str):
    bench = Bench(1, own=True)
    octets, frames = upload(150, 3)
    digest = sha256(octets).digest()
    fragment: Any = Fragment.get(bench.dut, None)
    held = list({id(one): one for one in registers(fragment)}.values())
    pieces = [
        piece
        for at in range(0, len(digest), PIECE_BYTES)
        for piece in (digest[at : at + PIECE_BYTES], digest[at : at + PIECE_BYTES][::-1])
    ]

    def found(ctx: Any) -> bool:
        numbers = [ctx.get(Value.cast(one)) for one in held]
        texts = [number.to_bytes((number.bit_length() + 7) // 8) for number in numbers if number]
        return any(piece in text for text in texts for piece in pieces)

    async def run() -> None:
        await announced(bench, octets)
        bench.send("i_world", frames[0])
        await bench.settle()
        assert await bench.mode() == Mode.SERVING
        assert found(bench.ctx)
        await ends(bench, how)()
        await bench.settle()
        assert await bench.mode() == Mode.OFF
        assert not found(bench.ctx)

    bench.run(run, fragment)
