# SPDX-License-Identifier: Apache-2.0
"""Network layer of the parser: RFC 826 (ARP), RFC 791 (IPv4), RFC 8200 (IPv6)."""

from ipaddress import IPv6Address

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from gateware.scrubber.beat import LayerInterface, LayerSignature, SectionInterface, SectionSignature
from gateware.scrubber.bytesum import ByteSum, sum_layout
from gateware.scrubber.layouts import ETHERNET, MACS, NETWORK, POLICY, Network, Transport
from gateware.scrubber.match import same_bytes
from gateware.scrubber.split import Edits, HeaderSplit, captured_value, write_section

ARP_FIXED = bytes.fromhex("00010800060400")
UNFIT = 2047
ALL_NODES, ALL_ROUTERS, SOLICITED_NODE = (
    IPv6Address(group).packed[:size] for group, size in (("ff02::1", 16), ("ff02::2", 16), ("ff02::1:ff00:0", 13))
)
"""The groups that neighbour discovery uses (RFC 4291 section 2.7.1); the last ends with three bytes of an address."""


class NetworkLayer(wiring.Component):
    """Takes ARP, IPv4 and IPv6 headers off, checks them, and makes the canonical ones but for lengths and checksum.

    Members:
        i: frames from the network header on, with the `ETHERNET` found; with one lane, two cycles
            or more apart, as they are without their Ethernet headers.
        section: the canonical header: 28 bytes of ARP, 20 of IPv4, 40 of IPv6.
        o: the rest, with the `NETWORK` found.
        header_valid, header_sum: one sum per frame over the IPv4 header.
        address_valid, address_sum: one sum per frame over both IP addresses.
        recall, source_byte, destination_byte: with one lane, the byte of either IPv6 address of the frame before, at once.
            ``recall`` is its place in the address plus 8, modulo 16, which it had in the network header.

    Latency 3 cycles, one beat per cycle. With one lane, the addresses in ``o.meta`` are where they were captured: those of
    a frame that ends at once stay for 17 cycles after its first beat of ``o``, MACs for 11, when the next frame's come.
    """

    i: LayerInterface
    policy: data.View
    section: SectionInterface
    o: LayerInterface
    header_valid: Signal
    header_sum: data.View
    address_valid: Signal
    address_sum: data.View
    recall: Signal
    source_byte: Signal
    destination_byte: Signal

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(
            {
                "i": In(LayerSignature(lanes, ETHERNET)),
                "policy": In(POLICY),
                "section": Out(SectionSignature(lanes)),
                "o": Out(LayerSignature(lanes, NETWORK)),
                "header_valid": Out(1),
                "header_sum": Out(sum_layout(lanes)),
                "address_valid": Out(1),
                "address_sum": Out(sum_layout(lanes)),
                "recall": In(4),
                "source_byte": Out(8),
                "destination_byte": Out(8),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.split = split = HeaderSplit(self.lanes, ETHERNET, 40, (28, *range(20, 61, 4)), self.lanes == 1)
        wiring.connect(m, wiring.flipped(self.i), split.i)
        c, kind = split.captured, split.meta.network
        ipv4, ipv6, arp = (Signal(name=name) for name in ("ipv4", "ipv6", "arp"))
        header_words = c[0][:4]
        long_enough = header_words >= 5
        m.d.comb += [
            ipv4.eq(kind == Network.IPV4),
            ipv6.eq(kind == Network.IPV6),
            arp.eq(kind == Network.ARP),
        ]
        length = Signal.like(split.length)
        with m.If(ipv6):
            m.d.comb += length.eq(40)
        with m.Elif(arp):
            m.d.comb += length.eq(28)
        with m.Else():
            m.d.comb += length.eq(Mux(ipv4 & long_enough, header_words << 2, 20))
        if self.lanes > 8:
            m.d.comb += split.length.eq(length)
        else:
            # Every header is longer than two beats, so that the length is in time a cycle later.
            m.d.sync += split.length.eq(length)

        plain = dict.fromkeys(range(18, 24), (arp & (c[7] == 1), 0))
        canonical = {0: 0x45, 1: 0, 2: 0, 3: 0, 4: 0, 5: 0, 6: 0x40, 7: 0, 8: self.policy.ttl, 10: 0, 11: 0}
        edits: Edits = {**plain, **{at: (ipv4, byte) for at, byte in canonical.items()}}
        for at, byte in {0: 0x60, 1: 0, 2: 0, 3: 0}.items():
            edits[at] = (ipv4 | ipv6, Mux(ipv6, byte, edits[at][1]))
        canonical_length = Mux(ipv6, 40, Mux(arp, 28, 20))
        write_section(m, split, self.section, canonical_length, edits, {})

        self._sums(m, split, ipv4, ipv6)
        if self.lanes == 1:
            self._remember(m, split, 8, self.source_byte)
            self._remember(m, split, 24, self.destination_byte)
        m.d.comb += [self.o.valid.eq(split.o_valid), self.o.payload.eq(split.o_payload)]
        same = self._compare(m, split)
        addresses = [
            *(self.o.meta.ethernet[key].eq(split.found.meta[key]) for key in MACS),
            *(self.o.meta.addresses[k].eq(split.found.captured[8 + k]) for k in range(32)),
        ]
        if self.lanes == 1:
            m.d.comb += addresses
        with m.If(split.found_valid):
            self._describe(m, split.found, same)
            if self.lanes > 1:
                m.d.sync += addresses
        return m

    def _sums(self, m: Module, split: HeaderSplit, ipv4: Value, ipv6: Value) -> None:
        lanes = self.lanes
        m.submodules.header_sum = header = ByteSum(lanes)
        m.submodules.address_sum = address = ByteSum(lanes)
        # A cycle later than the beat: the length comes late.
        index, end, is_ipv4, is_ipv6 = Signal.like(split.index), Signal.like(split.length), Signal(), Signal()
        m.d.sync += [index.eq(split.index), end.eq(split.length), is_ipv4.eq(ipv4), is_ipv6.eq(ipv6)]
        for unit in (header, address):
            m.d.sync += [unit.valid.eq(split.new), unit.bytes.eq(split.held.data), unit.last.eq(split.held.last)]
        bits = (lanes - 1).bit_length()
        for lane in range(lanes):
            position = Cat(Const(lane, bits), index) if bits else index
            v4 = (position >= 12) & (position < 20)
            v6 = (position >= 8) & (position < 40)
            m.d.comb += [
                header.mask[lane].eq(is_ipv4 & (position < end)),
                address.mask[lane].eq((is_ipv4 & v4) | (is_ipv6 & v6)),
            ]
        m.d.comb += [
            self.header_valid.eq(header.o_valid),
            self.header_sum.eq(header.o),
            self.address_valid.eq(address.o_valid),
            self.address_sum.eq(address.o),
        ]

    def _remember(self, m: Module, split: HeaderSplit, start: int, byte: Value) -> None:
        """Keep an IPv6 address where its bytes can be read one after the other. The next frame's header is not here before
        those bytes of this one that are compared with it have passed."""
        m.submodules[f"bytes_{start}"] = memory = Memory(shape=8, depth=16, init=[])
        read, write = memory.read_port(domain="comb"), memory.write_port()
        m.d.comb += [
            write.addr.eq(split.index),
            write.data.eq(split.held.data),
            write.en.eq(split.new & (split.index >= start) & (split.index < start + 16)),
            read.addr.eq(self.recall),
            byte.eq(read.data),
        ]

    @staticmethod
    def _compare(m: Module, split: HeaderSplit) -> dict[str, Value]:
        """What is the same as something else in the header of `HeaderSplit.found`."""
        source, destination = split.meta.source_mac, split.meta.destination_mac
        places = {
            "arp_fixed": (0, ARP_FIXED),
            "sender": (8, [source[k] for k in range(6)]),
            "target": (18, [destination[k] for k in range(6)]),
            "no_target": (18, bytes(6)),
            "no_sender": (14, bytes(4)),
            "gratuitous": (24, [split.captured[14 + k] for k in range(4)]),
            "unspecified": (8, bytes(16)),
            "group_mac": (36, [destination[k] for k in range(2, 6)]),
            "all_nodes": (24, ALL_NODES),
            "all_routers": (24, ALL_ROUTERS),
            "solicited_node": (24, SOLICITED_NODE),
        }
        return {name: same_bytes(m, split, start, wanted) for name, (start, wanted) in places.items()}

    def _describe(self, m: Module, found: data.View, same: dict[str, Value]) -> None:
        c, o, short, kind = found.captured, self.o.meta, found.short, found.meta.network
        ipv4, ipv6, arp = kind == Network.IPV4, kind == Network.IPV6, kind == Network.ARP
        request = c[7] == 1
        total, payload = captured_value(c, (2, 3)), captured_value(c, (4, 5))
        malformed = Mux(ipv4, (c[0][4:] != 4) | (c[0][:4] < 5) | (total < found.length), c[0][4:] != 6)
        fragment = ipv4 & (captured_value(c, (6, 7))[:14] != 0)
        protocol = Mux(ipv4, c[9], c[6])
        transport = Signal(Transport)
        with m.Switch(protocol):
            for number, kind, enabled in (
                (6, Transport.TCP, self.policy.tcp),
                (17, Transport.UDP, self.policy.udp),
                (1, Transport.ICMP, self.policy.icmp & ipv4),
                (58, Transport.ICMPV6, (self.policy.icmpv6 | self.policy.nd) & ipv6),
            ):
                with m.Case(number):
                    m.d.comb += transport.eq(Mux(enabled, kind, Transport.NONE))
        good = (ipv4 | ipv6) & ~short & ~malformed & ~fragment
        length = Signal(16)
        m.d.comb += length.eq(Mux(ipv4, total - found.length, Mux(ipv6, payload, 0)))
        minimum = Mux(found.meta.tagged, 42, 46)
        m.d.sync += [
            *(o.ethernet[key].eq(found.meta[key]) for key in ETHERNET.members if key not in MACS),
            o.transport.eq(Mux(good, transport, Transport.NONE)),
            o.arp_fields.eq(
                arp
                & (
                    short
                    | ~same["arp_fixed"]
                    | ((c[7] != 1) & (c[7] != 2))
                    | ~same["sender"]
                    | (~request & ~same["target"])
                )
            ),
            o.ip_header.eq((ipv4 | ipv6) & ~short & malformed),
            o.ip_short.eq((ipv4 | ipv6) & short),
            o.fragment.eq(fragment),
            o.protocol.eq((ipv4 | ipv6) & (transport == Transport.NONE)),
            o.length.eq(Mux(length[11:].any(), UNFIT, length[:11])),
            o.above_8.eq(payload > 8),
            o.above_24.eq(payload > 24),
            o.unspecified.eq(same["unspecified"]),
            o.before_minimum.eq(Mux(minimum > found.length, (minimum - found.length)[:6], 0)),
            o.hop_limit.eq(Mux(ipv4, c[8], c[7])),
            o.group_mac.eq((found.meta.destination_mac.as_value()[:16] == 0x3333) & same["group_mac"]),
            *(o[name].eq(same[name]) for name in ("all_nodes", "all_routers", "solicited_node")),
            o.request.eq(request),
            o.probe.eq(request & same["no_sender"]),
            o.gratuitous.eq(request & same["gratuitous"]),
        ]
        a = o.altered
        m.d.sync += [
            a.eq(0),
            a.vlan_priority.eq(found.meta.vlan_priority),
            a.arp_target_ha.eq(arp & request & ~same["no_target"]),
            a.ipv4_options.eq(ipv4 & (c[0][:4] != 5)),
            a.ipv4_dscp.eq(ipv4 & c[1][2:].any()),
            a.ipv4_ecn.eq(ipv4 & c[1][:2].any()),
            a.ipv4_id.eq(ipv4 & Cat(c[4], c[5]).any()),
            a.ipv4_flags.eq(ipv4 & (c[6][5:] != 0b010)),
            a.ipv4_ttl.eq(ipv4 & (c[8] != self.policy.ttl)),
            a.ipv6_traffic_class.eq(ipv6 & Cat(c[1][4:], c[0][:4]).any()),
            a.ipv6_flow_label.eq(ipv6 & Cat(c[1][:4], c[2], c[3]).any()),
        ]
