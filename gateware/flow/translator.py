# SPDX-License-Identifier: Apache-2.0
"""The Translator: what stations chose for ports, identifiers and initial sequence numbers does not leave."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from custodes.flow_table import FLOW_WAYS, FLOWS
from custodes.table import Port
from gateware.flow.allocator import WORD_BITS
from gateware.flow.direction import Direction
from gateware.flow.engine import Engine
from gateware.flow.geometry import Geometry
from gateware.flow.layouts import IDS, POLICY
from gateware.scrubber.scrubber import JUDGED, JudgedInterface
from gateware.stream import FrameSignature

EVENTS = data.StructLayout({"full": 1, "empty": 1})
"""A frame was dropped for want of a place in the table, or of a word of entropy."""


ABREAST_WITH_ONE_LANE = 2
"""Ways that are looked at in a cycle: as few as a frame from each side allows in the 84 byte times that the smallest
takes on a line."""


class Translator(wiring.Component):
    """Canonical frames in, and out with the numbers that the flow's word of entropy says: `custodes.model.Translator`.

    Args:
        lanes: bytes per beat.
        flows: slots of the table, a power of two from 64 to 16384.

    Members:
        i_cluster, o_world; i_world, o_cluster: canonical frames, as a `Scrubber` lets them out.
        ids_cluster, ids_world: where the addresses of each frame are in the address table, no later than its first beat.
        words_cluster, words_world: words of entropy for flows that a station on that side begins, byte 0 lowest.
        live: for each side (bit 0: cluster), that words are or will be offered; else a frame that needs one is dropped.
        judged_cluster, judged_world: the verdict on each frame, before it leaves.
        policy: held stable while frames are inside.
        tick: every flow is a tick older; ``clear``: every flow is freed; for one cycle each, they come between two frames.
        ticks: since reset.
        in_use_cluster, in_use_world: slots of flows that each side began; some may have expired a moment ago.
        alarm: for one cycle, see `EVENTS`.
        busy: frames are inside.
        fault: a mode register holds no mode: no other frame is judged until a reset.

    Latency and back-pressure: see `Direction` and `Engine`. Reset forgets every frame inside and every flow.
    """

    i_cluster: stream.Interface
    o_world: stream.Interface
    i_world: stream.Interface
    o_cluster: stream.Interface
    ids_cluster: stream.Interface
    ids_world: stream.Interface
    words_cluster: stream.Interface
    words_world: stream.Interface
    live: Signal
    judged_cluster: JudgedInterface
    judged_world: JudgedInterface
    policy: data.View
    tick: Signal
    clear: Signal
    ticks: Signal
    in_use_cluster: Signal
    in_use_world: Signal
    alarm: data.View
    busy: Signal
    fault: Signal

    def __init__(self, lanes: int, flows: int = FLOWS) -> None:
        self.lanes = lanes
        self.geometry = Geometry(flows, ABREAST_WITH_ONE_LANE if lanes == 1 else FLOW_WAYS)
        frames, words = FrameSignature(lanes), stream.Signature(WORD_BITS)
        super().__init__(
            {
                "i_cluster": In(frames),
                "o_world": Out(frames),
                "i_world": In(frames),
                "o_cluster": Out(frames),
                "ids_cluster": In(stream.Signature(IDS)),
                "ids_world": In(stream.Signature(IDS)),
                "words_cluster": In(words),
                "words_world": In(words),
                "live": In(2),
                "judged_cluster": Out(JUDGED),
                "judged_world": Out(JUDGED),
                "policy": In(POLICY),
                "tick": In(1),
                "clear": In(1),
                "ticks": Out(32),
                "in_use_cluster": Out(self.geometry.slot_bits),
                "in_use_world": Out(self.geometry.slot_bits),
                "alarm": Out(EVENTS),
                "busy": Out(1),
                "fault": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.engine = engine = Engine(self.geometry)
        m.submodules.cluster, m.submodules.world = cluster, world = Direction(self.lanes), Direction(self.lanes)
        m.d.comb += [
            engine.live.eq(self.live),
            engine.policy.eq(self.policy),
            engine.hold.eq(self.fault),
            engine.tick.eq(self.tick),
            engine.clear.eq(self.clear),
            engine.edge.eq(Mux(engine.edge_side, world.edge, cluster.edge)),
            self.ticks.eq(engine.ticks),
            self.in_use_cluster.eq(engine.in_use[Port.CLUSTER]),
            self.in_use_world.eq(engine.in_use[Port.WORLD]),
            self.alarm.full.eq(engine.full),
            self.alarm.empty.eq(engine.empty),
            self.busy.eq(cluster.busy | world.busy),
        ]
        m.d.sync += self.fault.eq(engine.fault | cluster.fault | world.fault)
        for port, direction, i, o, ids, words, judged in (
            (
                Port.CLUSTER,
                cluster,
                self.i_cluster,
                self.o_world,
                self.ids_cluster,
                self.words_cluster,
                self.judged_cluster,
            ),
            (Port.WORLD, world, self.i_world, self.o_cluster, self.ids_world, self.words_world, self.judged_world),
        ):
            wiring.connect(m, wiring.flipped(i), direction.i)
            wiring.connect(m, direction.o, wiring.flipped(o))
            wiring.connect(m, wiring.flipped(ids), direction.ids)
            wiring.connect(m, wiring.flipped(words), engine.words[port])
            wiring.connect(m, direction.header, engine.header[port])
            wiring.connect(m, engine.result[port], direction.result)
            m.d.comb += [
                direction.edge_bank.eq(engine.edge_bank),
                direction.edge_number.eq(engine.edge_number),
                direction.window_scale.eq(self.policy.window_scale),
                judged.valid.eq(engine.judged[port]),
                judged.reason.eq(engine.reason),
                judged.altered.eq(engine.altered),
            ]
        return m
