# SPDX-License-Identifier: Apache-2.0
"""Sabotaged wardens that do what the specification says and then one thing else: what their taps and records show.

A device that lies makes its records of what it does, so that they say the same as its frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

from custodes.fingerprint import Flag, Record
from custodes.table import Port
from custodes.watch import Seen
from tests.host.model.passage import W
from tests.host.watch_traces import BATCHES, BEAT_NS, NUMBER, SLOTS, START_NS, Trace, closed, run

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


def edits() -> Iterator[Sabotage]:
    """All of them."""
    honest, timed, batched = run(), run(schedule=SLOTS), run(schedule=BATCHES)
    yield from fields(honest)
    for name, trace in (("", honest), ("by slots, ", timed), ("by batches, ", batched)):
        yield from (Sabotage(name + one.name, one.trace) for one in order_and_number(trace))
    yield from records(honest)
    yield from times(timed, "by slots")
    yield from times(batched, "by batches")


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
            ("words", 1),
            ("words", -5),
            ("words", -1),
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
    yield from moments(trace)


def moments(trace: Trace) -> Iterator[Sabotage]:
    """Records that are closed at other moments than their beats say; the numbers and chains agree."""
    last = len(trace.records) // len(Port) - 1
    for number in (1, last // 2, last - 2):
        for ports in ((Port.CLUSTER,), (Port.WORLD,), tuple(Port)):
            for shift in (-BEAT_NS // 2, BEAT_NS // 2):

                def moved(direction: Port, beat: int, shift: int = shift, ports: tuple[Port, ...] = ports) -> int:
                    own = direction in ports and beat == number  # noqa: B023
                    return closed(beat) + (shift if own else 0)

                where = " and ".join(port.name.lower() for port in ports)
                other = trace.copy().record(closes=moved)
                if other.records != trace.records:
                    yield Sabotage(f"record {number} of {where}: {shift:+} ns", other)
        for name, beats in (("a record too much", -1), ("two records in one", 1)):

            def again(direction: Port, beat: int, beats: int = beats) -> int:
                return closed(beat + (beats if beat >= number else 0))  # noqa: B023

            yield Sabotage(f"{name} from {number} on", trace.copy().record(closes=again))
    yield Sabotage("records of nothing, and no others", trace.copy().record(closes=lambda _, beat: START_NS))


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
