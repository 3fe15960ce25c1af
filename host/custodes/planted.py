# SPDX-License-Identifier: Apache-2.0
"""Epochs of a sampler behind which a server lies: requests and answers as the frames of a connection."""

from __future__ import annotations

import enum
import json
from collections.abc import Sequence
from random import Random

from custodes.inference import GENERATE, answer, read_requests
from custodes.inference_server import wrong
from custodes.model.canonical import TCP, Canonical
from custodes.model.checksum import checksum
from custodes.model.sampler import MIN_SLOT_BYTES, Macs, Sampler
from custodes.transformer import Shape, Transformer, make_weights

WEIGHTS = make_weights(5, Shape(layers=1, width=16, heads=2, hidden=32, context=64))
"""Of a model that answers in a tenth of a millisecond."""
PROMPTS = "ABCDEFGH"
SERVER, WORLD = 1, 2
SERVER_PORT, WORLD_PORT = 80, 50000
FIRST = {SERVER: 9000, WORLD: 1000}
"""Sequence numbers of their first octets."""
ACK, FIN = 0x10, 0x01


class Said(enum.Enum):
    """What the server answers to a request."""

    RIGHT = enum.auto()
    """What the model does."""
    WRONG = enum.auto()
    """Another text."""
    HIDDEN = enum.auto()
    """Another text, to a request whose body comes in chunks (RFC 9112, 7.1): there is no request of one meaning in it for
    recomputation, so that whatever is answered is unverifiable."""


class PlantedSampler:
    """A sampler without faults between the world and a server that lies where it is told to.

    The tags of its pairs have the numbers from 1 on, in the order in which they were talked.
    """

    def __init__(self) -> None:
        self._sampler = Sampler(1, 2, MIN_SLOT_BYTES, Macs(_mac(WORLD), _mac(SERVER)))
        self._exchanges = _exchanges(Transformer(WEIGHTS))

    def epoch(self, key: bytes, threshold: int) -> list[bytes]:
        """End the epoch under way, if there is one, and begin one; returns the samples that have left until then."""
        self._sampler.epoch(key, threshold)
        left = [*self._sampler.emitted]
        self._sampler.emitted.clear()
        return left

    def talk(self, said: Sequence[Said], source: Random) -> None:
        """A connection with so many pairs, one after another; all have been complete when it ends."""
        numbers = dict(FIRST)
        for number, how in enumerate(said, 1):
            flags = ACK if number < len(said) else ACK | FIN
            for sender, octets in zip((WORLD, SERVER), source.choice(self._exchanges[how]), strict=True):
                passed = self._sampler.frame(sender == SERVER, _frame(sender, numbers[sender], flags, octets))
                assert passed is not None
                numbers[sender] += len(octets)


def _exchanges(model: Transformer) -> dict[Said, list[tuple[bytes, bytes]]]:
    """Requests and what is answered."""
    found: dict[Said, list[tuple[bytes, bytes]]] = {said: [] for said in Said}
    for prompt in PROMPTS:
        body = json.dumps({"prompt": prompt, "max_tokens": 1}).encode()
        asked = _request(f"Content-Length: {len(body)}", body)
        (request,) = read_requests(asked)
        right = answer(model, request)
        chunked = _request("Transfer-Encoding: chunked", b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
        found[Said.RIGHT].append((asked, right))
        found[Said.WRONG].append((asked, wrong(right)))
        found[Said.HIDDEN].append((chunked, wrong(right)))
    return found


def _request(field: str, body: bytes) -> bytes:
    return f"POST {GENERATE} HTTP/1.1\r\n{field}\r\n\r\n".encode() + body


def _mac(station: int) -> bytes:
    return bytes([2, 0, 0, 0, 0, station])


def _frame(sender: int, sequence: int, flags: int, payload: bytes) -> bytes:
    """A canonical segment: RFC 9293, 3.1, in RFC 791, 3.1."""
    receiver, ports = (WORLD, (SERVER_PORT, WORLD_PORT)) if sender == SERVER else (SERVER, (WORLD_PORT, SERVER_PORT))
    body = b"".join(port.to_bytes(2) for port in ports) + sequence.to_bytes(4) + bytes(4)
    body += bytes([0x50, flags]) + (512).to_bytes(2) + bytes(4) + payload
    ends = [bytes([192, 0, 2, station]) for station in (sender, receiver)]
    packet = b"\x45\0" + (20 + len(body)).to_bytes(2) + bytes([0, 0, 0x40, 0, 64, TCP])
    packet += checksum(packet + b"".join(ends)).to_bytes(2) + b"".join(ends)
    before = _mac(receiver) + _mac(sender) + b"\x08\0" + packet
    return Canonical(before, body, b"", len(before) - len(packet)).sealed()
