# SPDX-License-Identifier: Apache-2.0
"""A border behind a `Link`: its policy, its schedule, its coin, and the records of what has left it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from custodes.accessors import Registers
from custodes.border_registers import BORDER_IDENTITY_VALUE, RETIMER_BASE
from custodes.coin_device import DeviceCoin
from custodes.device import Warden, opened
from custodes.errors import DeviceError, RefusedError, UsageError
from custodes.fingerprint import Flag, Record, keeps_up
from custodes.link import Link
from custodes.maps import BORDER
from custodes.retimer import ADDRESS_BYTES, Event, Policy, Schedule
from custodes.retimer_registers import schedule_writes
from custodes.table import Port

RECORDS_OF = {Port.CLUSTER: "EGRESS", Port.WORLD: "INGRESS"}
"""Names of a direction's registers, by the port at which its frames have entered."""
ALARMS = {
    "EGRESS_OVERFLOW": "a frame has left to the world that is in no chain",
    "INGRESS_OVERFLOW": "a frame has left to the cluster that is in no chain",
    "EGRESS_LOST": "a record of what left to the world was not kept",
    "INGRESS_LOST": "a record of what left to the cluster was not kept",
}
_PATIENCE = 10_000
"""Waits for a schedule to be taken up: longer than the longest slot or window."""


class MissingRecordsError(DeviceError):
    """Records that the device has made cannot be had any more."""


class Border(Warden):
    """A border that has said who it is.

    Members:
        registers: all that it has, by name.
        coin: its part in the coin flip.

    Raises:
        DeviceError: what answers is no border, or of another version.
    """

    def __init__(self, link: Link) -> None:
        super().__init__(link)
        self.registers = Registers(link, BORDER)
        self.coin = DeviceCoin(self.registers)
        self._last: dict[Port, int] = {}
        identity = self.registers.read("BORDER_IDENTITY")
        if identity != BORDER_IDENTITY_VALUE:
            raise DeviceError(
                f"the device is no border: its identity is {identity:#010x}, not {BORDER_IDENTITY_VALUE:#010x}"
            )
        if self.registers.read("BORDER_MAP") != int.from_bytes(BORDER.digest[:4], "little"):
            raise DeviceError(
                "the device has another register map than this host; use the host that belongs to its build"
            )

    @property
    def schedule(self) -> Schedule:
        """The one that was written last."""
        return Schedule(
            self.registers.field("RETIMER_POLICY", "POLICY", Policy),
            self.registers.read("RETIMER_SLOT_CYCLES"),
            self.registers.field("RETIMER_SLOT_BYTES", "BYTES"),
            self.registers.read("RETIMER_WINDOW_CYCLES"),
            self.registers.octets("RETIMER_DUMMY")[: 2 * ADDRESS_BYTES],
        )

    def retime(self, schedule: Schedule) -> None:
        """Have frames leave by a schedule, from its next boundary on, which is waited for.

        Raises:
            UsageError: what leaves could not be digested as fast, or for BATCH, not at so many lanes.
            DeviceError: the device cannot keep the schedule.
        """
        self._check(schedule, self.beat_cycles)
        for address, value in schedule_writes(schedule, RETIMER_BASE):
            self.link.write(address, value)
        for _ in range(_PATIENCE):
            status = self.registers.fields("RETIMER_STATUS")
            if not status["PENDING"]:
                break
            self.link.wait(0.001)
        else:
            raise DeviceError("the device does not take up the schedule")
        if status["REFUSED"]:
            raise DeviceError("the device cannot keep this schedule")

    def _check(self, schedule: Schedule, beat_cycles: int) -> None:
        if schedule.policy is Policy.BATCH:
            if self.link.lanes > 1:
                raise UsageError("a batch leaves faster than it can be digested where there is more than one lane")
        elif not keeps_up(schedule.slot_bytes, schedule.slot_cycles, beat_cycles):
            raise UsageError(
                f"{schedule.slot_bytes} bytes in {schedule.slot_cycles} cycles cannot be digested for ever, with a record"
                f" in {beat_cycles}"
            )

    def retimed(self) -> dict[Event, int]:
        """What the retimer has counted."""
        return dict(zip(Event, self.registers.words("RETIMER_EVENTS"), strict=True))

    @property
    def waiting(self) -> int:
        """Frames that wait for their slot or window."""
        return self.registers.field("RETIMER_STATUS", "WAITING")

    @property
    def beat_cycles(self) -> int:
        """Cycles from one record to the next."""
        return self.registers.read("BEAT_CYCLES")

    @beat_cycles.setter
    def beat_cycles(self, cycles: int) -> None:
        """Raises `UsageError` where what leaves could not be digested for ever besides."""
        self._check(self.schedule, cycles)
        self.registers.write("BEAT_CYCLES", cycles)

    def alarms(self) -> list[str]:
        """What has happened to records, in words."""
        found = self.registers.fields("RECORD_ALARM")
        return [text for name, text in ALARMS.items() if found[name]]

    def records(self) -> Iterator[Record]:
        """The records that there are, the oldest of each direction first; each is taken from the device.

        Raises:
            MissingRecordsError: after a record before which there is none where one should be. What comes after it is there
                for who asks again.
            DeviceError: what the device has is no record.
        """
        found = True
        while found:
            found = False
            for port, name in RECORDS_OF.items():
                if self.registers.field(f"{name}_RECORDS", "COUNT"):
                    found = True
                    yield from self._take(port, name)

    def _take(self, port: Port, name: str) -> Iterator[Record]:
        try:
            record = Record.decode(self.registers.octets(f"{name}_RECORD"))
        except ValueError as error:
            raise DeviceError(f"what the device has in {name}_RECORD {error}") from None
        if record.direction is not port:
            raise DeviceError(f"the device has a record of the other direction in {name}_RECORD")
        self.registers.write(f"{name}_TAKE", 1)
        last = self._last.get(port)
        self._last[port] = record.beat
        yield record
        expected = record.beat in (0, record.beat if last is None else last + 1)
        if Flag.LOST in record.flags or not expected:
            since = "" if last is None else f" after {last}"
            raise MissingRecordsError(
                f"records of what left to the {port.other.name.lower()} are missing{since}, before {record.beat}"
            )


def is_border(link: Link) -> bool:
    """Whether the warden behind a link is part of a border."""
    try:
        return link.read(BORDER.address("BORDER_IDENTITY")) == BORDER_IDENTITY_VALUE
    except RefusedError:
        return False


def open_border(name: str, lanes: int = 1, waveform: Path | None = None) -> AbstractContextManager[Border]:
    """Open a border by name for the length of a block, as `opened` describes."""
    return opened(Border, name, lanes, waveform)
