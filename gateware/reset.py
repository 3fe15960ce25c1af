# SPDX-License-Identifier: Apache-2.0
"""Resets of parts of a device."""

from amaranth import ClockDomain, ClockSignal, DomainRenamer, Module, ResetSignal, Signal
from amaranth.lib import wiring

__all__ = ["reset_by"]


def reset_by(m: Module, name: str, unit: wiring.Component, reset: Signal) -> None:
    """Make ``unit`` a submodule that is reset by ``reset`` alone.

    A reset that is the sum of several goes through logic on its way to every register. This one is a register itself.

    Args:
        name: of the submodule, and of the domain that is ``sync`` to it: with the same clock.
        reset: of ``sync``, with 1 as its initial value: so the unit is reset with ``sync``, but a cycle later, and a reset
            of ``sync`` must last 2 cycles. Until its own ends the unit must take nothing in.
    """
    m.domains += ClockDomain(name, local=True)
    m.d.comb += [ClockSignal(name).eq(ClockSignal()), ResetSignal(name).eq(reset)]
    m.submodules[name] = DomainRenamer(name)(unit)
