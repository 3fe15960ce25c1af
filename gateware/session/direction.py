# SPDX-License-Identifier: Apache-2.0
"""What sealing and opening have in common: intake, the decision on each frame, the engine, and the way out."""

from itertools import pairwise
from typing import Any

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.hdl import Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from custodes.macsec import AN_BITS, HEADER_BYTES, MAX_SEALED_BYTES
from gateware.session.associations import CHOICE, PARAMETERS, Associations
from gateware.session.channels import Channels
from gateware.session.control import REASON, VERDICT, ControlInterface, ControlSignature, VerdictInterface
from gateware.session.counters import SessionCounters
from gateware.session.feeder import Feeder
from gateware.session.gate import Gate
from gateware.session.gcm import Gcm
from gateware.session.intake import Fault, Intake
from gateware.session.numbers import PacketNumbers
from gateware.session.peers import PeerTable
from gateware.session.pieces import Assembly
from gateware.session.room import Room
from gateware.stream import FrameSignature, Queue

SEARCH_CYCLES = {1: 16, 8: 4, 64: 2}
"""For each lane count, how long it takes to find a channel: no longer than a smallest frame takes, and long enough that a
packet number is written before it is read again."""
STORE_BEATS = {1: 4096, 8: 512, 64: 512}
FRAMES = {1: 16, 8: 32, 64: 128}
"""For each lane count, how many frames can wait for their end."""
DECIDING = 8
"""More than the frames that are being decided on."""
SETTLING_CYCLES = 3
"""From the end of a search until it shows what room is left."""
FINISH_CYCLES = {1: 5, 8: 5, 64: 2}
"""For each lane count, the least time between two verdicts."""
NARROW_LANES = 8
"""Up to so many lanes there is time between frames for some registers more."""
PN_BITS = {False: 64, True: 65}
"""Whether frames are opened -> bits of the PN that is kept: once the last has come, none is acceptable."""


def big_endian(value: Value, count: int) -> Value:
    """``count`` bytes, the most significant first."""
    return Cat(value.word_select(byte, 8) for byte in reversed(range(count)))


