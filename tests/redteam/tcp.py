# SPDX-License-Identifier: Apache-2.0
"""Storage channels of TCP: in the segments that open connections, and in those of one that is open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import permutations
from typing import Any

from custodes.table import Port
from tests.frames import Frame, Ip4, Tcp
from tests.redteam.storage import Channel, Send
from tests.redteam.wire import Seen, Wire

SYN, RST, ACK, URG = 2, 4, 16, 32
EPHEMERAL = 0xC000
SERVER_ISN = 77_000_000
MSS, PERMITTED, SCALE = b"\x02\x04\x05\xa0", b"\x04\x02", b"\x03\x03\x07"
ORDERS = [b"".join(order) for order in permutations((MSS, PERMITTED, SCALE))][:4]
KINDS = [tuple(option[0] for option in order) for order in permutations((MSS, PERMITTED, SCALE))][:4]


class Conversation:
    """A connection over a wire, begun by a station on ``side``; each end knows of the other what it has seen.

    Args:
        number: tells it from others.
        fields: of the SYN.
    """

    def __init__(self, wire: Wire, side: Port, number: int, **fields: Any) -> None:
        self._wire, self._side = wire, side
        self.port = fields.pop("source", EPHEMERAL | number)
        self.isn = fields.pop("sequence", 1_000_000)
        self._acknowledged = 0
        self.syn = self._pass(side, Tcp(SYN, source=self.port, sequence=self.isn, **fields))
        """As the other end sees it; None: it does not."""

    def _pass(self, side: Port, segment: Tcp) -> Seen | None:
        left = self._wire(Frame(Ip4(segment, side)).pack(), side)
        return None if left is None else Seen(left)

    def open(self) -> Conversation:
        """The rest of the handshake."""
        if self.syn is not None:
            port, server = self.syn.ports
            answer = Tcp(SYN | ACK, source=server, destination=port, sequence=SERVER_ISN)
            answer.acknowledgement = (self.syn.sequence + 1) & 0xFFFF_FFFF
            heard = self._pass(self._side.other, answer)
            if heard is not None:
                self._acknowledged = (heard.sequence + 1) & 0xFFFF_FFFF
                self.say()
        return self

    def say(self, flags: int = ACK, at: int = 1, back: int = 0, **fields: Any) -> Seen | None:
        """A segment ``at`` bytes behind the ISN, which acknowledges all but ``back`` bytes, as the other end sees it."""
        sequence, acknowledged = (self.isn + at) & 0xFFFF_FFFF, (self._acknowledged - back) & 0xFFFF_FFFF
        numbers = {"sequence": sequence, "acknowledgement": acknowledged if flags & ACK else 0}
        return self._pass(self._side, Tcp(flags, source=self.port, **(numbers | fields)))


def opening(fields: Callable[[int], dict[str, Any]], read: Callable[[Seen], int]) -> Send:
    """A connection for every symbol: in its SYN."""

    def send(wire: Wire, side: Port, symbols: Sequence[int]) -> list[int | None]:
        syns = [Conversation(wire, side, number, **fields(symbol)).syn for number, symbol in enumerate(symbols)]
        return [None if syn is None else read(syn) for syn in syns]

    return send


def talking(fields: Callable[[int], dict[str, Any]], read: Callable[[Seen], int]) -> Send:
    """A segment of one connection for every symbol."""

    def send(wire: Wire, side: Port, symbols: Sequence[int]) -> list[int | None]:
        conversation = Conversation(wire, side, 0).open()
        found = [conversation.say(**fields(symbol)) for symbol in symbols]
        return [None if segment is None else read(segment) for segment in found]

    return send


def answering(wire: Wire, side: Port, symbols: Sequence[int]) -> list[int | None]:
    """The ISN of a SYN-ACK, where ``side`` is the one that answers."""
    found: list[int | None] = []
    for number, symbol in enumerate(symbols):
        syn = Frame(Ip4(Tcp(SYN, source=EPHEMERAL | number), side.other)).pack()
        came = wire(syn, side.other)
        if came is None:
            found.append(None)
            continue
        seen = Seen(came)
        port, server = seen.ports
        answer = Tcp(SYN | ACK, source=server, destination=port, sequence=symbol)
        answer.acknowledgement = (seen.sequence + 1) & 0xFFFF_FFFF
        left = wire(Frame(Ip4(answer, side)).pack(), side)
        found.append(None if left is None else Seen(left).sequence)
    return found


def resetting(fields: Callable[[int], dict[str, Any]], read: Callable[[Seen], int]) -> Send:
    """A connection for every symbol: in the RST that ends it."""

    def send(wire: Wire, side: Port, symbols: Sequence[int]) -> list[int | None]:
        found: list[int | None] = []
        for number, symbol in enumerate(symbols):
            reset = Conversation(wire, side, number).open().say(RST | ACK, **fields(symbol))
            found.append(None if reset is None else read(reset))
        return found

    return send


def _number(data: bytes | None) -> int:
    return int.from_bytes(data or b"")


def _timestamps(symbol: int) -> dict[str, Any]:
    return {"options": b"\x01\x01\x08\x0a" + symbol.to_bytes(8)}


def _order(segment: Seen) -> int:
    """Which of `ORDERS` the options are in."""
    kinds = tuple(kind for kind in segment.options if kind != 1)
    return KINDS.index(kinds) if kinds in KINDS else 0


def _steps(payload: bytes) -> Send:
    """A segment of one connection for every symbol, which begins so many bytes behind the one before."""

    def send(wire: Wire, side: Port, symbols: Sequence[int]) -> list[int | None]:
        conversation = Conversation(wire, side, 0).open()
        at, before = 1, conversation.say(payload=payload)
        found: list[int | None] = []
        for symbol in symbols:
            at += symbol
            segment = conversation.say(at=at, payload=payload)
            found.append(None if segment is None or before is None else segment.sequence - before.sequence)
            before = segment or before
        return found

    return send


def _back(wire: Wire, side: Port, symbols: Sequence[int]) -> list[int | None]:
    """A segment of one connection for every symbol, which begins so many bytes before the first."""
    conversation = Conversation(wire, side, 0).open()
    first = conversation.say()
    found = [conversation.say(at=1 - symbol) for symbol in symbols]
    return [None if first is None or segment is None else first.sequence - segment.sequence for segment in found]


CLOSED = [
    Channel("TCP ISN of who begins", 32, opening(lambda v: {"sequence": v}, lambda s: s.sequence)),
    Channel("TCP ISN of who answers", 32, answering),
    Channel("TCP source port", 14, opening(lambda v: {"source": EPHEMERAL | v}, lambda s: s.ports[0]), distinct=True),
    Channel(
        "TCP acknowledgement number while ACK=0",
        32,
        opening(lambda v: {"acknowledgement": v}, lambda s: s.acknowledgement),
    ),
    Channel("payload of a SYN", 64, opening(lambda v: {"payload": v.to_bytes(8)}, lambda s: _number(s.payload[:8]))),
    Channel("payload of a RST", 64, resetting(lambda v: {"payload": v.to_bytes(8)}, lambda s: _number(s.payload[:8]))),
    Channel("TCP window in a RST", 16, resetting(lambda v: {"window": v}, lambda s: s.window)),
    Channel("TCP timestamps", 64, talking(_timestamps, lambda s: _number(s.options.get(8)))),
    Channel(
        "TCP timestamps: lowest bit",
        1,
        talking(lambda v: _timestamps((1000 | v) << 32), lambda s: _number(s.options.get(8)) >> 32),
    ),
    Channel("TCP urgent pointer", 16, talking(lambda v: {"urgent": v}, lambda s: s.urgent)),
    Channel(
        "TCP urgent pointer and URG",
        16,
        talking(lambda v: {"urgent": v, "flags": ACK | URG, "payload": b"x"}, lambda s: s.urgent),
    ),
    Channel("leaps of TCP sequence numbers without payload", 20, _steps(b"")),
    Channel("TCP reserved bits", 3, talking(lambda v: {"reserved": v}, lambda s: s.flags >> 9)),
    Channel("TCP CWR and ECE", 2, talking(lambda v: {"flags": ACK | v << 6}, lambda s: s.flags >> 6)),
    Channel("TCP PSH", 1, talking(lambda v: {"flags": ACK | v << 3, "payload": b"x"}, lambda s: s.flags >> 3)),
    Channel("TCP window: low bits", 13, talking(lambda v: {"window": 0x4000 | v}, lambda s: s.window)),
    Channel(
        "TCP MSS above the limit",
        4,
        opening(
            lambda v: {"options": b"\x02\x04" + (1440 + v).to_bytes(2)}, lambda s: _number(s.options.get(2)) - 1440
        ),
    ),
    Channel(
        "TCP window scale",
        3,
        opening(lambda v: {"options": b"\x03\x03" + bytes((v + 4, 1))}, lambda s: _number(s.options.get(3)) - 4),
    ),
    Channel("order of TCP options", 2, opening(lambda v: {"options": b"\x01\x01\x01" + ORDERS[v]}, _order)),
    Channel(
        "NOPs among TCP options",
        1,
        opening(lambda v: {"options": b"\x01\x01\x01\x01" * v + MSS}, lambda s: s.region.startswith(b"\x01")),
    ),
    Channel(
        "bytes behind the end of TCP options",
        24,
        talking(lambda v: {"options": b"\0" + v.to_bytes(3)}, lambda s: _number(s.region[1:4])),
    ),
    Channel(
        "TCP Fast Open cookie",
        64,
        opening(lambda v: {"options": b"\x22\x0a" + v.to_bytes(8) + b"\0\0"}, lambda s: _number(s.options.get(34))),
    ),
    Channel(
        "unknown TCP option",
        48,
        talking(lambda v: {"options": b"\xfd\x08" + v.to_bytes(6)}, lambda s: _number(s.options.get(253))),
    ),
]
"""Those that a warden has to close."""

OPEN = [
    Channel(
        "exponent of the TCP window", 3, talking(lambda v: {"window": 0x100 << v}, lambda s: s.window.bit_length() - 9)
    ),
    Channel(
        "TCP MSS below the limit",
        8,
        opening(
            lambda v: {"options": b"\x02\x04" + (1000 + v).to_bytes(2)}, lambda s: _number(s.options.get(2)) - 1000
        ),
    ),
    Channel(
        "TCP source port below the ephemeral ones", 14, opening(lambda v: {"source": 0x4000 | v}, lambda s: s.ports[0])
    ),
    Channel("length of a TCP segment", 8, talking(lambda v: {"payload": bytes(1 + v)}, lambda s: len(s.payload) - 1)),
    Channel("repetition of a TCP segment", 1, _steps(b"x")),
    Channel("leaps of TCP sequence numbers below 2^14", 13, _steps(b"x")),
    Channel("old TCP sequence numbers", 23, _back),
    Channel(
        "old TCP acknowledgement numbers",
        23,
        talking(lambda v: {"back": v}, lambda s: SERVER_ISN + 1 - s.acknowledgement),
    ),
]
"""Those that stay, as README.md of this folder says."""
