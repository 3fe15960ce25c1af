# SPDX-License-Identifier: Apache-2.0
"""Ports of a unit as integers, for what looks at them or drives them in every cycle."""

from __future__ import annotations

from typing import Any

ENOUGH_FOR_INT = 31
"""Bits that the simulator takes as an integer."""
DEPOSIT = 0


class Pin:
    """``value`` is an `int`, read and written as that of cocotb's handle.

    There it is an array of four-valued logic, which takes most of a simulation's time to make and to compare; Verilator has
    two values only. So this asks the simulator itself, through what cocotb calls inside.
    """

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self._width = len(handle)
        self._get = handle._handle.get_signal_val_binstr
        self._set_int = handle._handle.set_signal_val_int
        self._set_bits = handle._handle.set_signal_val_binstr

    def __len__(self) -> int:
        return self._width

    @property
    def value(self) -> int:
        return int(self._get(), 2)

    @value.setter
    def value(self, value: int) -> None:
        if value >> self._width:
            raise OverflowError(f"{value:#x} does not fit into the {self._width} bits of {self.handle._name}")
        if self._width <= ENOUGH_FOR_INT:
            self._set_int(DEPOSIT, int(value))
        else:
            self._set_bits(DEPOSIT, f"{value:0{self._width}b}")


class Pins:
    """The ports of ``dut`` by name, each a `Pin`."""

    def __init__(self, dut: Any) -> None:
        self._dut = dut

    def __getattr__(self, name: str) -> Pin:
        pin = Pin(getattr(self._dut, name))
        setattr(self, name, pin)
        return pin
