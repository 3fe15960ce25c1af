# SPDX-License-Identifier: Apache-2.0
"""Ethernet layer of the parser: IEEE 802.3 clause 3, one IEEE 802.1Q tag."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from custodes.table import MAX_FRAME_BYTES
from gateware.scrubber.beat import LayerInterface, LayerSignature, SectionInterface, SectionSignature
from gateware.scrubber.layouts import ETHERNET, POLICY, Network
from gateware.scrubber.split import HeaderSplit, captured_value, write_section
from gateware.stream import FrameSignature

NOTHING = data.StructLayout({})


MIN_SPACING_CYCLES = {1: 48, 8: 7, 64: 1}
"""From one frame's end to the next one's. No frame of an Ethernet is short enough to be held up by it; fragments of frames
are, so that whatever is worked out once per frame has that long for it."""


class EthernetLayer(wiring.Component):
    """Cuts what is longer than the largest frame, takes the Ethernet header off and checks it.

    Members:
        i: frames; a beat is taken while ``admit`` is 1, and a frame's last no sooner than `MIN_SPACING_CYCLES` say.
        enters: a frame's first beat has been taken.
        section: the canonical header, 14 or 18 bytes, with PCP and DEI zero.
        o: the rest, with the `ETHERNET` found.

    Latency 3 cycles, one beat per cycle.
    """

    i: stream.Interface
    admit: Signal
    enters: Signal
    policy: data.View
    section: SectionInterface
    o: LayerInterface

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(
            {
                "i": In(FrameSignature(lanes)),
                "admit": In(1),
                "enters": Out(1),
                "policy": In(POLICY),
                "section": Out(SectionSignature(lanes)),
                "o": Out(LayerSignature(lanes, ETHERNET)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes = self.lanes
        m.submodules.split = split = HeaderSplit(lanes, NOTHING, 18, (14, 18), lanes == 1)
        tagged = self._guard(m, split)
        m.d.comb += split.length.eq(Mux(tagged, 18, 14))
        write_section(m, split, self.section, split.length, {}, {14: (tagged, split.captured[14] & 0x0F)})

        m.d.comb += [self.o.valid.eq(split.o_valid), self.o.payload.eq(split.o_payload)]
        with m.If(split.found_valid):
            self._describe(m, split.found)
        return m

    def _describe(self, m: Module, found: data.View) -> None:
        c, o = found.captured, self.o.meta
        tagged = found.length == 18
        ethertype = Signal(16)
        network = Signal(Network)
        m.d.comb += ethertype.eq(Mux(tagged, captured_value(c, (16, 17)), captured_value(c, (12, 13))))
        with m.If(found.short):
            m.d.comb += network.eq(Network.NONE)
        with m.Elif((ethertype == 0x0806) & self.policy.arp):
            m.d.comb += network.eq(Network.ARP)
        with m.Elif((ethertype == 0x0800) & self.policy.ipv4):
            m.d.comb += network.eq(Network.IPV4)
        with m.Elif((ethertype == 0x86DD) & self.policy.ipv6):
            m.d.comb += network.eq(Network.IPV6)
        m.d.sync += [
            o.network.eq(network),
            o.short.eq(found.short),
            o.llc.eq(ethertype < 0x600),
            o.ethertype.eq(network == Network.NONE),
            o.tagged.eq(tagged),
            o.vid.eq(captured_value(c, (14, 15))),
            o.vlan_priority.eq(tagged & (c[14][4:] != 0)),
        ]
        for k in range(6):
            m.d.sync += [o.destination_mac[k].eq(c[k]), o.source_mac[k].eq(c[6 + k])]

    def _guard(self, m: Module, split: HeaderSplit) -> Signal:
        """Ends a frame at the beat in which it turns out too long, marks it, and swallows the remainder. Returns whether the
        frame has a tag, which is there along with the held beat."""
        i = self.i.payload
        limit, spare = divmod(MAX_FRAME_BYTES, self.lanes)
        index = Signal(range(limit + 1))
        swallow = Signal()
        oversize = Signal()
        taken = Signal()
        begins, gap = Signal(init=1), Signal(range(MIN_SPACING_CYCLES[self.lanes]))
        waits = Signal()
        m.d.comb += [
            self.i.ready.eq(self.admit & ~(i.last & waits)),
            taken.eq(self.i.valid & self.i.ready),
            oversize.eq((index == limit) & i.keep[spare]),
        ]
        m.d.sync += split.i.valid.eq(taken & ~swallow)
        m.d.sync += self.enters.eq(taken & begins)
        spacing = MIN_SPACING_CYCLES[self.lanes]
        if spacing > 1:
            # The count starts a cycle late, which keeps it off the way from the input.
            ended = Signal()
            m.d.sync += ended.eq(taken & i.last)
            with m.If(ended):
                m.d.sync += gap.eq(spacing - 2)
            with m.Elif(gap.any()):
                m.d.sync += gap.eq(gap - 1)
            with m.If(taken & i.last):
                m.d.sync += waits.eq(1)
            with m.Elif(gap == 1):
                m.d.sync += waits.eq(0)
        with m.If(taken):
            m.d.sync += begins.eq(i.last)
            m.d.sync += [
                split.i.payload.data.eq(i.data),
                split.i.payload.keep.eq(i.keep),
                split.i.payload.last.eq(i.last | oversize),
                split.i.payload.error.eq(i.error),
                split.i.payload.oversize.eq(oversize),
            ]
            with m.If(i.last):
                m.d.sync += [index.eq(0), swallow.eq(0)]
            with m.Elif(oversize):
                m.d.sync += swallow.eq(1)
            with m.Else():
                m.d.sync += index.eq(index + 1)

        # Byte 12 is in the beat of byte 13 or, with one lane, in the one before.
        before = i.data if self.lanes > 1 else split.i.payload.data
        told, tag, tagged = Signal(), Signal(), Signal()
        with m.If(taken):
            m.d.sync += [
                told.eq(index == 13 // self.lanes),
                tag.eq((before[12 % self.lanes] == 0x81) & (i.data[13 % self.lanes] == 0x00)),
            ]
        with m.If(split.i.valid & told):
            m.d.sync += tagged.eq(tag)
        return tagged
