# SPDX-License-Identifier: Apache-2.0
"""Reads the headers of canonical frames."""

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value, ValueLike
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from custodes.flow_table import FlowKind
from gateware.control.guarded import guarded
from gateware.flow.layouts import EDGE_WRITE, HEADER, IDS
from gateware.pick import among

TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58
ICMP_TYPES = (((8,), (0,), (3, 11, 12), ()), ((128,), (129,), (1, 2, 3, 4), (133, 135, 136)))
"""Of ICMP, and of ICMPv6: requests, replies, errors, and what neighbours say."""
TYPE_WORD = 3
"""With the EtherType, or the tag before it."""
TCP_WORDS = 5
"""Of a header without options."""
WORDS = 1 << 4
"""More than any section has."""
WINDOW_SCALE, SACK = 0x0103, 0x0101_05
"""How the words of the rebuilt options begin in which these are."""


class Section(enum.Enum, shape=7):
    """What the next word is part of. SEC_CM: FLOW.MODE.GUARDED"""

    LINK = 0b000_0000
    IPV4 = 0b011_0001
    IPV6 = 0b101_0010
    TCP = 0b110_0011
    UDP = 0b110_0100
    ICMP = 0b101_0101
    ECHO = 0b011_0110
    ERROR = 0b000_0111
    QUOTE_IPV4 = 0b111_1000
    QUOTE_IPV6 = 0b100_1001
    QUOTE = 0b010_1010
    REST = 0b001_1011


AT = data.StructLayout({"word": 4, "ipv6": 1, "following": 8, "final": 4, "reply": 1})
"""Where in its section the next word is, and what the words before it said about those after: ``following`` is the
protocol of what comes next, ``final`` the last word of a TCP header, ``reply`` is of echo."""


MARKS = data.StructLayout(
    dict.fromkeys(("ipv4", "ipv6", "arp", "tag", "plain", "request", "reply", "error", "neighbour", "scale", "sack"), 1)
)
"""What a word would say: of EtherTypes; that a header is ``plain``, of IPv4 without options; of types of ICMP; of TCP
options."""


def marks_of(word: Value, ipv6: Value) -> Value:
    """All that a word can say, found out before it is known what it is. ICMP is that of IPv4 or IPv6."""
    ethertype, kind = word[:16], word[24:]
    kinds = [Mux(ipv6, among(kind, six), among(kind, four)) for four, six in zip(*ICMP_TYPES, strict=True)]
    return Cat(
        *(ethertype == number for number in (0x0800, 0x86DD, 0x0806, 0x8100)),
        kind == 0x45,
        *kinds,
        word[16:] == WINDOW_SCALE,
        word[8:] == SACK,
    )


