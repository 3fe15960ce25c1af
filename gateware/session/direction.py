# SPDX-License-Identifier: Apache-2.0
"""What sealing and opening have in common: intake, the decision on each frame, the engine, and the way out."""

from itertools import pairwise
from typing import Any

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Value, ValueLike
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from custodes.macsec import AN_BITS, ASSOCIATIONS, CHANNELS, HEADER_BYTES, MAX_SEALED_BYTES
from gateware.session.associations import NUMBER, PARAMETERS, Associations
from gateware.session.control import CHANNEL, CONTROL, REASON, VERDICT, ControlInterface, VerdictInterface
from gateware.session.counters import SessionCounters
from gateware.session.feeder import Feeder
from gateware.session.gate import Gate
from gateware.session.gcm import Gcm
from gateware.session.intake import Fault, Intake
from gateware.session.peers import PeerTable
from gateware.session.pieces import Assembly
from gateware.stream import FrameSignature, Queue, SkidBuffer

SEARCH_CYCLES = {1: 16, 8: 4, 64: 2}
"""For each lane count, how long it takes to find a channel: no longer than a smallest frame takes, and more than a cycle, so
that a packet number is written before it is read again."""
STORE_BEATS = {1: 4096, 8: 512, 64: 512}
FRAMES = {1: 16, 8: 32, 64: 128}
"""For each lane count, how many frames can wait for their end."""
DECIDING = 8
"""More than the frames that are being decided on."""
SETTLING_CYCLES = 3
"""From the end of a search until it shows what room is left."""
FINISH_CYCLES = {1: 4, 8: 4, 64: 2}
"""For each lane count, the least time between two verdicts."""
PN_BITS = {False: 64, True: 65}
"""Whether frames are opened -> bits of the PN that is kept: once the last has come, none is acceptable."""


def big_endian(value: Value, count: int) -> Value:
    """``count`` bytes, the most significant first."""
    return Cat(value.word_select(byte, 8) for byte in reversed(range(count)))


