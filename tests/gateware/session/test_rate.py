# SPDX-License-Identifier: Apache-2.0
"""How many clock cycles a frame takes, back to back, against what its sealed form takes on the wire; with 64 lanes, in the
engine."""

from random import Random

import pytest

from custodes.link import Ingress
from custodes.macsec import MACS_BYTES, MAX_PLAIN_BYTES, OVERHEAD_BYTES, Side, Suite
from gateware.session.rate import BLOCK_BYTES
from tests.gateware.session.bench import OWN, PEER, Bench, Sak, Station, plain

MIN_FRAME_BYTES = 60
WIRE_BYTES = OVERHEAD_BYTES + 4 + 8 + 12
"""What is on the wire besides a plain frame: SecTAG and ICV, FCS, preamble, gap."""
FRAMES = 150


def engine_cycles(lanes: int, size: int) -> int:
    """With several blocks in a beat: one beat of additional data, then the text's blocks and one for the lengths."""
    if lanes <= BLOCK_BYTES:
        return 0
    blocks = -(-(size - MACS_BYTES) // BLOCK_BYTES) + 1
    return 1 + -(-blocks * BLOCK_BYTES // lanes)


def cycles_per_frame(bench: Bench, frames: list[Ingress[Side]]) -> float:
    """Beyond the first third, so that how long one is inside does not count."""
    first = len(frames) // 3
    took: list[int] = []
    for part in (frames[:first], frames[first:]):
        before = bench.link.cycles
        assert all(outcome.frame for outcome in bench.link.exchange(part))
        took.append(bench.link.cycles - before)
    return (took[1] - took[0]) / (len(frames) - 2 * first)


@pytest.mark.parametrize("size", [MIN_FRAME_BYTES, 61, 64, 65, 100, 128, 300, 576, 1024, MAX_PLAIN_BYTES])
def test_frames_back_to_back_keep_up_with_the_wire(bench: Bench, size: int):
    random = Random(size)
    lanes = bench.link.lanes
    bench.transmit(Sak.random(Suite.GCM_AES_XPN_256, random))
    peer = bench.receive(Sak.random(Suite.GCM_AES_256, random))
    wire = (size + WIRE_BYTES) / lanes
    for side in Side:
        frames = [frame_of(side, size, peer, random) for _ in range(FRAMES)]
        cycles = cycles_per_frame(bench, frames)
        print(f"{lanes} lanes, {size} bytes, {side.name.lower()}: {cycles} cycles per frame; the wire {wire}")
        assert cycles <= max(wire, engine_cycles(lanes, size))


def frame_of(side: Side, size: int, peer: Station, random: Random) -> Ingress[Side]:
    if side is Side.ACCELERATOR:
        return Ingress(side, plain(size, random))
    return Ingress(side, peer.seal(plain(size, random, OWN, PEER)))
