# SPDX-License-Identifier: Apache-2.0
"""A border behind a link: who it is, its schedule, and its records without gaps."""

from __future__ import annotations

from dataclasses import replace

import pytest

from custodes.border import Border, MissingRecordsError, is_border
from custodes.border_registers import MAX_RECORDS
from custodes.errors import DeviceError, UsageError
from custodes.fingerprint import DEFAULT_BEAT_CYCLES, MIN_BEAT_CYCLES, Record, digest_cycles, keeps_up
from custodes.maps import BORDER, WARDEN
from custodes.recognition import map_of, recognised
from custodes.retimer import Event, Policy, Schedule
from custodes.table import Port
from tests.host.fake import FakeLink
from tests.host.fake_border import FakeBorder

SLOW = Schedule(Policy.SLOT, 2000, 1518, 1_250_000, bytes(range(12)))


def test_is_told_from_a_warden():
    assert isinstance(recognised(FakeBorder()), Border) and map_of(recognised(FakeBorder())) is BORDER
    warden = recognised(FakeLink())
    assert not isinstance(warden, Border) and map_of(warden) is WARDEN
    assert not is_border(FakeLink())


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("BORDER_IDENTITY", 7, "is no border: its identity is 0x00000007"),
        ("BORDER_MAP", 7, "another register map"),
    ],
)
def test_another_device_is_refused(name: str, value: int, message: str):
    link = FakeBorder()
    link.set(name, value)
    with pytest.raises(DeviceError, match=message):
        Border(link)


def test_gives_the_records_of_both_directions_once():
    link = FakeBorder()
    border = Border(link)
    assert list(border.records()) == []
    link.leave(Port.CLUSTER, b"out" * 20)
    for number in range(3):
        link.beat(epoch=number)
    found = list(border.records())
    assert [(record.direction, record.beat) for record in found] == [(port, at) for at in range(3) for port in Port]
    assert found[0].frames_out == 1 and found[1].frames_out == 0 and found[5].epoch == 2
    assert list(border.records()) == []
    link.beat()
    assert [record.beat for record in border.records()] == [3, 3]


def test_says_that_records_are_missing_and_goes_on():
    link = FakeBorder()
    border = Border(link)
    for _ in range(MAX_RECORDS + 4):
        link.beat()
    assert [record.beat for record in border.records()] == [at for at in range(MAX_RECORDS) for _ in Port]
    for _ in range(2):
        link.beat()
    found: list[Record] = []
    for port in Port:
        with pytest.raises(
            MissingRecordsError, match=f"left to the {port.other.name.lower()} are missing after 14, before 19"
        ):
            found.extend(border.records())
    found.extend(border.records())
    assert sorted((record.direction, record.beat) for record in found) == [
        (port, at) for port in Port for at in (19, 20)
    ]


def test_a_reset_is_no_gap():
    first, second = FakeBorder(), FakeBorder()
    border = Border(first)
    for link in (first, second):
        link.beat()
        link.beat()
    list(border.records())
    border.registers.link = second
    assert [record.beat for record in border.records()] == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data: b"X" + data[1:], "EGRESS_RECORD is no record"),
        (lambda data: data[:4] + b"\1" + data[5:], "of the other direction in EGRESS_RECORD"),
    ],
)
def test_what_is_no_record_is_refused(spoil, message: str):
    link = FakeBorder(spoil=spoil)
    link.beat()
    with pytest.raises(DeviceError, match=message):
        list(Border(link).records())


def test_writes_a_schedule_and_reads_it_back():
    link = FakeBorder()
    border = Border(link)
    link.pending = 5
    border.retime(SLOW)
    assert border.schedule == SLOW
    assert link.waits == 4 and border.waiting == 7
    assert list(border.retimed()) == list(Event)


def test_a_schedule_that_is_not_taken_up_is_an_error():
    link = FakeBorder()
    link.refuses = True
    with pytest.raises(DeviceError, match="cannot keep this schedule"):
        Border(link).retime(SLOW)
    link.pending = 1 << 30
    with pytest.raises(DeviceError, match="does not take up"):
        Border(link).retime(SLOW)


def test_the_default_schedule_can_be_digested():
    default = Schedule()
    assert keeps_up(default.slot_bytes, default.slot_cycles, DEFAULT_BEAT_CYCLES)


def test_refuses_a_schedule_that_cannot_be_digested():
    border = Border(FakeBorder())
    for cycles in (1542, 1543, 1544):
        assert keeps_up(1518, cycles, DEFAULT_BEAT_CYCLES) == (cycles > 1544)
    with pytest.raises(UsageError, match="1518 bytes in 1542 cycles"):
        border.retime(replace(SLOW, slot_cycles=1542))
    border.retime(replace(SLOW, slot_cycles=1545))
    with pytest.raises(UsageError, match=r"1518 bytes in 1545 cycles .* in 8192"):
        border.beat_cycles = MIN_BEAT_CYCLES
    border.retime(SLOW)
    border.beat_cycles = MIN_BEAT_CYCLES
    with pytest.raises(UsageError, match=r"1518 bytes in 1545 cycles .* in 8192"):
        border.retime(replace(SLOW, slot_cycles=1545))
    border.retime(replace(SLOW, policy=Policy.BATCH, slot_cycles=0))
    border.link.lanes = 8
    with pytest.raises(UsageError, match="a batch"):
        border.retime(replace(SLOW, policy=Policy.BATCH))


@pytest.mark.parametrize(("length", "cycles"), [(60, 65), (62, 67), (318, 325), (1518, 1544)])
def test_says_how_long_a_frame_takes(length: int, cycles: int):
    assert digest_cycles(length) == cycles


def test_says_alarms_in_words():
    link = FakeBorder()
    border = Border(link)
    assert border.alarms() == []
    link.set("RECORD_ALARM", 0b1001)
    assert border.alarms() == [
        "a frame has left to the world that is in no chain",
        "a record of what left to the cluster was not kept",
    ]
