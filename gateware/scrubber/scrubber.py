# SPDX-License-Identifier: Apache-2.0
"""The stateless header scrubber of one direction."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Value, ValueLike
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from custodes.registers import UNTAGGED_VID
from custodes.table import SCRUBBED, Port, Reason
from gateware.scrubber.beat import SectionInterface, begins, section_entry
from gateware.scrubber.ethernet import EthernetLayer
from gateware.scrubber.gather import Gather
from gateware.scrubber.layouts import IDS, POLICY, VERDICTS
from gateware.scrubber.lookup import WRITE, Lookup
from gateware.scrubber.network import NetworkLayer
from gateware.scrubber.options import OptionsLayer
from gateware.scrubber.payload import PayloadLayer, Tail
from gateware.scrubber.rewriter import STORES, Rewriter
from gateware.scrubber.transport import TransportLayer
from gateware.scrubber.verdict import VERDICT_SPACING_CYCLES, Verdict
from gateware.stream import FrameSignature, Queue

VLAN_WRITE = data.StructLayout({"vid": 12, "admit": 1})


class JudgedInterface(wiring.PureInterface):
    """What `JUDGED` makes."""

    valid: Signal
    reason: Signal
    altered: Signal


JUDGED = wiring.Signature({"valid": Out(1), "reason": Out(Reason), "altered": Out(len(SCRUBBED))})
"""For one cycle per frame, in order: why it was dropped, or `Reason.FORWARDED` and the rows of the table altered in it."""
FINDINGS_DEPTH = {1: 16, 8: 16, 64: 128}
"""For each lane count, more than the frames that can follow a frame before the last of its findings is there: that is what
the options walk finds, some 60 cycles after the payload begins, and payloads begin 42, 5 and 1 cycles apart at least."""
VERDICT_QUEUE = {1: (16, 1), 8: (512, 3), 64: (512, 3)}
"""For each lane count, depth and registers of the queues that the rewriter takes verdicts from."""
FRAMES_INSIDE = {1: 12, 8: 384, 64: 384}
"""For each lane count, so many frames at most are inside when another is let in; each has a verdict at most in each queue.
With one lane five smallest frames are inside while none waits; queues for a dozen need no block RAM."""
MIN_FORWARDED_BYTES = 34
"""No frame that is forwarded comes in with fewer, an IPv4 header and its Ethernet header; what a verdict waits for beside
the end of its frame takes less time than a transport header."""


class Scrubber(wiring.Component):
    """Parser, stores, verdict and rewriter of the frames that enter at ``port``.

    Args:
        lanes: bytes per beat: 1, 8 or 64.
        port: where the frames come from; they leave at the other.

    Members:
        i: frames of any length; ``error`` on the last beat drops the frame.
        o: canonical frames, in order, never with ``error``.
        ids: for each frame that leaves, and before it does, where its addresses are in the table; of no meaning for ARP and
            neighbour discovery. The next frame waits until they are taken.
        judged: the verdict on each frame, before it leaves.
        policy: held stable while frames are inside.
        address_valid, address; vlan_valid, vlan: writes into the address table and the VLAN table.
        busy: frames are inside.

    Latency: a frame leaves whole frames at a time, after it has come in whole. Throughput: one beat per cycle in and out,
    smallest frames back to back. Back-pressure: a stalled output fills the stores (at least 2 kB, or 12 frames with one
    lane), then ``i.ready`` falls. Reset forgets every frame inside; the tables keep what they hold.
    """

    i: stream.Interface
    o: stream.Interface
    ids: stream.Interface
    judged: JudgedInterface
    policy: data.View
    address_valid: Signal
    address: data.View
    vlan_valid: Signal
    vlan: data.View
    busy: Signal

    def __init__(self, lanes: int, port: Port) -> None:
        self.lanes = lanes
        self.port = port
        super().__init__(
            {
                "i": In(FrameSignature(lanes)),
                "o": Out(FrameSignature(lanes)),
                "ids": Out(stream.Signature(IDS)),
                "judged": Out(JUDGED),
                "policy": In(POLICY),
                "address_valid": In(1),
                "address": In(WRITE),
                "vlan_valid": In(1),
                "vlan": In(VLAN_WRITE),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes = self.lanes
        m.submodules.ethernet = ethernet = EthernetLayer(lanes)
        m.submodules.network = network = NetworkLayer(lanes)
        m.submodules.tail = tail = Tail(lanes)
        m.submodules.transport = transport = TransportLayer(lanes)
        m.submodules.options = options = OptionsLayer(lanes)
        m.submodules.payload = payload = PayloadLayer(lanes)
        m.submodules.lookup = lookup = Lookup(lanes, self.port)
        m.submodules.verdict = verdict = Verdict(lanes)
        m.submodules.rewriter = rewriter = Rewriter(lanes)
        wiring.connect(m, wiring.flipped(self.i), ethernet.i)
        wiring.connect(m, ethernet.o, network.i)
        wiring.connect(m, network.o, transport.i)
        wiring.connect(m, transport.o, options.i)
        wiring.connect(m, options.o, payload.i)
        wiring.connect(m, rewriter.o, wiring.flipped(self.o))
        wiring.connect(m, rewriter.ids, wiring.flipped(self.ids))
        m.d.comb += [
            network.recall.eq(transport.recall),
            transport.source_byte.eq(network.source_byte),
            transport.destination_byte.eq(network.destination_byte),
            tail.i.valid.eq(network.o.valid),
            tail.i.payload.eq(network.o.payload),
            tail.i.meta.eq(network.o.meta),
            lookup.valid.eq(transport.o.valid & begins(m, transport.o)),
            lookup.i.eq(transport.o.meta),
            lookup.write_valid.eq(self.address_valid),
            lookup.write.eq(self.address),
            *(unit.policy.eq(self.policy) for unit in (ethernet, network, transport, options, verdict, rewriter)),
        ]

        full = self._stores(
            m,
            rewriter,
            {
                "ethernet": ethernet.section,
                "network": network.section,
                "transport": transport.section,
                "options": options.section,
                "payload": payload.section,
            },
        )
        self._verdicts(m, rewriter, verdict)
        inside = self._inside(m, ethernet.enters, rewriter.dropped)
        m.d.comb += self.busy.eq(inside.any())
        m.d.sync += ethernet.admit.eq(~full & (inside < FRAMES_INSIDE[self.lanes]))

        vlan_valid, vlan = self._vlan(m, payload)
        sums = Signal.like(verdict.i.section_sums)
        m.d.comb += [sums.canonical.eq(transport.header_sum), sums.quoted.eq(transport.quoted_sum)]
        self._collect(
            m,
            verdict,
            {
                "transport": (payload.begins, payload.i.meta),
                "vlan": (vlan_valid, vlan),
                "options": (options.found_valid, options.found),
                "tail": (tail.o_valid, tail.o),
                "end": (payload.end_valid, payload.end),
                "header_sum": (network.header_valid, network.header_sum),
                "address_sum": (network.address_valid, network.address_sum),
                "all_sum": (transport.all_valid, transport.all_sum),
                "section_sums": (transport.header_valid, sums),
                "payload_sum": (payload.sum_valid, payload.sum),
                "lookup": (lookup.o_valid, lookup.o),
            },
        )
        m.d.comb += [
            self.judged.valid.eq(verdict.o_valid),
            self.judged.reason.eq(verdict.reason),
            self.judged.altered.eq(verdict.altered.as_value()),
        ]
        return m

    def _inside(self, m: Module, enters: Value, dropped: Value) -> Signal:
        """How many frames are inside, those on their way in and out included."""
        inside = Signal(10)
        leaves, goes = Signal(), Signal()
        m.d.sync += [
            leaves.eq(self.o.valid & self.o.ready & self.o.payload.last),
            goes.eq(dropped),
            inside.eq(inside + enters - leaves - goes),
        ]
        return inside

    def _stores(self, m: Module, rewriter: Rewriter, sections: dict[str, SectionInterface]) -> Value:
        """A store is full at three quarters, so that it has room for what is in the parser by then."""
        full = Signal(len(STORES))
        for number, name in enumerate(STORES):
            depth = 512 if self.lanes > 1 else 4096 if name == "payload" else 2048
            m.submodules[f"store_{name}"] = store = Queue(section_entry(self.lanes, name == "payload"), depth)
            m.d.comb += [store.i.valid.eq(sections[name].valid), store.i.payload.eq(sections[name].payload)]
            m.d.sync += full[number].eq(store.level[-1] | store.level[-3:-1].all())
            wiring.connect(m, store.o, getattr(rewriter, f"store_{name}"))
        return full.any()

    def _verdicts(self, m: Module, rewriter: Rewriter, verdict: Verdict) -> None:
        for name, layout in VERDICTS.items():
            m.submodules[f"verdict_{name}"] = queue = Queue(layout, *VERDICT_QUEUE[self.lanes])
            m.d.comb += queue.i.valid.eq(verdict.o_valid)
            m.d.comb += [queue.i.payload[key].eq(verdict.o[key]) for key in layout.members]
            wiring.connect(m, queue.o, getattr(rewriter, f"verdict_{name}"))

    def _vlan(self, m: Module, payload: PayloadLayer) -> tuple[Value, Value]:
        """One bit per VLAN, and one for untagged frames in the place of a number that no tag can have. What is looked up
        while the table is written is not admitted."""
        m.submodules.vlans = vlans = Memory(shape=1, depth=4096, init=[])
        # No read while there is a write: Yosys sees that, and adds no bypass around the block RAM.
        read, write = vlans.read_port(domain="comb"), vlans.write_port()
        tag = payload.i.meta.network.ethernet
        valid, refused, admitted = Signal(4), Signal(3), Signal()
        place, near, bit = Signal(reset_less=True), Signal(), Signal()
        m.d.comb += [
            read.addr.eq(Mux(tag.tagged, tag.vid, UNTAGGED_VID)),
            write.addr.eq(self.vlan.vid),
            write.data.eq(self.vlan.admit),
            write.en.eq(self.vlan_valid),
        ]
        with m.If(~self.vlan_valid):
            m.d.sync += place.eq(read.data)
        m.d.sync += [
            valid.eq(Cat(payload.begins, valid)),
            refused.eq(Cat(tag.tagged & (tag.vid == UNTAGGED_VID) | self.vlan_valid, refused)),
            near.eq(place),
            bit.eq(near),
            admitted.eq(bit & ~refused[2]),
        ]
        return valid[3], admitted

    def _collect(self, m: Module, verdict: Verdict, findings: dict[str, tuple[Value, ValueLike]]) -> None:
        """Findings come at different times, each once per frame and in order."""
        shapes = {name: verdict.i[name].shape() for name in findings}
        m.submodules.gather = gather = Gather(shapes, FINDINGS_DEPTH[self.lanes], VERDICT_SPACING_CYCLES[self.lanes])
        for name, (valid, value) in findings.items():
            m.d.comb += [
                gather.valid[name].eq(valid),
                gather.i[name].eq(value),
                verdict.i[name].eq(gather.o[name]),
            ]
        m.d.comb += verdict.valid.eq(gather.o_valid)
