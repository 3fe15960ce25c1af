# SPDX-License-Identifier: Apache-2.0
"""What a frame says before its payload."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from gateware.pick import among
from gateware.sampler.layouts import LENGTH_BITS, WORD_BITS, key_layout, segment_layout

ARP, IPV4, IPV6 = 0x0806, 0x0800, 0x86DD
TCP, ICMPV6 = 6, 58
DISCOVERY = range(133, 137)
"""Neighbour discovery: RFC 4861, 4.1 to 4.4."""
TYPE_AT = 3
"""The word of a frame with its EtherType, and the first two octets of what follows."""
IP_AT = TYPE_AT + 1
"""The word with which the first of IP is there."""
FOUR_WORDS, SIX_WORDS = 5, 10
"""Of an IP header."""
TCP_BYTES, TCP_WORDS = 20, 5
"""Of a TCP header, without options."""
FOUR_END, SIX_END = (TYPE_AT + words + TCP_WORDS for words in (FOUR_WORDS, SIX_WORDS))
"""The word of a frame with which such a header ends."""
SOURCE_FOUR, SOURCE_SIX, ADDRESSES_SIX = 3, 2, 8
"""Words of an IP header: before the source address, and of both addresses."""
HALF = WORD_BITS // 2
COUNT_BITS = 5


class Header(wiring.Component):
    """Reads the words of a frame as they are taken.

    Members:
        begin: a frame begins after this cycle.
        server: it is the server's; steady from its first word on.
        take, word: a word of it, first octet the highest.
        flush: the second half of the word before becomes the first of a word of IP.
        enough: without delay, that the word that is next is the last that is of interest.
        packet: in the cycle after a word has been taken, that word and the one before, half of each: a word of IP.
        key, segment: what it says, 3 cycles after the last word of interest.
        seek: the key is there from the next cycle on. Never for what is no TCP.

    What is neither TCP in IP as it must be, nor ARP or neighbour discovery, is neither ``tcp`` nor ``plain``: also IPv4 with
    options or in fragments, and lengths that cannot be.
    """

    begin: Signal
    server: Signal
    take: Signal
    word: Signal
    flush: Signal
    enough: Signal
    packet: Signal
    key: data.View
    segment: data.View
    seek: Signal

    def __init__(self) -> None:
        super().__init__(
            {
                "begin": In(1),
                "server": In(1),
                "take": In(1),
                "word": In(WORD_BITS),
                "flush": In(1),
                "enough": Out(1),
                "packet": Out(WORD_BITS),
                "key": Out(key_layout()),
                "segment": Out(segment_layout()),
                "seek": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        index, at, valid, before = Signal(COUNT_BITS), Signal(COUNT_BITS), Signal(), Signal(HALF)
        arp, four, six = Signal(), Signal(), Signal()
        kind = self.word[HALF:]
        m.d.comb += self.enough.eq(index == Mux(six, SIX_END, FOUR_END))
        m.d.sync += [valid.eq(self.take & ~index.all()), at.eq(index)]
        with m.If(self.take):
            m.d.sync += [before.eq(self.word), self.packet.eq(Cat(kind, before)), index.eq(index + ~index.all())]
            with m.If(index == TYPE_AT):
                m.d.sync += [arp.eq(kind == ARP), four.eq(kind == IPV4), six.eq(kind == IPV6)]
        with m.If(self.flush):
            m.d.sync += self.packet[HALF:].eq(before)
        with m.If(self.begin):
            m.d.sync += [index.eq(0), arp.eq(0), four.eq(0), six.eq(0)]
        self._addresses(m, index, valid, four, six)
        self._segment(m, at, valid, arp, four, six)
        return m

    def _addresses(self, m: Module, index: Signal, valid: Signal, four: Signal, six: Signal) -> None:
        """Where the word of IP belongs that comes next."""
        place, placed = Signal(3), Signal()
        source_four, source_six = IP_AT + SOURCE_FOUR, IP_AT + SOURCE_SIX
        within = (index >= source_six) & (index < source_six + ADDRESSES_SIX)
        target = index == source_four + 1
        m.d.sync += [
            place.eq(Mux(six, index - source_six, target << 2) ^ (self.server << 2)),
            placed.eq(Mux(six, within, four & (target | (index == source_four)))),
        ]
        for number in range(ADDRESSES_SIX):
            with m.If(valid & placed & (place == number)):
                m.d.sync += self.key.words[number].eq(self.packet)
        # After all else, so that it is a reset and no logic; and a cycle later, as it is far from where frames end.
        cleared = Signal()
        m.d.sync += cleared.eq(self.begin)
        with m.If(cleared):
            m.d.sync += [self.key.words[number].eq(0) for number in range(ADDRESSES_SIX)]
        m.d.comb += self.key.six.eq(six)

    def _segment(self, m: Module, at: Signal, valid: Signal, arp: Signal, four: Signal, six: Signal) -> None:
        packet, segment = self.packet, self.segment
        length, protocol, offset = Signal(HALF), Signal(8), Signal(4)
        wrong, complete, typed, discovery = Signal(), Signal(), Signal(), Signal()
        transport = Mux(six, IP_AT + SIX_WORDS, IP_AT + FOUR_WORDS)
        with m.If(valid & (at == IP_AT)):
            m.d.sync += wrong.eq(Mux(six, packet[-4:] != 6, packet[-8:] != 0x45))
            with m.If(four):
                m.d.sync += length.eq(packet)
        with m.If(valid & (at == IP_AT + 1)):
            with m.If(six):
                m.d.sync += [length.eq(packet[HALF:]), protocol.eq(packet[8:])]
            with m.Elif(packet[:14].any()):
                m.d.sync += wrong.eq(1)
        with m.If(valid & (at == IP_AT + 2) & four):
            m.d.sync += protocol.eq(packet[16:])
        with m.If(valid & (at == transport)):
            m.d.sync += [
                self.key.words[-1].eq(Mux(self.server, packet.rotate_left(HALF), packet)),
                typed.eq(1),
                discovery.eq(among(packet[-8:], DISCOVERY)),
            ]
        with m.If(valid & (at == transport + 1)):
            m.d.sync += segment.sequence.eq(packet)
        with m.If(valid & (at == transport + 3)):
            m.d.sync += [offset.eq(packet[-4:]), segment.fin.eq(packet[16]), segment.rst.eq(packet[18]), complete.eq(1)]
        # Signed, so that what is too short shows.
        rest, skip, left = Signal(LENGTH_BITS + 1), Signal(5), Signal(LENGTH_BITS + 1)
        header = Mux(six, TCP_BYTES, 4 * FOUR_WORDS + TCP_BYTES)
        fits = ~(length[LENGTH_BITS:].any() | rest[-1] | skip[-1] | left[-1])
        internet = (four | six) & ~wrong
        m.d.sync += rest.eq(length[: LENGTH_BITS + 1] - header)
        m.d.comb += [
            skip.eq(offset - TCP_WORDS),
            left.eq(rest - (skip[:4] << 2)),
            self.seek.eq(valid & (at == transport) & internet & (protocol == TCP)),
        ]
        m.d.sync += [
            segment.rest.eq(rest),
            segment.skip.eq(skip),
            segment.length.eq(left),
            segment.tcp.eq(internet & complete & (protocol == TCP) & fits),
            segment.plain.eq(arp | (internet & six & typed & (protocol == ICMPV6) & discovery)),
        ]
        with m.If(self.begin):
            m.d.sync += [wrong.eq(0), complete.eq(0), typed.eq(0)]
