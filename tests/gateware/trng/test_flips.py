# SPDX-License-Identifier: Apache-2.0
"""One or two bits of a mode register that flip are a fault, in every unit."""

from collections.abc import Callable
from typing import Any

import pytest

from gateware.trng.conditioner import Conditioner
from gateware.trng.health import Health, HealthParameters
from gateware.trng.shared import SharedSha256
from tests.gateware.control.flips import FlipBench

UNITS: dict[str, tuple[Callable[[], Any], int]] = {
    "Conditioner": (lambda: Conditioner(640), 1),
    "Health": (lambda: Health(HealthParameters()), 1),
    "SharedSha256": (SharedSha256, 1),
}
"""Name -> how it is made, and how many mode registers it has."""


@pytest.mark.parametrize("name", UNITS)
def test_every_flip_of_one_or_two_bits_is_a_fault(name: str):
    make, count = UNITS[name]
    dut = make()
    bench = FlipBench(dut)
    assert len(bench.registers) == count
    assert bench.undetected(dut.fault, 0) == []
