# SPDX-License-Identifier: Apache-2.0
"""Registers of a warden's flows, and the clock by which flows grow older."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from custodes import registers
from custodes.registers import WARDEN_BLOCK
from gateware.control.bus import BusInterface, bus_signature
from gateware.flow.layouts import POLICY
from gateware.flow.translator import EVENTS

PRESCALER_BITS = 16
"""The period of ticks is in so many cycles, as a power of two."""
PERIOD_BITS = WARDEN_BLOCK["FLOW_TICK"].field("PERIOD").width


class FlowRegisters(wiring.Component):
    """Those of `custodes.registers` that begin with FLOW.

    Args:
        flows: slots of the flow table.

    Members:
        bus: the registers; at other addresses nothing is written, and what is read is of no meaning.
        policy, tick, clear: for the `Translator`.
        ticks, in_use_cluster, in_use_world, alarm: from it.

    A tick comes once in every period, the first a period after that was written, and in the cycle after it is ordered.
    """

    bus: BusInterface
    policy: data.View
    tick: Signal
    clear: Signal
    ticks: Signal
    in_use_cluster: Signal
    in_use_world: Signal
    alarm: data.View

    def __init__(self, flows: int) -> None:
        self.flows = flows
        super().__init__(
            {
                "bus": In(bus_signature(registers.REGISTERS)),
                "policy": Out(POLICY),
                "tick": Out(1),
                "clear": Out(1),
                "ticks": In(32),
                "in_use_cluster": In(WARDEN_BLOCK["FLOWS_IN_USE"].field("CLUSTER").width),
                "in_use_world": In(WARDEN_BLOCK["FLOWS_IN_USE"].field("WORLD").width),
                "alarm": In(EVENTS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bus, written = self.bus, self.bus.write_data
        begins, ordered, passed = Signal(), Signal(), Signal()
        alarm, cleared = Signal(EVENTS), Signal(EVENTS)
        m.d.sync += [
            ordered.eq(0),
            self.clear.eq(0),
            alarm.eq((alarm.as_value() & ~cleared.as_value()) | self.alarm.as_value()),
        ]
        with m.If(bus.write), m.Switch(bus.address):
            with m.Case(registers.FLOW_POLICY):
                ephemeral, scale = (
                    WARDEN_BLOCK["FLOW_POLICY"].field(name) for name in ("EPHEMERAL_FROM", "WINDOW_SCALE")
                )
                m.d.sync += [
                    self.policy.ephemeral_from.eq(written >> ephemeral.lowest),
                    self.policy.window_scale.eq(written >> scale.lowest),
                ]
            with m.Case(registers.FLOW_TICK):
                m.d.comb += begins.eq(1)
            with m.Case(registers.FLOW_CONTROL):
                tick, clear = (WARDEN_BLOCK["FLOW_CONTROL"].field(name) for name in ("TICK", "CLEAR"))
                m.d.sync += [ordered.eq(written[tick.lowest]), self.clear.eq(written[clear.lowest])]
            with m.Case(registers.FLOW_ALARM):
                m.d.comb += [
                    cleared.full.eq(written[WARDEN_BLOCK["FLOW_ALARM"].field("FULL").lowest]),
                    cleared.empty.eq(written[WARDEN_BLOCK["FLOW_ALARM"].field("EMPTY").lowest]),
                ]
        self._time(m, begins, passed)
        m.d.comb += self.tick.eq(ordered | passed)
        in_use = WARDEN_BLOCK["FLOWS_IN_USE"]
        readings = {
            registers.FLOWS_REGISTER: self.flows,
            registers.FLOWS_IN_USE: (self.in_use_cluster << in_use.field("CLUSTER").lowest)
            | (self.in_use_world << in_use.field("WORLD").lowest),
            registers.FLOW_ALARM: Cat(alarm.full, alarm.empty),
            registers.FLOW_TICKS: self.ticks,
        }
        with m.Switch(bus.address):
            for address, reading in readings.items():
                with m.Case(address):
                    m.d.sync += bus.read_data.eq(reading)
        return m

    def _time(self, m: Module, begins: Signal, passed: Signal) -> None:
        """Counts down in two steps, so that no carry goes through both."""
        cycles, turns = Signal(PRESCALER_BITS), Signal()
        period, left, last = Signal(PERIOD_BITS), Signal(PERIOD_BITS), Signal()
        m.d.sync += [
            cycles.eq(cycles + 1),
            turns.eq(cycles.all()),
            last.eq(left == 1),
            passed.eq(turns & last & period.any()),
        ]
        with m.If(turns):
            m.d.sync += left.eq(Mux(last, period, left - 1))
        with m.If(begins):
            m.d.sync += [cycles.eq(0), period.eq(self.bus.write_data), left.eq(self.bus.write_data)]
