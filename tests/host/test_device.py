# SPDX-License-Identifier: Apache-2.0
"""A warden says who it is before anything is sent to it."""

from __future__ import annotations

import itertools
from contextlib import nullcontext
from pathlib import Path

import pytest

from custodes.device import COUNTER_NAMES, Warden, open_warden
from custodes.errors import CaptureError, DeviceError
from custodes.registers import IDENTITY, LANES, VOCABULARY, reason_counter
from custodes.table import SCRUBBED, Port, Reason
from tests.host.fake import FakeLink


@pytest.mark.parametrize(
    ("registers", "message"),
    [
        ({IDENTITY: 0xFFFF_FFFF}, "reads all ones"),
        ({VOCABULARY: 0x1234}, "another version"),
        ({IDENTITY: 0x1234}, "no warden: its identity is 0x00001234"),
        ({LANES: 8}, "has 8 lanes, not 1"),
    ],
)
def test_refuses_a_device_that_is_another(registers: dict[int, int], message: str) -> None:
    with pytest.raises(DeviceError, match=message):
        Warden(FakeLink(registers=registers))


def test_reads_every_counter_of_both_ports() -> None:
    assert len(COUNTER_NAMES) == len(Port) * (len(Reason) + len(SCRUBBED))
    assert Warden(FakeLink()).counters().keys() == COUNTER_NAMES.keys()


def test_waits_for_counters_to_come_to_rest() -> None:
    class Settling(FakeLink):
        readings = itertools.chain([1, 2, 3], itertools.repeat(4))

        def read(self, address: int) -> int:
            return next(self.readings) if address == reason_counter(Port.CLUSTER, 0) else super().read(address)

    assert Warden(Settling()).counters()[reason_counter(Port.CLUSTER, 0)] == 4


def test_gives_up_on_counters_that_never_rest() -> None:
    class Restless(FakeLink):
        readings = itertools.count()

        def read(self, address: int) -> int:
            return next(self.readings) if address == reason_counter(Port.CLUSTER, 0) else super().read(address)

    with pytest.raises(DeviceError, match="do not come to rest"):
        Warden(Restless()).counters()


def test_lets_go_of_a_device_that_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    link = FakeLink(registers={IDENTITY: 0})
    monkeypatch.setattr("custodes.device.open_link", lambda *_: link)
    with pytest.raises(DeviceError), open_warden("fake"):
        pass
    assert link.closed


@pytest.mark.parametrize(
    ("failure", "kept"), [(None, True), (DeviceError, True), (CaptureError, False), (KeyboardInterrupt, False)]
)
def test_a_waveform_appears_when_done_or_when_it_may_show_what_failed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, failure: type[BaseException] | None, kept: bool
) -> None:
    def open_link(name: str, lanes: int, waveform: Path) -> FakeLink:
        waveform.write_text("recorded")
        return FakeLink()

    monkeypatch.setattr("custodes.device.open_link", open_link)
    path = tmp_path / "run.vcd"
    with pytest.raises(failure) if failure else nullcontext(), open_warden("fake", 1, path):
        assert not path.exists()
        if failure:
            raise failure
    assert [file.read_text() for file in tmp_path.iterdir()] == ["recorded"] * kept
    assert path.exists() == kept


def test_there_is_no_waveform_of_a_device_that_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("custodes.device.open_link", lambda *_: FakeLink(registers={IDENTITY: 0}))
    with pytest.raises(DeviceError), open_warden("fake", 1, tmp_path / "run.vcd"):
        pass
    assert not list(tmp_path.iterdir())
