# SPDX-License-Identifier: Apache-2.0
"""A device with control: what a datapath and a `ControlSystem` share a device with, whatever the datapath is."""

from typing import Any

from amaranth import DomainRenamer, Module, Signal
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from custodes.register_map import RegisterMap
from gateware.control.access import ADDRESS_BITS, AccessInterface, AccessSignature
from gateware.control.bus import BusInterface
from gateware.control.crossing import READ_CYCLES, BusCrossing, PulseCrossing
from gateware.control.lifecycle import STATE_BITS
from gateware.control.spi import SPI_PINS, SpiPinsInterface
from gateware.control.system import ControlSystem
from gateware.reset import reset_by

CLOCK_HZ = 62_500_000
RENEW_CYCLES = 4


class Controlled(wiring.Component):
    """A datapath in the domain ``sync``, and its `ControlSystem` in the domain ``control``; any relation of clocks.

    Args:
        members: of the datapath's streams and pins, in ``sync``.
        registers: the map of the device.
        rom, secret, build_id: see `ControlSystem`.
        clock_hz: of ``control``.
        hash_domain: see `ControlSystem`; ``sync`` there is ``control`` here.

    Members:
        rx, tx, flash, sample, sample_valid, host, state: see `ControlSystem`, in ``control``.
        hashing: see `ControlSystem`.
        accessing: a register outside ``control`` is being read or written, in ``control``.
        tamper: the pin; need not be synchronous.

    Reset both domains, and both together for at least 4 cycles of the slower clock.
    """

    rx: Signal
    tx: Signal
    flash: SpiPinsInterface
    sample: Signal
    sample_valid: Signal
    host: AccessInterface
    state: Signal
    hashing: Signal
    accessing: Signal
    tamper: Signal

    def __init__(
        self,
        members: dict[str, Any],
        registers: RegisterMap,
        rom: bytes,
        secret: bytes,
        build_id: bytes,
        clock_hz: int,
        hash_domain: str,
    ) -> None:
        self.control = ControlSystem(rom, secret, build_id, registers, clock_hz, hash_domain=hash_domain)
        super().__init__(
            {
                **members,
                "rx": In(1),
                "tx": Out(1),
                "flash": Out(SPI_PINS),
                "sample": In(1),
                "sample_valid": In(1),
                "host": In(AccessSignature()),
                "state": Out(STATE_BITS),
                "hashing": Out(1),
                "accessing": Out(1),
                "tamper": In(1),
            }
        )

    def _join(self, m: Module, name: str, datapath: wiring.Component, tamper: Value, fault: Value) -> Signal:
        """Make control and datapath submodules.

        Args:
            name: of the datapath.
            tamper: of the datapath: it is to zeroise everything.
            fault: of the datapath: it holds a state that does not exist.

        Returns:
            What resets the datapath, see `reset_by`.
        """
        control = self.control
        m.submodules.control = DomainRenamer("control")(control)
        renew, zeroise = Signal(init=1), Signal()
        faulty = Signal()  # lasts until a reset: the other clock may be slower
        reset_by(m, name, datapath, renew)
        wiring.connect(m, wiring.flipped(self.host), control.host)
        wiring.connect(m, control.flash, wiring.flipped(self.flash))
        m.d.comb += [
            control.rx.eq(self.rx),
            self.tx.eq(control.tx),
            control.sample.eq(self.sample),
            control.sample_valid.eq(self.sample_valid),
            control.tamper.eq(self.tamper),
            self.state.eq(control.state),
            self.hashing.eq(control.hashing),
            tamper.eq(zeroise),
        ]
        m.submodules.renew = renewal = PulseCrossing(RENEW_CYCLES, i_domain="control", o_domain="sync")
        with m.If(fault):
            m.d.sync += faulty.eq(1)
        m.submodules.fault = FFSynchronizer(faulty, control.fault, o_domain="control")
        m.submodules.zeroise = FFSynchronizer(control.zeroise, zeroise)
        m.d.comb += renewal.i.eq(control.renew)
        m.d.sync += renew.eq(renewal.o)
        return renew

    def _bus(self, m: Module, more_cycles: int) -> BusInterface:
        """The registers that the control asks for, in ``sync``; ``more_cycles``: that an answer takes than `READ_CYCLES`."""
        m.submodules.crossing = crossing = BusCrossing(
            1 << ADDRESS_BITS, i_domain="control", o_domain="sync", read_cycles=READ_CYCLES + more_cycles
        )
        wiring.connect(m, self.control.datapath, crossing.i)
        m.d.comb += self.accessing.eq(crossing.busy)
        return crossing.bus