class Direction(wiring.Component):
    """Frames in, sealed or opened frames out.

    Args:
        lanes: 1, 8 or 64.

    Members:
        i: frames; ``i.ready`` falls between frames only.
        o: frames, whole.
        verdict: of each frame, see `VERDICT`, before it leaves.
        control: see `CONTROL`.
        busy: frames are inside.

    Reset forgets every frame, and overwrites every key; see `Associations`.
    """

    i: stream.Interface
    o: stream.Interface
    verdict: VerdictInterface
    control: ControlInterface
    busy: Signal

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

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(
            {
                "i": In(FrameSignature(lanes)),
                "o": Out(FrameSignature(lanes)),
                "verdict": Out(VERDICT),
                "control": In(CONTROL),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes, control, frames = self.lanes, self.control, FRAMES[self.lanes]
        self.intake = Intake(lanes, self.header_bytes, self.address, self.bytes_max, STORE_BEATS[lanes], frames)
        self.table = PeerTable(8 * self.key_bytes, CHANNELS, SEARCH_CYCLES[lanes])
        self.associations = Associations(2 * frames)
        self.gcm = Gcm(lanes, ASSOCIATIONS, self.opens)
        self.assembly = Assembly(lanes, self.head_bytes, not self.opens)
        self.gate = Gate(lanes, STORE_BEATS[lanes])
        self.plans = Queue(self._plan_layout(), frames)
        m.submodules.intake, m.submodules.table, m.submodules.associations = self.intake, self.table, self.associations
        m.submodules.gcm, m.submodules.assembly, m.submodules.gate = self.gcm, self.assembly, self.gate
        m.submodules.plans = self.plans
        m.submodules.feeder = feeder = Feeder(lanes, self.head_bytes)
        m.submodules.engine_frames = self.engine_frames = Queue(self.gcm.frame.payload.shape(), frames)
        m.submodules.feeds = self.feeds = Queue(feeder.frame.payload.shape(), frames)
        wiring.connect(m, wiring.flipped(self.i), self.intake.i)
        wiring.connect(m, self.intake.o, feeder.store)
        wiring.connect(m, self.engine_frames.o, self.gcm.frame)
        wiring.connect(m, self.feeds.o, feeder.frame)
        m.submodules.slice = register_slice = SkidBuffer(feeder.o.payload.shape())
        wiring.connect(m, feeder.o, register_slice.i)
        wiring.connect(m, register_slice.o, self.gcm.i)
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
            self.table.write_valid.eq(control.channel_valid),
            self.table.write.channel.eq(control.channel.channel),
            self.table.write.address.eq(control.channel.address),
            self.table.write.in_use.eq(control.channel.in_use),
        ]
        promised, withdrawn, leaves = (
            Signal(range(STORE_BEATS[lanes] + 1)),
            Signal(range(STORE_BEATS[lanes] + 1)),
            Signal(),
        )
        self._admit(m, promised, withdrawn, leaves)
        self._decide(m, promised)
        self._finish(m, withdrawn, leaves)
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

    def _take_pn(self, m: Module, passes: Value, number: Value, suite: Any, pn: Value) -> None:
        """A frame with this PN is on its way."""
        raise NotImplementedError

    def _compose(self, ends: Any, an: Value, sci: Value, pn: Value, length: Value) -> tuple[Value, Value, Value]:
        """Header that is authenticated, SCI, and how long the text is."""
        raise NotImplementedError

    def _end(self, m: Module, plan: Any, alive: Value, leaves: Value) -> tuple[Value, Value]:
        """Whether a frame's end can be decided, and why it is dropped, if it is."""
        raise NotImplementedError

    def _plan_layout(self) -> data.StructLayout:
        """What is kept of a frame until its end. ``beats``: room that it has been promised on the way out."""
        members = {
            "reason": REASON,
            "number": NUMBER,
            "text": range(MAX_SEALED_BYTES + 1),
            "beats": range(STORE_BEATS[self.lanes] + 1),
        }
        return data.StructLayout(members | ({"pn": 64, "raised": PN_BITS[True]} if self.opens else {}))

    def _admit(self, m: Module, promised: Value, withdrawn: Value, leaves: Value) -> None:
        """Let a frame in that has room on the way out, whatever becomes of those before it."""
        lanes, table, record = self.lanes, self.table, self.intake.record
        reserved, room, inside = Signal(range(2 * STORE_BEATS[lanes])), Signal(), Signal(range(2 * FRAMES[lanes] + 1))
        longest = -(-MAX_SEALED_BYTES // lanes)
        # What a frame has been promised shows some cycles later: the next waits for that, or there is room for several.
        settling, waits = Signal(SETTLING_CYCLES), lanes <= 8
        spare = longest if waits else 4 * longest
        m.d.sync += settling.eq(Cat(table.ends, settling) if waits else 0)
        m.d.comb += [
            table.valid.eq(record.valid & ((room & ~settling.any()) | table.under_way)),
            table.address.eq(record.payload.address[-8 * self.key_bytes :]),
            record.ready.eq(table.ends),
            self.associations.inside.eq(inside),
            self.associations.leaves.eq(leaves),
        ]
        # What leaves, exactly: it is given back beat by beat. Of a frame too short to shrink nothing does.
        length = record.payload.length
        beats = (length + (self.growth_bytes + lanes - 1))[: len(length) + 1] >> (lanes - 1).bit_length()
        leaving = table.ends & (record.payload.fault == Fault.NONE) & (length >= max(0, -self.growth_bytes))
        m.d.sync += promised.eq(Mux(leaving, beats, 0))
        m.d.sync += [
            reserved.eq(reserved + promised - withdrawn - (self.o.valid & self.o.ready)),
            room.eq(
                (reserved <= STORE_BEATS[lanes] - spare)
                & (self.plans.level < self.plans.depth - DECIDING)
                & (self.feeds.level < self.feeds.depth - DECIDING)
            ),
            inside.eq(inside + table.ends - leaves),
            self.busy.eq((inside != 0) | record.valid),
        ]

    def _decide(self, m: Module, promised: Value) -> None:
        """A record goes from stage to stage. 1: its channel is known; 4: so is its association; 5: it has been judged."""
        table, associations = self.table, self.associations
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
            stages[1].beats.eq(promised),
        ]
        self._know(m, stages[0].known, record)

        channel_layout = data.StructLayout({"sci": 64, "window": CHANNEL["window"].shape, "found": 1, "number": NUMBER})
        channels: list[Any] = [
            Signal(channel_layout, name=f"channel_{number}", reset_less=True) for number in range(2, 6)
        ]
        m.d.sync += [after.eq(before) for before, after in pairwise(channels)]
        self._channel(m, stages[1], channels[0])
        m.d.comb += associations.read.eq(channels[0].number)

        stage, channel, suite = stages[4], channels[2], associations.parameters.suite
        pn = self._packet_numbers(m, valids[4], channel.number)
        reason, reason_then, counted_then = Signal(REASON), Signal(REASON), Signal()
        pn_then, parameters = Signal(64, reset_less=True), Signal(PARAMETERS, reset_less=True)
        usable = Signal()
        if SEARCH_CYCLES[self.lanes] > 2:
            # The frame before has been judged so long ago that it shows if that was its association's last.
            m.d.sync += usable.eq(associations.usable.bit_select(channels[1].number, 1))
        else:
            m.d.comb += usable.eq(associations.usable.bit_select(channel.number, 1))
        self._judge(m, reason, stage, channel.found, usable, suite)
        m.d.sync += [
            reason_then.eq(reason),
            counted_then.eq((reason == 0) | (reason == self.not_using_sa)),
            pn_then.eq(self._pn(stage.known, suite, pn)),
            parameters.eq(associations.parameters),
        ]

        stage, channel, valid, passes = stages[5], channels[3], valids[5], Signal()
        m.d.comb += passes.eq(valid & (reason_then == 0))
        self._take_pn(m, passes, channel.number, parameters.suite, pn_then)
        ends = self.intake.ends
        header, sci, text = self._compose(ends.payload, channel.number[:AN_BITS], channel.sci, pn_then, stage.length)
        extended = parameters.suite[1]
        salted = Cat(big_endian(parameters.ssci, 4), big_endian(pn_then, 8)) ^ parameters.salt
        frame, feed, plan = self.engine_frames.i, self.feeds.i, self.plans.i
        m.d.comb += [
            ends.ready.eq(valid),
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
            raised = pn_then + 1 - channel.window
            m.d.comb += [
                frame.payload.tag.eq(ends.payload.tail),
                plan.payload.pn.eq(pn_then),
                plan.payload.raised.eq(Mux(raised < 0, 0, raised)),
            ]

    def _channel(self, m: Module, stage: Any, o: Any) -> None:
        """Register what belongs to the channel that has been found."""
        control, table = self.control, self.table
        layout = data.StructLayout({"sci": 64, "window": CHANNEL["window"].shape})
        m.submodules.channels = channels = Memory(shape=layout, depth=CHANNELS, init=[])
        write, read = channels.write_port(), channels.read_port(domain="comb")
        selected = Signal(AN_BITS * CHANNELS)
        m.d.comb += [
            write.en.eq(control.channel_valid),
            write.addr.eq(control.channel.channel),
            write.data.sci.eq(control.channel.sci),
            write.data.window.eq(control.channel.window),
            read.addr.eq(table.channel),
        ]
        with m.If(control.select_valid):
            m.d.sync += selected.word_select(control.target[AN_BITS:], AN_BITS).eq(control.target[:AN_BITS])
        with m.If(control.channel_valid):
            m.d.sync += selected.word_select(control.channel.channel, AN_BITS).eq(0)
        an = stage.known.an if self.opens else selected.word_select(table.channel, AN_BITS)
        m.d.sync += [
            o.sci.eq(read.data.sci),
            o.window.eq(read.data.window),
            o.found.eq(table.found),
            o.number.eq(Cat(an, table.channel)),
        ]

    def _packet_numbers(self, m: Module, valid: Value, number: Value) -> Value:
        """The PN of an association, or the lowest acceptable; a host reads it when no frame needs it."""
        control = self.control
        m.submodules.pns = self.pns = Memory(shape=PN_BITS[self.opens], depth=ASSOCIATIONS, init=[])
        self.pn_write, read = self.pns.write_port(), self.pns.read_port(domain="comb")
        m.d.comb += read.addr.eq(Mux(valid, number, control.read))
        with m.If(~valid):
            m.d.sync += [
                control.pn_now.eq(read.data),
                control.usable_now.eq(self.associations.usable.bit_select(control.read, 1)),
            ]
        # A new one is written when no frame writes its own.
        waits = Signal()
        with m.If(control.load_valid):
            m.d.sync += waits.eq(1)
        m.d.comb += [
            self.pn_write.en.eq(waits),
            self.pn_write.addr.eq(control.number),
            self.pn_write.data.eq(control.pn),
        ]
        with m.If(waits & (self.pn_write.addr == control.number)):
            m.d.sync += waits.eq(0)
        return read.data

    def _write_pn(self, m: Module, valid: ValueLike, number: Value, pn: Value) -> None:
        with m.If(valid):
            m.d.comb += [self.pn_write.en.eq(1), self.pn_write.addr.eq(number), self.pn_write.data.eq(pn)]

    def _finish(self, m: Module, withdrawn: Signal, leaves: Signal) -> None:
        """Say what has become of the oldest frame, and let it out if it is good."""
        plan, gate, control = self.plans.o.payload, self.gate, self.control
        waited = Signal(FINISH_CYCLES[self.lanes] - 1)
        dropped, reason = Signal(), Signal(REASON)
        m.d.sync += waited.eq(Mux(leaves, 0, Cat(self.plans.o.valid, waited)))
        alive = Signal()
        m.d.sync += alive.eq(self.associations.alive.bit_select(plan.number, 1))
        decidable, late_reason = self._end(m, plan, alive, leaves)
        ripe = self.plans.o.valid & waited[-1]
        m.d.comb += [
            dropped.eq(plan.reason != 0),
            reason.eq(Mux(dropped, plan.reason, late_reason)),
            gate.verdict.valid.eq(ripe & ~dropped & decidable),
            gate.verdict.payload.good.eq(late_reason == 0),
            leaves.eq(ripe & (dropped | (decidable & gate.verdict.ready))),
            self.plans.o.ready.eq(leaves),
        ]
        m.d.sync += withdrawn.eq(Mux(leaves & (reason != 0), plan.beats, 0))
        m.submodules.counters = counters = SessionCounters(FINISH_CYCLES[self.lanes])
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
