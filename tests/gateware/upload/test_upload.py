# SPDX-License-Identifier: Apache-2.0
"""The gate does what the specification says: what makes a server serve, and what takes its power."""

from __future__ import annotations

from hashlib import sha256

import pytest

from custodes.gateway_formats import UPLOAD_BYTES
from custodes.upload_modes import Fault, Mode, UploadOrder
from gateware.upload import Upload
from tests.gateware.stream.bench import PAUSES, refusal
from tests.gateware.upload.bench import OFF_CYCLES, Both, other, upload

LANES = (1, 8, 64)
KIND_AT, ZERO_AT, LENGTH_AT, OFFSET_AT, OCTETS_AT = 14, 15, 16, 18, 24


def changed(frame: bytes, at: int, octet: int) -> bytes:
    return frame[:at] + bytes([octet]) + frame[at + 1 :]


@pytest.mark.parametrize("size", [1, 4, 35, 36, 55, 56, 119, 120, 200, UPLOAD_BYTES, UPLOAD_BYTES + 2])
@pytest.mark.parametrize("lanes", LANES)
def test_serves_after_the_weights_that_were_announced(lanes: int, size: int):
    both = Both(lanes)
    octets, frames = upload(size)

    async def run() -> None:
        await both.serve(octets, frames)
        await both.world(other(60), other(61), other(200))
        await both.server(other(300, 4))

    both.run(run)


@pytest.mark.parametrize("pauses", PAUSES)
@pytest.mark.parametrize("lanes", LANES)
def test_idle_and_back_pressure_change_nothing(lanes: int, pauses: str):
    both = Both(lanes, pauses)
    octets, frames = upload(UPLOAD_BYTES + 77)

    async def run() -> None:
        await both.start(octets)
        await both.world(other(90))
        await both.world(frames[0])
        await both.world(other(60), frames[1], other(60))
        assert both.model.mode == Mode.SERVING
        await both.world(*(other(60 + at, at) for at in range(8)))
        for at in range(3):
            await both.server(other(100 + at, at))
        await both.world(frames[0])
        assert both.model.fault == Fault.SECOND
        await both.world(other(80))
        await both.serve(*upload(40))

    both.run(run)


@pytest.mark.parametrize("bit", [0, 7, 8 * 49 + 3, 8 * 99, 8 * 99 + 7])
@pytest.mark.parametrize("lanes", LANES)
def test_one_bit_of_the_weights_that_is_another_takes_power(lanes: int, bit: int):
    both = Both(lanes)
    octets, _ = upload(100)
    number = int.from_bytes(octets, "little") ^ 1 << bit

    async def run() -> None:
        await both.start(octets)
        _, frames = upload(100)
        forged = number.to_bytes(100, "little")
        await both.world(frames[0][:OCTETS_AT] + forged)
        assert (both.model.mode, both.model.fault) == (Mode.OFF, Fault.DIGEST)

    both.run(run)


@pytest.mark.parametrize("bit", range(0, 256, 31))
def test_one_bit_of_the_digest_that_is_another_takes_power(bit: int):
    both = Both(1)
    octets, frames = upload(30)
    digest = (int.from_bytes(sha256(octets).digest()) ^ 1 << bit).to_bytes(32)

    async def run() -> None:
        await both.start(octets, digest=digest)
        await both.world(*frames)
        assert both.model.fault == Fault.DIGEST
        await both.world(other())
        await both.server(other())

    both.run(run)


@pytest.mark.parametrize("more", [-1, 1])
@pytest.mark.parametrize("lanes", LANES)
def test_one_octet_more_or_less_than_announced_takes_power(lanes: int, more: int):
    both = Both(lanes)
    octets, frames = upload(100 + more)

    async def run() -> None:
        await both.start(octets, bits=800)
        await both.world(*frames)
        assert both.model.fault == Fault.ORDER

    both.run(run)


@pytest.mark.parametrize("bits", [0, 1, 7, 801, 1 << 51, 1 << 63, (1 << 64) - 8])
def test_no_number_of_whole_octets_is_refused_and_the_server_gets_no_power(bits: int):
    both = Both(1)
    octets, frames = upload(100)

    async def run() -> None:
        await both.start(octets, bits=bits)
        assert both.model.fault == Fault.LENGTH
        await both.world(*frames)
        await both.order(UploadOrder.START)
        await both.serve(octets, frames)

    both.run(run)


@pytest.mark.parametrize("lanes", LANES)
def test_an_upload_in_check_or_while_serving_takes_power(lanes: int):
    both = Both(lanes)
    octets, frames = upload(50)

    async def run() -> None:
        await both.start(octets)
        await both.world(frames[0], frames[0])
        assert both.model.fault == Fault.SECOND
        await both.serve(octets, frames)
        await both.world(other(), frames[0])
        assert both.model.fault == Fault.SECOND
        await both.serve(octets, frames)
        await both.world(other(1000), frames[0][: KIND_AT + 1])
        assert both.model.fault == Fault.SECOND
        await both.serve(octets, frames)
        for frame in (frames[0][:KIND_AT], changed(frames[0], KIND_AT, 2), changed(frames[0], 12, 0x89), other(13)):
            await both.world(frame)
            assert both.model.mode == Mode.SERVING
        await both.world(other(60), frames[0], error=True)
        assert both.model.fault == Fault.SECOND

    both.run(run)