class Direction(wiring.Component):
    """Frames in, sealed or opened frames out.

    Args:
        lanes: 1, 8 or 64.
        channels: how many it has, a power of two, as many as `SEARCH_CYCLES` at most or a multiple.

    Members:
        i: frames; ``i.ready`` falls between frames only.
        o: frames, whole.
        verdict: of each frame, see `VERDICT`, before it leaves.
        control: see `ControlSignature`.
        busy: frames are inside.
        fault: a mode register of a unit holds what it cannot; a cycle later.

    Reset forgets every frame, and overwrites every key; see `Associations`.
    """

    i: stream.Interface
    o: stream.Interface
    verdict: VerdictInterface
    control: ControlInterface
    busy: Signal
    fault: Signal

    opens: bool
    header_bytes: int
    """Of the frames that come in, up to the text."""
    address: range
    """Those of its bytes that a frame is judged by."""
    key_bytes: int
    """How many of these, the last, say which channel it belongs to."""
    bytes_max: int
    growth_bytes: int
    """By how much a frame grows."""
    head_bytes: int
    """Of the frames that leave, up to the text."""
    known_layout: data.StructLayout
    """What else the record says that matters."""
    not_using_sa: int
    """The reason that says so."""

    def __init__(self, lanes: int, channels: int) -> None:
        self.lanes = lanes
        self.channels = channels
        self.keys = channels << AN_BITS
        self.narrow = lanes <= NARROW_LANES
        super().__init__(
            {
                "i": In(FrameSignature(lanes)),
                "o": Out(FrameSignature(lanes)),
                "verdict": Out(VERDICT),
                "control": In(ControlSignature(channels)),
                "busy": Out(1),
                "fault": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes, control, frames = self.lanes, self.control, FRAMES[self.lanes]
        self.intake = Intake(lanes, self.header_bytes, self.address, self.bytes_max, STORE_BEATS[lanes], frames)
        self.table = PeerTable(8 * self.key_bytes, self.channels, min(self.channels, SEARCH_CYCLES[lanes]))
        self.associations = Associations(self.keys, 2 * frames)
        self.numbers = PacketNumbers(self.keys, PN_BITS[self.opens], self.narrow)
        self.gcm = Gcm(lanes, self.keys, self.opens)
        self.assembly = Assembly(lanes, self.head_bytes, not self.opens)
        self.gate = Gate(lanes, STORE_BEATS[lanes])
        self.plans = Queue(self._plan_layout(), frames)
        m.submodules.intake, m.submodules.table, m.submodules.associations = self.intake, self.table, self.associations
        m.submodules.gcm, m.submodules.assembly, m.submodules.gate = self.gcm, self.assembly, self.gate
        m.submodules.plans, m.submodules.numbers = self.plans, self.numbers
        m.submodules.feeder = feeder = Feeder(lanes, self.head_bytes)
        # Whoever reads may be far away.
        read, faults = Signal.like(control.read), Signal(3)
        m.d.sync += [
            read.eq(control.read),
            control.usable_now.eq(self.associations.usable.bit_select(read, 1)),
            faults.eq(Cat(self.associations.fault, self.gcm.fault, feeder.fault)),
        ]
        m.d.comb += self.fault.eq(faults.any())
        m.submodules.engine_frames = self.engine_frames = Queue(self.gcm.frame.payload.shape(), frames)
        m.submodules.feeds = self.feeds = Queue(feeder.frame.payload.shape(), frames)
        wiring.connect(m, wiring.flipped(self.i), self.intake.i)
        wiring.connect(m, self.intake.o, feeder.store)
        wiring.connect(m, self.engine_frames.o, self.gcm.frame)
        wiring.connect(m, self.feeds.o, feeder.frame)
        wiring.connect(m, feeder.o, self.gcm.i)
        wiring.connect(m, self.associations.order, self.gcm.order)
        wiring.connect(m, self.assembly.o, self.gate.i)
        wiring.connect(m, self.gate.o, wiring.flipped(self.o))
        m.d.comb += [
            self.assembly.head_valid.eq(feeder.head_valid),
            self.assembly.head.eq(feeder.head),
            self.assembly.text_valid.eq(self.gcm.o_valid),
            self.assembly.text.eq(self.gcm.o),
            self.assembly.tag_valid.eq(self.gcm.tag_valid),
            self.assembly.tag.eq(self.gcm.tag),
            self.gcm.word_valid.eq(control.word_valid),
            self.gcm.word.eq(control.word),
            self.gcm.forget.eq(control.forget),
            self.associations.load_valid.eq(control.load_valid),
            self.associations.number.eq(control.number),
            self.associations.load.suite.eq(control.suite),
            self.associations.load.ssci.eq(control.ssci),
            self.associations.load.salt.eq(control.salt),
            self.associations.zeroise_valid.eq(control.zeroise_valid),
            self.associations.zeroise.eq(control.target),
            control.ready.eq(self.associations.ready),
            control.loading.eq(self.associations.loading),
            control.busy.eq(self.associations.busy),
            self.numbers.load_valid.eq(control.load_valid),
            self.numbers.load_number.eq(control.number),
            self.numbers.load.eq(control.pn),
            self.numbers.asked.eq(control.read),
            control.pn_now.eq(self.numbers.told),
            self.table.write_valid.eq(control.channel_valid),
            self.table.write.channel.eq(control.channel.channel),
            self.table.write.address.eq(control.channel.address),
            self.table.write.in_use.eq(control.channel.in_use),
        ]
        longest = -(-MAX_SEALED_BYTES // lanes)
        # What a frame has been promised shows some cycles later: the next waits for that, or there is room for several.
        spare = longest if self.narrow else 4 * longest
        m.submodules.room = self.room = Room(lanes, STORE_BEATS[lanes], spare, self.growth_bytes, self.bytes_max)
        leaves = Signal()
        self._admit(m, leaves)
        self._decide(m)
        self._finish(m, leaves)
        return m

    # What the two directions do each in its own way.

    def _know(self, m: Module, known: Any, record: Any) -> None:
        """Register what matters of a record."""
        raise NotImplementedError

    def _judge(self, m: Module, reason: Signal, stage: Any, found: Value, usable: Value, suite: Any) -> None:
        """Say why a frame is dropped, if it is."""
        raise NotImplementedError

    def _pn(self, known: Any, suite: Any, pn: Value) -> Value:
        """The frame's PN, from that of its association."""
        raise NotImplementedError

    def _take_pn(self, m: Module, passes: Value, number: Value, pn: Value, final: Value) -> None:
        """A frame with this PN, ``final`` or not, is on its way."""
        raise NotImplementedError

    def _compose(self, ends: Any, an: Value, sci: Value, pn: Value, length: Value) -> tuple[Value, Value, Value]:
        """Header that is authenticated, SCI, and how long the text is."""
        raise NotImplementedError

    def _end(self, m: Module, plan: Any, alive: Value, leaves: Value, accepted: Value) -> tuple[Value, Value]:
        """Whether a frame's end can be decided, and why it is dropped, if it is; then it ``leaves``, ``accepted`` or not."""
        raise NotImplementedError

    def _plan_layout(self) -> data.StructLayout:
        """What is kept of a frame until its end. ``beats``: room that it has been promised on the way out."""
        members = {
            "reason": REASON,
            "number": range(self.keys),
            "text": range(MAX_SEALED_BYTES + 1),
            "beats": range(STORE_BEATS[self.lanes] + 1),
        }
        return data.StructLayout(members | ({"pn": 64, "raised": PN_BITS[True]} if self.opens else {}))

    def _admit(self, m: Module, leaves: Value) -> None:
        """Let a frame in that has room on the way out, whatever becomes of those before it."""
        table, record, room = self.table, self.intake.record, self.room
        inside, settling, roomy = Signal(range(2 * FRAMES[self.lanes] + 1)), Signal(SETTLING_CYCLES), Signal()
        m.d.sync += [
            settling.eq(Cat(table.ends, settling)),
            roomy.eq(
                (self.plans.level < self.plans.depth - DECIDING) & (self.feeds.level < self.feeds.depth - DECIDING)
            ),
            inside.eq(inside + table.ends - leaves),
            self.busy.eq((inside != 0) | record.valid),
        ]
        begins, searches = Signal(), Signal()
        if self.narrow:
            # The record is there until the search has ended.
            m.d.sync += [
                begins.eq(room.enough & roomy & ~table.ends & ~settling[:-1].any()),
                searches.eq(~table.ends & (searches | (record.valid & begins))),
            ]
        else:
            m.d.comb += [
                begins.eq(room.enough & roomy),
                searches.eq(record.valid & (begins | table.under_way)),
            ]
        m.d.comb += [
            table.valid.eq(searches),
            table.address.eq(record.payload.address[-8 * self.key_bytes :]),
            record.ready.eq(settling[0] if self.narrow else table.ends),
            room.enters.eq(table.ends & (record.payload.fault == Fault.NONE)),
            room.length.eq(record.payload.length),
            room.leaves.eq(self.o.valid & self.o.ready),
            self.associations.inside.eq(inside),
            self.associations.leaves.eq(leaves),
        ]

    def _decide(self, m: Module) -> None:
        """A record goes from stage to stage. 1: its channel is known; 4: so is its association; 5: it has been judged."""
        table, associations, numbers = self.table, self.associations, self.numbers
        record = self.intake.record.payload
        layout = data.StructLayout(
            {
                "length": record.length.shape(),
                "fault": Fault,
                "beats": range(STORE_BEATS[self.lanes] + 1),
                "known": self.known_layout,
            }
        )
        stages: list[Any] = [Signal(layout, name=f"stage_{number}", reset_less=True) for number in range(6)]
        valids = Signal(len(stages))
        m.d.sync += [
            valids.eq(Cat(table.ends, valids)),
            stages[0].length.eq(record.length),
            stages[0].fault.eq(record.fault),
            *(after.eq(before) for before, after in pairwise(stages)),
            stages[1].beats.eq(self.room.promised),
        ]
        self._know(m, stages[0].known, record)

        m.submodules.channels = of_channel = Channels(self.channels, self.opens)
        later = [Signal(of_channel.o.shape(), name=f"channel_{number}", reset_less=True) for number in range(3, 6)]
        channels: list[Any] = [of_channel.o, *later]
        m.d.sync += [after.eq(before) for before, after in pairwise(channels)]
        m.d.comb += [
            of_channel.write_valid.eq(self.control.channel_valid),
            of_channel.write.eq(self.control.channel),
            of_channel.select_valid.eq(self.control.select_valid),
            of_channel.target.eq(self.control.target),
            of_channel.found.eq(table.found),
            of_channel.channel.eq(table.channel),
            of_channel.an.eq(stages[1].known.an if self.opens else 0),
            associations.read.eq(channels[0].number),
        ]

        stage, channel, suite = stages[4], channels[2], associations.parameters.suite
        # The frame before has been judged so long ago that its PN is there two cycles earlier, or else just in time.
        early = 2 if self.narrow else 4
        m.d.comb += [numbers.number_valid.eq(valids[early]), numbers.number.eq(channels[early - 2].number)]
        reason, reason_then, counted_then, final_then = Signal(REASON), Signal(REASON), Signal(), Signal()
        pn_then, parameters = Signal(64, reset_less=True), Signal(PARAMETERS, reset_less=True)
        if self.narrow:
            # The frame before has been judged so long ago that it shows if that was its association's last.
            usable = self._selected(m, associations.usable, channels[0].number)
        else:
            usable = associations.usable.bit_select(channel.number, 1)
        self._judge(m, reason, stage, channel.found, usable, suite)
        m.d.sync += [
            reason_then.eq(reason),
            counted_then.eq((reason == 0) | (reason == self.not_using_sa)),
            pn_then.eq(self._pn(stage.known, suite, numbers.pn)),
            # SEC_CM: NONCE.EXHAUSTION
            final_then.eq(numbers.pn[:32].all() & (~suite[1] | numbers.pn[32:64].all())),
            parameters.eq(associations.parameters),
        ]

        stage, channel, valid, passes = stages[5], channels[3], valids[5], Signal()
        m.d.comb += passes.eq(valid & (reason_then == 0))
        self._take_pn(m, passes, channel.number, pn_then, final_then)
        ends = self.intake.ends
        header, sci, text = self._compose(ends, channel.number[:AN_BITS], channel.sci, pn_then, stage.length)
        extended = parameters.suite[1]
        salted = Cat(big_endian(parameters.ssci, 4), big_endian(pn_then, 8)) ^ parameters.salt
        frame, feed, plan = self.engine_frames.i, self.feeds.i, self.plans.i
        m.d.comb += [
            self.intake.ends_next.eq(valid),
            frame.valid.eq(passes),
            frame.payload.key.eq(channel.number),
            frame.payload.short.eq(~parameters.suite[0]),
            frame.payload.iv.eq(Mux(extended, salted, Cat(sci, big_endian(pn_then[:32], 4)))),
            frame.payload.aad.eq(HEADER_BYTES),
            frame.payload.text.eq(text),
            feed.valid.eq(valid),
            feed.payload.header.eq(header),
            feed.payload.text.eq(text),
            feed.payload.passes.eq(passes),
            feed.payload.stored.eq(stage.fault == Fault.NONE),
            plan.valid.eq(valid),
            plan.payload.reason.eq(reason_then),
            plan.payload.number.eq(Mux(counted_then, channel.number, 0)),
            plan.payload.text.eq(text),
            plan.payload.beats.eq(stage.beats),
        ]
        if self.opens:
            # The lowest acceptable PN after this frame: its lower half, with what is carried, a cycle earlier.
            lower_then = Signal(signed(34), reset_less=True)
            m.d.sync += lower_then.eq(stages[4].known.pn + 1 - channels[2].window)
            upper = pn_then[32:] + lower_then[32:].as_signed()
            m.d.comb += [
                frame.payload.tag.eq(ends.tail),
                plan.payload.pn.eq(pn_then),
                plan.payload.raised.eq(Mux(upper < 0, 0, Cat(lower_then[:32], upper))),
            ]

    def _finish(self, m: Module, leaves: Signal) -> None:
        """Say what has become of the oldest frame, and let it out if it is good."""
        plan, gate, control = self.plans.o.payload, self.gate, self.control
        decides, dropped, reason, accepted = Signal(), Signal(), Signal(REASON), Signal()
        # With few lanes it has gone a cycle after it has been decided on, and is looked at for some before.
        waited = Signal(FINISH_CYCLES[self.lanes] - (2 if self.narrow else 1))
        m.d.sync += waited.eq(Mux(decides, 0, Cat(self.plans.o.valid & ~self.plans.o.ready, waited)))
        alive = self._selected(m, self.associations.alive, plan.number)
        decidable, late_reason = self._end(m, plan, alive, leaves, accepted)
        ripe = self.plans.o.valid & waited[-1]
        m.d.comb += [
            dropped.eq(plan.reason != 0),
            gate.verdict.valid.eq(ripe & ~dropped & decidable),
            gate.verdict.payload.good.eq(late_reason == 0),
            decides.eq(ripe & (dropped | (decidable & gate.verdict.ready))),
            accepted.eq(leaves & (reason == 0)),
            self.plans.o.ready.eq(leaves),
        ]
        now = m.d.sync if self.narrow else m.d.comb
        now += [leaves.eq(decides), reason.eq(Mux(dropped, plan.reason, late_reason))]
        m.d.sync += self.room.withdrawn.eq(Mux(leaves & (reason != 0), plan.beats, 0))
        m.submodules.counters = counters = SessionCounters(self.keys, FINISH_CYCLES[self.lanes])
        m.d.sync += [
            self.verdict.valid.eq(leaves),
            self.verdict.reason.eq(reason),
            counters.number.eq(plan.number),
            counters.octets.eq(Mux(reason == 0, plan.text, 0)),
        ]
        m.d.comb += [
            counters.valid.eq(self.verdict.valid),
            counters.reason.eq(self.verdict.reason),
            counters.counter.eq(control.counter),
            counters.read.eq(control.read),
            control.count.eq(counters.count),
            control.octets.eq(counters.octets_now),
        ]

    def _selected(self, m: Module, associations: Value, number: Value) -> Value:
        """What held of an association a cycle ago, and, if there are few lanes, a cycle before that."""
        if not self.narrow:
            here = Signal()
            m.d.sync += here.eq(associations.bit_select(number, 1))
            return here
        row, here, bits = Signal(len(associations) // CHOICE), Signal(), (CHOICE - 1).bit_length()
        parts = [associations[at : at + CHOICE] for at in range(0, len(associations), CHOICE)]
        m.d.sync += [
            row.eq(Cat(part.bit_select(number[:bits], 1) for part in parts)),
            here.eq(row.bit_select(number[bits:], 1)),
        ]
        return here
