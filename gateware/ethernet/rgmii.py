# SPDX-License-Identifier: Apache-2.0
"""The pins of a PHY with RGMII, on ECP5."""

from dataclasses import dataclass

from amaranth import ClockSignal, Instance, Module, ResetSignal, Signal
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from gateware.ethernet.gmii import GMII, GmiiInterface

TAP_PS = 25
"""Of DELAYG, typical (Lattice FPGA-DS-02012, ECP5 family data sheet)."""
MAX_TAPS = 127


@dataclass(frozen=True)
class RgmiiDelays:
    """What is added on this side to bring clock and data 2 ns apart (RGMII 2.0, table 2); PHYs may do it themselves.

    Attributes:
        rx_data_ps: of the received data against their clock.
        tx_clock_ps: of the transmit clock against the data.
    """

    rx_data_ps: int
    tx_clock_ps: int

    def __post_init__(self) -> None:
        for delay_ps in (self.rx_data_ps, self.tx_clock_ps):
            if delay_ps % TAP_PS or not 0 <= delay_ps <= TAP_PS * MAX_TAPS:
                raise ValueError(
                    f"a delay is a multiple of {TAP_PS} ps up to {TAP_PS * MAX_TAPS} ps, not {delay_ps} ps"
                )


class RgmiiInterface(wiring.PureInterface):
    """What `RGMII` makes."""

    rx_ctl: Signal
    rx_data: Signal
    tx_clk: Signal
    tx_ctl: Signal
    tx_data: Signal


RGMII = wiring.Signature({"rx_ctl": In(1), "rx_data": In(4), "tx_clk": Out(1), "tx_ctl": Out(1), "tx_data": Out(4)})
"""As at the pads. The receive clock is that of a clock domain."""


class Rgmii(wiring.Component):
    """Two bits per cycle and pin to one byte per cycle (RGMII 2.0, section 3).

    Args:
        rx_domain: driven by the pin ``rx_clk``.
        tx_domain: of ``gmii_tx``; it gives the transmit clock.
        delays: on this board.

    Members:
        pins: pads, straight from and to their buffers.
        gmii_rx, gmii_tx: the same in a byte per cycle.

    Latency: 2 cycles for what is received, 1 for what is sent. The low nibble goes with the rising edge, the high one with
    the falling edge; the control pin has valid, then valid xor error. At 10 and 100 Mbit/s ``gmii_rx`` has no bytes.
    """

    pins: RgmiiInterface
    gmii_rx: GmiiInterface
    gmii_tx: GmiiInterface

    def __init__(self, rx_domain: str, tx_domain: str, delays: RgmiiDelays) -> None:
        self.rx_domain = rx_domain
        self.tx_domain = tx_domain
        self.delays = delays
        super().__init__({"pins": Out(RGMII), "gmii_rx": Out(GMII), "gmii_tx": In(GMII)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        pins, rx, tx = self.pins, self.gmii_rx, self.gmii_tx
        control = Signal(2)
        self._receive(m, "rx_ctl", pins.rx_ctl, control[0], control[1])
        m.d.comb += [rx.valid.eq(control[0]), rx.error.eq(control[0] ^ control[1])]
        for bit in range(4):
            self._receive(m, f"rx_data_{bit}", pins.rx_data[bit], rx.data[bit], rx.data[bit + 4])
            self._send(m, f"tx_data_{bit}", tx.data[bit], tx.data[bit + 4], pins.tx_data[bit])
        self._send(m, "tx_ctl", tx.valid, tx.valid ^ tx.error, pins.tx_ctl)
        self._send(m, "tx_clk", Value.cast(1), Value.cast(0), pins.tx_clk, self.delays.tx_clock_ps)
        return m

    def _receive(self, m: Module, name: str, pin: Value, rising: Value, falling: Value) -> None:
        delayed = Signal(name=f"{name}_delayed")
        m.submodules[f"{name}_delay"] = _delay(pin, delayed, self.delays.rx_data_ps)
        m.submodules[name] = Instance(
            "IDDRX1F",
            i_SCLK=ClockSignal(self.rx_domain),
            i_RST=ResetSignal(self.rx_domain),
            i_D=delayed,
            o_Q0=rising,
            o_Q1=falling,
        )

    def _send(self, m: Module, name: str, rising: Value, falling: Value, pin: Value, delay_ps: int = 0) -> None:
        prompt = Signal(name=f"{name}_prompt")
        m.submodules[name] = Instance(
            "ODDRX1F",
            i_SCLK=ClockSignal(self.tx_domain),
            i_RST=ResetSignal(self.tx_domain),
            i_D0=rising,
            i_D1=falling,
            o_Q=prompt,
        )
        m.submodules[f"{name}_delay"] = _delay(prompt, pin, delay_ps)


def _delay(i: Value, o: Value, delay_ps: int) -> Instance:
    return Instance("DELAYG", p_DEL_MODE="USER_DEFINED", p_DEL_VALUE=delay_ps // TAP_PS, i_A=i, o_Z=o)
