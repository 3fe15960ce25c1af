# SPDX-License-Identifier: Apache-2.0
"""The register bus."""

from amaranth import Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class BusInterface(wiring.PureInterface):
    """What `bus_signature` makes."""

    address: Signal
    write_data: Signal
    write: Signal
    read_data: Signal


def bus_signature(registers: int) -> wiring.Signature:
    """A bus of so many registers of 32 bits: a write takes the one cycle in which ``write`` is 1; ``read_data`` is right 4
    cycles after ``address`` has come to rest."""
    return wiring.Signature(
        {"address": Out(range(registers)), "write_data": Out(32), "write": Out(1), "read_data": In(32)}
    )
