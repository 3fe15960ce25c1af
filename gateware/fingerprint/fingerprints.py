# SPDX-License-Identifier: Apache-2.0
"""The records of both directions, and their registers."""

from functools import reduce
from operator import or_

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from custodes.border_registers import FINGERPRINT_BASE, FINGERPRINT_BLOCK, PAGE_WORDS
from custodes.fingerprint import RECORD_WORDS
from custodes.table import Port
from gateware.control.bus import BusInterface, bus_signature
from gateware.fingerprint.absorber import TapInterface, tap_signature
from gateware.fingerprint.beats import Beats
from gateware.fingerprint.fingerprint import Fingerprint
from gateware.fingerprint.heads import Heads

NAMES = {Port.CLUSTER: "EGRESS", Port.WORLD: "INGRESS"}
"""Of the registers of a direction, by where its frames have entered."""


class Fingerprints(wiring.Component):
    """A `Fingerprint` per direction, `Beats` and `Heads` for both.

    Args:
        lanes: bytes per beat.

    Members:
        tap_world, tap_cluster: what leaves at these ports; see `Fingerprint`.
        entered_cluster, entered_world: for one cycle, that a frame has entered there.
        epoch, words_cluster, words_world, ticks: for the records; words are those of the frames that enter there.
        room_world, room_cluster: what leaves there has room, see `Fingerprint`.
        alarm: for one cycle, that a frame is in no chain, or a record was not kept.
        bus: registers of `custodes.border_registers.FINGERPRINT_BLOCK`, from its base on; what is read is right 2 cycles
            after the address.

    Reset: new chains, the usual beat, no alarms.
    """

    tap_world: TapInterface
    tap_cluster: TapInterface
    entered_cluster: Signal
    entered_world: Signal
    epoch: Signal
    words_cluster: Signal
    words_world: Signal
    ticks: Signal
    room_world: Signal
    room_cluster: Signal
    alarm: Signal
    bus: BusInterface

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        tap = tap_signature(lanes)
        super().__init__(
            {
                "tap_world": In(tap),
                "tap_cluster": In(tap),
                "entered_cluster": In(1),
                "entered_world": In(1),
                "epoch": In(64),
                "words_cluster": In(32),
                "words_world": In(32),
                "ticks": In(32),
                "room_world": Out(1),
                "room_cluster": Out(1),
                "alarm": Out(1),
                "bus": In(bus_signature(PAGE_WORDS)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.beats = beats = Beats()
        m.submodules.heads = heads = Heads()
        m.submodules.egress = egress = Fingerprint(self.lanes, Port.CLUSTER)
        m.submodules.ingress = ingress = Fingerprint(self.lanes, Port.WORLD)
        wiring.connect(m, wiring.flipped(self.tap_world), egress.tap)
        wiring.connect(m, wiring.flipped(self.tap_cluster), ingress.tap)
        m.d.comb += [heads.close.eq(beats.close), heads.epoch.eq(self.epoch), heads.ticks.eq(self.ticks)]
        for unit, entered, words, room in (
            (egress, self.entered_cluster, self.words_cluster, self.room_world),
            (ingress, self.entered_world, self.words_world, self.room_cluster),
        ):
            m.d.comb += [
                unit.entered.eq(entered),
                unit.close.eq(beats.close),
                unit.head_write.eq(heads.write),
                unit.head_place.eq(heads.place),
                unit.head.eq(heads.word),
                unit.words.eq(words),
                room.eq(unit.room),
            ]
        events = Cat(egress.overflow, ingress.overflow, egress.lost, ingress.lost)
        m.d.comb += self.alarm.eq(events.any())

        bus, alarms, own = self.bus, Signal(len(events)), Signal(32)
        clears = Signal(len(events))
        m.d.comb += [
            beats.i_cycles.eq(bus.write_data),
            beats.write.eq(bus.write & (bus.address == _at("BEAT_CYCLES"))),
            clears.eq(Mux(bus.write & (bus.address == _at("RECORD_ALARM")), bus.write_data, 0)),
        ]
        m.d.sync += alarms.eq((alarms & ~clears) | events)
        with m.Switch(bus.address):
            with m.Case(_at("BEAT_CYCLES")):
                m.d.comb += own.eq(beats.cycles)
            with m.Case(_at("RECORD_ALARM")):
                m.d.comb += own.eq(alarms)
            for unit in (egress, ingress):
                with m.Case(_at(f"{NAMES[unit.direction]}_RECORDS")):
                    m.d.comb += own.eq(unit.count)
        # The words of a record come from a memory, a cycle after their number.
        values = []
        answer = Signal(32)
        for unit in (egress, ingress):
            name = NAMES[unit.direction]
            first, here = _at(f"{name}_RECORD"), Signal(name=f"{name.lower()}_here")
            m.d.comb += [
                unit.index.eq(bus.address - first),
                unit.take.eq(bus.write & (bus.address == _at(f"{name}_TAKE"))),
            ]
            m.d.sync += here.eq((bus.address >= first) & (bus.address < first + RECORD_WORDS))
            values.append(Mux(here, unit.value, 0))
        m.d.sync += [answer.eq(own), bus.read_data.eq(reduce(or_, values, answer))]
        return m


def _at(name: str) -> int:
    return FINGERPRINT_BLOCK.address(name) - FINGERPRINT_BASE
