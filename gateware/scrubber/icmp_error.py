# SPDX-License-Identifier: Apache-2.0
"""ICMP errors and the packets that they quote: RFC 792, RFC 1122 and RFC 1812 (ICMP), RFC 4443 section 3 (ICMPv6).

Of an error there leave its 8 bytes of header, the quoted network header, made canonical, and 8 bytes of what that carried.
"""

from amaranth import Mux
from amaranth.hdl import Value
from amaranth.lib import data

from gateware.pick import among
from gateware.scrubber.layouts import Transport
from gateware.scrubber.split import Edits, captured_value

IPV4_BYTES, IPV6_BYTES = 20, 40
QUOTED_IPV4 = range(8, 8 + IPV4_BYTES)
"""Where a quoted IPv4 header is in the message."""
IPV4_MESSAGE, IPV6_MESSAGE = QUOTED_IPV4.stop + 8, QUOTED_IPV4.start + IPV6_BYTES + 8
"""Bytes that leave."""
LAST_CODES = {
    Transport.ICMP: {3: 15, 11: 1, 12: 2},
    Transport.ICMPV6: {1: 6, 2: 0, 3: 1, 4: 2},
}
"""The types that are admitted, and the last code of each; all that are lower are admitted, too."""
FRAGMENTATION_NEEDED, PACKET_TOO_BIG = (3, 4), 2
MTU = 1280
MAX_PACKET_BYTES = 1500
ECHO_REQUEST = {Transport.ICMP: 8, Transport.ICMPV6: 128}
TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58


def is_error(kind: Value, transport: Value, icmpv6: Value) -> Value:
    """Whether a message of this type is an error; ``icmpv6``: those of ICMPv6 are admitted."""
    ipv4, ipv6 = transport == Transport.ICMP, (transport == Transport.ICMPV6) & icmpv6
    return (ipv4 & among(kind, LAST_CODES[Transport.ICMP])) | (ipv6 & among(kind, LAST_CODES[Transport.ICMPV6]))


def code_known(captured: data.View, transport: Value) -> Value:
    """Whether an error of this type has this code."""
    kind, code = captured[0], captured[1]
    known = Value.cast(0)
    for protocol, codes in LAST_CODES.items():
        for number, last in codes.items():
            known = known | ((transport == protocol) & (kind == number) & (code <= last))
    return known


def quoted_payload(captured: data.View, ipv4: Value) -> Value:
    """How many bytes the quoted network header says that it carries; many, where it says less than nothing."""
    total, payload = captured_value(captured, (10, 11)), captured_value(captured, (12, 13))
    return (Mux(ipv4, total, payload) - Mux(ipv4, IPV4_BYTES, 0))[:16]


def quote_fits(ipv4: Value, payload: Value) -> Value:
    """Whether a canonical packet can have had a ``payload`` of so many bytes, and enough to be quoted."""
    return (payload >= 8) & (payload <= MAX_PACKET_BYTES - Mux(ipv4, IPV4_BYTES, IPV6_BYTES))


def quote_fault(captured: data.View, ipv4: Value, length: Value, fits: Value) -> tuple[Value, Value]:
    """Whether a message of ``length`` bytes does not quote what can have been a canonical packet of TCP, UDP or ICMP whose
    payload ``fits``, a UDP length left out; and whether it is one of ICMP, which must be `quoted_echo`. Up to byte 17 of
    the message tells."""
    c = captured
    protocol = Mux(ipv4, c[17], c[14])
    icmp = protocol == Mux(ipv4, ICMP, ICMPV6)
    fragment = captured_value(c, (14, 15))[:14].any()
    of_ipv4 = (length < IPV4_MESSAGE) | (c[8] != 0x45) | fragment
    of_ipv6 = (length < IPV6_MESSAGE) | (c[8][4:] != 6)
    return Mux(ipv4, of_ipv4, of_ipv6) | ~fits | ~(icmp | (protocol == UDP) | (protocol == TCP)), icmp


def quoted_echo(captured: data.View, ipv4: Value) -> Value:
    """Whether a quoted packet of ICMP is an echo request."""
    return Mux(
        ipv4,
        captured[28] == ECHO_REQUEST[Transport.ICMP],
        captured[48] == ECHO_REQUEST[Transport.ICMPV6],
    )


def quoted_udp(captured: data.View, ipv4: Value) -> Value:
    """Whether the quoted packet is one of UDP."""
    return Mux(ipv4, captured[17], captured[14]) == UDP


def error_edits(captured: data.View, ipv4: Value, ipv6: Value, ttl: Value) -> Edits:
    """What makes an error canonical but for its own checksum and the quoted header's; ``ipv4``, ``ipv6``: it is one, of
    either version. What `quote_fault` lets through in one way only stays as it is."""
    c, error = captured, ipv4 | ipv6
    protocol = Mux(ipv4, c[17], c[14])
    echo, udp = protocol == Mux(ipv4, ICMP, ICMPV6), protocol == UDP
    kind, code = FRAGMENTATION_NEEDED
    tells_mtu = Mux(ipv4, (c[0] == kind) & (c[1] == code), c[0] == PACKET_TOO_BIG)
    mtu = MTU.to_bytes(2)
    return {
        **dict.fromkeys((2, 3, 4, 5), (error, 0)),
        **{6 + k: (error, Mux(tells_mtu, mtu[k], 0)) for k in range(2)},
        8: (ipv6, 0x60),
        9: (error, 0),
        **dict.fromkeys((10, 11), (ipv6, 0)),
        **dict.fromkeys((12, 13, 18, 19), (ipv4, 0)),
        14: (ipv4, 0x40),
        15: (ipv6, ttl),
        16: (ipv4, ttl),
        **{at + k: (where & echo, 0) for at, where in ((28, ipv4), (48, ipv6)) for k in (1, 2, 3)},
        **{at + k: (where & udp, 0) for at, where in ((28, ipv4), (48, ipv6)) for k in (6, 7)},
    }
