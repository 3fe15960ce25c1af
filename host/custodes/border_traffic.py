# SPDX-License-Identifier: Apache-2.0
"""A capture through a simulated border, with the taps of watchers at both its cables.

The frames are sent in the order of the capture, at line rate and without its pauses. Where the side that sends changes, all
that is inside leaves first, as `Replay` wants to hear it; and no more than `BACKLOG` frames wait for their slots.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from custodes.border import Border
from custodes.capture import CaptureWriter, Format
from custodes.errors import DeviceError
from custodes.link import Ingress
from custodes.output import output_file
from custodes.records import record_line
from custodes.registers import TTL
from custodes.replay import Replay
from custodes.retimer import DUMMY_ETHERTYPE, WIRE_BYTES, Event
from custodes.simborder import Departure, SimBorder
from custodes.table import Port, Reason
from custodes.watch_manifest import RECORDS, TAPS
from custodes.watch_schedule import DATAPATH_HZ

BACKLOG = 8
RECORDS_EVERY = 32
"""Frames from one look for records to the next: a device keeps few."""
BEAT_CYCLES = 125_000
"""A millisecond at 1 Gbit/s."""
_ETHERTYPE = slice(12, 14)


class Sabotage(NamedTuple):
    """One bit of one field: while frame ``number`` of the capture passes, the device's TTL is ``ttl``."""

    number: int
    ttl: int
    honest: int

    def describe(self) -> str:
        return f"frame {self.number} of the capture leaves with TTL {self.ttl} in place of {self.honest}"


class Taps(AbstractContextManager["Taps"]):
    """What one watcher records of an epoch, into a directory: frames sent and received at each cable, and the records.

    The files appear when the block ends.

    Args:
        origin_ns: when cycle 0 of the device is.
    """

    def __init__(self, folder: Path, origin_ns: int) -> None:
        self._folder, self._origin_ns = folder, origin_ns
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            writers = [
                CaptureWriter(stack.enter_context(output_file(self._folder / f"{name}.pcap")), Format.PCAP)
                for name in TAPS
            ]
            self._records = stack.enter_context(output_file(self._folder / RECORDS))
            self._stack = stack.pop_all()
        self._sent = {Port.CLUSTER: writers[0], Port.WORLD: writers[2]}
        self._received = {Port.CLUSTER: writers[1], Port.WORLD: writers[3]}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def sent(self, port: Port, cycle: int, frame: bytes) -> None:
        """A frame that has been sent, all of it."""
        self._sent[port].write(self._time(cycle), frame)

    def received(self, port: Port, cycle: int, frame: bytes) -> None:
        """A frame whose first byte has left then."""
        self._received[port].write(self._time(cycle), frame)

    def record(self, line: str) -> None:
        self._records.write(f"{line}\n".encode())

    def _time(self, cycle: int) -> int:
        return self._origin_ns + cycle * 1_000_000_000 // DATAPATH_HZ


class Sent(NamedTuple):
    """A frame of the capture that was sent, by its number from 1."""

    number: int
    frame: bytes


