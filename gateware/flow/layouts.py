# SPDX-License-Identifier: Apache-2.0
"""What travels through the Translator, and what it keeps of a flow."""

from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from custodes.flow_table import ADDRESS_ID_BITS, PORT_BITS

IDS = data.StructLayout({"source": ADDRESS_ID_BITS, "destination": ADDRESS_ID_BITS})
"""Where the addresses of a frame are in the address table."""
POLICY = data.StructLayout({"window_scale": 4, "ephemeral_from": 16})

WORD = data.StructLayout({"data": 32, "count": range(5), "last": 1})
"""Four bytes of a frame, the first in the highest bits; a frame's first word begins with two bytes that are none, so that
every header after the addresses of Ethernet fills whole words. ``count`` is the number of bytes up to the frame's end,
those two included."""

MAX_EDGES = 2 * 4
"""Two of each of the four blocks that a SACK option has room for: RFC 2018, section 3."""

HEADER = data.StructLayout(
    {
        "tagged": 1,
        "ipv6": 1,
        "kind": 2,
        "bad": 1,
        "error": 1,
        "reply": 1,
        "ids": IDS,
        "source_port": PORT_BITS,
        "destination_port": PORT_BITS,
        "sequence": 32,
        "acknowledgement": 32,
        "syn": 1,
        "fin": 1,
        "rst": 1,
        "ack": 1,
        "length": 16,
        "offset": 4,
        "window": 16,
        "checksum": 16,
        "scaled": 1,
        "scale": 4,
        "edges": range(MAX_EDGES + 1),
        "bank": 1,
    }
)
"""What is needed of a canonical frame. ``kind`` is a `FlowKind`, or 0 for a frame that is not translated; ``bad``: it is not
canonical. An ICMP error (``error``) is described as the segment, datagram or echo reply (``reply``) that would answer what
it quotes: ports are swapped, and the quoted sequence number is what it acknowledges. Of echo, the identifier is the port of
who asks, and the sequence number is ``sequence`` in a request and ``acknowledgement`` in a reply. ``length`` is that of the
IP payload, ``offset`` that of the TCP header in words; ``scaled``: there is a window ``scale``; ``edges`` is the number of
SACK edges, which are in ``bank`` of their memory. What a frame does not have is 0."""

EDGE_WRITE = data.StructLayout({"bank": 1, "number": range(8), "edge": 32})
"""A SACK edge, and where it is kept: with those of its frame."""

KEY = data.StructLayout(
    {
        "kind": 2,
        "initiator": ADDRESS_ID_BITS,
        "responder": ADDRESS_ID_BITS,
        "initiator_port": PORT_BITS,
        "responder_port": PORT_BITS,
        "side": 1,
        "field": PORT_BITS - 1,
        "mapped": 1,
    }
)
"""A way of a set. ``side`` begins the flow, and is the highest bit of its slot; the others are the lowest of ``field``,
which is the port that the responder sees, but for its highest bit, where the flow is ``mapped``. Without a flow ``kind``
is 0."""


STAMP_BITS = 4
"""Ticks modulo 16: the sweep has passed by every slot long before the number of an expired flow comes again."""

END = data.StructLayout(
    {
        "delta": 32,
        "highest": 32,
        "seen": 1,
        "scale": 4,
        "offered": 1,
        "fin": 1,
        "fin_acknowledged": 1,
    }
)
"""What is kept of one end of a flow: what is added to its sequence numbers, or the initial sequence number that is to be
seen while its own has not been ``seen``; the highest that it has sent (of echo, the last that was asked for), and what it
offered."""
STATE = data.StructLayout({"initiator": END, "responder": END})

CREATION = data.StructLayout({"isn_initiator": 32, "isn_responder": 32, "port": 16, "echo_sequence": 16})
"""The fields of a word of entropy."""

VERDICT = data.StructLayout(
    {"forward": 1, "tagged": 1, "ipv6": 1, "kind": 2, "error": 1, "scaled": 1, "edges": range(MAX_EDGES + 1)}
)
"""Whether a frame is forwarded, and which of its words change."""


class Place(enum.Enum, shape=3):
    """Which of the words it is that are put in the place of a frame's own, see `EDITS`. Of `WINDOW` only the lower half is,
    `CHECKSUM` is the same in both, and `DELTA` is taken from SACK edges."""

    FIRST = 0
    SECOND = 1
    THIRD = 2
    WINDOW = 3
    CHECKSUM = 4
    DELTA = 5


RESULTS = wiring.Signature(
    {
        "write": Out(1),
        "place": Out(Place),
        "word": Out(32),
        "valid": Out(1),
        "verdict": Out(VERDICT),
        "room": In(1),
    }
)
"""Results on their way to the frames that they are of: words one by one, and the verdict with the last. Where there is
``room``, another may be found, which comes later than in this cycle or the next."""
