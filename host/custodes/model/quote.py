# SPDX-License-Identifier: Apache-2.0
"""What an ICMP error quotes: the IP header and the first eight bytes of the packet that it is about.

Sources: RFC 792, RFC 1122 section 3.2.2, RFC 1812 section 4.3.2.3, RFC 4443 section 2.4 (c). It is quoted as it left the
device, and all that tells more than which packet it was is made what it was when it left.
"""

from __future__ import annotations

from typing import NamedTuple

from custodes.model.checksum import checksum
from custodes.model.frame import Drop
from custodes.table import Reason

TRANSPORT_BYTES = 8
MAX_PACKET_BYTES = 1500
TCP, UDP = 6, 17
ECHO = {4: (1, 8), 6: (58, 128)}
"""Protocol and type of an echo request."""


class Quote(NamedTuple):
    """A quoted packet: its IP header, and so many bytes of its transport layer as are kept."""

    header: bytes
    transport: bytes

    @property
    def version(self) -> int:
        return self.header[0] >> 4

    @property
    def protocol(self) -> int:
        return self.header[9 if self.version == 4 else 6]

    @property
    def source(self) -> bytes:
        return self.header[12:16] if self.version == 4 else self.header[8:24]

    @property
    def destination(self) -> bytes:
        return self.header[16:20] if self.version == 4 else self.header[24:40]

    @property
    def whole_bytes(self) -> int:
        """How long the packet was whose beginning this is."""
        if self.version == 4:
            return int.from_bytes(self.header[2:4])
        return len(self.header) + int.from_bytes(self.header[4:6])


def header_bytes(version: int) -> int:
    return 20 if version == 4 else 40


def take_quote(data: bytes, version: int) -> Quote:
    """The quoted packet at the beginning of what follows the header of an error."""
    end = header_bytes(version)
    return Quote(data[:end], data[end : end + TRANSPORT_BYTES])


def scrub_quote(data: bytes, version: int, ttl: int) -> Quote:
    """The canonical quote: no options, the constants of the scrub table, checksums of zero but in the IPv4 header.

    Raises `Drop` where it is none of a whole TCP segment, UDP datagram or echo request that could have left. Addresses are
    left to the caller, and ports and numbers to the translator.
    """
    quote = take_quote(data, version)
    if not _well_formed(quote, data, version):
        raise Drop(Reason.ICMP_QUOTE)
    protocol, header, transport = quote.protocol, quote.header, quote.transport
    if version == 4:
        header = b"\x45\0" + header[2:4] + b"\0\0\x40\0" + bytes((ttl, protocol, 0, 0)) + header[12:]
        header = header[:10] + checksum(header).to_bytes(2) + header[12:]
    else:
        header = b"\x60\0\0\0" + header[4:6] + bytes((protocol, ttl)) + header[8:]
    if protocol == UDP:
        transport = transport[:6] + bytes(2)
    elif protocol != TCP:
        transport = transport[:1] + bytes(3) + transport[4:]
    return Quote(header, transport)


def _well_formed(quote: Quote, data: bytes, version: int) -> bool:
    if len(data) < header_bytes(version) + TRANSPORT_BYTES:
        return False
    if data[0] != 0x45 if version == 4 else data[0] >> 4 != 6:
        return False
    if version == 4 and int.from_bytes(data[6:8]) & 0x3FFF:
        return False
    transport_bytes = quote.whole_bytes - len(quote.header)
    if not TRANSPORT_BYTES <= transport_bytes <= MAX_PACKET_BYTES - len(quote.header):
        return False
    if quote.protocol == UDP:
        return int.from_bytes(quote.transport[4:6]) == transport_bytes
    return quote.protocol == TCP or (quote.protocol, quote.transport[0]) == ECHO[version]