class Traffic:
    """A capture through a border that has words.

    Args:
        frames: number in the capture, port and bytes of each, in order.
        taps: of every watcher.
        sabotage: what the device does besides what it should.
        progress: told now and then how many frames have been sent.

    Members:
        sent: frames by port. dropped: by the warden's verdict. left: numbers of those that left, by the port they left at.
        dummies: that left for the world. records: how many. cycles: that the device ran.
        retimed: what its retimer has counted. alarms: of its records, in words.
    """

    def __init__(
        self,
        border: Border,
        frames: Iterable[tuple[int, Port, bytes]],
        taps: Sequence[Taps],
        sabotage: Sabotage | None = None,
        progress: Callable[[int], None] = lambda frames: None,
    ) -> None:
        assert isinstance(border.link, SimBorder)
        self._border, self._link = border, border.link
        self._frames, self._taps, self._sabotage, self._progress = frames, taps, sabotage, progress
        self._replay = Replay()
        self._judged: dict[Port, deque[Sent]] = {port: deque() for port in Port}
        self._leaving: dict[Port, deque[Sent]] = {port: deque() for port in Port}
        self.sent: Counter[Port] = Counter()
        self.dropped: Counter[Reason] = Counter()
        self.left: dict[Port, list[int]] = {port: [] for port in Port}
        self.dummies = self.records = self.cycles = 0
        self.retimed: dict[Event, int] = {}
        self.alarms: list[str] = []

    async def run(self) -> None:
        """Send everything, and wait until it has left and is in a record; others have their turn after each frame."""
        self._border.beat_cycles = BEAT_CYCLES
        last: Port | None = None
        for number, port, frame in self._frames:
            if port is not last:
                await self._drain()
            if self._sabotage and number == self._sabotage.number:
                await self._bent(number, port, frame, self._sabotage)
            else:
                self._send(number, port, frame)
            last = port
            await asyncio.sleep(0)
            while len(self._leaving[Port.WORLD]) > BACKLOG:
                await self._pass(self._border.schedule.period)
            if self.sent.total() % RECORDS_EVERY == 0:
                self._collect()
                self._progress(self.sent.total())
        await self._drain()
        until = self._link.cycles + 2 * BEAT_CYCLES
        while self._link.cycles < until:
            await self._pass(BEAT_CYCLES // 8)
        self.cycles, self.retimed, self.alarms = self._link.cycles, self._border.retimed(), self._border.alarms()

    def _send(self, number: int, port: Port, frame: bytes) -> None:
        adapted = self._replay.adapted(frame)
        self._link.send(Ingress(port, adapted))
        self._judged[port].append(Sent(number, frame))
        self._link.step(-(-len(adapted) // self._link.lanes))
        for taps in self._taps:
            taps.sent(port, self._link.cycles, adapted)
        self.sent[port] += 1
        self._link.step(-(-WIRE_BYTES // self._link.lanes))
        self._take()

    async def _bent(self, number: int, port: Port, frame: bytes, sabotage: Sabotage) -> None:
        """Nothing else is inside meanwhile."""
        await self._drain()
        self._link.write(TTL, sabotage.ttl)
        self._send(number, port, frame)
        await self._drain()
        self._link.write(TTL, sabotage.honest)

    async def _drain(self) -> None:
        """Run until everything has left."""
        self._link.settle()
        self._take()
        for _ in range(2 * BACKLOG):
            if not any(self._leaving.values()):
                return
            await self._pass(self._border.schedule.period)
        raise DeviceError("the border lets frames in and not out")

    async def _pass(self, cycles: int) -> None:
        self._link.step(cycles)
        self._collect()
        await asyncio.sleep(0)

    def _collect(self) -> None:
        for record in self._border.records():
            self.records += 1
            for taps in self._taps:
                taps.record(record_line(record))
        self._take()

    def _take(self) -> None:
        """Take what there is to be had of verdicts and of what has left."""
        for port in Port:
            for verdict in self._link.verdicts(port):
                sent = self._judged[port].popleft()
                if verdict.reason is Reason.FORWARDED:
                    self._leaving[port.other].append(sent)
                else:
                    self.dropped[verdict.reason] += 1
        for port in Port:
            for departure in self._link.left(port):
                self._has_left(port, departure)

    def _has_left(self, port: Port, departure: Departure) -> None:
        for taps in self._taps:
            taps.received(port, departure.cycle, departure.frame)
        if departure.frame[_ETHERTYPE] == DUMMY_ETHERTYPE.to_bytes(2):
            self.dummies += 1
        elif self._leaving[port]:
            sent = self._leaving[port].popleft()
            self._replay.hear(sent.frame, departure.frame)
            self.left[port].append(sent.number)
