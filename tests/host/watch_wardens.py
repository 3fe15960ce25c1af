# SPDX-License-Identifier: Apache-2.0
"""Sabotaged wardens that are other devices: they keep another schedule, take other words, or are copies of the specification
with one change in its text. What they do, they record.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType

from custodes.model import Warden
from custodes.model.entropy import Word, Words
from custodes.retimer import Schedule
from tests.frames import POLICY
from tests.host.model.passage import SEED
from tests.host.watch_sabotage import Sabotage
from tests.host.watch_traces import BATCHES, SLOTS, Trace, run


def wardens() -> Iterator[Sabotage]:
    """All of them."""
    yield from schedules()
    yield from words()
    yield from rewritten()


def schedules() -> Iterator[Sabotage]:
    """A schedule other than the one that is public."""
    for name, public, kept in (
        ("slots longer by a cycle", SLOTS, replace(SLOTS, slot_cycles=SLOTS.slot_cycles + 1)),
        ("slots smaller by a byte", SLOTS, replace(SLOTS, slot_bytes=SLOTS.slot_bytes - 1)),
        ("no dummies", SLOTS, replace(SLOTS, policy=1)),
        ("dummies with an address", SLOTS, replace(SLOTS, dummy=bytes(11) + b"\1")),
        ("batches in place of slots", SLOTS, BATCHES),
        ("windows longer by 20 cycles", BATCHES, replace(BATCHES, window_cycles=BATCHES.window_cycles + 20)),
    ):
        yield Sabotage(name, _public(run(schedule=kept), public))
    yield Sabotage("batches in the order of arrival", run(schedule=BATCHES, key=0))
    yield Sabotage("batches in the order of another key", run(schedule=BATCHES, key=0x123456789ABCDEF0))
    unscheduled = run()
    unscheduled.timetable = run(schedule=SLOTS).timetable
    yield Sabotage("no schedule", unscheduled)


def _public(trace: Trace, schedule: Schedule) -> Trace:
    assert trace.timetable is not None
    trace.timetable = replace(trace.timetable, schedule=schedule)
    return trace


class ChangedWords(Words):
    """Words of an epoch, each put through ``change``, which also has the word before."""

    def __init__(self, change: Callable[[Word, Word | None], Word], seed: bytes = SEED) -> None:
        super().__init__(seed)
        self._change = change
        self._before: Word | None = None

    def take(self, direction: int) -> Word | None:
        word = super().take(direction)
        if word is None:
            return None
        changed, self._before = self._change(word, self._before), word
        return changed


class OtherWords(Words):
    """Words taken from another place than they should be."""

    def __init__(self, place: Callable[[int, int], tuple[int, int]]) -> None:
        super().__init__(SEED)
        self._place = place

    def take(self, direction: int) -> Word | None:
        honest = self.used[direction]
        other, index = self._place(direction, honest)
        source = Words(SEED)
        source.used[other] = index
        self.used[direction] = honest + 1
        return source.take(other)


def words() -> Iterator[Sabotage]:
    """Words reused, skipped, of the other direction, of another seed, or weakened."""
    makers: dict[str, Callable[[], Words]] = {
        "words of another seed": lambda: Words(bytes(31) + b"\1"),
        "words of no seed": lambda: Words(None),
        "a word is used twice": lambda: OtherWords(lambda direction, index: (direction, index // 2 * 2)),
        "the first word is used for ever": lambda: OtherWords(lambda direction, index: (direction, 0)),
        "a word is left out": lambda: OtherWords(lambda direction, index: (direction, index + 1)),
        "every second word is left out": lambda: OtherWords(lambda direction, index: (direction, index * 2)),
        "words of the other direction": lambda: OtherWords(lambda direction, index: (1 - direction, index)),
        "words end too soon": lambda: Words(SEED, 2),
        "the word before is used again": lambda: ChangedWords(lambda word, before: before or word),
    }
    for name, index in (("initiator's ISN", 0), ("responder's ISN", 1), ("port", 2), ("echo sequence", 3)):
        for how, change in (("a bit", lambda value: value ^ 4), ("its low byte", lambda value: value & ~0xFF)):

            def weaken(
                word: Word, before: Word | None, index: int = index, change: Callable[[int], int] = change
            ) -> Word:
                fields = [*word]
                fields[index] = change(fields[index])
                return Word(*fields)

            makers[f"the {name} of words: {how}"] = lambda weaken=weaken: ChangedWords(weaken)
    for name, make in makers.items():
        yield Sabotage(name, run(lambda make=make: Warden(POLICY, make())))


ORDER = ("checksum", "frame", "entropy", "transport", "connection", "canonical", "quote", "icmp", "scrubber", "flow")
ORDER += ("translator", "warden")
"""Modules of the specification, each after those that it imports."""
REWRITES = (
    ("scrubber", 'trace.alter("ipv4_ttl", packet[8] != self._ttl)', "self._ttl = packet[8]"),
    ("scrubber", 'b"\\x45\\0"', 'b"\\x45" + packet[1:2]'),
    ("scrubber", 'b"\\0\\0\\x40\\0"', 'packet[4:6] + b"\\x40\\0"'),
    ("scrubber", 'b"\\0\\0\\x40\\0"', 'b"\\0\\0" + packet[6:8]'),
    ("scrubber", 'b"\\x60\\0\\0\\0"', 'b"\\x60\\0" + packet[2:4]'),
    ("scrubber", 'b"\\x60\\0\\0\\0"', 'packet[:2] + b"\\0\\0"'),
    ("scrubber", "255 if neighbour else self._ttl", "packet[7]"),
    ("scrubber", "255 if neighbour else self._ttl", "self._ttl"),
    ("scrubber", "return packet[:18] + bytes(6) + target", "return packet[:28]"),
    ("scrubber", '.ljust(MIN_FRAME_BYTES, b"\\0")', " + frame[end:]"),
    ("scrubber", '.ljust(MIN_FRAME_BYTES, b"\\0")', '.ljust(MIN_FRAME_BYTES, b"\\1")'),
    ("scrubber", "raise Drop(Reason.OVERSIZE)", "return Result(frame, Reason.FORWARDED)"),
    ("scrubber", "if fragment & 0x3FFF:", "if fragment & 0x1FFF:"),
    ("scrubber", "if ones_sum(packet[:header_bytes]) != 0xFFFF:", "if False:"),
    ("scrubber", "if vlan not in self._vlans:", "if False:"),
    ("scrubber", "packet[7] not in (1, 2)", "packet[7] not in (1, 2, 3)"),
    ("scrubber", "if not self.station(frame[6:12], port):", "if False:"),
    ("scrubber", "if frame[:6] != mapped and not self.station(frame[:6], port.other):", "if False:"),
    ("transport", "1 << window.bit_length() - 1 if window else 0", "window"),
    ("transport", "1 << window.bit_length() - 1 if window else 0", "1 << window.bit_length() if window else 0"),
    ("transport", "1 << window.bit_length() - 1 if window else 0", "window & 0xF000"),
    ("transport", "min(mss, mss_limit).to_bytes(2)", "mss.to_bytes(2)"),
    ("transport", "min(mss, mss_limit).to_bytes(2)", "mss_limit.to_bytes(2)[::-1]"),
    ("transport", "flags & (FIN | SYN | RST | ACK) | (PSH if payload else 0)", "flags & 0x3F"),
    ("transport", "flags & (FIN | SYN | RST | ACK) | (PSH if payload else 0)", "flags & (FIN | SYN | RST | ACK)"),
    ("transport", "if flags & (FIN | SYN | RST | ACK) not in LEGAL_FLAGS:", "if False:"),
    ("transport", "elif kind == TIMESTAMPS:", 'elif kind == TIMESTAMPS and kept.setdefault(MSS, b"\\x05\\0"):'),
    ("transport", "if int.from_bytes(body[:2]) in denied or int.from_bytes(body[2:4]) in denied:", "if False:"),
    ("transport", "if not any(datagram[6:8]) or ones_sum(pseudo + datagram) != 0xFFFF:", "if False:"),
    ("connection", "(segment.sequence + own.delta) % NUMBERS", "segment.sequence"),
    ("connection", "(segment.sequence + own.delta) % NUMBERS", "(segment.sequence + own.delta & ~0xFF) % NUMBERS"),
    ("connection", "(own.isn - segment.sequence) % NUMBERS", "own.isn"),
    ("connection", "(own.isn - segment.sequence) % NUMBERS", "(own.isn ^ segment.sequence) - segment.sequence & ~0xFF"),
    ("connection", "acknowledgement=acknowledgement,", "acknowledgement=segment.acknowledgement,"),
    ("connection", "edges=edges,", "edges=segment.edges,"),
    ("connection", "edges=edges,", "edges=edges[::-1],"),
    ("connection", "scale=None if segment.scale is None else window_scale", "scale=segment.scale"),
    ("connection", "window=self._window(own, peer, segment, window_scale),", "window=segment.window,"),
    ("connection", "+ own.scale - window_scale", "- own.scale + window_scale"),
    ("connection", "+ own.scale - window_scale", "+ own.scale - window_scale + 1"),
    ("flow", "port = mapped_port(word.port, slot, self.flows) if mapped else", "port ="),
    (
        "flow",
        "port = mapped_port(word.port, slot, self.flows) if mapped else",
        "port = mapped_port(name.initiator_port, slot, self.flows) if mapped else",
    ),
    (
        "flow",
        "flow_slot(name.initiator, word.port, probe, self.flows)",
        "flow_slot(name.initiator, word.port, probe + 1, self.flows)",
    ),
    ("flow", "name.initiator_port >= self._ephemeral_from", "True"),
    ("flow", "name.initiator_port >= self._ephemeral_from", "name.initiator_port > 48000"),
    (
        "flow",
        "Connection(word.isn_initiator, word.isn_responder)",
        "Connection(word.isn_responder, word.isn_initiator)",
    ),
    (
        "flow",
        "Connection(word.isn_initiator, word.isn_responder)",
        "Connection(word.isn_initiator, word.isn_initiator)",
    ),
    ("translator", "flow.echo_delta = (word.echo_sequence - sequence) % ECHO_NUMBERS", "flow.echo_delta = 0"),
    (
        "translator",
        "flow.echo_delta = (word.echo_sequence - sequence) % ECHO_NUMBERS",
        "flow.echo_delta = word.echo_sequence",
    ),
    (
        "translator",
        "clean = _bytes(flow.port, (sequence + flow.echo_delta)",
        "clean = _bytes(identifier, (sequence + flow.echo_delta)",
    ),
    (
        "translator",
        "clean = _bytes(flow.name.initiator_port, _echo_sequence(flow, sequence))",
        "clean = packet.body[4:8]",
    ),
)
"""Module, what is there, and what is in its place."""


def rewritten() -> Iterator[Sabotage]:
    """Copies of the specification with one change in the text."""
    for module, old, new in REWRITES:
        yield Sabotage(f"{module}: {new} in place of {old}", run(lambda edit=(module, old, new): _copy(*edit)))


def _copy(module: str, old: str, new: str) -> Warden:
    """A warden of a copy of the specification."""
    package = ModuleType("sabotaged")
    package.__path__ = []
    before = {name: sys.modules.get(name) for name in ("sabotaged", *(f"sabotaged.{name}" for name in ORDER))}
    try:
        sys.modules["sabotaged"] = package
        for name in ORDER:
            path = import_module(f"custodes.model.{name}").__file__
            assert path is not None
            text = Path(path).read_text()
            if name == module:
                assert text.count(old) == 1, f"{name}: {old} is there {text.count(old)} times"
                text = text.replace(old, new)
            copy = ModuleType(f"sabotaged.{name}")
            sys.modules[copy.__name__] = copy
            exec(compile(text.replace("custodes.model.", "sabotaged."), f"{name} with {new}", "exec"), copy.__dict__)
        return sys.modules["sabotaged.warden"].Warden(POLICY, Words(SEED))
    finally:
        for name, was in before.items():
            if was is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = was
