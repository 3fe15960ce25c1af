# SPDX-License-Identifier: Apache-2.0
"""Transport layer of the parser: RFC 9293 (TCP), RFC 768 (UDP), RFC 792 and 4443 (ICMP), RFC 4861 (ND)."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from gateware.mask import lanes_below
from gateware.scrubber.beat import (
    LayerInterface,
    LayerSignature,
    SectionInterface,
    SectionSignature,
    begins,
    layer_beat,
)
from gateware.scrubber.bytesum import ByteSum, sum_layout
from gateware.scrubber.facts import ACK, EARLY, FIN, RST, SYN, anticipate, compare, describe, tcp_header, udp_lengths
from gateware.scrubber.icmp_error import (
    IPV4_MESSAGE,
    IPV6_MESSAGE,
    QUOTED_IPV4,
    error_edits,
    is_error,
    quote_fault,
    quote_fits,
    quoted_payload,
)
from gateware.scrubber.layouts import ETHERNET, MACS, NETWORK, POLICY, TRANSPORT, Transport
from gateware.scrubber.split import Edits, HeaderSplit, either, write_section

LENGTHS = (8, 16, 20, 24, 32, IPV4_MESSAGE, IPV6_MESSAGE)
"""Of a header: of UDP or echo, of TCP, of neighbour discovery, of ICMP errors with what they quote."""


class TransportLayer(wiring.Component):
    """Takes the fixed part of the transport header off, checks it and makes the canonical one.

    What depends on later bytes is left to the rewriter: checksums, the data offset and the acknowledgement number.

    Members:
        i: frames from the transport header on, with the `NETWORK` found; with one lane, two cycles
            or more apart, as they are without their Ethernet headers.
        section: the canonical header without options.
        o: the rest, with the `TRANSPORT` found.
        all_valid, all_sum: one sum per frame over the transport layer as it came.
        header_valid, header_sum: one sum per frame over the canonical header, acknowledgement number and a quoted IPv4
            header left out.
        quoted_sum: along with ``header_sum``, that of a quoted IPv4 header as it will leave, without its checksum.
        recall, source_byte, destination_byte: see `NetworkLayer`.

    Latency 3 cycles, one beat per cycle.
    """

    i: LayerInterface
    policy: data.View
    section: SectionInterface
    o: LayerInterface
    all_valid: Signal
    all_sum: data.View
    header_valid: Signal
    header_sum: data.View
    quoted_sum: data.View
    recall: Signal
    source_byte: Signal
    destination_byte: Signal

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(
            {
                "i": In(LayerSignature(lanes, NETWORK)),
                "policy": In(POLICY),
                "section": Out(SectionSignature(lanes)),
                "o": Out(LayerSignature(lanes, TRANSPORT)),
                "all_valid": Out(1),
                "all_sum": Out(sum_layout(lanes)),
                "header_valid": Out(1),
                "header_sum": Out(sum_layout(lanes)),
                "quoted_sum": Out(sum_layout(lanes)),
                "recall": Out(4),
                "source_byte": In(8),
                "destination_byte": In(8),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.split = split = HeaderSplit(self.lanes, NETWORK, IPV6_MESSAGE, LENGTHS, self.lanes == 1)
        wiring.connect(m, wiring.flipped(self.i), split.i)
        c, meta = split.captured, split.meta
        kinds = {kind: Signal(name=kind.name.lower()) for kind in Transport if kind is not Transport.NONE}
        for kind, signal in kinds.items():
            m.d.comb += signal.eq(meta.transport == kind)
        neighbour, error = self._measure(m, split)
        covered = Signal(11)
        m.d.comb += covered.eq(meta.length)
        with m.If(kinds[Transport.UDP]):
            m.d.comb += covered.eq(udp_lengths(c)[1])
        self._write(m, split, kinds, neighbour, error)
        self._sum_all(m, split, covered)
        m.d.comb += [self.o.valid.eq(split.o_valid), self.o.payload.eq(split.o_payload)]
        self._recall(m, split, error)
        quoted = self._early(m, "quoted", quoted_payload(c, kinds[Transport.ICMP]))
        fits = self._early(m, "quote_fits", quote_fits(kinds[Transport.ICMP], quoted))
        wrong, of_icmp = quote_fault(c, kinds[Transport.ICMP], meta.length, fits)
        fault = self._early(m, "quotes_wrong", wrong), self._early(m, "quotes_icmp", of_icmp)
        early = Signal(EARLY)
        m.d.sync += early.eq(anticipate(m, c, meta, neighbour, error, fault))
        same = compare(m, split, *self._addresses(split), quoted, self.policy)
        o = describe(m, split.found, early, same, self.policy)
        self._hand_on(m, split, o)
        if self.lanes == 1:
            self._follow_target(m, split, error)
        return m

    def _addresses(self, split: HeaderSplit) -> tuple[list[Value], list[Value]]:
        """The bytes of source and destination, those of an IPv6 header, for comparison with a header's."""
        if self.lanes == 1:
            return [self.source_byte] * 16, [self.destination_byte] * 16
        addresses = split.meta.addresses
        return [addresses[k] for k in range(16)], [addresses[k] for k in range(16, 32)]

    def _early(self, m: Module, name: str, value: Value) -> Value:
        """``value``, which is asked for three beats after the last byte it depends on at least: up to 8 lanes, registered.
        No more than three of these come one after the other."""
        if self.lanes > 8:
            return value
        register = Signal(value.shape(), name=name)
        m.d.sync += register.eq(value)
        return register

    def _recall(self, m: Module, split: HeaderSplit, error: Value) -> None:
        """Of what is compared with addresses, a quoted source is not where a target is: it is the frame's destination."""
        moved = Mux(split.meta.transport == Transport.ICMP, 4, 8)
        m.d.comb += self.recall.eq(split.coming[:4] ^ Mux(error, moved, 0))

    def _follow_target(self, m: Module, split: HeaderSplit, error: Value) -> None:
        """With one lane, the target of neighbour discovery or the quoted destination is shifted in as it comes."""
        target, inside = self.o.meta.target_address.as_value(), Signal()
        of_ipv4 = split.meta.transport == Transport.ICMP
        places = ((~error, range(8, 24)), (error & of_ipv4, range(24, 28)), (error & ~of_ipv4, range(32, 48)))
        m.d.sync += inside.eq(
            Cat(*(when & (split.coming >= at.start) & (split.coming < at.stop) for when, at in places)).any()
        )
        with m.If(split.new & inside):
            m.d.sync += target.eq(Cat(target, split.held.data[0])[8:])

    def _measure(self, m: Module, split: HeaderSplit) -> tuple[Value, Value]:
        """Finds the header's length, and whether it is an admitted message of neighbour discovery or an ICMP error, from its
        first byte as it comes in: they are there along with the held beat."""
        i, kind = self.i, self.i.payload.data[0]
        neighbour, error, length = Signal(), Signal(), Signal.like(split.length)
        solicits_router = kind == 133
        # The link-layer address is kept where there is one and the source address is not the unspecified one.
        given = Mux(solicits_router, i.meta.above_8, i.meta.above_24) & ~i.meta.unspecified
        admitted = (
            (i.meta.transport == Transport.ICMPV6) & self.policy.nd & (solicits_router | (kind == 135) | (kind == 136))
        )
        reports = is_error(kind, i.meta.transport, self.policy.icmpv6)
        message = Mux(i.meta.transport == Transport.ICMP, IPV4_MESSAGE, IPV6_MESSAGE)
        with m.If(i.valid & begins(m, i)):
            m.d.sync += [neighbour.eq(admitted), error.eq(reports), length.eq(8)]
            with m.If(i.meta.transport == Transport.TCP):
                m.d.sync += length.eq(20)
            with m.Elif(admitted):
                m.d.sync += length.eq(Mux(solicits_router, Mux(given, 16, 8), Mux(given, 32, 24)))
            with m.Elif(reports):
                m.d.sync += length.eq(message)
        m.d.comb += split.length.eq(length)
        return neighbour, error

    def _hand_on(self, m: Module, split: HeaderSplit, o: data.View) -> None:
        meta, network, ethernet = self.o.meta, self.o.meta.network, self.o.meta.network.ethernet
        addresses = [
            *(ethernet[key].eq(o.network.ethernet[key]) for key in MACS),
            network.addresses.eq(o.network.addresses),
        ]
        if self.lanes == 1:
            # See `NetworkLayer`: they stay where they are.
            m.d.comb += addresses
        with m.If(split.found_valid):
            m.d.sync += [
                *(ethernet[key].eq(o.network.ethernet[key]) for key in ETHERNET.members if key not in MACS),
                *(network[key].eq(o.network[key]) for key in NETWORK.members if key not in {"ethernet", "addresses"}),
                *(meta[key].eq(o[key]) for key in TRANSPORT.members if key not in {"network", "target_address"}),
            ]
            if self.lanes > 1:
                m.d.sync += [*addresses, meta.target_address.eq(o.target_address)]

    def _write(
        self, m: Module, split: HeaderSplit, kinds: dict[Transport, Signal], neighbour: Value, error: Value
    ) -> None:
        c, meta = split.captured, split.meta
        tcp, udp = kinds[Transport.TCP], kinds[Transport.UDP]
        icmp = kinds[Transport.ICMP] | kinds[Transport.ICMPV6]
        flags, carries_data = c[13], Signal()
        # It takes long to work out: as byte 12 comes in, it is there along with the held beat.
        with m.If(self.i.valid & (split.coming == 12 // self.lanes)):
            m.d.sync += carries_data.eq(self.i.meta.length > tcp_header(self.i.payload.data[12 % self.lanes]))
        push = carries_data & ~flags[SYN] & ~flags[RST]
        new_flags = Cat(flags[FIN], flags[SYN], flags[RST], push, flags[ACK], Const(0, 3))
        high, low = Signal(8), Signal(8)
        with m.If(~flags[RST]):
            m.d.comb += [high.eq(_top_bit(c[14])), low.eq(Mux(c[14].any(), 0, _top_bit(c[15])))]
        reserved = Mux(c[0] == 136, c[4] & 0xE0, 0)
        edits: Edits = {
            1: (icmp & ~error, 0),
            **dict.fromkeys((2, 3), (icmp, 0)),
            5: (neighbour, 0),
            **dict.fromkeys((6, 7), (udp | neighbour, 0)),
            12: (tcp, 0),
            **dict.fromkeys(range(16, 20), (tcp, 0)),
        }
        quotes = error & kinds[Transport.ICMP]
        edits = either(edits, error_edits(c, quotes, error & kinds[Transport.ICMPV6], self.policy.ttl))
        own: Edits = {4: (neighbour, reserved), 13: (tcp, new_flags), 14: (tcp, high), 15: (tcp, low)}
        write_section(m, split, self.section, Mux(meta.transport == Transport.NONE, 0, split.length), edits, own)
        self._sum_section(m, split, tcp, quotes)

    def _sum_section(self, m: Module, split: HeaderSplit, tcp: Value, quotes: Value) -> None:
        """With its checksum, a quoted IPv4 header adds up to nothing: only the checksum needs the sum of the rest."""
        m.submodules.header_sum, m.submodules.quoted_sum = header, quoted = ByteSum(self.lanes), ByteSum(self.lanes)
        bits = (self.lanes - 1).bit_length()
        for lane in range(self.lanes):
            position = Cat(Const(lane, bits), split.index) if bits else split.index
            acknowledges = (position >= 8) & (position < 12)
            inside = (position >= QUOTED_IPV4.start) & (position < QUOTED_IPV4.stop)
            left_out = (tcp & acknowledges) | (quotes & inside)
            with m.If(split.new):
                m.d.sync += [
                    header.mask[lane].eq((position < split.length) & ~left_out),
                    quoted.mask[lane].eq(quotes & inside),
                ]
        for unit in (header, quoted):
            m.d.comb += [
                unit.valid.eq(self.section.valid),
                unit.bytes.eq(self.section.payload.data),
                unit.last.eq(self.section.payload.last),
            ]
        m.d.comb += [
            self.header_valid.eq(header.o_valid),
            self.header_sum.eq(header.o),
            self.quoted_sum.eq(quoted.o),
        ]

    def _sum_all(self, m: Module, split: HeaderSplit, covered: Value) -> None:
        """The end is known by byte 8 of a UDP header and from the start elsewhere: hence an absolute position."""
        m.submodules.all_sum = unit = ByteSum(self.lanes)
        beat = Signal(range(2048 // self.lanes))
        with m.If(split.new):
            m.d.sync += beat.eq(Mux(split.held.last, 0, beat + 1))
        # Where the end is comes late: the beat is compared with it a cycle later, and summed after another one.
        valid, held, end, held_beat = Signal(), Signal(layer_beat(self.lanes)), Signal(11), Signal.like(beat)
        m.d.sync += [
            valid.eq(split.new),
            held.eq(split.held),
            end.eq(covered),
            held_beat.eq(beat),
        ]
        # Only with few lanes is a UDP header's beginning here before its length is.
        header = (held_beat < 8 // self.lanes).replicate(self.lanes if self.lanes < 8 else 0)
        m.d.sync += [
            unit.valid.eq(valid),
            unit.bytes.eq(held.data),
            unit.last.eq(held.last),
            unit.mask.eq(lanes_below(self.lanes, held_beat, end) | header),
        ]
        m.d.comb += [
            self.all_valid.eq(unit.o_valid),
            self.all_sum.eq(unit.o),
        ]


def _top_bit(byte: Value) -> Value:
    """The highest bit set, alone."""
    return Cat(*(byte[k] & ~byte[k + 1 :].any() for k in range(8)))
