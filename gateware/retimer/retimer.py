# SPDX-License-Identifier: Apache-2.0
"""The whole retimer, with its registers."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from custodes import retimer_registers as registers
from custodes.retimer import FRAMES, KEY_BITS, Event, Size
from gateware.control import Tally
from gateware.control.bus import BusInterface, bus_signature
from gateware.retimer.flow_hash import FlowHash
from gateware.retimer.grid import Grid, initial
from gateware.retimer.intake import Intake
from gateware.retimer.layouts import SCHEDULE
from gateware.retimer.player import Player
from gateware.retimer.release import Release
from gateware.session.memories import NO_BYPASS
from gateware.stream import FrameSignature, beat_layout


class Retimer(wiring.Component):
    """Frames that come in leave when the schedule says so; see `custodes.model.retimer`, which it follows to the cycle.

    Args:
        lanes: bytes per beat, 1 or 8.
        store_bytes: of frames, a power of two of at least 4096; one frame of the longest size less may wait.
        frames: how many may wait, a power of two.

    Members:
        i: frames of 60 bytes and more; always taken.
        o: frames.
        key: of the epoch, that a batch is sorted with: taken with a frame's first beat. 0: the order in which they came.
        bus: registers of `custodes.retimer_registers`.

    Latency: what the schedule says. Throughput: a beat per cycle in; out, `Size.gap_cycles` after every frame.
    Back-pressure: a stalled ``o`` shifts what leaves, and a boundary at which what had begun is not through is missed and
    counted; the grid does not move. Reset: empty, with the default schedule; totals are kept.
    """

    i: stream.Interface
    o: stream.Interface
    key: Signal
    bus: BusInterface

    def __init__(self, lanes: int, store_bytes: int, frames: int = FRAMES) -> None:
        self.size = Size(lanes, store_bytes, frames)
        super().__init__(
            {
                "i": In(FrameSignature(lanes)),
                "o": Out(FrameSignature(lanes)),
                "key": In(KEY_BITS),
                "bus": In(bus_signature(registers.RETIMER_WORDS)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        size = self.size
        m.submodules.grid = grid = Grid(size)
        m.submodules.intake = intake = Intake(size)
        m.submodules.flow_hash = flow_hash = FlowHash(size.lanes)
        m.submodules.release = release = Release(size)
        m.submodules.player = player = Player(size)
        m.submodules.store = store = Memory(
            shape=8 * size.lanes, depth=size.store_bytes // size.lanes, init=[], attrs=NO_BYPASS
        )
        write, read = store.write_port(), store.read_port(domain="comb")

        # Whoever feeds this may be late in its cycle.
        beat, valid = Signal(beat_layout(size.lanes), reset_less=True), Signal()
        m.d.sync += [beat.eq(self.i.payload), valid.eq(self.i.valid)]
        m.d.comb += [
            self.i.ready.eq(1),
            intake.valid.eq(valid),
            intake.beat.eq(beat),
            flow_hash.valid.eq(valid),
            flow_hash.beat.eq(beat),
            flow_hash.key.eq(self.key),
            intake.room.eq(release.room),
            intake.place.eq(release.place),
            write.addr.eq(intake.address),
            write.data.eq(intake.row),
            write.en.eq(intake.write),
            release.commit.eq(intake.commit),
            release.descriptor.eq(intake.descriptor),
            release.next_start.eq(intake.next_start),
            release.key.eq(flow_hash.o),
            release.active.eq(grid.active),
            release.frees.eq(grid.frees),
            release.starts.eq(grid.starts),
            grid.busy.eq(release.busy | player.busy),
            player.schedule.eq(grid.active),
            player.row.eq(read.data),
            read.addr.eq(player.address),
        ]
        wiring.connect(m, release.o, player.i)
        wiring.connect(m, player.o, wiring.flipped(self.o))
        happened: dict[Event, Signal] = {
            Event.RELEASED: release.released,
            Event.DUMMY: release.dummy,
            Event.ERROR: intake.error,
            Event.TOO_LONG: intake.too_long,
            Event.FULL: intake.full,
            Event.OVER_SLOT: release.over_slot,
            Event.LATE: grid.late,
        }
        m.submodules.events = events = Tally(len(Event), spacing=1)
        m.d.comb += [
            events.event.eq(Cat(happened[event] for event in Event)),
            events.address.eq(self.bus.address),
        ]
        self._registers(m, grid, release, events)
        return m

    def _registers(self, m: Module, grid: Grid, release: Release, events: Tally) -> None:
        bus = self.bus
        written = Signal(SCHEDULE, init=initial())
        dummy = written.dummy
        m.d.comb += grid.written.eq(written)
        m.d.sync += grid.write.eq(bus.write & (bus.address == registers.POLICY))
        with m.If(bus.write), m.Switch(bus.address):
            with m.Case(registers.POLICY):
                m.d.sync += written.policy.eq(bus.write_data)
            with m.Case(registers.SLOT_CYCLES):
                m.d.sync += written.slot_cycles.eq(bus.write_data)
            with m.Case(registers.SLOT_BYTES):
                m.d.sync += written.slot_bytes.eq(bus.write_data)
            with m.Case(registers.WINDOW_CYCLES):
                m.d.sync += written.window_cycles.eq(bus.write_data)
            for word in range(registers.DUMMY_WORDS):
                with m.Case(registers.DUMMY + word):
                    m.d.sync += dummy.word_select(word, 32).eq(bus.write_data)
        status = (
            (registers.STATUS_POLICY, grid.active.policy),
            (registers.STATUS_PENDING, grid.pending),
            (registers.STATUS_REFUSED, grid.refused),
            (registers.STATUS_WAITING, release.waiting),
        )
        own = Signal(32)
        with m.Switch(bus.address):
            with m.Case(registers.POLICY):
                m.d.sync += own.eq(written.policy)
            with m.Case(registers.SLOT_CYCLES):
                m.d.sync += own.eq(written.slot_cycles)
            with m.Case(registers.SLOT_BYTES):
                m.d.sync += own.eq(written.slot_bytes)
            with m.Case(registers.WINDOW_CYCLES):
                m.d.sync += own.eq(written.window_cycles)
            for word in range(registers.DUMMY_WORDS):
                with m.Case(registers.DUMMY + word):
                    m.d.sync += own.eq(dummy.word_select(word, 32))
            with m.Case(registers.STATUS):
                m.d.sync += own.eq(0)
                for field, value in status:
                    m.d.sync += own[field.lowest : field.lowest + field.width].eq(value)
            with m.Case(registers.WINDOW_MIN):
                m.d.sync += own.eq(self.size.window_min_cycles)
            with m.Default():
                m.d.sync += own.eq(0)
        counts = bus.address >= registers.EVENTS
        m.d.sync += bus.read_data.eq(Mux(counts, events.total, own))
