# SPDX-License-Identifier: Apache-2.0
"""Linux talks TCP, UDP and ping through the specification of the warden: two namespaces, and the warden between them."""

from __future__ import annotations

import selectors
import socket
import struct
import threading
import tomllib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import pytest

from custodes.interface import Interface
from custodes.model import Warden
from custodes.model.connection import NUMBERS
from custodes.model.entropy import Word, Words
from custodes.model.transport import ACK, FIN, SYN
from custodes.policy import Policy
from custodes.table import Port, Reason
from tests.host.live_run import connect, ping, served
from tests.host.model.passage import SEED, OneWord, word_of
from tests.host.tap import Tap
from tests.host.wires import Cables, Namespace, cables, missing

__all__ = ["cables"]
pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "")
PORT = 8080
WAIT_S = 60
ROOM_BYTES = 1 << 24
"""So that none is lost in front of the specification, however slow it is."""
SERVERS = {4: Cables.ip4(Cables.SERVER), 6: Cables.ip6(Cables.SERVER)}


class Between:
    """A warden between two interfaces. A context manager.

    Args:
        loss: so many frames in a million are lost, and as many are overtaken by the next one.
        before: on the way to the warden, not behind it.
        together: TCP flags; segments with these wait until both sides have sent one.

    Attributes:
        reasons: what became of frames.
        lost: frames that were.
        left: the TCP headers of what left towards each side.
    """

    def __init__(
        self,
        cables: Cables,
        loss: int = 0,
        before: bool = False,
        words: Words | None = None,
        together: tuple[int, ...] = (),
    ) -> None:
        self.warden = Warden(_policy(cables), words or Words(SEED))
        self.reasons: Counter[Reason] = Counter()
        self.lost = 0
        self.left: dict[Port, list[bytes]] = {port: [] for port in Port}
        self._loss, self._before = loss, before
        self._random = Random(loss)
        self._together = list(together)
        self._waiting: dict[Port, bytes] = {}
        self._overtaken: dict[Port, list[bytes]] = {port: [] for port in Port}
        with cables.between.inside():
            self._ports = {
                port: Interface(name, ROOM_BYTES) for port, name in zip(Port, ("inner", "outer"), strict=True)
            }
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        with selectors.DefaultSelector() as ready:
            for port, interface in self._ports.items():
                ready.register(interface, selectors.EVENT_READ, port)
            while not self._ending.is_set():
                for key, _ in ready.select(0.05):
                    while frames := self._ports[key.data].receive():
                        for frame in frames:
                            for one in self._arriving(key.data, frame) if self._before else (frame,):
                                self._pass(key.data, one)

    def _pass(self, port: Port, frame: bytes) -> None:
        if self._together and frame[23] == 6 and frame[47] == self._together[0]:
            self._waiting[port] = frame
            if len(self._waiting) == len(Port):
                del self._together[0]
                for side in Port:
                    self._pass(side, self._waiting.pop(side))
            return
        result = self.warden.pass_frame(frame, port)
        self.reasons[result.reason] += 1
        if result.frame is None:
            return
        self.left[port.other].append(result.frame)
        for one in (result.frame,) if self._before else self._arriving(port, result.frame):
            self._ports[port.other].send(one)

    def _arriving(self, port: Port, frame: bytes) -> list[bytes]:
        """What arrives when a frame is sent over a bad line."""
        waiting, fate = self._overtaken[port], self._random.randrange(1_000_000)
        if fate < self._loss:
            self.lost += 1
            return []
        if fate < 2 * self._loss:
            waiting.append(frame)
            return []
        found = [frame, *waiting]
        waiting.clear()
        return found

    def dropped(self) -> set[Reason]:
        """Why TCP segments, UDP datagrams and pings were: Linux says more besides, of groups that it belongs to."""
        return {reason for reason in self.reasons if reason >= Reason.TRANSPORT_LENGTH} - {Reason.ICMP_TYPE}

    def segments(self, towards: Port) -> list[bytes]:
        """The TCP segments over IPv4 that left towards a side."""
        return [frame[34:] for frame in self.left[towards] if frame[12:14] == b"\x08\0" and frame[23] == 6]

    def __enter__(self) -> Between:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()
        for interface in self._ports.values():
            interface.close()


