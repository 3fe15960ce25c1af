# SPDX-License-Identifier: Apache-2.0
"""An association whose time is over is as one that has been zeroised."""

from random import Random

from custodes.link import Ingress
from custodes.macsec import Opening, Sealing, Side, Suite
from custodes.processor_registers import TICK_CYCLES
from tests.gateware.session.bench import OWN, PEER, Bench, Sak, Station, plain, to_open, to_seal

SLACK_CYCLES = 60_000
"""More than `Bench.check` takes."""


def both(bench: Bench, lifetime: int, random: Random) -> Station:
    """A session in each direction with this lifetime."""
    bench.send_to(0, PEER)
    bench.receive_from(0)
    peer = Station(Sak.random(Suite.GCM_AES_256, random))
    bench.load_sak(Side.ACCELERATOR, 0, Sak.random(Suite.GCM_AES_XPN_128, random), lifetime=lifetime)
    bench.load_sak(Side.NETWORK, 0, peer.sak, lifetime=lifetime)
    return peer


def frames(peer: Station, random: Random) -> list[Ingress[Side]]:
    return to_seal([plain(60, random)]) + to_open([peer.seal(plain(60, random, OWN, PEER))])


def test_traffic_stops_when_the_time_is_over(bench: Bench):
    """With 1 lane a time of 2 ticks, which is not over before the first; else of 1, which may be over at once."""
    random = Random(1)
    bench.load_sak(Side.ACCELERATOR, 9, Sak.random(Suite.GCM_AES_128, random), lifetime=1)
    bench.zeroise(Side.ACCELERATOR, 9)
    bench.load_sak(Side.ACCELERATOR, 9, Sak.random(Suite.GCM_AES_128, random))
    if bench.link.lanes == 1:
        peer = both(bench, 2, random)
        bench.link.step(TICK_CYCLES - SLACK_CYCLES)
        bench.check(frames(peer, random))
        bench.link.step(SLACK_CYCLES)
    else:
        peer = both(bench, 1, random)
    bench.link.step(TICK_CYCLES)
    bench.idle()
    for direction in (bench.sealer, bench.opener):
        direction.zeroise(0)
    bench.check(frames(peer, random))
    assert bench.sealer.counters[0, Sealing.OUT_PKTS_NOT_USING_SA] == 1
    assert bench.opener.counters[0, Opening.IN_PKTS_NOT_USING_SA] == 1
    assert [bench.processor.in_use(side) for side in Side] == [1, 0], "what was loaded without an end stays"
