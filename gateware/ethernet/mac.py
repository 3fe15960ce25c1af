# SPDX-License-Identifier: Apache-2.0
"""One port: frames between a PHY and the datapath."""

from typing import Any

from amaranth import Cat, DomainRenamer, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer, PulseSynchronizer
from amaranth.lib.wiring import In, Out

from custodes.ethernet import LinkSpeed, PortEvent
from custodes.registers import PORT_EVENTS, PORT_MDIO, PORT_REGISTERS
from gateware.control import Tally
from gateware.control.bus import BusInterface, bus_signature
from gateware.ethernet.gmii import GMII, GmiiInterface
from gateware.ethernet.mdio import MDIO, MdioInterface, MdioMaster
from gateware.ethernet.receiver import Receiver
from gateware.ethernet.speed import SpeedMeter
from gateware.ethernet.store import TransmitStore
from gateware.ethernet.transmitter import Transmitter
from gateware.stream import ClockCrossing, FrameFIFO, FrameSignature

RECEIVE_DEPTH, TRANSMIT_DEPTH, CROSSING_DEPTH = 2048, 2048, 512
"""Bytes; the first two are more than the longest frame."""
EVENT_SPACING = 2
"""Cycles between two events of a kind at least, see `Receiver`."""


class PhyInterface(wiring.PureInterface):
    """What `PHY` makes."""

    gmii_rx: GmiiInterface
    gmii_tx: GmiiInterface
    mdio: MdioInterface


PHY = wiring.Signature({"gmii_rx": In(GMII), "gmii_tx": Out(GMII), "mdio": Out(MDIO)})
"""What a port has to do with its PHY."""