def _policy(cables: Cables) -> Policy:
    return Policy.model_validate(tomllib.loads(cables.policy()))


def _received(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size and (part := connection.recv(1 << 16)):
        data += part
    return bytes(data)


def _echo_back(size: int):
    """Answer what comes with as much again, backwards; then wait for the end."""

    def answer(connection: socket.socket) -> None:
        data = _received(connection, size)
        connection.sendall(data[::-1])
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""

    return answer


@contextmanager
def _stream(namespace: Namespace, address: str, port: int) -> Iterator[socket.socket]:
    """A TCP socket with a port of its own."""
    with namespace.inside():
        stream = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with stream:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stream.bind((address, port))
        stream.settimeout(WAIT_S)
        yield stream


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize(
    ("size", "loss", "before"), [(1_000_000, 0, False), (200_000, 20_000, False), (100_000, 20_000, True)]
)
def test_a_transfer_both_ways_arrives_whole(cables: Cables, version: int, size: int, loss: int, before: bool) -> None:
    data = Random(size).randbytes(size)
    with (
        Between(cables, loss, before) as between,
        served(cables.server, PORT, _echo_back(size)),
        connect(cables.client, SERVERS[version], PORT) as connection,
    ):
        sender = threading.Thread(target=connection.sendall, args=(data,))
        sender.start()
        answer = _received(connection, size)
        sender.join()
        assert answer == data[::-1]
        assert connection.recv(1) == b""
    assert not between.dropped() - ({Reason.FLOW_STATE} if before else set())
    assert bool(between.lost) == bool(loss)
    assert between.warden.words.used == [1, 0]


@pytest.mark.parametrize(("clamp", "scale"), [(1 << 14, 0), (1 << 25, 10)])
def test_windows_of_any_scale_leave_in_the_policys(cables: Cables, clamp: int, scale: int) -> None:
    size = 300_000
    cables.client.set("ipv4/tcp_rmem", f"4096 16384 {1 << 25}")
    with (
        Between(cables) as between,
        Tap(cables.client, "lan0") as tap,
        served(cables.server, PORT, _echo_back(size)),
        _stream(cables.client, Cables.ip4(Cables.CLIENT), 0) as connection,
    ):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_WINDOW_CLAMP, clamp)
        connection.connect((SERVERS[4], PORT))
        sender = threading.Thread(target=connection.sendall, args=(bytes(size),))
        sender.start()
        assert _received(connection, size) == bytes(size)
        sender.join()
    own = tap.sent(lambda frame: frame[34:] if frame[12:14] == b"\x08\0" and frame[23] == 6 else None)
    syns = own[0], between.segments(Port.WORLD)[0]
    assert [segment[20:40].rpartition(b"\x03\x03")[2][0] for segment in syns] == [scale, 7]
    assert not between.dropped()


def test_the_server_sees_the_words_and_nothing_of_the_client(cables: Cables) -> None:
    with Between(cables) as between, served(cables.server, PORT, _echo_back(100)):
        for _ in range(3):
            with connect(cables.client, SERVERS[4], PORT) as connection:
                connection.sendall(bytes(100))
                assert _received(connection, 100) == bytes(100)
    syns = [segment for segment in between.segments(Port.WORLD) if segment[13] == 2]
    numbers = [struct.unpack("!HHI", segment[:8]) for segment in syns]
    words = [word_of(Port.CLUSTER, index) for index in range(3)]
    assert numbers == [(0x8000 | word.port & 0x7FFF, PORT, word.isn_initiator) for word in words]
    answers = [segment for segment in between.segments(Port.CLUSTER) if segment[13] == 0x12]
    assert [int.from_bytes(segment[4:8]) for segment in answers] == [word.isn_responder for word in words]


