# SPDX-License-Identifier: Apache-2.0
"""The warden: a scrubber in each direction between the cluster port and the world port, and their registers."""

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from custodes import registers
from custodes.table import Port
from gateware.control.bus import BusInterface, bus_signature
from gateware.scrubber import Scrubber
from gateware.scrubber.layouts import POLICY
from gateware.scrubber.scrubber import JUDGED, JudgedInterface
from gateware.stream import FrameSignature


class Warden(wiring.Component):
    """Frames that enter at one port leave, scrubbed, at the other.

    Members:
        i_cluster, o_world; i_world, o_cluster: frame streams, see `Scrubber`.
        verdict_cluster, verdict_world: what becomes of each frame that entered there, see `JUDGED`.
        bus: registers of `custodes.registers`.
        busy: frames are inside.
    """

    i_cluster: stream.Interface
    o_cluster: stream.Interface
    i_world: stream.Interface
    o_world: stream.Interface
    verdict_cluster: JudgedInterface
    verdict_world: JudgedInterface
    bus: BusInterface
    busy: Signal

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        frames = FrameSignature(lanes)
        super().__init__(
            {
                "i_cluster": In(frames),
                "o_cluster": Out(frames),
                "i_world": In(frames),
                "o_world": Out(frames),
                "verdict_cluster": Out(JUDGED),
                "verdict_world": Out(JUDGED),
                "bus": In(bus_signature(registers.REGISTERS)),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        policy = Signal(POLICY)
        bus = self.bus
        scrubbers = {port: Scrubber(self.lanes, port) for port in Port}
        m.submodules.cluster, m.submodules.world = cluster, world = scrubbers[Port.CLUSTER], scrubbers[Port.WORLD]
        for scrubber, i, o, verdict in (
            (cluster, self.i_cluster, self.o_world, self.verdict_cluster),
            (world, self.i_world, self.o_cluster, self.verdict_world),
        ):
            wiring.connect(m, wiring.flipped(i), scrubber.i)
            wiring.connect(m, scrubber.o, wiring.flipped(o))
            wiring.connect(m, scrubber.judged, wiring.flipped(verdict))
        for scrubber in (cluster, world):
            m.d.comb += [
                scrubber.policy.eq(policy),
                scrubber.address_valid.eq(bus.write & (bus.address == registers.ROW)),
                scrubber.address.eq(bus.write_data),
                scrubber.vlan_valid.eq(bus.write & (bus.address == registers.VLAN)),
                scrubber.vlan.eq(bus.write_data),
                scrubber.counter.eq(bus.address),
            ]
        with m.If(bus.write), m.Switch(bus.address):
            with m.Case(registers.ENABLES):
                for bit, name in enumerate(registers.ENABLE_BITS):
                    m.d.sync += policy[name].eq(bus.write_data[bit])
            with m.Case(registers.TTL):
                m.d.sync += policy.ttl.eq(bus.write_data)
            with m.Case(registers.MSS):
                m.d.sync += policy.mss.eq(bus.write_data)
            for k in range(8):
                with m.Case(registers.DENY_PORTS + k):
                    m.d.sync += policy.deny_ports[k].eq(bus.write_data)
        with m.Switch(bus.address):
            with m.Case(registers.IDENTITY):
                m.d.sync += bus.read_data.eq(registers.IDENTITY_VALUE)
            with m.Case(registers.LANES):
                m.d.sync += bus.read_data.eq(self.lanes)
            with m.Case(registers.VOCABULARY):
                m.d.sync += bus.read_data.eq(registers.VOCABULARY_VALUE)
            with m.Default():
                m.d.sync += bus.read_data.eq(Mux(bus.address & registers.COUNTERS_PER_PORT, world.count, cluster.count))
        m.d.comb += self.busy.eq(cluster.busy | world.busy)
        return m
