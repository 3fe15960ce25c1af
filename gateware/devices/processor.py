# SPDX-License-Identifier: Apache-2.0
"""The processor: sessions between the accelerator's port and the network's, and their registers."""

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from custodes import processor_registers as registers
from gateware.control.bus import BusInterface, bus_signature
from gateware.session import Session
from gateware.session.control import VERDICT, VerdictInterface
from gateware.stream import FrameSignature


class Processor(wiring.Component):
    """Frames from the accelerator leave to the network sealed, frames from there to the accelerator opened.

    Members:
        i_accelerator, o_network; i_network, o_accelerator: frame streams, see `Session`.
        verdict_accelerator, verdict_network: what becomes of each frame that entered there, see `VERDICT`.
        bus: registers of `custodes.processor_registers`.
        tamper: somebody tampers.
        busy: frames are inside.
        fault: see `Session`.
    """

    i_accelerator: stream.Interface
    o_accelerator: stream.Interface
    i_network: stream.Interface
    o_network: stream.Interface
    verdict_accelerator: VerdictInterface
    verdict_network: VerdictInterface
    bus: BusInterface
    tamper: Signal
    busy: Signal
    fault: Signal

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        frames = FrameSignature(lanes)
        super().__init__(
            {
                "i_accelerator": In(frames),
                "o_accelerator": Out(frames),
                "i_network": In(frames),
                "o_network": Out(frames),
                "verdict_accelerator": Out(VERDICT),
                "verdict_network": Out(VERDICT),
                "bus": In(bus_signature(registers.REGISTERS)),
                "tamper": In(1),
                "busy": Out(1),
                "fault": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.session = session = Session(self.lanes)
        wiring.connect(m, wiring.flipped(self.i_accelerator), session.i_plain)
        wiring.connect(m, session.o_sealed, wiring.flipped(self.o_network))
        wiring.connect(m, wiring.flipped(self.i_network), session.i_sealed)
        wiring.connect(m, session.o_plain, wiring.flipped(self.o_accelerator))
        wiring.connect(m, session.verdict_plain, wiring.flipped(self.verdict_accelerator))
        wiring.connect(m, session.verdict_sealed, wiring.flipped(self.verdict_network))
        wiring.connect(m, wiring.flipped(self.bus), session.bus)
        m.d.comb += [
            session.tamper.eq(self.tamper),
            self.busy.eq(session.busy),
            self.fault.eq(session.fault),
        ]
        return m
