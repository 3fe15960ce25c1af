# SPDX-License-Identifier: Apache-2.0
"""Each row of the scrub table that needs a flow: what the field says does not come out."""

from collections.abc import Callable, Iterator
from random import Random

import pytest

from custodes.link import Ingress
from custodes.table import INDEX, SCRUBBED, Port, Reason
from tests.compare import SEED, WholePair
from tests.frames import ICMPV6, Frame, Icmp, Ip4, Ip6, Tcp

RUNS = 8
SYN, SYN_ACK, ACK = 0x02, 0x12, 0x10
NUMBERS = 1 << 32


def _ping(r: Random) -> Iterator[Frame]:
    yield Frame(Ip6(Icmp(128, 0, r.randbytes(4) + b"payload", ICMPV6)))


def _port(r: Random) -> Iterator[Frame]:
    yield Frame(Ip4(Tcp(SYN, source=r.randrange(32768, 65536))))


def _isn(r: Random) -> Iterator[Frame]:
    isn = r.randrange(NUMBERS)
    yield Frame(Ip4(Tcp(SYN, sequence=isn)))
    yield Frame(Ip4(Tcp(SYN, sequence=isn)))


def _scale(r: Random) -> Iterator[Frame]:
    yield Frame(Ip4(Tcp(SYN, b"\1\3\3" + bytes((r.choice((0, 1, 8, 14)),)))))


FIRST: dict[str, Callable[[Random], Iterator[Frame]]] = {
    "icmp_id_seq": _ping,
    "tcp_source_port": _port,
    "tcp_isn": _isn,
    "tcp_window_scale": _scale,
}
"""Frames from the cluster, with which flows begin."""


@pytest.mark.parametrize("key", FIRST)
def test_flows_that_begin_with_another_number_come_out_identical(pair: WholePair, key: str):
    random = Random(key)
    runs: list[list[bytes | None]] = []
    sent: set[tuple[bytes, ...]] = set()
    altered = 0
    for _ in range(RUNS):
        frames = [Ingress(Port.CLUSTER, frame.pack()) for frame in FIRST[key](random)]
        outcomes = pair.exchange(frames)
        assert outcomes == [pair.expected(frame) for frame in frames]
        assert {outcome.reason for outcome in outcomes} == {Reason.FORWARDED}
        runs.append([outcome.frame for outcome in outcomes])
        sent.add(tuple(frame.frame for frame in frames))
        altered |= outcomes[0].altered
        pair.give_words(SEED)
    assert len(sent) > 1
    assert all(run == runs[0] for run in runs)
    assert altered >> INDEX[key] & 1


def test_sack_edges_count_from_where_the_other_station_does(pair: WholePair):
    random, runs = Random("sack"), set()
    for _ in range(RUNS):
        client, server = random.randrange(NUMBERS), random.randrange(NUMBERS)
        heard = _says(pair, Port.CLUSTER, Tcp(SYN, b"\4\2\1\1", source=50000, sequence=client))
        port, client_out = int.from_bytes(heard[:2]), int.from_bytes(heard[4:8])
        reply = Tcp(SYN_ACK, b"\4\2\1\1", source=80, destination=port, sequence=server)
        reply.acknowledgement = (client_out + 1) % NUMBERS
        server_out = int.from_bytes(_says(pair, Port.WORLD, reply)[4:8])
        ahead = Tcp(ACK, source=80, destination=port, sequence=(server + 501) % NUMBERS, payload=bytes(500))
        ahead.acknowledgement = reply.acknowledgement
        _says(pair, Port.WORLD, ahead)
        edges = b"".join(((server_out + at) % NUMBERS).to_bytes(4) for at in (501, 1001))
        segment = Tcp(ACK, b"\1\1\5\12" + edges, source=50000, sequence=(client + 1) % NUMBERS)
        segment.acknowledgement = (server_out + 1) % NUMBERS
        heard = _says(pair, Port.CLUSTER, segment)
        assert [int.from_bytes(heard[at : at + 4]) for at in (24, 28)] == [
            (server + at) % NUMBERS for at in (501, 1001)
        ]
        runs.add((heard[:8], server_out))
        pair.give_words(SEED)
    assert len(runs) == 1, "neither station's own numbers are on the other side"


def test_every_row_that_needs_a_flow_is_tried():
    assert {*FIRST, "tcp_sack"} == {row.key for row in SCRUBBED if row.stateful}


def _says(pair: WholePair, port: Port, segment: Tcp) -> bytes:
    """The TCP segment that leaves."""
    frame = Ingress(port, Frame(Ip4(segment, port)).pack())
    (outcome,) = pair.exchange([frame])
    assert outcome == pair.expected(frame)
    assert outcome.frame is not None
    return outcome.frame[34:]
