# SPDX-License-Identifier: Apache-2.0
"""How the host talks to a device: registers, and frames in exchange for what became of them."""

from __future__ import annotations

import abc
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, NamedTuple, Self, TypeVar

from custodes.errors import DeviceError
from custodes.gateway_registers import GatewayPort
from custodes.macsec import Opening, Sealing, Side
from custodes.table import Port, Reason

P = TypeVar("P", Port, Side, GatewayPort)
R = TypeVar("R", bound=Reason | Sealing | Opening)


class Ingress(NamedTuple, Generic[P]):
    """A frame on its way in, without FCS; ``error``: the ingress port marks it bad."""

    port: P
    frame: bytes
    error: bool = False


class Outcome(NamedTuple, Generic[R]):
    """What the device did with one frame. ``altered``: a warden's has a bit per row of `custodes.table.SCRUBBED`."""

    frame: bytes | None
    reason: R
    altered: int = 0


class Dialect(NamedTuple):
    """What a kind of device calls its two ports, the first two, and what it says of the frames that come in at each."""

    ports: type[Port] | type[Side] | type[GatewayPort]
    reasons: tuple[type[Reason], type[Reason]] | tuple[type[Sealing], type[Opening]]


DIALECTS = {
    "warden": Dialect(Port, (Reason, Reason)),
    "scrubber": Dialect(Port, (Reason, Reason)),
    "border": Dialect(Port, (Reason, Reason)),
    "processor": Dialect(Side, (Sealing, Opening)),
    "gateway": Dialect(GatewayPort, (Reason, Reason)),
    "nic": Dialect(Side, (Sealing, Opening)),
    "sng": Dialect(GatewayPort, (Reason, Reason)),
}


class Link(abc.ABC):
    """An open device. A context manager; every method raises `DeviceError` where the device does not answer, and those
    that reach for a register `RefusedError` where it may not be had."""

    lanes: int

    @abc.abstractmethod
    def read(self, address: int) -> int:
        """The register at word ``address``."""

    @abc.abstractmethod
    def write(self, address: int, value: int) -> None:
        """Write the register at word ``address``."""

    def read_many(self, address: int, count: int) -> list[int]:
        """So many registers in a row."""
        return [self.read(address + at) for at in range(count)]

    def write_many(self, address: int, values: Sequence[int]) -> None:
        """Write registers in a row; where one is refused, those before it have been written."""
        for at, value in enumerate(values):
            self.write(address + at, value)

    @abc.abstractmethod
    def exchange(self, frames: Sequence[Ingress[Any]]) -> list[Outcome[Any]]:
        """Send ``frames``, those of one port in order and back to back, and wait for the outcome of each."""

    def outcomes(self, frames: Sequence[Ingress[P]]) -> Iterator[tuple[P, Outcome[Any]]]:
        """As `exchange`, but each outcome comes, with the port of its frame, as soon as it is there."""
        for sent, outcome in zip(frames, self.exchange(frames), strict=True):
            yield sent.port, outcome

    def wait(self, seconds: float) -> None:
        """Let this much time pass in the device, or less."""
        time.sleep(seconds)

    @abc.abstractmethod
    def close(self) -> None:
        """Let go of the device."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_link(name: str, lanes: int = 1, waveform: Path | None = None) -> Link:
    """Open a device by name. ``sim:`` and a key of `DIALECTS` is a verilated device with ``lanes`` bytes per beat;
    ``sim:nic:FILE`` and ``sim:sng:FILE`` keep their flash in that file. ``serial:PORT`` is the device at a serial port,
    ``serial:PORT@BAUD`` at a higher rate.

    Args:
        waveform: record every signal into this VCD file, which is slow.

    Raises:
        DeviceError: there is no such device, it is not built, or it does not answer.
    """
    kind, _, which = name.partition(":")
    if kind == "serial":
        from custodes.seriallink import SerialLink

        if waveform:
            raise DeviceError(f"{name}: waveforms are of simulated devices only")
        return SerialLink(which, lanes)
    if kind != "sim":
        names = " or ".join(f"sim:{known}" for known in DIALECTS)
        raise DeviceError(f"{name}: no such device; try {names} or serial:PORT")
    from custodes.simborder import SimBorder
    from custodes.simgateway import SimGateway
    from custodes.simlink import SimLink, lanes_of
    from custodes.simnic import SimNic
    from custodes.simsng import SimSng

    which, _, flash = which.partition(":")
    if which in ("nic", "sng") and lanes in lanes_of(which):
        return (SimNic if which == "nic" else SimSng)(Path(flash) if flash else None, waveform)
    if which == "gateway" and lanes in lanes_of(which):
        return SimGateway(lanes, waveform)
    if which == "border" and lanes in lanes_of(which):
        return SimBorder(lanes, waveform)
    return SimLink(which, lanes, waveform)