class Parser(wiring.Component):
    """Watches a direction's words go by, and tells what is in each frame's headers as soon as they have passed.

    Args:
        words: how many at a time.

    Members:
        valid, word, present, last: words of one frame; ``present`` says which are there, whole.
        ready: words may come. ``rest``: those of this frame that are to come say nothing.
        taken, taken_word: for one cycle, what came in the cycle before.
        ids: one per frame, taken with its header.
        edge_valid, edge: a SACK edge, to be kept in the frame's bank: of two, as only the frame before is with the engine.
        header: one per frame, in order.
        fault: a mode register holds no mode. No other word is taken then, and no other header found.

    Latency 3 cycles after the last word of the headers. The next frame's words wait until the header has been taken, which
    takes a cycle to be known. A frame that ends in its headers, or is not canonical, is ``bad``. Reset forgets what is
    under way.
    """

    valid: Signal
    word: data.View
    present: Signal
    last: Signal
    ready: Signal
    rest: Signal
    taken: Signal
    taken_word: data.View
    ids: stream.Interface
    edge_valid: Signal
    edge: data.View
    header: stream.Interface
    fault: Signal

    def __init__(self, words: int) -> None:
        self.words = words
        super().__init__(
            {
                "valid": In(1),
                "word": In(data.ArrayLayout(32, words)),
                "present": In(words),
                "last": In(1),
                "ready": Out(1),
                "rest": Out(1),
                "taken": Out(1),
                "taken_word": Out(data.ArrayLayout(32, words)),
                "ids": In(stream.Signature(IDS)),
                "edge_valid": Out(words),
                "edge": Out(data.ArrayLayout(EDGE_WRITE, words)),
                "header": Out(stream.Signature(HEADER)),
                "fault": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        at, pending = Signal(AT), Signal()
        # Cleared when it has been taken, and after reset.
        found, cleared = Signal(HEADER, reset_less=True), Signal(init=1)
        section, fault = guarded(Section)
        there, present, last = Signal(), Signal(self.words), Signal()
        word = Signal(data.ArrayLayout(32, self.words), reset_less=True)
        marks = Signal(data.ArrayLayout(MARKS, self.words), reset_less=True)
        here, part, done, bad = at, section, [], []
        looks = Signal()
        for number in range(self.words):
            step = _Step(m, number, part, here, word[number], marks[number], found)
            m.d.comb += [step.after.eq(here), step.then.eq(part)]
            with m.If(looks & present[number]):
                step.take(self.edge_valid[number], self.edge[number])
            here, part = step.after, step.then
            done.append(step.done)
            bad.append(step.bad)
        ended, spoiled, cut, broken = Signal(), Signal(), Signal(), Signal()
        header, bank = self.header, Signal()
        m.d.comb += [
            self.fault.eq(fault),
            self.rest.eq(section == Section.REST),
            looks.eq(there & ~broken & ~(ended | cut | pending)),
            # What is there goes in this cycle, or nothing is.
            self.ready.eq(~broken & (~there | ~(ended | cut | pending) | self.rest)),
            self.taken_word.eq(word),
            header.valid.eq(pending & ~cleared & self.ids.valid),
            header.payload.eq(found),
            header.payload.ids.eq(self.ids.payload),
            header.payload.bank.eq(bank),
            self.ids.ready.eq(header.valid & header.ready),
            *(self.edge[number].bank.eq(bank) for number in range(self.words)),
            *(self.edge[number].edge.eq(word[number]) for number in range(self.words)),
        ]
        m.d.sync += [broken.eq(fault), self.taken.eq(self.valid), cleared.eq(self.ids.ready)]
        with m.If(cleared):
            m.d.sync += [bank.eq(~bank), found.eq(0), pending.eq(0)]
        with m.If(self.ready):
            m.d.sync += [there.eq(self.valid), word.eq(self.word), present.eq(self.present), last.eq(self.last)]
            m.d.sync += [marks[number].eq(marks_of(self.word[number], at.ipv6)) for number in range(self.words)]
        with m.If(looks):
            m.d.sync += [at.eq(here), section.eq(part)]
        # In the cycle after: that the headers have ended, or the frame.
        m.d.sync += [ended.eq(sum(done) != 0), spoiled.eq(sum(bad) != 0), cut.eq(looks & last & ~self.rest)]
        with m.If(ended | cut):
            m.d.sync += [pending.eq(1), found.bad.eq(spoiled | ~ended)]
        # What is no mode stays so.
        with m.If(there & last & self.ready & ~fault):
            m.d.sync += [section.eq(Section.LINK), at.word.eq(0), at.ipv6.eq(0)]
        return m


def _next(number: Value) -> Value:
    """The next number, of so few bits that no carry need be waited for."""
    return number ^ Cat(Const(1, 1), *(number[:bit].all() for bit in range(1, len(number))))


def _final(offset: Value) -> Value:
    """The last word of a TCP header that says how long it is: of those that say too little, that of one without options."""
    finals = [max(words, TCP_WORDS) - 1 for words in range(WORDS)]
    return Cat(among(offset, (at for at, final in enumerate(finals) if final >> bit & 1)) for bit in range(len(offset)))


class _Step:
    """What one word means, where ``section`` and ``here`` say which it is; ``then`` and ``after`` say so of the next."""

    def __init__(
        self,
        m: Module,
        number: int,
        section: Any,
        here: data.View,
        word: Value,
        marks: data.View,
        found: data.View,
    ) -> None:
        self.m, self.section, self.here, self.word, self.marks, self.found = m, section, here, word, marks, found
        self.then = Signal(Section, name=f"then_{number}")
        self.after = Signal(AT, name=f"after_{number}")
        self.done, self.bad = Signal(name=f"done_{number}"), Signal(name=f"bad_{number}")

    def take(self, edge_valid: Value, edge: data.View) -> None:
        m, here = self.m, self.here
        m.d.comb += self.after.word.eq(_next(here.word))
        with m.Switch(self.section):
            with m.Case(Section.LINK), m.If(among(here.word, range(TYPE_WORD, WORDS))):
                self._link()
            with m.Case(Section.IPV4):
                self._ipv4()
            with m.Case(Section.IPV6):
                self._ipv6()
            with m.Case(Section.TCP):
                self._tcp(edge_valid, edge)
            with m.Case(Section.UDP):
                with m.If(here.word == 0):
                    self._ports(self.word[16:], self.word[:16], FlowKind.UDP)
                with m.Else():
                    m.d.sync += self.found.checksum.eq(self.word[:16])
                    self._ends()
            with m.Case(Section.ICMP):
                self._icmp()
            with m.Case(Section.ECHO):
                self._echo()
            with m.Case(Section.ERROR):
                with m.If(here.ipv6):
                    self._goes(Section.QUOTE_IPV6)
                with m.Else():
                    self._goes(Section.QUOTE_IPV4)
            with m.Case(Section.QUOTE_IPV4):
                with m.If(here.word == 2):
                    m.d.comb += self.after.following.eq(self.word[16:24])
                with m.If(here.word == 4):
                    self._goes(Section.QUOTE)
            with m.Case(Section.QUOTE_IPV6):
                with m.If(here.word == 1):
                    m.d.comb += self.after.following.eq(self.word[8:16])
                with m.If(here.word == 9):
                    self._goes(Section.QUOTE)
            with m.Case(Section.QUOTE):
                self._quote()

    def _goes(self, section: Section) -> None:
        self.m.d.comb += [self.then.eq(section), self.after.word.eq(0)]

    def _ends(self, bad: ValueLike = 0) -> None:
        self.m.d.comb += [self.then.eq(Section.REST), self.done.eq(1), self.bad.eq(bad)]

    def _ports(self, source: Value, destination: Value, kind: FlowKind) -> None:
        found = self.found
        self.m.d.sync += [found.source_port.eq(source), found.destination_port.eq(destination), found.kind.eq(kind)]

    def _link(self) -> None:
        m, marks = self.m, self.marks
        with m.If(marks.ipv4):
            self._goes(Section.IPV4)
        with m.Elif(marks.ipv6):
            self._goes(Section.IPV6)
            m.d.comb += self.after.ipv6.eq(1)
            m.d.sync += self.found.ipv6.eq(1)
        with m.Elif(marks.tag & (self.here.word == TYPE_WORD)):
            m.d.sync += self.found.tagged.eq(1)
        with m.Else():
            self._ends(bad=~marks.arp)

    def _ipv4(self) -> None:
        m, word = self.m, self.word
        with m.Switch(self.here.word):
            with m.Case(0):
                m.d.sync += self.found.length.eq(word[:16] - 20)
                with m.If(~self.marks.plain):
                    self._ends(bad=1)
            with m.Case(2):
                m.d.comb += self.after.following.eq(word[16:24])
            with m.Case(4):
                self._transport(ICMP)

    def _ipv6(self) -> None:
        m, word = self.m, self.word
        with m.Switch(self.here.word):
            with m.Case(1):
                m.d.sync += self.found.length.eq(word[16:])
                m.d.comb += self.after.following.eq(word[8:16])
            with m.Case(9):
                self._transport(ICMPV6)

    def _transport(self, icmp: int) -> None:
        m = self.m
        with m.Switch(self.here.following):
            for protocol, section in ((TCP, Section.TCP), (UDP, Section.UDP), (icmp, Section.ICMP)):
                with m.Case(protocol):
                    self._goes(section)
            with m.Default():
                self._ends(bad=1)

    def _tcp(self, edge_valid: Value, edge: data.View) -> None:
        m, here, word, found = self.m, self.here, self.word, self.found
        with m.Switch(here.word):
            with m.Case(0):
                self._ports(word[16:], word[:16], FlowKind.TCP)
            with m.Case(1):
                m.d.sync += found.sequence.eq(word)
            with m.Case(2):
                m.d.sync += found.acknowledgement.eq(word)
            with m.Case(3):
                m.d.comb += self.after.final.eq(_final(word[28:]))
                m.d.sync += [
                    found.offset.eq(word[28:]),
                    found.fin.eq(word[16]),
                    found.syn.eq(word[17]),
                    found.rst.eq(word[18]),
                    found.ack.eq(word[20]),
                    found.window.eq(word[:16]),
                ]
            with m.Case(4):
                m.d.sync += found.checksum.eq(word[16:])
            with m.Default():
                with m.If(found.edges == 0):
                    with m.If(found.syn & self.marks.scale):
                        m.d.sync += [found.scaled.eq(1), found.scale.eq(word[:4])]
                    with m.If(~found.syn & (here.word == TCP_WORDS) & self.marks.sack):
                        m.d.sync += found.edges.eq((word[:8] - 2) >> 2)
                m.d.comb += [
                    edge_valid.eq(here.word != TCP_WORDS),
                    edge.number.eq(Cat(here.word[0], here.word[1:3] - (TCP_WORDS + 1) // 2)),
                ]
        with m.If((here.word == here.final) & among(here.word, range(TCP_WORDS - 1, WORDS))):
            self._ends()

    def _icmp(self) -> None:
        m, marks = self.m, self.marks
        m.d.sync += self.found.checksum.eq(self.word[:16])
        with m.If(marks.request | marks.reply):
            self._goes(Section.ECHO)
            m.d.comb += self.after.reply.eq(marks.reply)
            m.d.sync += [self.found.kind.eq(FlowKind.ECHO), self.found.reply.eq(marks.reply)]
        with m.Elif(marks.error):
            self._goes(Section.ERROR)
            m.d.sync += self.found.error.eq(1)
        with m.Else():
            self._ends(bad=~marks.neighbour)

    def _echo(self) -> None:
        m, word, found = self.m, self.word, self.found
        with m.If(self.here.reply):
            m.d.sync += [found.destination_port.eq(word[16:]), found.acknowledgement.eq(word[:16])]
        with m.Else():
            m.d.sync += [found.source_port.eq(word[16:]), found.sequence.eq(word[:16])]
        self._ends()

    def _quote(self) -> None:
        m, here, word, found = self.m, self.here, self.word, self.found
        icmp = here.following == Mux(here.ipv6, ICMPV6, ICMP)
        with m.If(here.word == 0):
            with m.If(here.following == TCP):
                self._ports(word[:16], word[16:], FlowKind.TCP)
            with m.Elif(here.following == UDP):
                self._ports(word[:16], word[16:], FlowKind.UDP)
            with m.Elif(icmp & self.marks.request):
                m.d.sync += [found.kind.eq(FlowKind.ECHO), found.reply.eq(1)]
            with m.Else():
                self._ends(bad=1)
        with m.Else():
            with m.If(here.following == TCP):
                m.d.sync += found.acknowledgement.eq(word)
            with m.Elif(icmp):
                m.d.sync += [found.destination_port.eq(word[16:]), found.acknowledgement.eq(word[:16])]
            self._ends()
