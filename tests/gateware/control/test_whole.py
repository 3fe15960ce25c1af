# SPDX-License-Identifier: Apache-2.0
"""Every flip of one or two bits, in every mode register of the whole device, ends it in time; nothing is left out."""

from collections.abc import Iterator
from typing import Any

import pytest
from amaranth.hdl import Fragment

from custodes.lifecycle import Alarm
from custodes.macsec import Suite
from custodes.maps import NIC
from custodes.processor_registers import STATUS, STATUS_TAMPERED
from custodes.table import Reason
from custodes.upload_modes import Fault
from gateware.control.guarded import MODES
from gateware.control.lifecycle import ZEROISE_CYCLES
from gateware.scrubber.layouts import Network
from gateware.upload.weights import Step
from tests.gateware.control.whole import LINKS, FlippableWhole, simulated

DATAPATH_FAULT_CYCLES = {"nic": 5, "sng": 6}
"""From a flip in the datapath to the state TAMPERED, in cycles of the control of which each has two of the datapath: 3 of
the datapath until the fault is kept, in a gateway 4, 2 of the control to cross over, and `ZEROISE_CYCLES`."""
LIMIT = 100


@pytest.fixture(scope="module", params=LINKS)
def which(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def whole(which: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlippableWhole]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        flippable = FlippableWhole(which, monkeypatch, tmp_path_factory.mktemp("flips"))
    yield flippable
    flippable.link.close()


def test_every_flip_in_every_mode_register_ends_the_device_in_time(whole: FlippableWhole, which: str):
    missed = []
    for register in whole.registers:
        limit = ZEROISE_CYCLES if register.domain == "control" else DATAPATH_FAULT_CYCLES[which]
        for value in register.flips():
            cycles = whole.flip(register, value, LIMIT)
            # A source of noise whose state does not exist says besides that it is no good.
            alarms = whole.link.read(NIC.address("ALARMS")) & ~(1 << Alarm.NOISE)
            whole.link.step_control(200)
            tampered = bool(whole.link.read(STATUS) & STATUS_TAMPERED)
            if cycles is None or cycles > limit or alarms != 1 << Alarm.INTEGRITY or not tampered:
                missed.append((register.path, bin(value), cycles, bin(alarms), tampered))
    assert missed == []


def test_without_a_flip_there_is_no_alarm(whole: FlippableWhole):
    assert whole.flip(None, 0, LIMIT) is None
    assert whole.link.read(NIC.address("ALARMS")) == 0


def test_writing_a_mode_that_exists_is_no_fault(whole: FlippableWhole):
    """So the injection itself is not what raises the alarm."""
    registers = [register for register in whole.registers if register.path.endswith("feeding")]
    assert len(registers) == 2
    for register in registers:
        assert whole.flip(register, register.modes["HEADER"], LIMIT) is None


@pytest.mark.parametrize("which", LINKS)
def test_every_register_for_one_of_several_is_guarded_or_only_says_something(which: str):
    """Of the control and of the datapath: an enumeration in a register is the mode of a machine, or is listed here."""
    said = [
        {"OK", "REFUSED", "MALFORMED", "CLOSED"},  # how an access from the UART went
        {suite.name for suite in Suite},  # what a key is loaded with
        {fault.name for fault in Fault},  # why there is no power
        {reason.name for reason in Reason},  # what became of a frame
        {network.name for network in Network},  # what a frame of the scrubbers is
        {step.name for step in Step},  # where in a frame of weights: they are counted and digested behind it
    ]
    fragment: Any = Fragment.get(simulated(which, b""), None)
    assert [names for names in unguarded(fragment) if names not in said] == []


def unguarded(fragment: Any) -> list[set[str]]:
    """The members of enumerations that registers without `guarded` hold."""
    found: list[set[str]] = []
    registers = (statements for domain, statements in fragment.statements.items() if domain != "comb")
    for statements in registers:
        for signal in (signal for statement in statements for signal in statement._lhs_signals()):
            names = getattr(signal._format, "_variants", None)
            if names and MODES not in signal.attrs:
                found.append(set(names.values()))
    return found + [names for part, _, _ in fragment.subfragments for names in unguarded(part)]
