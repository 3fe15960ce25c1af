# SPDX-License-Identifier: Apache-2.0
"""One or two bits of a mode register that flip, whatever the mode, are noticed: every flip, in every unit that has one."""

from collections.abc import Callable
from typing import Any

import pytest

from custodes.macsec import ASSOCIATIONS
from custodes.maps import NIC
from gateware.control.firewall import Firewall
from gateware.control.lifecycle import ZEROISE_CYCLES, Lifecycle
from gateware.control.mailbox import Mailbox
from gateware.control.secret import DeviceSecret
from gateware.control.uart_link import UartLink
from gateware.session.associations import Associations
from gateware.session.feeder import Feeder
from gateware.session.loader import KeyLoader
from gateware.session.rate import Rate
from gateware.session.sequencer import Sequencer
from gateware.session.session import Session
from tests.gateware.control.flips import FlipBench

UNITS: dict[str, tuple[Callable[[], Any], int, int]] = {
    "Associations": (lambda: Associations(ASSOCIATIONS, 8), 1, 0),
    "DeviceSecret": (DeviceSecret, 9, 0),
    "Feeder": (lambda: Feeder(1, 12), 1, 0),
    "Firewall": (lambda: Firewall(NIC), 1, 0),
    "KeyLoader": (lambda: KeyLoader(Rate(1), ASSOCIATIONS), 1, 0),
    "Mailbox": (Mailbox, 1, 0),
    "Sequencer": (lambda: Sequencer(Rate(1), ASSOCIATIONS, False, 4), 1, 0),
    "Session": (lambda: Session(1), 9, 2),
    "UartLink": (lambda: UartLink(1_000_000), 1, 0),
}
"""Name -> how it is made, how many mode registers it has, and the cycles from a flip to ``fault``."""


@pytest.mark.parametrize("name", UNITS)
def test_every_flip_of_one_or_two_bits_is_a_fault(name: str):
    make, count, cycles = UNITS[name]
    dut = make()
    bench = FlipBench(dut)
    assert len(bench.registers) == count
    assert bench.undetected(dut.fault, cycles) == []


def test_every_flip_in_the_lifecycle_zeroises():
    dut = Lifecycle()
    bench = FlipBench(dut)
    assert len(bench.registers) == 10
    assert bench.undetected(dut.zeroise, ZEROISE_CYCLES) == []
