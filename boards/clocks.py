# SPDX-License-Identifier: Apache-2.0
"""Clocks and resets on an ECP5 board."""

from typing import Any

from amaranth import ClockDomain, ClockSignal, Const, Instance, Module, ResetSignal, Signal
from amaranth.hdl import Value
from amaranth.lib.cdc import ResetSynchronizer

from boards.board import Pll

MIN_VCO_HZ, MAX_VCO_HZ = 400_000_000, 800_000_000


def output_hz(pll: Pll, reference_hz: int) -> int:
    """Frequency of the PLL's output; raises `ValueError` where the dividers do not fit."""
    hz, rest = divmod(reference_hz * pll.feedback, pll.reference)
    if rest or not MIN_VCO_HZ <= hz * pll.output <= MAX_VCO_HZ:
        raise ValueError(f"{pll} does not suit {reference_hz} Hz")
    return hz


def add_pll(m: Module, pll: Pll, reference: Value, reset: Value, control: bool = False) -> None:
    """Make the domains ``sync`` and ``tx`` from a reference clock, and ``control`` of half their frequency if that is asked
    for; in reset until the PLL locks, and while ``reset``."""
    locked = Signal()
    m.domains.sync, m.domains.tx = ClockDomain("sync"), ClockDomain("tx")
    half: dict[str, Any] = {}
    if control:
        m.domains.control = ClockDomain("control")
        half = {
            "p_CLKOS2_DIV": 2 * pll.output,
            "p_CLKOS2_ENABLE": "ENABLED",
            "p_CLKOS2_CPHASE": pll.output,
            "o_CLKOS2": ClockSignal("control"),
        }
    m.submodules.pll = Instance(
        "EHXPLLL",
        p_CLKI_DIV=pll.reference,
        p_CLKFB_DIV=pll.feedback,
        p_CLKOP_DIV=pll.output,
        p_CLKOP_ENABLE="ENABLED",
        p_CLKOP_CPHASE=pll.output // 2,
        p_CLKOS_DIV=pll.output,
        p_CLKOS_ENABLE="ENABLED",
        p_CLKOS_CPHASE=pll.output // 2,
        **half,
        p_FEEDBK_PATH="CLKOP",
        # Charge pump and loop filter, which no parameter says: as Project Trellis' ecppll has them at every frequency.
        a_ICP_CURRENT="12",
        a_LPF_RESISTOR="8",
        a_MFG_ENABLE_FILTEROPAMP="1",
        a_MFG_GMCREF_SEL="2",
        i_CLKI=reference,
        i_CLKFB=ClockSignal("sync"),
        i_RST=Const(0),
        i_STDBY=Const(0),
        o_CLKOP=ClockSignal("sync"),
        o_CLKOS=ClockSignal("tx"),
        o_LOCK=locked,
    )
    for domain in ("sync", "tx", *(["control"] if control else [])):
        m.submodules[f"{domain}_reset"] = ResetSynchronizer(~locked | reset, domain=domain)


def add_receive_clock(m: Module, domain: str, clock: Value) -> None:
    """Make a domain from a PHY's receive clock, in reset while ``sync`` is, and for some of its own cycles more."""
    m.domains += ClockDomain(domain)
    m.d.comb += ClockSignal(domain).eq(clock)
    m.submodules[f"{domain}_reset"] = ResetSynchronizer(ResetSignal("sync"), domain=domain)
