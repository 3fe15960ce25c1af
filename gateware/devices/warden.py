# SPDX-License-Identifier: Apache-2.0
"""The warden: a scrubber in each direction between the cluster port and the world port, a translator of flows, and their
registers."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from custodes import registers
from custodes.flow_table import FLOWS
from custodes.table import Port
from gateware.control.bus import BusInterface, bus_signature
from gateware.devices.flow_registers import FlowRegisters
from gateware.devices.judgement import Judgement
from gateware.entropy import WORD_BITS
from gateware.flow import Translator
from gateware.scrubber import Scrubber
from gateware.scrubber.counters import WALK_CYCLES, Counters
from gateware.scrubber.layouts import POLICY
from gateware.scrubber.scrubber import JUDGED, MIN_FORWARDED_BYTES, JudgedInterface
from gateware.stream import FrameSignature


class Warden(wiring.Component):
    """Frames that enter at one port leave, scrubbed and translated, at the other.

    Args:
        lanes: bytes per beat: 1, 8 or 64.
        flows: slots of the flow table, see `Translator`; 0: what needs the state of a flow passes as it is, and there are no
            members that have to do with flows.

    Members:
        i_cluster, o_world; i_world, o_cluster: frame streams, see `Scrubber` and `Translator`.
        verdict_cluster, verdict_world: what becomes of each frame that entered there, see `JUDGED`; before it leaves or
            soon after.
        bus: registers of `custodes.registers`.
        busy: frames are inside.
        words_cluster, words_world, live: words of entropy, see `Translator`.
        ticks: by which flows have grown older since reset. ``fault``: see `Translator`.
    """

    i_cluster: stream.Interface
    o_cluster: stream.Interface
    i_world: stream.Interface
    o_world: stream.Interface
    verdict_cluster: JudgedInterface
    verdict_world: JudgedInterface
    bus: BusInterface
    busy: Signal
    words_cluster: stream.Interface
    words_world: stream.Interface
    live: Signal
    ticks: Signal
    fault: Signal

    def __init__(self, lanes: int, flows: int = FLOWS) -> None:
        self.lanes = lanes
        self.flows = flows
        frames, words = FrameSignature(lanes), stream.Signature(WORD_BITS)
        of_flows = {
            "words_cluster": In(words),
            "words_world": In(words),
            "live": In(len(Port)),
            "ticks": Out(32),
            "fault": Out(1),
        }
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
                **(of_flows if flows else {}),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        scrubbers = {port: Scrubber(self.lanes, port) for port in Port}
        m.submodules.cluster, m.submodules.world = cluster, world = scrubbers[Port.CLUSTER], scrubbers[Port.WORLD]
        wiring.connect(m, wiring.flipped(self.i_cluster), cluster.i)
        wiring.connect(m, wiring.flipped(self.i_world), world.i)
        verdicts = {Port.CLUSTER: self.verdict_cluster, Port.WORLD: self.verdict_world}
        busy, flows = self._translate(m, scrubbers, verdicts) if self.flows else self._pass(m, scrubbers, verdicts)
        m.d.comb += self.busy.eq(cluster.busy | world.busy | busy)
        counters: dict[Port, Counters] = {}
        for port, verdict in verdicts.items():
            m.submodules[f"counters_{port.name.lower()}"] = counters[port] = unit = Counters(self.pace_cycles)
            m.d.comb += [
                unit.valid.eq(verdict.valid),
                unit.reason.eq(verdict.reason),
                unit.altered.eq(verdict.altered),
                unit.address.eq(self.bus.address),
            ]
        self._write_policy(m, scrubbers)
        self._read(m, counters, flows)
        return m

    @property
    def pace_cycles(self) -> int:
        """From one verdict to the next at least: of any two in a `Judgement`, where two forward frames without one."""
        spacing = -(-MIN_FORWARDED_BYTES // self.lanes)
        return max(spacing, WALK_CYCLES) if self.flows and self.lanes == 1 else spacing

    def _pass(
        self, m: Module, scrubbers: dict[Port, Scrubber], verdicts: dict[Port, JudgedInterface]
    ) -> tuple[Value, None]:
        for scrubber, o, verdict in zip(
            scrubbers.values(), (self.o_world, self.o_cluster), verdicts.values(), strict=True
        ):
            wiring.connect(m, scrubber.o, wiring.flipped(o))
            wiring.connect(m, scrubber.judged, wiring.flipped(verdict))
            m.d.comb += scrubber.ids.ready.eq(1)
        return Const(0), None

    def _translate(
        self, m: Module, scrubbers: dict[Port, Scrubber], verdicts: dict[Port, JudgedInterface]
    ) -> tuple[Value, FlowRegisters]:
        """Returns whether something is inside behind the scrubbers, and the registers."""
        m.submodules.translator = translator = Translator(self.lanes, self.flows)
        m.submodules.flow_registers = flows = FlowRegisters(self.flows)
        wiring.connect(m, translator.o_world, wiring.flipped(self.o_world))
        wiring.connect(m, translator.o_cluster, wiring.flipped(self.o_cluster))
        wiring.connect(m, wiring.flipped(self.words_cluster), translator.words_cluster)
        wiring.connect(m, wiring.flipped(self.words_world), translator.words_world)
        judging: list[Value] = []
        for (port, scrubber), i, ids, judged in zip(
            scrubbers.items(),
            (translator.i_cluster, translator.i_world),
            (translator.ids_cluster, translator.ids_world),
            (translator.judged_cluster, translator.judged_world),
            strict=True,
        ):
            m.submodules[f"judgement_{port.name.lower()}"] = judgement = Judgement(self.pace_cycles)
            wiring.connect(m, scrubber.o, i)
            wiring.connect(m, scrubber.ids, ids)
            wiring.connect(m, scrubber.judged, judgement.first)
            wiring.connect(m, judged, judgement.second)
            wiring.connect(m, judgement.o, wiring.flipped(verdicts[port]))
            judging.append(judgement.busy)
        m.d.comb += [
            translator.live.eq(self.live),
            translator.policy.eq(flows.policy),
            translator.tick.eq(flows.tick),
            translator.clear.eq(flows.clear),
            flows.ticks.eq(translator.ticks),
            flows.in_use_cluster.eq(translator.in_use_cluster),
            flows.in_use_world.eq(translator.in_use_world),
            flows.alarm.eq(translator.alarm),
            flows.bus.address.eq(self.bus.address),
            flows.bus.write_data.eq(self.bus.write_data),
            flows.bus.write.eq(self.bus.write),
            self.ticks.eq(translator.ticks),
            self.fault.eq(translator.fault),
        ]
        return translator.busy | Cat(judging).any(), flows

    def _write_policy(self, m: Module, scrubbers: dict[Port, Scrubber]) -> None:
        policy, bus = Signal(POLICY), self.bus
        for scrubber in scrubbers.values():
            m.d.comb += [
                scrubber.policy.eq(policy),
                scrubber.address_valid.eq(bus.write & (bus.address == registers.ROW)),
                scrubber.address.eq(bus.write_data),
                scrubber.vlan_valid.eq(bus.write & (bus.address == registers.VLAN)),
                scrubber.vlan.eq(bus.write_data),
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

    def _read(self, m: Module, counters: dict[Port, Counters], flows: FlowRegisters | None) -> None:
        bus = self.bus
        constants = {
            registers.IDENTITY: registers.IDENTITY_VALUE,
            registers.LANES: self.lanes,
            registers.VOCABULARY: registers.VOCABULARY_VALUE,
        }
        world = (bus.address & registers.COUNTERS_PER_PORT).any()
        with m.If(bus.address >= registers.COUNTERS):
            m.d.sync += bus.read_data.eq(Mux(world, counters[Port.WORLD].value, counters[Port.CLUSTER].value))
        with m.Else(), m.Switch(bus.address):
            for address, value in constants.items():
                with m.Case(address):
                    m.d.sync += bus.read_data.eq(value)
            with m.Default():
                m.d.sync += bus.read_data.eq(0 if flows is None else flows.bus.read_data)