def test_a_connection_is_refused_as_without_the_warden(cables: Cables) -> None:
    with Between(cables), pytest.raises(ConnectionRefusedError):
        connect(cables.client, SERVERS[4], PORT)


def test_a_reset_arrives(cables: Cables) -> None:
    def reset(connection: socket.socket) -> None:
        assert connection.recv(5) == b"hello"
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with (
        Between(cables),
        served(cables.server, PORT, reset),
        connect(cables.client, SERVERS[4], PORT) as connection,
    ):
        connection.sendall(b"hello")
        with pytest.raises(ConnectionResetError):
            connection.recv(1)


def test_both_may_open_and_close_at_once(cables: Cables) -> None:
    ends = Cables.ip4(Cables.CLIENT), Cables.ip4(Cables.SERVER)
    heard: tuple[list[bytes], list[bytes]] = [], []

    def talk(stream: socket.socket, peer: str, heard: list[bytes]) -> None:
        stream.connect((peer, 5000))
        stream.sendall(b"hello")
        heard.append(_received(stream, 5))
        stream.shutdown(socket.SHUT_WR)
        heard.append(stream.recv(1))

    with (
        Between(cables, together=(SYN, FIN | ACK)) as between,
        _stream(cables.client, ends[0], 5000) as client,
        _stream(cables.server, ends[1], 5000) as server,
    ):
        threads = [
            threading.Thread(target=talk, args=(client, ends[1], heard[0])),
            threading.Thread(target=talk, args=(server, ends[0], heard[1])),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert heard == ([b"hello", b""], [b"hello", b""])
    assert not between.dropped()
    assert sum(between.warden.words.used) == 1
    for port in Port:
        flags = [segment[13] for segment in between.segments(port)]
        assert flags[0] == SYN and SYN | ACK in flags and FIN | ACK in flags


def test_numbers_that_leave_may_begin_anew_in_the_middle_of_a_transfer(cables: Cables) -> None:
    size = 100_000
    words = OneWord(Word(NUMBERS - size // 2, NUMBERS - size // 3, 0, 0))
    with (
        Between(cables, words=words) as between,
        served(cables.server, PORT, _echo_back(size)),
        connect(cables.client, SERVERS[4], PORT) as connection,
    ):
        data = Random(1).randbytes(size)
        connection.sendall(data)
        assert _received(connection, size) == data[::-1]
    assert not between.dropped()
    for port in Port:
        numbers = [int.from_bytes(segment[4:8]) for segment in between.segments(port)]
        assert min(numbers) < size and max(numbers) > NUMBERS - size


@pytest.mark.parametrize("version", [4, 6])
def test_ping_and_datagrams_are_answered(cables: Cables, version: int) -> None:
    with Between(cables) as between:
        for sequence in range(3):
            assert ping(cables.client, SERVERS[version], sequence, b"")
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        with cables.server.inside():
            server = socket.socket(family, socket.SOCK_DGRAM)
        with cables.client.inside():
            client = socket.socket(family, socket.SOCK_DGRAM)
        with server, client:
            server.bind((SERVERS[version], 5353))
            for one in (server, client):
                one.settimeout(WAIT_S)
            client.sendto(b"query", (SERVERS[version], 5353))
            asked, whom = server.recvfrom(100)
            assert asked == b"query" and whom[1] == 0x8000 | word_of(Port.CLUSTER, 1).port & 0x7FFF
            server.sendto(b"answer", whom)
            assert client.recv(100) == b"answer"
    assert between.warden.words.used == [2, 0]


@pytest.mark.parametrize("version", [4, 6])
def test_a_closed_port_is_told_to_who_asked(cables: Cables, version: int) -> None:
    """The kernel finds the socket by the ports that the ICMP error quotes."""
    with cables.client.inside():
        client = socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
    with Between(cables) as between, client:
        client.settimeout(WAIT_S)
        client.connect((SERVERS[version], 5353))
        client.send(b"query")
        with pytest.raises(ConnectionRefusedError):
            client.recv(1)
    assert not between.dropped()
    assert between.warden.words.used == [1, 0]