@pytest.mark.parametrize("lanes", LANES)
def test_what_the_server_sends_before_it_serves_takes_power(lanes: int):
    both = Both(lanes)
    octets, frames = upload(UPLOAD_BYTES + 50)

    async def run() -> None:
        await both.server(other())  # is thrown away
        assert both.model.fault == Fault.RESET
        await both.start(octets)
        await both.server(other(1))
        assert both.model.fault == Fault.BACKWARD
        await both.start(octets)
        await both.world(frames[0])
        await both.server(other())
        assert both.model.fault == Fault.BACKWARD
        await both.start(octets)
        await both.world(frames[0])
        await both.check(frames[1])
        await both.server(other(1))
        assert both.model.fault == Fault.BACKWARD

    both.run(run)


@pytest.mark.parametrize("lanes", LANES)
def test_frames_that_are_not_the_next_take_power(lanes: int):
    both = Both(lanes)
    octets, frames = upload(2 * UPLOAD_BYTES + 10)
    later = changed(frames[0], OFFSET_AT, 1)

    async def run() -> None:
        for before, frame in (
            ([], frames[1]),  # a gap
            ([], later),
            ([0], frames[0]),  # again
            ([0], frames[2]),
            ([0], changed(frames[1], OFFSET_AT + 3, 1)),
            ([0], changed(frames[1], LENGTH_AT + 1, 0xCF)),
            ([0], changed(frames[1], LENGTH_AT, 0x85)),
            ([0, 1], changed(frames[2], LENGTH_AT + 1, 9)),
            ([0, 1], changed(frames[2], LENGTH_AT + 1, 11)),
        ):
            await both.start(octets)
            for at in before:
                await both.world(frames[at])
            await both.world(frame)
            assert both.model.fault == Fault.ORDER

    both.run(run)


@pytest.mark.parametrize("lanes", LANES)
def test_frames_that_are_not_as_they_say_take_power(lanes: int):
    both = Both(lanes)
    octets, frames = upload(200)
    short, short_frames = upload(9)
    whole, whole_frames = upload(36)

    async def run() -> None:
        for weights, frame in (
            (octets, frames[0][:-1]),
            (octets, frames[0][:-4]),
            (octets, frames[0][:OCTETS_AT]),
            (octets, frames[0][: OCTETS_AT - 1]),
            (octets, frames[0][: LENGTH_AT - 1]),
            (octets, frames[0][:LENGTH_AT]),
            (octets, frames[0] + b"\0"),
            (octets, frames[0] + bytes(4)),
            (octets, frames[0] + bytes(64)),
            (octets, changed(frames[0], ZERO_AT, 1)),
            (octets, changed(frames[0], ZERO_AT, 0x80)),
            (short, changed(short_frames[0], 33, 1)),
            (short, changed(short_frames[0], 36, 1)),
            (short, changed(short_frames[0], 59, 0x80)),
            (short, short_frames[0] + b"\0"),
            (short, short_frames[0][:32]),
            (whole, whole_frames[0] + b"\0"),
        ):
            await both.start(weights)
            await both.world(frame)
            assert both.model.fault == Fault.MALFORMED

    both.run(run)


@pytest.mark.parametrize("size", [33, 34, 40, 57, 59, 60])
def test_zeros_may_fill_a_short_frame_and_do_not_reach_the_server(size: int):
    both = Both(1)
    octets, frames = upload(9)

    async def run() -> None:
        await both.serve(octets, [frames[0][:size]])

    both.run(run)


@pytest.mark.parametrize("lanes", LANES)
def test_a_damaged_frame_is_as_if_it_had_not_come(lanes: int):
    both = Both(lanes)
    octets, frames = upload(UPLOAD_BYTES + 60)

    async def run() -> None:
        await both.start(octets)
        await both.world(changed(frames[0], OFFSET_AT, 7), error=True)
        await both.world(frames[0], error=True)
        await both.world(frames[0])
        await both.world(frames[1], error=True)
        await both.world(frames[1])
        assert both.model.mode == Mode.SERVING
        await both.order(UploadOrder.STOP)
        await both.start(octets)
        await both.world(frames[0], error=True)
        await both.world(frames[1])
        assert both.model.fault == Fault.ORDER

    both.run(run)


def test_what_is_none_of_weights_is_dropped_meanwhile():
    both = Both(1)
    octets, frames = upload(UPLOAD_BYTES + 60)

    async def run() -> None:
        await both.start(octets)
        for at, frame in enumerate(frames):
            await both.world(other(1), other(14), frames[0][:KIND_AT], frames[0][: KIND_AT - 1])
            await both.world(changed(frames[at], KIND_AT, 4), changed(frames[at], 13, 0xB4), other(100))
            await both.world(frame)
        assert both.model.mode == Mode.SERVING

    both.run(run)


def test_a_frame_longer_than_the_store_is_dropped():
    both = Both(1)
    octets, frames = upload(60)

    async def run() -> None:
        await both.start(octets)
        both.bench.send("i_world", other(4200))
        await both.world(frames[0])
        assert both.model.mode == Mode.SERVING

    both.run(run)


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
            await both.bench.write("UPLOAD_PAUSE_CYCLES", 0)
            await both.order(UploadOrder.STOP)
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
