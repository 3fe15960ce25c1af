# SPDX-License-Identifier: Apache-2.0
"""Sabotaged wardens: what their taps and records show, one change each.

Those of `edits` do what the specification says and then one thing else; those of `rewritten` are copies of the specification
with one change in its text. A device that lies makes its records of what it does, so that they say the same as its frames.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from custodes.fingerprint import Flag, Record
from custodes.model import Warden
from custodes.model.entropy import Word, Words
from custodes.retimer import Schedule
from custodes.table import Port
from custodes.watch import Seen
from tests.frames import POLICY
from tests.host.model.passage import SEED, W
from tests.host.watch_traces import BATCHES, NUMBER, SLOTS, Trace, run

IPV4_FIELDS = {
    "destination MAC": 0,
    "source MAC": 11,
    "EtherType": 13,
    "version": 14,
    "DSCP and ECN": 15,
    "length": 17,
    "identification": 18,
    "reserved flag, DF": 20,
    "fragment offset": 21,
    "TTL": 22,
    "protocol": 23,
    "IP checksum": 25,
    "source address": 29,
    "destination address": 33,
}
IPV6_FIELDS = {
    "traffic class": 15,
    "flow label": 17,
    "length": 19,
    "next header": 20,
    "hop limit": 21,
    "source": 37,
    "to": 53,
}
TCP_FIELDS = {"source port": 1, "destination port": 3, "sequence": 5, "acknowledgement": 10, "offset, reserved": 12}
TCP_FIELDS |= {"flags": 13, "window": 14, "checksum": 17, "urgent pointer": 19}
UDP_FIELDS = {"source port": 0, "destination port": 3, "length": 5, "checksum": 7, "payload": 8}
ICMP_FIELDS = {"type": 0, "code": 1, "checksum": 2, "identifier": 5, "sequence": 7, "payload": 20}
ARP_FIELDS = {
    "hardware type": 15,
    "protocol type": 16,
    "lengths": 18,
    "operation": 21,
    "sender": 25,
    "sender address": 29,
}
ARP_FIELDS |= {"target": 37, "target address": 41, "padding": 59}


class Sabotage(NamedTuple):
    """A sabotaged warden: what was done, and what a watcher has of its run."""

    name: str
    trace: Trace


def everything() -> Iterator[Sabotage]:
    """All of them."""
    honest, timed, batched = run(), run(schedule=SLOTS), run(schedule=BATCHES)
    yield from fields(honest)
    for name, trace in (("", honest), ("by slots, ", timed), ("by batches, ", batched)):
        yield from (Sabotage(name + one.name, one.trace) for one in order_and_number(trace))
    yield from records(honest)
    yield from times(timed, "by slots")
    yield from times(batched, "by batches")
    yield from schedules()
    yield from words()
    yield from rewritten()


def at(trace: Trace, port: Port, number: int, change: Callable[[Seen], Seen]) -> Trace:
    """A copy with a change of one frame that has left."""
    copy = trace.copy()
    copy.left[port][number] = change(copy.left[port][number])
    return copy


def flipped(byte: int, bit: int) -> Callable[[Seen], Seen]:
    def change(seen: Seen) -> Seen:
        frame = bytearray(seen.frame)
        frame[byte] ^= 1 << bit
        return seen._replace(frame=bytes(frame))

    return change


def fields(trace: Trace) -> Iterator[Sabotage]:
    """A bit of every field of a frame of each kind, in each direction; the records agree."""
    for port in Port:
        for kind, (number, places) in kinds(trace.left[port]).items():
            for bit, (name, byte) in enumerate(places.items()):
                changed = at(trace, port, number, flipped(byte, bit % 8))
                yield Sabotage(f"{kind} to {port.name.lower()}: {name}", changed.record())


def kinds(left: list[Seen]) -> dict[str, tuple[int, dict[str, int]]]:
    """The first frame of each kind, and where its fields are."""
    found: dict[str, tuple[int, dict[str, int]]] = {}
    for number, (_, frame) in enumerate(left):
        ethertype = int.from_bytes(frame[12:14])
        if ethertype == 0x0806:
            kind, places = "ARP", ARP_FIELDS
        else:
            start, network = (34, IPV4_FIELDS) if ethertype == 0x0800 else (54, IPV6_FIELDS)
            protocol = frame[23] if ethertype == 0x0800 else frame[20]
            names = {6: "TCP", 17: "UDP", 1: "ICMP", 58: "ICMPv6"}
            table = {6: TCP_FIELDS, 17: UDP_FIELDS}.get(protocol, ICMP_FIELDS)
            flags = f" {frame[start + 13]:#x}" if protocol == 6 else ""
            kind = f"{names[protocol]}{flags} in {ethertype:#06x}"
            places = network | {f"{names[protocol]} {name}": start + byte for name, byte in table.items()}
        found.setdefault(kind, (number, places))
    return found


def order_and_number(trace: Trace) -> Iterator[Sabotage]:
    """A frame dropped, twice, before another, or too much; the records agree."""
    for port in Port:
        count = len(trace.left[port])
        for number in range(1, count - 1, max(count // 6, 1)):
            where = f"frame {number} to {port.name.lower()}"
            one, two = trace.left[port][number : number + 2]
            dropped = trace.copy()
            del dropped.left[port][number]
            yield Sabotage(f"{where} dropped", dropped.record())
            twice = trace.copy()
            twice.left[port].insert(number, one._replace(time_ns=one.time_ns - 20))
            yield Sabotage(f"{where} twice", twice.record())
            if one.frame != two.frame:
                swapped = trace.copy()
                swapped.left[port][number : number + 2] = [
                    two._replace(time_ns=one.time_ns),
                    one._replace(time_ns=two.time_ns),
                ]
                yield Sabotage(f"{where} after the next", swapped.record())
            raw = trace.copy()
            sent = trace.sent[port.other][number % len(trace.sent[port.other])]
            raw.left[port].insert(number, Seen(one.time_ns - 10, sent.frame))
            yield Sabotage(f"{where} preceded by one that is not scrubbed", raw.record())
            if trace.timetable is None:
                early = trace.copy()
                early.left[port][number] = one._replace(time_ns=two.time_ns + 60_000)
                early.left[port].sort()
                yield Sabotage(f"{where} late", early.record())


def records(trace: Trace) -> Iterator[Sabotage]:
    """A number of a record, which its chain covers or not; the chain; records missing, twice or in another order."""
    ends = (len(trace.records) // 4, len(trace.records) // 2, len(trace.records) - 3)
    for number in ends:
        record = trace.records[number]
        where = f"record {record.beat} of {record.direction.name.lower()}"
        for name, value in _changed(record).items():
            copy = trace.copy()
            copy.records[number] = replace(record, **{name: value})  # pyright: ignore
            yield Sabotage(f"{where}: {name}", copy)
        for name, change in (
            ("epoch", 1),
            ("frames_in", 1),
            ("frames_in", -1),
            ("words", 5),
            ("words", -5),
            ("ticks", 1),
        ):

            def lie(
                numbers: dict[str, int], direction: Port, beat: int, name: str = name, change: int = change
            ) -> None:
                if (direction, beat) == (record.direction, record.beat):  # noqa: B023
                    numbers[name] = max(numbers[name] + change, 0)

            lied = trace.copy().record(lie=lie)
            if lied.records != trace.records:
                yield Sabotage(f"{where} lies: {name} {change:+}", lied)
        absent = trace.copy()
        del absent.records[number]
        yield Sabotage(f"{where} absent", absent)
        twice = trace.copy()
        twice.records.insert(number, record)
        yield Sabotage(f"{where} twice", twice)
    yield Sabotage("records of the epoch before", trace.copy().record(epoch=NUMBER - 1))


def _changed(record: Record) -> dict[str, object]:
    return {
        "flags": Flag.OVERFLOW,
        "beat": record.beat + 1,
        "epoch": record.epoch + 1,
        "frames_in": record.frames_in + 1,
        "frames_out": record.frames_out + 1,
        "words": record.words + 1,
        "ticks": record.ticks + 1,
        "chain": bytes(31) + b"\1",
    }


def times(trace: Trace, how: str) -> Iterator[Sabotage]:
    """A frame off its time, by little or by a slot."""
    assert trace.timetable is not None
    period = trace.timetable.schedule.period * 8
    for number in range(2, len(trace.left[W]) - 2, max(len(trace.left[W]) // 8, 1)):
        for shift in (-period, -300, -150, 150, 300, 1000, period):
            moved = at(trace, W, number, lambda seen, shift=shift: seen._replace(time_ns=seen.time_ns + shift))
            moved.left[W].sort(key=lambda seen: seen.time_ns)
            yield Sabotage(f"{how}, frame {number} {shift:+} ns", moved.record())


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
