# SPDX-License-Identifier: Apache-2.0
"""Transport layer of the parser: RFC 9293 (TCP), RFC 768 (UDP), RFC 792 and 4443 (ICMP), RFC 4861 (ND)."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value, ValueLike
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from gateware.scrubber.beat import LayerSignature, SectionSignature
from gateware.scrubber.bytesum import SUM_LAYOUT, ByteSum
from gateware.scrubber.layouts import ETHERNET, NETWORK, POLICY, TRANSPORT, Network, Transport
from gateware.scrubber.mask import lanes_before
from gateware.scrubber.split import HeaderSplit, captured_value, write_section

ALL_NODES = 0xFF02 << 112 | 1
ALL_ROUTERS = 0xFF02 << 112 | 2
SOLICITED_NODE = (0xFF02 << 112 | 0x1FF << 24) >> 24
FIN, SYN, RST, PSH, ACK, URG = range(6)
LEGAL_FLAGS = ((SYN,), (SYN, ACK), (ACK,), (FIN, ACK), (RST,), (RST, ACK))


class TransportLayer(wiring.Component):
    """Takes the fixed part of the transport header off, checks it and makes the canonical one.

    What depends on later bytes is left to the rewriter: checksums, the data offset and the acknowledgement number.

    Members:
        i: frames from the transport header on, with the `NETWORK` found.
        section: the canonical header without options.
        o: the rest, with the `TRANSPORT` found.
        all_valid, all_sum: one sum per frame over the transport layer as it came.
        header_valid, header_sum: one sum per frame over the canonical header, acknowledgement number left out.

    Latency 2 cycles, one beat per cycle.
    """

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(
            {
                "i": In(LayerSignature(lanes, NETWORK)),
                "policy": In(POLICY),
                "section": Out(SectionSignature(lanes)),
                "o": Out(LayerSignature(lanes, TRANSPORT)),
                "all_valid": Out(1),
                "all_sum": Out(SUM_LAYOUT),
                "header_valid": Out(1),
                "header_sum": Out(SUM_LAYOUT),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.split = split = HeaderSplit(self.lanes, NETWORK, 32, (8, 16, 20, 24, 32))
        wiring.connect(m, wiring.flipped(self.i), split.i)
        c, meta = split.captured, split.meta
        o = Signal(TRANSPORT)
        kinds = {kind: Signal(name=kind.name.lower()) for kind in (Transport.TCP, Transport.UDP, Transport.ICMP, Transport.ICMPV6)}
        for kind, signal in kinds.items():
            m.d.comb += signal.eq(meta.transport == kind)
        tcp, udp = kinds[Transport.TCP], kinds[Transport.UDP]
        m.d.comb += [
            o.network.eq(meta),
            split.length.eq(Mux(o.section == 0, 8, o.section)),
        ]
        arp = meta.ethernet.network == Network.ARP
        mac = meta.ethernet.destination_mac
        group = Cat(Const(0x3333, 16), *(meta.destination[12 + k] for k in range(4)))
        m.d.comb += [
            o.lookup.eq(Mux(arp, ~meta.arp_fields, meta.transport != Transport.NONE)),
            o.link_group.eq(
                Mux(
                    arp,
                    meta.request & mac.as_value().all(),
                    kinds[Transport.ICMPV6] & (meta.destination[0] == 0xFF) & (mac.as_value() == group),
                )
            ),
        ]
        covered = Signal(11)
        m.d.comb += covered.eq(meta.length)
        self._icmp(m, split, o, kinds)
        with m.If(tcp):
            self._tcp(m, split, o)
        with m.If(udp):
            udp_length = Signal(16)
            m.d.comb += [
                udp_length.eq(captured_value(c, (4, 5))),
                covered.eq(Mux(udp_length[11:].any(), 2047, udp_length[:11])),
                o.section.eq(8),
                o.payload.eq(covered - 8),
                o.unchecked.eq(Cat(c[6], c[7]) == 0),
                o.transport_length.eq((meta.length < 8) | (udp_length < 8) | (udp_length > meta.length)),
                o.network.altered.udp_surplus.eq(meta.length > covered),
                o.udp_port.eq(
                    self.policy.deny
                    & Cat(
                        captured_value(c, at) == self.policy.deny_ports[k] for k in range(8) for at in ((0, 1), (2, 3))
                    ).any()
                ),
            ]
        self._write(m, split, o, kinds)
        self._sum_all(m, split, covered)
        m.d.comb += [self.o.valid.eq(split.o_valid), self.o.payload.eq(split.o_payload)]
        with m.If(split.first):
            self._describe(m, o)
        return m

    def _describe(self, m: Module, o: Value) -> None:
        """The addresses stay for the look-up, which takes a few cycles, until the next frame that asks for one."""
        ethernet, network, meta = o.network.ethernet, o.network, self.o.meta
        held = {"source_mac", "destination_mac"}
        with m.If(o.lookup):
            m.d.sync += [
                *(meta.network.ethernet[key].eq(ethernet[key]) for key in held),
                meta.network.source.eq(network.source),
                meta.network.destination.eq(network.destination),
            ]
        m.d.sync += [
            *(meta.network.ethernet[key].eq(ethernet[key]) for key in ETHERNET.members if key not in held),
            *(
                meta.network[key].eq(network[key])
                for key in NETWORK.members
                if key not in {"ethernet", "source", "destination"}
            ),
            *(meta[key].eq(o[key]) for key in TRANSPORT.members if key != "network"),
        ]

    def _tcp(self, m: Module, split: HeaderSplit, o: Value) -> None:
        c, meta = split.captured, split.meta
        offset, flags, a = c[12][4:], c[13], o.network.altered
        header = Signal(6)
        data = Signal()
        window = captured_value(c, (14, 15))
        some = [flags[FIN], flags[SYN], flags[RST], flags[ACK]]
        legal = {sum(1 << (FIN, SYN, RST, ACK).index(f) for f in flag_set) for flag_set in LEGAL_FLAGS}
        m.d.comb += [
            header.eq(Mux(offset < 5, 20, offset << 2)),
            o.section.eq(20),
            o.options.eq(header - 20),
            o.payload.eq(meta.length - header),
            o.syn.eq(flags[SYN]),
            o.rst.eq(flags[RST]),
            o.no_ack.eq(~flags[ACK]),
            o.trim.eq(flags[SYN] | flags[RST]),
            o.ack_words.eq(Mux(flags[ACK], captured_value(c, range(8, 12)), 0)),
            o.transport_length.eq((meta.length < 20) | (offset < 5) | (meta.length < header)),
            o.tcp_flags.eq(~Cat(Cat(*some) == value for value in legal).any()),
            data.eq((meta.length > header) & ~flags[SYN] & ~flags[RST]),
            a.tcp_ack_unused.eq(~flags[ACK] & Cat(*(c[k] for k in range(8, 12))).any()),
            a.tcp_reserved.eq(c[12][1:4].any()),
            a.tcp_ecn.eq(c[12][0] | flags[6:].any()),
            a.tcp_urgent.eq(flags[URG] | c[18].any() | c[19].any()),
            a.tcp_psh.eq(flags[PSH] != data),
            a.tcp_window.eq(Mux(flags[RST], window.any(), (window & (window - 1)).any())),
            a.tcp_payload.eq((meta.length > header) & o.trim),
        ]

    def _icmp(self, m: Module, split: HeaderSplit, o: Value, kinds: dict[Transport, Signal]) -> None:
        c, meta, a = split.captured, split.meta, o.network.altered
        icmp, icmpv6 = kinds[Transport.ICMP], kinds[Transport.ICMPV6]
        kind = c[0]
        source, destination = (captured_value(address, range(16)) for address in (meta.source, meta.destination))
        target = captured_value(c, range(8, 24))
        rs, ns, na, group, unspecified, echo, neighbour, placed, given, owned = (
            Signal(name=name)
            for name in ("rs", "ns", "na", "group", "unspecified", "echo", "neighbour", "placed", "given", "owned")
        )
        fixed = Signal(6)
        option = Cat(Const(1, 8), *(meta.ethernet.source_mac[k] for k in range(6)))
        m.d.comb += [
            group.eq(meta.destination[0] == 0xFF),
            unspecified.eq(source == 0),
            rs.eq(kind == 133),
            ns.eq(kind == 135),
            na.eq(kind == 136),
            echo.eq(
                (icmp & ((kind == 0) | (kind == 8)))
                | (icmpv6 & (kind[1:] == 128 >> 1) & self.policy.icmpv6 & ~group & ~unspecified)
            ),
            neighbour.eq(icmpv6 & self.policy.nd & (rs | ns | na)),
            fixed.eq(Mux(rs, 8, 24)),
            given.eq((meta.length > fixed) & ~unspecified),
            owned.eq(
                Mux(
                    rs,
                    (c[8] == 1) & (Cat(*(c[k] for k in range(9, 16))) == option),
                    (c[24] == Mux(na, 2, 1)) & (Cat(*(c[k] for k in range(25, 32))) == option),
                )
            ),
        ]
        with m.If(rs):
            m.d.comb += placed.eq(destination == ALL_ROUTERS)
        with m.Elif(na):
            m.d.comb += placed.eq((target == source) & ~unspecified & (~group | (destination == ALL_NODES)))
        with m.Elif(group):
            m.d.comb += placed.eq((destination[24:] == SOLICITED_NODE) & (destination[:24] == target[:24]))
        with m.Else():
            m.d.comb += placed.eq((target == destination) & ~unspecified)
        with m.If(icmp | icmpv6):
            m.d.comb += [
                o.section.eq(Mux(neighbour, fixed + (given << 3), 8)),
                o.payload.eq(meta.length - 8),
                o.trim.eq(neighbour),
                o.neighbour.eq(neighbour),
                o.unspecified.eq(icmpv6 & unspecified),
                o.group.eq(icmpv6 & group),
                o.target.eq(neighbour & ns & group),
                o.transport_length.eq((meta.length < 8) | (neighbour & (meta.length < fixed))),
                o.icmp_type.eq(~echo & ~neighbour),
                o.nd_fields.eq(
                    neighbour
                    & (
                        ~placed
                        | (meta.hop_limit != 255)
                        | c[1].any()
                        | (given & (~owned | (meta.length < fixed + 8)))
                    )
                ),
                a.icmp_code.eq(echo & c[1].any()),
                a.nd_reserved.eq(neighbour & (Mux(na, c[4][:5], c[4]).any() | Cat(c[5], c[6], c[7]).any())),
                a.nd_options.eq(neighbour & (meta.length > o.section)),
            ]
        with m.If(meta.ethernet.network == Network.IPV6):
            m.d.comb += a.ipv6_hop_limit.eq(meta.hop_limit != Mux(neighbour, 255, self.policy.ttl))
        # A neighbour solicitation to a group is for its target: that is the address to look up.
        with m.If(o.target):
            m.d.comb += [o.network.destination[k].eq(c[8 + k]) for k in range(16)]

    def _write(self, m: Module, split: HeaderSplit, o: Value, kinds: dict[Transport, Signal]) -> None:
        c, meta = split.captured, split.meta
        tcp, udp = kinds[Transport.TCP], kinds[Transport.UDP]
        icmp = kinds[Transport.ICMP] | kinds[Transport.ICMPV6]
        flags = c[13]
        header = Mux(c[12][4:] < 5, 20, c[12][4:] << 2)
        data = (meta.length > header) & ~flags[SYN] & ~flags[RST]
        new_flags = Cat(flags[FIN], flags[SYN], flags[RST], data, flags[ACK], Const(0, 3))
        high, low = Signal(8), Signal(8)
        with m.If(~flags[RST]):
            m.d.comb += [high.eq(_top_bit(c[14])), low.eq(Mux(c[14].any(), 0, _top_bit(c[15])))]
        reserved = Mux(c[0] == 136, c[4] & 0xE0, 0)
        neighbour = icmp & kinds[Transport.ICMPV6] & (c[0] >= 133)
        edits: dict[int, ValueLike] = {
            1: Mux(icmp, 0, c[1]),
            2: Mux(icmp, 0, c[2]),
            3: Mux(icmp, 0, c[3]),
            4: Mux(neighbour, reserved, c[4]),
            5: Mux(neighbour, 0, c[5]),
            6: Mux(udp | neighbour, 0, c[6]),
            7: Mux(udp | neighbour, 0, c[7]),
            12: Mux(tcp, 0, c[12]),
            13: Mux(tcp, new_flags, c[13]),
            14: Mux(tcp, high, c[14]),
            15: Mux(tcp, low, c[15]),
            **{at: Mux(tcp, 0, c[at]) for at in range(16, 20)},
        }
        write_section(m, split, self.section, o.section, edits)
        m.submodules.header_sum = unit = ByteSum(self.lanes)
        mask = Signal(self.lanes)
        for lane in range(self.lanes):
            with m.Switch(split.index):
                for at in range(lane, split.capture, self.lanes):
                    with m.Case(at // self.lanes):
                        m.d.comb += mask[lane].eq((at < o.section) & (~tcp if 8 <= at < 12 else 1))
        with m.If(split.new):
            m.d.sync += unit.mask.eq(mask)
        m.d.comb += [
            unit.valid.eq(self.section.valid),
            unit.bytes.eq(self.section.payload.data),
            unit.last.eq(self.section.payload.last),
            self.header_valid.eq(unit.o_valid),
            self.header_sum.eq(unit.o),
        ]

    def _sum_all(self, m: Module, split: HeaderSplit, covered: Value) -> None:
        """The end is known by byte 8 of a UDP header and from the start elsewhere: hence an absolute position."""
        m.submodules.all_sum = unit = ByteSum(self.lanes)
        base = Signal(11)
        left = Signal(11)
        m.d.comb += left.eq(Mux(covered > base, covered - base, 0))
        with m.If(split.new):
            m.d.sync += base.eq(Mux(split.held.last, 0, base + self.lanes))
        m.d.comb += [
            unit.valid.eq(split.new),
            unit.bytes.eq(split.held.data),
            unit.mask.eq(lanes_before(self.lanes, left) | (base < 8).replicate(self.lanes if self.lanes <= 8 else 0)),
            unit.last.eq(split.held.last),
            self.all_valid.eq(unit.o_valid),
            self.all_sum.eq(unit.o),
        ]


def _top_bit(byte: Value) -> Value:
    """The highest bit set, alone."""
    return Cat(*(byte[k] & ~byte[k + 1 :].any() for k in range(8)))
