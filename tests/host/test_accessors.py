# SPDX-License-Identifier: Apache-2.0
"""Registers by name: what reaches the device, and what is refused before it does."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from custodes.accessors import ALL_ONES, Registers
from custodes.control_registers import Mailbox, Noise
from custodes.errors import DeviceError, RefusedError, UsageError
from custodes.ethernet import PortEvent
from custodes.lifecycle import Lifecycle
from custodes.link import Ingress, Link, Outcome
from custodes.macsec import Side, Suite
from custodes.maps import FIRMWARE, NIC
from custodes.processor_registers import Command, command
from custodes.registers import IDENTITY


class Words(Link):
    """A device that keeps what is written, at any address; and ``refused`` addresses."""

    lanes = 1

    def __init__(self, kept: dict[int, int] | None = None, other: int = 0) -> None:
        self.kept = {IDENTITY: 0x43555350} if kept is None else kept
        self.other = other
        self.refused: set[int] = set()
        self.reached: list[int] = []

    def read(self, address: int) -> int:
        self._reach(address)
        return self.kept.get(address, self.other)

    def write(self, address: int, value: int) -> None:
        self._reach(address)
        self.kept[address] = value

    def _reach(self, address: int) -> None:
        self.reached.append(address)
        if address in self.refused:
            raise RefusedError("refused")

    def exchange(self, frames: Sequence[Ingress[Any]]) -> list[Outcome[Any]]:
        raise NotImplementedError

    def close(self) -> None:
        pass


@pytest.fixture
def link() -> Words:
    return Words()


@pytest.fixture
def device(link: Words) -> Registers:
    return Registers(link, NIC)


def test_reads_and_writes_at_the_address_of_the_map(link: Words, device: Registers):
    device.write("SCRATCH", 0xFFFF_FFFE)
    assert link.kept[NIC.address("SCRATCH")] == device.read("SCRATCH") == 0xFFFF_FFFE
    device.write("REQUEST", 7, 255)
    assert link.kept[NIC.address("REQUEST") + 255] == 7
    link.kept[NIC.address("REPLY", 3)] = 5
    assert device.read("REPLY", 3) == 5


def test_fields_are_values_of_their_enumeration(link: Words, device: Registers):
    link.kept[NIC.address("LIFECYCLE")] = Lifecycle.OPERATIONAL
    state = device.field("LIFECYCLE", "STATE", Lifecycle)
    assert state is Lifecycle.OPERATIONAL
    link.kept[NIC.address("MAILBOX_STATUS")] = Mailbox.DONE | 1024 << 16
    assert device.fields("MAILBOX_STATUS") == {"STATE": Mailbox.DONE, "LENGTH": 1024}
    assert device.field("MAILBOX_STATUS", "LENGTH") == 1024
    with pytest.raises(UsageError, match="no values of Noise"):
        device.field("LIFECYCLE", "STATE", Noise)


def test_a_value_that_does_not_exist_is_an_error_of_the_device(link: Words, device: Registers):
    link.kept[NIC.address("LIFECYCLE")] = 0b111111
    for read in (lambda: device.field("LIFECYCLE", "STATE"), lambda: device.fields("LIFECYCLE")):
        with pytest.raises(DeviceError, match="no Lifecycle"):
            read()


def test_fields_are_written_together(link: Words, device: Registers):
    device.write_fields(
        "COMMAND", {"ORDER": Command.LOAD, "SUITE": Suite.GCM_AES_XPN_256, "ASSOCIATION": 9, "RECEIVE": 1}
    )
    assert link.kept[NIC.address("COMMAND")] == command(Command.LOAD, 9, Side.NETWORK, Suite.GCM_AES_XPN_256 << 16)


def test_what_is_read_and_what_is_written_have_fields_of_their_own(link: Words, device: Registers):
    device.write_fields("NETWORK_MDIO", {"PHY": 3, "REGISTER": 2, "WRITE": 1, "VALUE": 0xABCD})
    assert link.kept[NIC.address("NETWORK_MDIO")] == 1 << 26 | 3 << 21 | 2 << 16 | 0xABCD
    link.kept[NIC.address("NETWORK_MDIO")] = 0x2_1234
    assert device.fields("NETWORK_MDIO") == {"VALUE": 0x1234, "FAILED": 0, "BUSY": 1}


def test_reads_several_in_a_row(link: Words, device: Registers):
    for index in range(8):
        link.kept[NIC.address("MAP_DIGEST", index)] = index << 24 | 0x55
    assert device.words("MAP_DIGEST") == [index << 24 | 0x55 for index in range(8)]
    assert device.octets("MAP_DIGEST") == b"".join(bytes([0x55, 0, 0, index]) for index in range(8))
    link.kept[NIC.address("NETWORK_EVENTS", PortEvent.RX_FCS)] = 12
    events = device.named("NETWORK_EVENTS")
    assert list(events) == [event.name for event in PortEvent] and events["RX_FCS"] == 12 and sum(events.values()) == 12


REFUSED: dict[str, Callable[[Registers], object]] = {
    "SCRETCH: no such register; did you mean SCRATCH": lambda device: device.read("SCRETCH"),
    "QQ: no such register$": lambda device: device.read("QQ"),
    "REPLY has 256": lambda device: device.read("REPLY", 256),
    "SCRATCH has 1": lambda device: device.write("SCRATCH", 1, -1),
    "KEY cannot be read: it holds a secret": lambda device: device.words("KEY"),
    "ZEROISE cannot be read$": lambda device: device.read("ZEROISE"),
    "LIFECYCLE cannot be written": lambda device: device.write("LIFECYCLE", 0),
    "33 bits|32 bits: 0x100000000": lambda device: device.write("SCRATCH", 1 << 32),
    "32 bits: -0x1": lambda device: device.write("SCRATCH", -1),
    "UART_DIVISOR has no bits 0x10000": lambda device: device.write("UART_DIVISOR", 0x1_0001),
    "COMMAND.ASSOCIATION has 6 bits": lambda device: device.write_fields("COMMAND", {"ASSOCIATION": 64}),
    "COMMAND has no field KIND: try ASSOCIATION, RECEIVE, SUITE, ORDER": lambda device: device.write_fields(
        "COMMAND", {"KIND": 1}
    ),
    "NETWORK_MDIO has no field PHY: try VALUE, FAILED, BUSY": lambda device: device.field("NETWORK_MDIO", "PHY"),
    "SCRATCH has no field A$": lambda device: device.field("SCRATCH", "A"),
    "REPLY: its registers have no names": lambda device: device.named("REPLY"),
    "SECRET is for the device's firmware only": lambda device: Registers(device.link, FIRMWARE).read("SECRET"),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_meant_does_not_reach_the_device(link: Words, device: Registers, message: str):
    with pytest.raises(UsageError, match=message):
        REFUSED[message](device)
    assert link.reached == []


def test_reads_and_writes_the_first_of_a_row(link: Words, device: Registers):
    device.write_words("REQUEST", [5, ALL_ONES])
    first = NIC.address("REQUEST")
    assert link.kept == {IDENTITY: 0x43555350, first: 5, first + 1: ALL_ONES}
    link.kept[NIC.address("REPLY")] = ALL_ONES
    assert device.words("REPLY", 2) == [ALL_ONES, 0]
    assert device.words("REPLY", 0) == []


@pytest.mark.parametrize("values", [[0] * 257, [1 << 32], [-1]])
def test_a_row_that_does_not_fit_does_not_reach_the_device(link: Words, device: Registers, values: list[int]):
    with pytest.raises(UsageError, match=r"256 registers in a row, not 257|does not fit"):
        device.write_words("REQUEST", values)
    with pytest.raises(UsageError, match="256 registers in a row, not 257"):
        device.words("REPLY", 257)
    assert link.reached == []


def test_an_idle_line_is_told_from_a_row_of_ones():
    with pytest.raises(DeviceError, match="reads all ones"):
        Registers(Words({}, ALL_ONES), NIC).words("MAP_DIGEST")


def test_what_the_device_refuses_is_told(link: Words, device: Registers):
    link.refused.add(NIC.address("NOISE_RAW"))
    with pytest.raises(RefusedError):
        device.read("NOISE_RAW")


@pytest.mark.parametrize("name", ["SCRATCH", "LIFECYCLE", "IDENTITY"])
def test_an_idle_line_is_told_from_a_register_of_ones(name: str):
    with pytest.raises(DeviceError, match="all ones"):
        Registers(Words({}, other=ALL_ONES), NIC).read(name)


def test_a_register_may_be_all_ones(link: Words, device: Registers):
    device.write("SCRATCH", ALL_ONES)
    assert device.read("SCRATCH") == ALL_ONES
