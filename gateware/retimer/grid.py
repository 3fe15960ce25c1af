# SPDX-License-Identifier: Apache-2.0
"""Counts out slots and windows, and takes up a new schedule at the beginning of one."""

from amaranth import Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from custodes.retimer import SCHEDULE_CYCLES, Policy, Schedule, Size
from custodes.table import MAX_FRAME_BYTES, MIN_FRAME_BYTES
from gateware.retimer.layouts import BATCH, SCHEDULE


def initial() -> dict[str, int]:
    """The schedule after reset, as fields of `SCHEDULE`."""
    schedule = Schedule()
    return {
        "policy": schedule.policy,
        "slot_cycles": schedule.slot_cycles,
        "slot_bytes": schedule.slot_bytes,
        "window_cycles": schedule.window_cycles,
        "dummy": int.from_bytes(schedule.dummy, "little"),
    }


class Grid(wiring.Component):
    """Where slots and windows begin.

    Args:
        size: of the retimer.

    Members:
        written, write: the schedule as it has been written, and, for one cycle, that it is to be taken up, a cycle later
            than at the device's register. It holds still until it is no longer ``pending``.
        busy: what began at the last boundary still needs its room.
        active: the schedule in force.
        frees: for one cycle, 2 cycles before a boundary: what began at the last one gives its room back.
        starts: for one cycle, 1 cycle after a boundary; ``active`` is that of what begins.
        late: for one cycle: the boundary goes by without effect, as ``busy`` was 1 two cycles before.
        pending, refused: a schedule waits to be taken up; the last one could not be kept, and was not.

    Reset: the cycle after is a boundary, with the default schedule.
    """

    written: data.View
    write: Signal
    busy: Signal
    active: data.View
    frees: Signal
    starts: Signal
    late: Signal
    pending: Signal
    refused: Signal

    def __init__(self, size: Size) -> None:
        self.size = size
        super().__init__(
            {
                "written": In(SCHEDULE),
                "write": In(1),
                "busy": In(1),
                "active": Out(SCHEDULE, init=initial()),  # pyright: ignore[reportCallIssue] (the stubs know no init)
                "frees": Out(1),
                "starts": Out(1),
                "late": Out(1),
                "pending": Out(1),
                "refused": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        kept = self._can_be_kept(m)
        settling = Signal(range(SCHEDULE_CYCLES))
        following = Signal(32)  # cycles in the period of the schedule that was written, less those that loading takes
        period = Signal(32, init=Schedule().period - 2)
        willing = Signal()
        with m.If(settling != 0):
            m.d.sync += settling.eq(settling - 1)
        m.d.sync += willing.eq(self.pending & (settling == 0))
        m.d.sync += following.eq(
            Mux(self.written.policy == BATCH, self.written.window_cycles, self.written.slot_cycles) - 2
        )

        left, nears, misses, boundary, takes = Signal(32), Signal(2), Signal(), Signal(init=1), Signal()
        m.d.comb += [
            self.frees.eq(nears[0] & ~self.busy),
            takes.eq(boundary & ~misses & willing),
            self.late.eq(boundary & misses),
        ]
        m.d.sync += [
            left.eq(left - 1),
            nears[0].eq((left == 2) & ~boundary),
            nears[1].eq(nears[0]),
            boundary.eq(nears[1]),
            self.starts.eq(boundary & ~misses),
        ]
        with m.If(nears[0]):
            m.d.sync += misses.eq(self.busy)
        with m.If(boundary):
            m.d.sync += left.eq(Mux(takes & kept, following, period))
        with m.If(takes):
            m.d.sync += [self.pending.eq(0), self.refused.eq(~kept)]
            with m.If(kept):
                m.d.sync += [self.active.eq(self.written), period.eq(following)]
        with m.If(self.write):
            m.d.sync += [self.pending.eq(1), settling.eq(SCHEDULE_CYCLES - 3), willing.eq(0)]
        return m

    def _can_be_kept(self, m: Module) -> Value:
        """As `Schedule.can_be_kept`, within three cycles."""
        size, written = self.size, self.written
        shift = (size.lanes - 1).bit_length()
        slot_least, slot_sized, slot_timed, windowed, kept = Signal(32), Signal(), Signal(), Signal(), Signal()
        m.d.sync += [
            slot_least.eq(((written.slot_bytes + size.lanes - 1) >> shift) + size.gap_cycles),
            slot_sized.eq((written.slot_bytes >= MIN_FRAME_BYTES) & (written.slot_bytes <= MAX_FRAME_BYTES)),
            slot_timed.eq(written.slot_cycles >= slot_least),
            windowed.eq(written.window_cycles >= size.window_min_cycles),
        ]
        with m.Switch(written.policy):
            with m.Case(Policy.CONSTANT_RATE, Policy.SLOT):
                m.d.sync += kept.eq(slot_sized & slot_timed)
            with m.Case(Policy.BATCH):
                m.d.sync += kept.eq(windowed)
            with m.Default():
                m.d.sync += kept.eq(0)
        return kept
