# SPDX-License-Identifier: Apache-2.0
"""Reads the headers of canonical frames."""

from typing import Any

from amaranth import Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from custodes.flow_table import FlowKind
from gateware.control.guarded import guarded
from gateware.flow.layouts import EDGE_WRITE, HEADER, IDS

TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58
ECHOES = ((8, 0), (128, 129))
"""Types of request and reply: of ICMP, and of ICMPv6."""
ERRORS = ((3, 11, 12), (1, 2, 3, 4))
NEIGHBOURS = (133, 135, 136)
TYPE_WORD = 3
"""With the EtherType, or the tag before it."""
TCP_WORDS = 5
"""Of a header without options."""
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


AT = data.StructLayout({"word": 4, "ipv6": 1, "following": 8, "offset": 4, "reply": 1})
"""Where in its section the next word is, and what the words before it said about those after: ``following`` is the
protocol of what comes next, ``offset`` the length of a TCP header in words, ``reply`` is of echo."""


class Parser(wiring.Component):
    """Watches a direction's words go by, and tells what is in each frame's headers as soon as they have passed.

    Args:
        words: how many at a time.

    Members:
        valid, word, present, last: words of one frame; ``present`` says which are there, whole.
        ready: words may come. ``rest``: those of this frame that are to come say nothing.
        ids: one per frame, taken with its header.
        edge_valid, edge: a SACK edge, to be kept in the frame's bank: of two, as only the frame before is with the engine.
        header: one per frame, in order.
        fault: a mode register holds no mode. No other word is taken then, and no other header found.

    Latency 1 cycle after the last word of the headers. The next frame's type waits until the header has been taken. A frame
    that ends in its headers, or is not canonical, is ``bad``. Reset forgets what is under way.
    """

    valid: Signal
    word: data.View
    present: Signal
    last: Signal
    ready: Signal
    rest: Signal
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
                "ids": In(stream.Signature(IDS)),
                "edge_valid": Out(words),
                "edge": Out(data.ArrayLayout(EDGE_WRITE, words)),
                "header": Out(stream.Signature(HEADER)),
                "fault": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        at, found, pending = Signal(AT), Signal(HEADER), Signal()
        section, fault = guarded(Section)
        here, part, done, bad = at, section, [], []
        for number in range(self.words):
            step = _Step(m, number, part, here, self.word[number], found)
            m.d.comb += [step.after.eq(here), step.then.eq(part)]
            with m.If(self.valid & self.present[number]):
                step.take(self.edge_valid[number], self.edge[number])
            here, part = step.after, step.then
            done.append(step.done)
            bad.append(step.bad)
        any_done, cut, silent = Signal(), Signal(), Signal()
        header, bank = self.header, Signal()
        m.d.comb += [
            self.fault.eq(fault),
            any_done.eq(sum(done) != 0),
            cut.eq(self.last & (part != Section.REST)),
            # Of the next frame's words the first ones say nothing.
            silent.eq((section == Section.LINK) & (at.word + self.words <= TYPE_WORD) & ~self.last),
            self.rest.eq(section == Section.REST),
            self.ready.eq(~fault & (~pending | self.rest | silent)),
            header.valid.eq(pending & self.ids.valid),
            header.payload.eq(found),
            header.payload.ids.eq(self.ids.payload),
            header.payload.bank.eq(bank),
            self.ids.ready.eq(header.valid & header.ready),
            *(self.edge[number].bank.eq(bank) for number in range(self.words)),
            *(self.edge[number].edge.eq(self.word[number]) for number in range(self.words)),
        ]
        with m.If(self.ids.ready):
            m.d.sync += [bank.eq(~bank), found.eq(0), pending.eq(0)]
        with m.If(self.valid):
            m.d.sync += [at.eq(here), section.eq(part)]
            with m.If(self.last):
                m.d.sync += [section.eq(Section.LINK), at.word.eq(0), at.ipv6.eq(0)]
            with m.If(any_done | cut):
                m.d.sync += [pending.eq(1), found.bad.eq((sum(bad) != 0) | cut)]
        return m


