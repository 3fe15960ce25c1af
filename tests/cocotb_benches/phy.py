# SPDX-License-Identifier: Apache-2.0
"""PHYs for the benches of Ethernet ports: models of cocotbext-eth, MDIO registers, and the time that frames take."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from typing import Any

import cocotb
from cocotb.triggers import FallingEdge, RisingEdge, with_timeout
from cocotbext.eth import GmiiFrame, GmiiSink, GmiiSource

from tests.cocotb_benches.pin import Pin
from tests.cocotb_benches.tb import Agent, Domain

TIMEOUT_US = 1000
# cocotbext-eth still makes calls that cocotb 2 is about to remove.
warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"cocotbext\.")
PREAMBLE = b"\x55" * 7 + b"\xd5"


def spoilt(frame: GmiiFrame, at: int) -> GmiiFrame:
    """``frame`` with RX_ER in byte ``at``, counted from the first of the preamble."""
    frame.error = [int(place == at) for place in range(len(frame.data))]
    return frame


class GmiiPhy:
    """What a GMII port ``name`` is connected to. Received frames come with their FCS checked."""

    def __init__(self, dut: Any, name: str, rx_clk: Any, tx_clk: Any) -> None:
        rx, tx = f"{name}_gmii_rx_", f"{name}_gmii_tx_"
        pins = {way: [getattr(dut, way + pin) for pin in ("data", "error", "valid")] for way in (rx, tx)}
        self.source = GmiiSource(*pins[rx], rx_clk)
        self.sink = GmiiSink(*pins[tx], tx_clk)
        for end in (self.source, self.sink):
            end.log.setLevel(logging.WARNING)

    def send(self, *payloads: bytes) -> None:
        """Frames without padding and FCS, which are added."""
        for payload in payloads:
            self.source.send_nowait(GmiiFrame.from_payload(payload))

    async def received(self) -> bytes:
        """The next frame, without FCS; it must be whole and free of errors."""
        frame = await with_timeout(self.sink.recv(), TIMEOUT_US, "us")
        # The sink takes the first byte for the start of a frame and not for a part of it; `Wire` counts it.
        assert bytes(frame.get_preamble()) == PREAMBLE[1:]
        assert frame.error is None or not any(frame.error)
        assert frame.check_fcs()
        return bytes(frame.get_payload())

    async def expect(self, payloads: Sequence[bytes]) -> None:
        """The next frames are these, padded with zeros."""
        for number, payload in enumerate(payloads):
            got, want = await self.received(), payload.ljust(60, b"\0")
            assert got == want, f"frame {number}: {got.hex()} instead of {want.hex()}"


class Wire(Agent):
    """How many cycles frames and the ``gaps`` between them take when they are sent, preamble and FCS included."""

    def __init__(self, valid: Pin, domain: Domain) -> None:
        self.valid = valid
        self.domain = domain
        self.frames: list[int] = []
        self.gaps: list[int] = []
        self._sending = False
        self._changed: int | None = None

    def sample(self) -> None:
        sending = self.valid.value == 1
        if sending == self._sending:
            return
        if self._changed is not None:
            (self.frames if self._sending else self.gaps).append(self.domain.cycle - self._changed)
        self._sending, self._changed = sending, self.domain.cycle

    def restart(self) -> None:
        self.frames.clear()
        self.gaps.clear()
        self._sending, self._changed = False, None


class MdioPhy:
    """Registers behind MDIO (IEEE 802.3 clause 22.2.4), at the pins ``name_mdc``, ``name_o``, ``name_oe`` and ``name_i``.

    ``registers``: by number, read and written. Other addresses than ``address`` are not answered.
    """

    def __init__(self, dut: Any, name: str, address: int) -> None:
        self.mdc, self.o, self.oe, self.i = (getattr(dut, f"{name}_{pin}") for pin in ("mdc", "o", "oe", "i"))
        self.address = address
        self.registers: dict[int, int] = {}
        self.i.value = 1
        cocotb.start_soon(self._run())

    async def _bit(self) -> int:
        await RisingEdge(self.mdc)
        return int(self.o.value) if self.oe.value == 1 else 1

    async def _bits(self, count: int) -> int:
        number = 0
        for _ in range(count):
            number = number << 1 | await self._bit()
        return number

    async def _run(self) -> None:
        ones = 0
        while True:
            if await self._bit():
                ones += 1
                continue
            preamble, ones = ones, 0
            if preamble < 32 or not await self._bit():
                continue
            operation, phy, register = [await self._bits(count) for count in (2, 5, 5)]
            if operation == 0b01:
                assert await self._bits(2) == 0b10, "turnaround of a write"
                value = await self._bits(16)
                if phy == self.address:
                    self.registers[register] = value
            else:
                await self._answer(self.registers.get(register, 0) if phy == self.address else None)

    async def _answer(self, value: int | None) -> None:
        await self._bit()
        for bit in (0, *(0 if value is None else value >> place & 1 for place in reversed(range(16)))):
            assert self.oe.value == 0, "both ends drive MDIO"
            await FallingEdge(self.mdc)
            self.i.value = 1 if value is None else bit
            await self._bit()
        await FallingEdge(self.mdc)
        self.i.value = 1
