# SPDX-License-Identifier: Apache-2.0
"""The gate changes its mode when the specification says so, and between two frames: orders, pauses, alarms."""

from __future__ import annotations

from hashlib import sha256

import pytest

from custodes.gateway_formats import UPLOAD_BYTES
from custodes.upload_modes import Fault, Mode, UploadOrder
from gateware.upload import Upload
from tests.gateware.stream.bench import refusal
from tests.gateware.upload.bench import OFF_CYCLES, Both, other, upload

LANES = (1, 8, 64)


@pytest.mark.parametrize("late", [False, True])
def test_weights_that_do_not_come_take_power(late: bool):
    both = Both(1)
    octets, frames = upload(UPLOAD_BYTES + 60)
    pause = 4000

    async def run() -> None:
        await both.bench.write("UPLOAD_PAUSE_CYCLES", pause)
        await both.start(octets)
        await both.wait(pause + 100 if late else pause // 8, late)
        if not late:
            await both.world(frames[0])
            await both.wait(pause - 500, False)
            await both.world(frames[1])
            assert both.model.mode == Mode.SERVING
            await both.wait(pause + 100, False)
            # What it is told before there is no power counts for nothing.
            await both.bench.write("UPLOAD_PAUSE_CYCLES", 1)
            await both.order(UploadOrder.STOP)
            await both.bench.write("UPLOAD_PAUSE_CYCLES", 0)
            await both.start(octets)
            await both.wait(pause + 100, False)
            await both.world(frames[0])
        else:
            assert both.model.fault == Fault.PAUSE
            await both.start(octets)
            await both.world(frames[0])
            await both.world(other(300))
            await both.wait(pause, True)
            assert both.model.fault == Fault.PAUSE

    both.run(run)


@pytest.mark.parametrize("how", ["stop", "alarm"])
@pytest.mark.parametrize("lanes", LANES)
def test_order_and_alarm_take_power_in_every_mode(lanes: int, how: str):
    both = Both(lanes)
    octets, frames = upload(100)
    fault = Fault.ORDERED if how == "stop" else Fault.GUARD

    async def ends() -> None:
        await (both.order(UploadOrder.STOP) if how == "stop" else both.alarm())

    async def run() -> None:
        await ends()
        assert both.model.fault == Fault.RESET
        await both.start(octets)
        await ends()
        assert both.model.fault == fault
        await both.start(octets)
        await both.check(frames[0])
        await ends()
        await both.serve(octets, frames)
        await ends()
        await both.world(other())
        await both.server(other())
        await both.serve(octets, frames)

    both.run(run)


def test_power_stays_off_for_long_enough():
    both = Both(1)
    octets, frames = upload(30)

    async def run() -> None:
        await both.serve(octets, frames)
        bench = both.bench
        bench.ctx.set(bench.dut.alarm, 1)
        while bench.ctx.get(bench.dut.power):
            await bench.step()
        bench.ctx.set(bench.dut.alarm, 0)
        off = 0
        await both.bench.announce(8 * len(octets), sha256(octets).digest())
        while not bench.ctx.get(bench.dut.power):
            # Without a pause, too early at first.
            await bench.write("UPLOAD_COMMAND", UploadOrder.START)
            off += 1
        assert off >= OFF_CYCLES - 11  # that were needed for the announcement

    both.run(run)


def test_an_order_in_another_mode_and_what_is_announced_then_change_nothing():
    both = Both(1)
    octets, frames = upload(UPLOAD_BYTES + 20)

    async def run() -> None:
        await both.start(octets)
        for frame in frames:
            await both.announce(octets[:-1])
            await both.order(UploadOrder.START)
            await both.world(frame)
        await both.announce(octets[:-1])
        await both.order(UploadOrder.START)
        assert both.model.mode == Mode.SERVING

    both.run(run)


def test_what_is_announced_in_the_cycle_after_the_order_does_not_count():
    both = Both(1)
    octets, frames = upload(20)

    async def run() -> None:
        await both.announce(octets)
        both.model.order(UploadOrder.START)
        await both.bench.write("UPLOAD_COMMAND", UploadOrder.START)
        await both.bench.write("UPLOAD_BITS", 7)
        await both.bench.cycles(4)
        await both.same()
        await both.world(*frames)
        assert both.model.mode == Mode.SERVING

    both.run(run)


def test_frames_begin_to_pass_and_cease_at_once_between_two():
    """Frames come without an end, from before START until after STOP."""
    both = Both(1)
    octets, frames = upload(20)
    bench, passed = both.bench, [other(60, seed) for seed in range(40)]

    async def run() -> None:
        def more(count: int) -> None:
            for _ in range(count):
                bench.send("i_world", passed[sent.pop(0)])

        sent = list(range(len(passed)))
        more(1)
        await bench.cycles(30)  # within a frame
        await bench.announce(8 * len(octets), sha256(octets).digest())
        await bench.order(UploadOrder.START)
        bench.send("i_world", frames[0])
        more(12)
        while bench.inputs["i_world"]:
            await bench.step()
        found = [frame.data for frame in bench.left["o_world"].frames]
        assert 5 < len(found) < 12
        assert found[-1:] == passed[12:13]
        more(2)
        await bench.cycles(90)  # within the second
        await bench.order(UploadOrder.STOP)
        await bench.settle()
        assert len(bench.left["o_world"].frames) == len(found) + 1

    bench.run(run)


@pytest.mark.parametrize("off_cycles", [0, 7])
def test_too_few_cycles_without_power_are_refused(off_cycles: int):
    assert "8 cycles" in refusal(lambda: Upload(1, off_cycles))
