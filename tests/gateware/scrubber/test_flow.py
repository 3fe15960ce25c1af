# SPDX-License-Identifier: Apache-2.0
"""Pauses, overflow, reset and truncation: no frame is lost, made up or left half way."""

from random import Random

import pytest

from custodes.link import Ingress
from custodes.table import MAX_FRAME_BYTES, MIN_FRAME_BYTES, Port, Reason
from tests.compare import Pair
from tests.frames import Frame, Ip4, Tcp, Udp
from tests.traffic import KINDS, make

ANY = (0.0, 0.25, 0.75, 0.97)


def _mixed(count: int, seed: int) -> list[Ingress]:
    random = Random(seed)
    return [make(random.choice(sorted(KINDS)), random.randrange(1 << 32)) for _ in range(count)]


@pytest.mark.parametrize("idle", ANY)
@pytest.mark.parametrize("stall", ANY)
def test_pauses_change_nothing(pair: Pair, idle: float, stall: float):
    pair.link.pause(idle, stall, seed=int(1000 * idle + stall * 10) + 7)
    assert pair.differences(_mixed(60, 3)) == []


@pytest.mark.parametrize("size", [MIN_FRAME_BYTES, 61, 127, 128, 129, 590, MAX_FRAME_BYTES - 4])
def test_frames_back_to_back_move_one_beat_per_cycle(pair: Pair, size: int):
    frame = Ingress(Port.CLUSTER, Frame(Ip4(Udp(bytes(size - 42)))).pack())
    count = 400
    pair.link.exchange([frame] * 4)
    before = pair.link.cycles
    pair.link.exchange([frame] * count)
    beats = -(-size // pair.link.lanes)
    latency = 3 * MAX_FRAME_BYTES // pair.link.lanes + 200
    assert pair.link.cycles - before <= beats * count + latency


def test_stalled_output_holds_the_input_back_and_loses_nothing(pair: Pair):
    frames = [Ingress(Port.CLUSTER, Frame(Ip4(Tcp(payload=bytes((n,)) * 1400))).pack()) for n in range(200)]
    pair.link.pause(0, 1.0)
    for frame in frames:
        pair.link.send(frame)
    assert pair.link.run(100_000) == len(frames)
    pair.link.pause(0, 0)
    assert pair.link.run(1_000_000) == 0
    assert [pair.link.take(Port.CLUSTER) for _ in frames] == [pair.expected(frame) for frame in frames]


@pytest.mark.parametrize("cycles", [*range(1, 120, 7), 300, 700, 1600])
def test_reset_in_the_middle_of_frames_forgets_them_all(pair: Pair, cycles: int):
    before = _mixed(40, cycles)
    for frame in before:
        pair.link.send(frame)
    pair.link.run(cycles)
    pair.link.reset()
    assert {outcome.reason for outcome in pair.link.exchange(before)} <= {*range(Reason.ETHERTYPE + 1)}, (
        "no policy: no frame"
    )
    pair.load_policy()
    assert pair.differences(_mixed(40, cycles + 1)) == []


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("tagged", [False, True])
def test_every_truncation_length(pair: Pair, kind: str, tagged: bool):
    random = Random(f"{kind}{tagged}")
    frames = []
    while not frames or pair.expected(frames[-1]).reason != Reason.FORWARDED or len(frames[-1].frame) > 220:
        port = random.choice((Port.CLUSTER, Port.WORLD))
        frame = KINDS[kind](random, port)
        frame.tag = 42 if tagged else None
        frames = [Ingress(port, frame.pack())]
    whole = frames[0]
    cut = [Ingress(whole.port, whole.frame[:length]) for length in range(1, len(whole.frame))]
    assert pair.differences(cut) == []


@pytest.mark.parametrize("size", [MAX_FRAME_BYTES - 1, MAX_FRAME_BYTES, MAX_FRAME_BYTES + 1, 2000, 9018])
def test_a_frame_that_is_too_long_is_dropped_whole(pair: Pair, size: int):
    good = Ingress(Port.WORLD, Frame(Ip4(Udp(b"good"), Port.WORLD)).pack())
    long = Ingress(Port.WORLD, Frame(Ip4(Udp(b"padded"), Port.WORLD), padding=bytes(size - 48)).pack())
    assert len(long.frame) == size
    assert pair.differences([good, long, long, good]) == []
    assert (pair.expected(long).reason == Reason.OVERSIZE) == (size > MAX_FRAME_BYTES)
