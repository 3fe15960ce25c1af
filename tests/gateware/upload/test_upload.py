# SPDX-License-Identifier: Apache-2.0
"""The gate does what the specification says: what makes a server serve, and what takes its power."""

from __future__ import annotations

from hashlib import sha256

import pytest

from custodes.gateway_formats import UPLOAD_BYTES
from custodes.upload_modes import Fault, Mode, UploadOrder
from tests.gateware.stream.bench import PAUSES
from tests.gateware.upload.bench import Both, other, upload

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
