# SPDX-License-Identifier: Apache-2.0
"""What is synthesised, and for which part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from amaranth.back import rtlil  # pyright: ignore[reportAttributeAccessIssue] (the stubs have no back.rtlil)
from amaranth.lib import wiring

from custodes.macsec import CHANNELS
from custodes.maps import NIC
from custodes.table import Port
from firmware import image
from gateware.control.cpu import PICORV32
from gateware.control.system import ControlSystem
from gateware.control.uart_link import UartLink
from gateware.devices.nic import CLOCK_HZ
from gateware.entropy import Coin
from gateware.ethernet import Mac
from gateware.fingerprint import Fingerprint
from gateware.flow import Translator
from gateware.hash import Sha256
from gateware.retimer import Retimer
from gateware.sampler import Sampler
from gateware.scrubber import Scrubber
from gateware.scrubber.counters import Counters
from gateware.scrubber.ethernet import EthernetLayer
from gateware.scrubber.lookup import Lookup
from gateware.scrubber.network import NetworkLayer
from gateware.scrubber.options import OptionsLayer
from gateware.scrubber.payload import PayloadLayer
from gateware.scrubber.rewriter import Rewriter
from gateware.scrubber.scrubber import MIN_FORWARDED_BYTES
from gateware.scrubber.transport import TransportLayer
from gateware.scrubber.verdict import Verdict
from gateware.session.gcm import Gcm
from gateware.session.opener import Opener
from gateware.session.sealer import Sealer
from gateware.stream import ClockCrossing, FrameFIFO, Queue, SkidBuffer, WidthConverter, beat_layout
from gateware.trng.trng import Trng
from gateware.upload import Upload
from sim.nic import SECRET
from sim.top import FlatTop

LANES = (1, 8, 64)
CURVE_LANES = (1, 2, 4, 8, 16, 32, 64)
KEYS = 64
RETIMER_STORE_BYTES = 32768
BORDER_FLOWS = 1024
"""Slots of the flow table of a border on the Versa board."""
OFF_CYCLES = 625_000_000
"""Of a server without power: 5 s at 125 MHz."""


@dataclass(frozen=True)
class Part:
    """An FPGA, how nextpnr is told about it, the clock that it is asked for, what it has, and which of nextpnr's placers.

    The placer ``static`` leaves no register far from the block RAM that it follows, whose output comes late; but of some
    units it makes no end, which ``heap`` does.
    """

    name: str
    options: tuple[str, ...]
    clock_mhz: float
    logic_cells: int
    block_rams: int
    placer: str = "static"


SMALL = Part("LFE5U-25F-6", ("--25k", "--speed", "6", "--package", "CABGA381"), 125.0, 24288, 56)
LARGE = Part("LFE5U-85F-8", ("--85k", "--speed", "8", "--package", "CABGA381"), 156.25, 83640, 208)
BORDER = Part("LFE5UM-45F-8", ("--um-45k", "--speed", "8", "--package", "CABGA381"), 125.0, 43848, 108, placer="heap")
"""That of the Versa board, the smallest that has room for a border."""
SMALL_LANES = 4
"""Up to so many lanes units are placed on the small part."""


def lanes_text(lanes: int) -> str:
    return f"{lanes} {'lane' if lanes == 1 else 'lanes'}"


@dataclass(frozen=True)
class Unit:
    """One unit with parameters. ``lanes`` chooses the part, unless it is made ``only_for`` one; ``models`` are Verilog of
    what it has instances of."""

    name: str
    lanes: int
    make: Callable[[], wiring.Component]
    models: tuple[Path, ...] = ()
    clock_mhz: float | None = None
    only_for: Part | None = None

    @property
    def part(self) -> Part:
        part = self.only_for or (SMALL if self.lanes <= SMALL_LANES else LARGE)
        return part if self.clock_mhz is None else replace(part, clock_mhz=self.clock_mhz)

    @property
    def label(self) -> str:
        return f"{self.name}, {lanes_text(self.lanes)}"

    def rtlil(self) -> str:
        """The unit as RTLIL, flat ports only: Yosys 0.70 stops at ports without bits."""
        top = FlatTop(self.make())
        return rtlil.convert(top.module, name="top", ports=[port for port in top.ports if len(port)], emit_src=False)


def _store_beats(lanes: int) -> int:
    """One block RAM deep."""
    return 2048 if lanes == 1 else 512


def _control_system() -> wiring.Component:
    return ControlSystem(image.build().data, SECRET, bytes(32), NIC, CLOCK_HZ)


_MAKERS: dict[str, Callable[[int], wiring.Component]] = {
    "Scrubber": lambda lanes: Scrubber(lanes, Port.CLUSTER),
    "EthernetLayer": EthernetLayer,
    "NetworkLayer": NetworkLayer,
    "TransportLayer": TransportLayer,
    "OptionsLayer": OptionsLayer,
    "PayloadLayer": PayloadLayer,
    "Lookup": lambda lanes: Lookup(lanes, Port.CLUSTER),
    "Verdict": Verdict,
    "Rewriter": Rewriter,
    "Counters": lambda lanes: Counters(-(-MIN_FORWARDED_BYTES // lanes)),
    "Fingerprint": lambda lanes: Fingerprint(lanes, Port.CLUSTER),
    "SkidBuffer": lambda lanes: SkidBuffer(beat_layout(lanes)),
    "FrameFIFO": lambda lanes: FrameFIFO(lanes, _store_beats(lanes)),
    "ClockCrossing": lambda lanes: ClockCrossing(lanes, i_domain="ingress", o_domain="egress"),
    "Queue": lambda lanes: Queue(beat_layout(lanes), _store_beats(lanes)),
}
_FIXED: dict[str, tuple[int, Callable[[], wiring.Component]]] = {
    "WidthConverter 1-8": (8, lambda: WidthConverter(1, 8)),
    "WidthConverter 8-1": (8, lambda: WidthConverter(8, 1)),
    "Mac": (1, lambda: Mac(125_000_000, "rx", "tx")),
    "Sha256": (1, Sha256),
    "Trng": (1, Trng),
    "Coin": (1, Coin),
    "UartLink": (1, lambda: UartLink(CLOCK_HZ)),
    "ControlSystem": (1, _control_system),
    "Sealer": (1, lambda: Sealer(1, CHANNELS)),
    "Opener": (1, lambda: Opener(1, CHANNELS)),
    "Retimer": (1, lambda: Retimer(1, RETIMER_STORE_BYTES)),
    "Sampler": (1, lambda: Sampler(1)),
    "Translator": (1, lambda: Translator(1, BORDER_FLOWS)),
    "Upload": (1, lambda: Upload(1, OFF_CYCLES)),
}
"""Units of one lane count; a width converter counts as its wider side."""
_MODELS = {"ControlSystem": (PICORV32,)}
_CLOCKS_MHZ = {"ControlSystem": CLOCK_HZ / 1e6}
"""Of units that do not have the clock of the datapath."""
_ONLY_FOR = {(name, 1): BORDER for name in ("Coin", "Retimer", "Fingerprint", "Sampler", "Translator", "Upload")}
"""Units at so many lanes that are of use in a border or a gateway only."""
NAMES = (*_MAKERS, *_FIXED)
OPENING, SEALING = "Gcm opening", "Gcm sealing"
_ENGINES: dict[str, tuple[tuple[int, ...], Callable[[int], wiring.Component]]] = {
    OPENING: (CURVE_LANES, lambda lanes: Gcm(lanes, KEYS, opens=True)),
    SEALING: ((1,), lambda lanes: Gcm(lanes, KEYS, opens=False)),
}
"""What the curve is of, and at how many lanes."""


def units(lanes: list[int], names: list[str]) -> list[Unit]:
    """The units of these names at those of the lane counts that such units have."""
    found = [
        _unit(name, width, make) for name, make in _MAKERS.items() if name in names for width in LANES if width in lanes
    ]
    found += [
        Unit(name, width, make, _MODELS.get(name, ()), _CLOCKS_MHZ.get(name), _ONLY_FOR.get((name, width)))
        for name, (width, make) in _FIXED.items()
        if name in names and width in lanes
    ]
    return found


def engines(lanes: list[int]) -> list[Unit]:
    """The engines of the curve at these lane counts."""
    return [_unit(name, width, make) for name, (widths, make) in _ENGINES.items() for width in widths if width in lanes]


def _unit(name: str, lanes: int, make: Callable[[int], wiring.Component]) -> Unit:
    return Unit(name, lanes, lambda: make(lanes), only_for=_ONLY_FOR.get((name, lanes)))
