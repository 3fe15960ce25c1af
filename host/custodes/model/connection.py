# SPDX-License-Identifier: Apache-2.0
"""A TCP connection of the executable specification: both initial sequence numbers overwritten, and every number after them.

Sources: RFC 9293 sections 3.4, 3.5 and 3.10, RFC 2018 and 2883 (SACK), RFC 7323 section 2 (window scale). All numbers are
modulo 2^32. A station's *own* numbers are those that it sends; what it knows of its peer's are those that leave.

Of each end it is kept whether its ISN has been seen, what is added to its own numbers (the ISN that its word says, less its
own), and the *highest* sent: the own number that follows all it has sent, SYN and FIN included. Whatever a segment breaks of
the rules of `Connection.translate`, it is dropped as FLOW_STATE and changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from custodes.flow_table import LEAP_SPAN, SEQUENCE_SPAN
from custodes.model.frame import Drop
from custodes.model.transport import ACK, FIN, RST, SYN
from custodes.table import Reason

NUMBERS = 1 << 32
MAX_WINDOW_EXPONENT = 15


@dataclass(frozen=True, slots=True)
class Segment:
    """What of a TCP segment is translated or says how.

    ``scale`` is that of its window scale option, ``edges`` those of its SACK option in pairs; ``length`` of its payload.
    """

    flags: int
    sequence: int
    acknowledgement: int
    window: int
    length: int
    scale: int | None = None
    edges: tuple[int, ...] = ()

    def has(self, flag: int) -> bool:
        return bool(self.flags & flag)

    @property
    def opens(self) -> bool:
        """Whether it is a SYN without ACK."""
        return self.flags & (SYN | ACK) == SYN

    @property
    def end(self) -> int:
        """The number that follows it; of a RST, its own."""
        return (self.sequence + self.length + self.has(SYN) + self.has(FIN)) % NUMBERS


@dataclass(slots=True)
class End:
    """One end of a connection. ``isn`` is the one that leaves; ``delta`` is None until its own has been seen."""

    isn: int
    delta: int | None = None
    highest: int = 0
    scale: int | None = None
    fin: bool = False
    fin_acknowledged: bool = False

    def has_sent(self, number: int) -> bool:
        """Whether an own number is at most the highest sent, and less than `SEQUENCE_SPAN` before it."""
        return (self.highest - number) % NUMBERS < SEQUENCE_SPAN

    def own(self, number: int) -> int:
        """What the peer calls ``number``, in own numbers. Raises `Drop` where it has not been sent, or no ISN been seen."""
        if self.delta is None or not self.has_sent(number - self.delta):
            raise Drop(Reason.FLOW_STATE)
        return (number - self.delta) % NUMBERS


class Connection:
    """The numbers of a TCP flow.

    Args:
        isn_initiator, isn_responder: of the flow's word.
    """

    def __init__(self, isn_initiator: int, isn_responder: int) -> None:
        self.initiator, self.responder = End(isn_initiator), End(isn_responder)
        self.closed = False

    def end(self, initiated: bool) -> End:
        """The initiator's or the responder's."""
        return self.initiator if initiated else self.responder

    @property
    def half_open(self) -> bool:
        """Whether the responder's ISN has not been seen."""
        return self.responder.delta is None

    def replaced_by(self, segment: Segment) -> bool:
        """Whether a SYN without ACK of the initiator begins another connection: it does not repeat the last SYN, and this
        connection is closed or half open."""
        return not self._repeats(self.initiator, segment) and (self.closed or self.half_open)

    def translate(self, segment: Segment, initiated: bool, window_scale: int) -> Segment:
        """What leaves. The first that it sees must be the initiator's SYN.

        Rules, all of which hold of what is forwarded:

        - An end whose ISN has not been seen sends a SYN, with or without ACK, or else (the responder) RST with ACK, whose
          number leaves as 0: the connection is refused.
        - A SYN, with or without ACK, of an end whose ISN has been seen repeats it: its number + 1 is the highest sent.
        - Any other segment of such an end begins at the highest sent or less than `SEQUENCE_SPAN` before it; one with a
          payload may also begin less than `LEAP_SPAN` behind it.
        - A number that is acknowledged, and each SACK edge, has been sent (`End.own`). The right edge of a block less the
          left is 1 to `SEQUENCE_SPAN` - 1; the left may be before what is acknowledged (RFC 2883).
        - A SYN with ACK offers window scale only where the peer's last SYN did (RFC 7323 section 2.2).

        What is kept of it, in this order:

        - Of a SYN, the window scale, or that it offers none; of an end's first SYN, its ISN, which is followed by the
          highest sent.
        - Else, unless it is a RST, its end where that is behind the highest sent.
        - Of a FIN, that it was sent. Where the peer has sent one and its highest is acknowledged, that it is acknowledged.
        - That the connection is closed, for ever, by a RST or once both FINs are acknowledged.

        Args:
            initiated: the initiator sends it.
            window_scale: what leaves where a scale is offered. Windows of segments without SYN are turned into it where
                both ends have offered one: a power of two stays one, at least 1 and at most 2^15; 0 stays 0.
        """
        own, peer = self.end(initiated), self.end(not initiated)
        self._check_sequence(own, segment)
        acknowledgement = peer.own(segment.acknowledgement) if segment.has(ACK) else 0
        edges = tuple(peer.own(edge) for edge in segment.edges)
        if any(
            not 0 < (right - left) % NUMBERS < SEQUENCE_SPAN
            for left, right in zip(edges[::2], edges[1::2], strict=True)
        ):
            raise Drop(Reason.FLOW_STATE)
        if segment.has(SYN) and segment.has(ACK) and segment.scale is not None and peer.scale is None:
            raise Drop(Reason.FLOW_STATE)
        self._keep(own, peer, segment, acknowledgement)
        return replace(
            segment,
            sequence=0 if own.delta is None else (segment.sequence + own.delta) % NUMBERS,
            acknowledgement=acknowledgement,
            window=self._window(own, peer, segment, window_scale),
            scale=None if segment.scale is None else window_scale,
            edges=edges,
        )

    @staticmethod
    def _repeats(own: End, segment: Segment) -> bool:
        return (segment.sequence + 1 - own.highest) % NUMBERS == 0

    def _check_sequence(self, own: End, segment: Segment) -> None:
        first = own.delta is None
        if segment.has(SYN):
            good = first or self._repeats(own, segment)
        elif first:
            good = segment.has(RST) and segment.has(ACK)
        else:
            leap = (segment.sequence - own.highest) % NUMBERS
            good = own.has_sent(segment.sequence) or (segment.length > 0 and leap < LEAP_SPAN)
        if not good:
            raise Drop(Reason.FLOW_STATE)

    def _keep(self, own: End, peer: End, segment: Segment, acknowledgement: int) -> None:
        if segment.has(SYN):
            if own.delta is None:
                own.delta, own.highest = (own.isn - segment.sequence) % NUMBERS, segment.end
            own.scale = segment.scale
        elif not segment.has(RST) and (segment.end - own.highest) % NUMBERS < SEQUENCE_SPAN:
            own.highest = segment.end
        own.fin |= segment.has(FIN)
        if segment.has(ACK) and peer.fin and acknowledgement == peer.highest:
            peer.fin_acknowledged = True
        self.closed |= segment.has(RST) or (own.fin_acknowledged and peer.fin_acknowledged)

    @staticmethod
    def _window(own: End, peer: End, segment: Segment, window_scale: int) -> int:
        if segment.has(SYN) or not segment.window or own.scale is None or peer.scale is None:
            return segment.window
        exponent = segment.window.bit_length() - 1 + own.scale - window_scale
        return 1 << min(max(exponent, 0), MAX_WINDOW_EXPONENT)
