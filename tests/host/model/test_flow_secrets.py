# SPDX-License-Identifier: Apache-2.0
"""Random conversations through the warden: each station finds the other's numbers right, and what leaves shows nothing of
what a station chose for itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

import pytest

from custodes.table import Port, Reason
from tests.frames import Tcp
from tests.host.model.passage import ACK, FIN, SYN, C, Heard, Passage, W, heard, udp
from tests.host.model.test_flow_table import echo

M32 = 1 << 32
STREAM = Random(7).randbytes(1 << 16)
SHORT = 40


class Secret(NamedTuple):
    """What a station chooses, and could say something with."""

    isn: int
    port: int
    identifier: int
    sequence: int


def secret(random: Random) -> Secret:
    isn = random.choice((0, M32 - 1, M32 - 5000, random.randrange(M32)))
    return Secret(isn, random.randrange(0x8000, 1 << 16), random.randrange(1 << 16), random.randrange(1 << 16))


@dataclass
class Station:
    """A TCP station that sends `STREAM`, and checks every number that it hears."""

    isn: int
    port: int
    sent: int = 0
    peer_isn: int | None = None
    peer_port: int = 80
    peer_sent: int = 0
    blocks: list[tuple[int, int]] = field(default_factory=list)

    @property
    def received(self) -> int:
        """So many bytes, one after the other."""
        return self.blocks[0][1] if self.blocks and self.blocks[0][0] == 0 else 0

    def segment(self, flags: int, at: int = 0, payload: bytes = b"", edges: bool = False) -> Tcp:
        """With ``payload`` at this place in the stream; ``edges``: tell what has been received out of order."""
        options = b""
        later = [block for block in self.blocks if block[0] > self.received][:3]
        base = 0 if self.peer_isn is None else self.peer_isn + 1
        if edges and later:
            values = b"".join(((base + edge) % M32).to_bytes(4) for block in later for edge in block)
            options = b"\x01\x01\x05" + bytes((2 + len(values),)) + values
        sequence = self.isn if flags & SYN else self.isn + 1 + at
        acknowledgement = base + self.received if flags & ACK else 0
        return Tcp(
            flags,
            options,
            payload,
            self.port,
            self.peer_port,
            sequence % M32,
            acknowledgement % M32,
            window=512,
        )

    def hears(self, found: Heard) -> None:
        if found.flags & SYN:
            self.peer_isn, self.peer_port = found.sequence, found.source
        assert found.source == self.peer_port and found.destination == self.port
        assert self.peer_isn is not None
        if found.payload:
            at = (found.sequence - self.peer_isn - 1) % M32
            assert found.payload == STREAM[at : at + len(found.payload)]
            self._take(at, at + len(found.payload))
        if found.flags & ACK and not found.flags & SYN:
            assert (found.acknowledgement - self.isn - 1) % M32 <= self.sent + 1
        for at in range(4, len(found.options), 8):
            left, right = (int.from_bytes(found.options[at + k : at + k + 4]) for k in (0, 4))
            assert 0 < (left - self.isn - 1) % M32 < (right - self.isn - 1) % M32 <= self.sent

    def _take(self, left: int, right: int) -> None:
        merged: list[tuple[int, int]] = []
        for first, last in sorted([*self.blocks, (left, right)]):
            if merged and first <= merged[-1][1]:
                merged[-1] = merged[-1][0], max(last, merged[-1][1])
            else:
                merged.append((first, last))
        self.blocks = merged


def conversation(seed: int, client: Secret, server: Secret, side: Port) -> dict[Port, list[bytes | None]]:
    """What leaves towards each side when stations with these secrets talk as ``seed`` says: TCP with loss and reordering on
    both sides of the warden, UDP, and echo in both directions."""
    random, passage = Random(seed), Passage()
    version = random.choice((4, 6))
    left: dict[Port, list[bytes | None]] = {C: [], W: []}
    stations = {side: Station(client.isn, client.port), side.other: Station(server.isn, 80)}

    def says(who: Port, transport: Tcp) -> Heard | None:
        """What is heard, if it is not empty and behind something that was lost before it."""
        result = passage.result(who, transport, version)
        left[who.other].append(result.frame)
        if result.frame is None:
            assert result.reason is Reason.FLOW_STATE and not transport.payload
            return None
        return heard(result)

    for who, flags in ((side, SYN), (side.other, SYN | ACK), (side, ACK)):
        found = says(who, stations[who].segment(flags))
        assert found is not None
        stations[who.other].hears(found)
    late: list[tuple[Port, Heard]] = []
    for _ in range(SHORT):
        who = random.choice((C, W))
        station = stations[who]
        at, size = random.choice(((station.sent, random.randrange(1400)), (random.randrange(station.sent + 1), 300)))
        payload = STREAM[at : min(at + size, max(station.sent, at + size))]
        segment = station.segment(ACK, at, payload, edges=True)
        station.sent = max(station.sent, at + len(payload))
        lost_before, fate = random.random() < 0.1, random.random()
        if lost_before:
            continue
        found = says(who, segment)
        if found is None:
            continue
        if fate < 0.6:
            stations[who.other].hears(found)
        elif fate < 0.8:
            late.append((who.other, found))
        if random.random() < 0.3:
            random.shuffle(late)
            for whom, found in late:
                stations[whom].hears(found)
            late.clear()
    for who in (C, W):
        says(who, stations[who].segment(FIN | ACK, stations[who].sent))
    _small_talk(passage, random, version, left, {side: client, side.other: server})
    return left


def _small_talk(
    passage: Passage,
    random: Random,
    version: int,
    left: dict[Port, list[bytes | None]],
    secrets: dict[Port, Secret],
) -> None:
    """Datagrams and pings from both sides, and their answers."""
    shown: dict[Port, Heard] = {}
    for at in range(6):
        who = random.choice((C, W))
        chosen = secrets[who]
        for transport in (
            udp(chosen.port, 53),
            echo(1, chosen.identifier, (chosen.sequence + at) % (1 << 16), version),
        ):
            result = passage.result(who, transport, version)
            left[who.other].append(result.frame)
            shown[who] = heard(result)
        if random.random() < 0.7:
            identifier, sequence = (int.from_bytes(shown[who].body[k : k + 2]) for k in (4, 6))
            result = passage.result(who.other, echo(0, identifier, sequence, version), version)
            left[who].append(result.frame)
            assert heard(result).body[4:6] == chosen.identifier.to_bytes(2)


@pytest.mark.parametrize("seed", range(30))
def test_both_stations_see_consistent_numbers_and_nothing_of_the_others_choice(seed: int):
    random = Random(1000 + seed)
    side = random.choice((C, W))
    client, server = secret(random), secret(random)
    first = conversation(seed, client, server, side)
    for towards in first.values():
        assert len(towards) > 10 and towards.count(None) < len(towards) / 4
    other_client = conversation(seed, secret(random), server, side)
    assert other_client[side.other] == first[side.other]
    assert other_client[side] != first[side]
    other_server = conversation(seed, client, secret(random), side)
    assert other_server[side] == first[side]
    assert other_server[side.other] != first[side.other]