class _Step:
    """What one word means, where ``section`` and ``here`` say which it is; ``then`` and ``after`` say so of the next."""

    def __init__(self, m: Module, number: int, section: Any, here: data.View, word: Value, found: data.View) -> None:
        self.m, self.section, self.here, self.word, self.found = m, section, here, word, found
        self.then = Signal(Section, name=f"then_{number}")
        self.after = Signal(AT, name=f"after_{number}")
        self.done, self.bad = Signal(name=f"done_{number}"), Signal(name=f"bad_{number}")

    def take(self, edge_valid: Value, edge: data.View) -> None:
        m, here = self.m, self.here
        m.d.comb += self.after.word.eq(here.word + 1)
        with m.Switch(self.section):
            with m.Case(Section.LINK), m.If(here.word >= TYPE_WORD):
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

    def _ends(self, bad: int = 0) -> None:
        self.m.d.comb += [self.then.eq(Section.REST), self.done.eq(1), self.bad.eq(bad)]

    def _ports(self, source: Value, destination: Value, kind: FlowKind) -> None:
        found = self.found
        self.m.d.sync += [found.source_port.eq(source), found.destination_port.eq(destination), found.kind.eq(kind)]

    def _link(self) -> None:
        m, ethertype = self.m, self.word[:16]
        with m.If(ethertype == 0x0800):
            self._goes(Section.IPV4)
        with m.Elif(ethertype == 0x86DD):
            self._goes(Section.IPV6)
            m.d.comb += self.after.ipv6.eq(1)
            m.d.sync += self.found.ipv6.eq(1)
        with m.Elif(ethertype == 0x0806):
            self._ends()
        with m.Elif((ethertype == 0x8100) & (self.here.word == TYPE_WORD)):
            m.d.sync += self.found.tagged.eq(1)
        with m.Else():
            self._ends(bad=1)

    def _ipv4(self) -> None:
        m, word = self.m, self.word
        with m.Switch(self.here.word):
            with m.Case(0):
                m.d.sync += self.found.length.eq(word[:16] - 20)
                with m.If(word[24:] != 0x45):
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
                m.d.comb += self.after.offset.eq(word[28:])
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
                    with m.If(found.syn & (word[16:] == WINDOW_SCALE)):
                        m.d.sync += [found.scaled.eq(1), found.scale.eq(word[:4])]
                    with m.If(~found.syn & (here.word == TCP_WORDS) & (word[8:] == SACK)):
                        m.d.sync += found.edges.eq((word[:8] - 2) >> 2)
                m.d.comb += [
                    edge_valid.eq(here.word > TCP_WORDS),
                    edge.number.eq(here.word - TCP_WORDS - 1),
                ]
        with m.If((here.word >= TCP_WORDS - 1) & (here.word + 1 >= here.offset)):
            self._ends()

    def _icmp(self) -> None:
        m, kind = self.m, self.word[24:]
        m.d.sync += self.found.checksum.eq(self.word[:16])
        for ipv6 in range(2):
            with m.If(self.here.ipv6 == ipv6), m.Switch(kind):
                with m.Case(*ECHOES[ipv6]):
                    self._goes(Section.ECHO)
                    m.d.comb += self.after.reply.eq(kind == ECHOES[ipv6][1])
                    m.d.sync += [self.found.kind.eq(FlowKind.ECHO), self.found.reply.eq(kind == ECHOES[ipv6][1])]
                with m.Case(*ERRORS[ipv6]):
                    self._goes(Section.ERROR)
                    m.d.sync += self.found.error.eq(1)
                if ipv6:
                    with m.Case(*NEIGHBOURS):
                        self._ends()
                with m.Default():
                    self._ends(bad=1)

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
            with m.Elif(icmp & (word[24:] == Mux(here.ipv6, ECHOES[1][0], ECHOES[0][0]))):
                m.d.sync += [found.kind.eq(FlowKind.ECHO), found.reply.eq(1)]
            with m.Else():
                self._ends(bad=1)
        with m.Else():
            with m.If(here.following == TCP):
                m.d.sync += found.acknowledgement.eq(word)
            with m.Elif(icmp):
                m.d.sync += [found.destination_port.eq(word[16:]), found.acknowledgement.eq(word[:16])]
            self._ends()
