# SPDX-License-Identifier: Apache-2.0
"""The whole device with its real firmware, verilated, each of whose mode registers can be written from outside.

It is the device that ``make sim`` builds, to whose netlist a last assignment is added for every mode register.
"""

import ctypes
from pathlib import Path
from typing import Any

import pytest
from amaranth import Elaboratable, Module, Signal
from amaranth.hdl import Fragment
from amaranth.lib.wiring import In, Signature

from custodes.lifecycle import Lifecycle
from custodes.simnic import SimControl, SimNic
from custodes.simsng import SimSng
from firmware import image
from sim.build import DEVICES, SIMULATED_OFF_CYCLES, Target, make_library
from sim.nic import UNKNOWN, simulated_nic
from sim.sng import simulated_sng
from tests.gateware.control.flips import ModeRegister, mode_registers

ROOT = Path(__file__).parents[3]
CACHE = ROOT / "build" / "flips"
VALUE_BITS = 8


class Flippable(Elaboratable):
    """A device, and how to write its mode registers.

    Members:
        those of the device.
        flip_number: which register is written, from 1 on in the order of ``registers``; 0 is none.
        flip_value: what with.
    """

    def __init__(self, device: Any) -> None:
        self.fragment: Any = Fragment.get(device, None)
        self.registers = mode_registers(self.fragment)
        self.flip_number, self.flip_value = Signal(range(len(self.registers) + 1)), Signal(VALUE_BITS)
        own = {"flip_number": In(self.flip_number.shape()), "flip_value": In(VALUE_BITS)}
        self.signature = Signature({**device.signature.members, **own})
        for name in device.signature.members:
            setattr(self, name, getattr(device, name))
        for number, register in enumerate(self.registers, 1):
            written = Module()
            with written.If(self.flip_number == number):
                written.d[register.domain] += register.signal.eq(self.flip_value)
            statements = Fragment.get(written, None).statements[register.domain]
            register.fragment.add_statements(register.domain, *statements)

    def elaborate(self, platform: object) -> Any:
        return self.fragment


LINKS: dict[str, type[SimNic | SimSng]] = {"nic": SimNic, "sng": SimSng}


def simulated(which: str, rom: bytes) -> Any:
    """A device with control."""
    return simulated_nic(1, rom) if which == "nic" else simulated_sng(1, rom, UNKNOWN, SIMULATED_OFF_CYCLES)


class FlippableWhole:
    """The simulation.

    Args:
        which: ``nic`` or ``sng``.

    Members:
        link: the device. ``registers``: its mode registers.
    """

    def __init__(self, which: str, monkeypatch: pytest.MonkeyPatch, scratch: Path) -> None:
        device = Flippable(simulated(which, image.build().data))
        self.registers = device.registers
        *others, own = DEVICES[which].harness
        harness = scratch / "flips.cpp"
        parts = (ROOT / "sim" / own, Path(__file__).with_name("flips.cpp"))
        harness.write_text("\n".join(part.read_text() for part in parts))
        with monkeypatch.context() as patch:
            patch.setitem(DEVICES, which, DEVICES[which]._replace(harness=(*others, str(harness))))
            made: Any = device
            library = make_library(Target(which, 1), made, CACHE)
        self.link: SimControl = LINKS[which](library=library)
        self._flip = ctypes.CDLL(str(library)).custodes_flip
        self._flip.restype = ctypes.c_int32
        self._flip.argtypes = [ctypes.c_void_p, *[ctypes.c_uint32] * 5]

    def flip(self, register: ModeRegister | None, value: int, limit: int) -> int | None:
        """Cycles of the control until the device is tampered, at most ``limit``; None: it is not."""
        number = 0 if register is None else 1 + self.registers.index(register)
        datapath = register is not None and register.domain != "control"
        cycles = self._flip(self.link._handle, number, value, datapath, Lifecycle.TAMPERED, limit)
        return None if cycles < 0 else cycles