class Mac(wiring.Component):
    """The media access control of one full-duplex port at 1 Gbit/s.

    Args:
        clock_hz: of ``sync``, at least 123.5 MHz for the line rate of both ways.
        rx_domain, tx_domain: clock domains of ``phy.gmii_rx`` and ``phy.gmii_tx``, 125 MHz each.

    Members:
        phy: data each way, and management.
        o: frames received, without FCS, never with ``error``; bad ones are dropped and counted.
        i: frames to send, without FCS; pauses are allowed.
        speed: `LinkSpeed`. Unless it is 1 Gbit/s nothing is received, and what is to be sent is taken and dropped.
        bus: registers of `custodes.registers`, from `PORT_SPEED` on.

    Latency: a frame is received whole before it goes on, and there whole before it is sent. Throughput: line rate both ways.
    Back-pressure: a stalled ``o`` fills the receive store, which drops whole frames; a busy transmitter stalls ``i``. At a
    sustained full load, a peer whose clock is faster than ours fills the stores, as the gap is never less than 12 bytes.
    Reset: all three domains together; frames inside are lost, totals are kept.
    """

    phy: PhyInterface
    i: stream.Interface
    o: stream.Interface
    speed: Signal
    bus: BusInterface

    def __init__(self, clock_hz: int, rx_domain: str, tx_domain: str) -> None:
        self.clock_hz = clock_hz
        self.rx_domain = rx_domain
        self.tx_domain = tx_domain
        super().__init__(
            {
                "phy": Out(PHY),
                "i": In(FrameSignature(1)),
                "o": Out(FrameSignature(1)),
                "speed": Out(LinkSpeed),
                "bus": In(bus_signature(PORT_REGISTERS)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.meter = meter = SpeedMeter(self.clock_hz, self.rx_domain)
        m.submodules.tally = tally = Tally(len(PortEvent), EVENT_SPACING)
        enable = Signal()
        m.d.comb += self.speed.eq(meter.speed)
        m.d.sync += enable.eq(meter.speed == LinkSpeed.M1000)
        events = self._receive(m, enable) | self._transmit(m, enable)
        m.d.comb += [tally.event[kind].eq(event) for kind, event in events.items()]
        self._registers(m, tally)
        return m

    def _receive(self, m: Module, enable: Value) -> dict[PortEvent, Value]:
        receiver, store = Receiver(), FrameFIFO(1, RECEIVE_DEPTH)
        m.submodules.receiver = DomainRenamer(self.rx_domain)(receiver)
        m.submodules.receive_store = DomainRenamer(self.rx_domain)(store)
        m.submodules.receive_crossing = crossing = ClockCrossing(
            1, CROSSING_DEPTH, i_domain=self.rx_domain, o_domain="sync"
        )
        m.submodules.receive_enable = FFSynchronizer(enable, receiver.enable, o_domain=self.rx_domain)
        wiring.connect(m, wiring.flipped(self.phy.gmii_rx), receiver.gmii)
        wiring.connect(m, store.o, crossing.i)
        # Where the receive clock rested during a reset, its side of the crossing is reset when it starts to run again.
        awake = Signal()
        m.d.sync += awake.eq(awake | enable)
        m.d.comb += [
            self.o.payload.eq(crossing.o.payload),
            self.o.valid.eq(crossing.o.valid & awake),
            crossing.o.ready.eq(self.o.ready & awake),
        ]
        m.d.comb += [store.i.payload.eq(receiver.o.payload), store.i.valid.eq(receiver.o.valid)]
        outcome = receiver.outcome
        bad = Signal(2)  # in the two cycles that the store takes for its verdict
        m.d[self.rx_domain] += bad.eq(Cat(outcome.as_value().any(), bad))
        return {
            PortEvent.RX_FRAMES: self.o.valid & self.o.ready & self.o.payload.last,
            **{
                kind: self._crossed(m, kind, event, self.rx_domain)
                for kind, event in (
                    (PortEvent.RX_REFUSED, outcome.refused),
                    (PortEvent.RX_PREAMBLE, outcome.preamble),
                    (PortEvent.RX_OVERSIZE, outcome.oversize),
                    (PortEvent.RX_ERROR, outcome.error),
                    (PortEvent.RX_RUNT, outcome.runt),
                    (PortEvent.RX_FCS, outcome.fcs),
                    (PortEvent.RX_OVERRUN, store.dropped_overflow & ~bad[1]),
                )
            },
        }

    def _transmit(self, m: Module, enable: Value) -> dict[PortEvent, Value]:
        transmitter = Transmitter()
        m.submodules.transmitter = DomainRenamer(self.tx_domain)(transmitter)
        m.submodules.transmit_store = store = TransmitStore(TRANSMIT_DEPTH, self.tx_domain)
        m.submodules.transmit_enable = FFSynchronizer(enable, transmitter.enable, o_domain=self.tx_domain)
        wiring.connect(m, wiring.flipped(self.i), store.i)
        wiring.connect(m, store.o, transmitter.i)
        wiring.connect(m, transmitter.gmii, wiring.flipped(self.phy.gmii_tx))
        return {
            kind: self._crossed(m, kind, event, self.tx_domain)
            for kind, event in ((PortEvent.TX_FRAMES, transmitter.sent), (PortEvent.TX_REFUSED, transmitter.refused))
        }

    @staticmethod
    def _crossed(m: Module, kind: PortEvent, event: Value, domain: str) -> Value:
        crossing: Any = PulseSynchronizer(domain, "sync")  # the stubs have none of its members
        m.submodules[kind.name.lower()] = crossing
        m.d.comb += crossing.i.eq(event)
        return crossing.o

    def _registers(self, m: Module, tally: Tally) -> None:
        m.submodules.management = management = MdioMaster(self.clock_hz)
        wiring.connect(m, management.pins, wiring.flipped(self.phy.mdio))
        bus = self.bus
        answer = Cat(management.value, management.failed, management.busy)
        m.d.comb += [
            management.start.eq(bus.write & (bus.address == PORT_MDIO)),
            management.command.eq(bus.write_data),
            tally.address.eq(bus.address),
        ]
        m.d.sync += bus.read_data.eq(Mux(bus.address == PORT_MDIO, answer, self.speed))
        with m.If(bus.address >= PORT_EVENTS):
            m.d.sync += bus.read_data.eq(tally.total)
