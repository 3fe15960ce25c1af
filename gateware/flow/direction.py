# SPDX-License-Identifier: Apache-2.0
"""One direction of the Translator: frames wait for what becomes of them."""

from typing import Any

from amaranth import Cat, Module, Signal
from amaranth.hdl import Value
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from gateware.flow.feed import FEED_WORDS, Feed
from gateware.flow.layouts import HEADER, IDS, RESULTS, WORD
from gateware.flow.parser import Parser
from gateware.flow.results import Results, WholeResults
from gateware.flow.rewriter import WordRewriter
from gateware.flow.wide import BeatRewriter
from gateware.flow.words import Assembler, Disassembler
from gateware.session.memories import DISTRIBUTED
from gateware.stream import FrameSignature, Queue, SkidBuffer, beat_layout

STORE_DEPTH = 512
"""Words of 4 bytes with one lane, else beats: as deep as a block RAM is where it is widest."""
EDGES = 16
"""Two banks of 8 SACK edges: of the frame that is with the engine, and of the next."""
STORE_SPARE = 4
"""Places that stay free: whether there is one is known three cycles late."""
STORE_REGISTERS = 2
"""With one lane, as the rewriter begins with another."""
MAX_INSIDE = 1 << 10
"""More frames than fit."""


class Direction(wiring.Component):
    """Frames from one side to the other.

    Args:
        lanes: bytes per beat.

    Members:
        i, o: frames.
        ids: of each frame's addresses, no later than its first beat.
        header, result: to and from the `Engine`.
        edge_bank, edge_number, edge: SACK edges for it, read without delay.
        window_scale: see `edited_word`.
        busy: frames are inside.
        fault: see `Parser`.

    Latency: a frame leaves as soon as its result is there. Throughput, if the engine is fast enough: one beat per cycle;
    with more than one lane, or where a frame's last word has a single byte, a cycle passes between two frames.
    Back-pressure: a stalled output fills the store (2 kB with one lane, else 512 beats); a header that waits for the
    engine holds the next frame back. Reset forgets every frame inside.
    """

    i: stream.Interface
    o: stream.Interface
    ids: stream.Interface
    header: stream.Interface
    result: Any
    edge_bank: Signal
    edge_number: Signal
    edge: Signal
    window_scale: Signal
    busy: Signal
    fault: Signal

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        frames = FrameSignature(lanes)
        super().__init__(
            {
                "i": In(frames),
                "o": Out(frames),
                "ids": In(stream.Signature(IDS)),
                "header": Out(stream.Signature(HEADER)),
                "result": In(RESULTS),
                "edge_bank": In(1),
                "edge_number": In(3),
                "edge": Out(32),
                "window_scale": In(4),
                "busy": Out(1),
                "fault": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.results = results = Results() if self.lanes == 1 else WholeResults()
        m.submodules.parser = parser = Parser(1 if self.lanes == 1 else FEED_WORDS)
        wiring.connect(m, wiring.flipped(self.result), results.i)
        wiring.connect(m, wiring.flipped(self.ids), parser.ids)
        wiring.connect(m, parser.header, wiring.flipped(self.header))
        dropped = self._words(m, parser, results) if self.lanes == 1 else self._beats(m, parser, results)
        self._keep_edges(m, parser)

        inside, first = Signal(range(MAX_INSIDE)), Signal(init=1)
        enters, leaves = Signal(), Signal()
        m.d.comb += [self.busy.eq(inside != 0), self.fault.eq(parser.fault)]
        m.d.sync += [
            enters.eq(self.i.valid & self.i.ready & first),
            leaves.eq(self.o.valid & self.o.ready & self.o.payload.last),
        ]
        goes = Signal()
        m.d.sync += [goes.eq(dropped), inside.eq(inside + enters - leaves - goes)]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += first.eq(self.i.payload.last)
        return m

    def _words(self, m: Module, parser: Parser, results: Any) -> Signal:
        m.submodules.skid_in = skid_in = SkidBuffer(beat_layout(1))
        m.submodules.assembler = assembler = Assembler()
        m.submodules.store = store = Queue(WORD, STORE_DEPTH, STORE_REGISTERS)
        m.submodules.rewriter = rewriter = WordRewriter()
        m.submodules.disassembler = disassembler = Disassembler()
        wiring.connect(m, wiring.flipped(self.i), skid_in.i)
        wiring.connect(m, skid_in.o, assembler.i)
        wiring.connect(m, store.o, rewriter.i)
        wiring.connect(m, results.o, rewriter.result)
        wiring.connect(m, rewriter.o, disassembler.i)
        wiring.connect(m, disassembler.o, wiring.flipped(self.o))
        word, last, count = assembler.o.payload, Signal(), Signal(WORD["count"].shape)
        # Both the store and the parser see a word in the cycle after it was taken.
        with m.If(assembler.o.ready):
            m.d.sync += [last.eq(word.last), count.eq(word.count)]
        m.d.comb += [
            assembler.o.ready.eq(_room(m, store) & parser.ready),
            parser.valid.eq(assembler.o.valid & assembler.o.ready),
            parser.word[0].eq(word.data),
            parser.present.eq(word.count == 4),
            parser.last.eq(word.last),
            store.i.valid.eq(parser.taken),
            store.i.payload.data.eq(parser.taken_word[0]),
            store.i.payload.last.eq(last),
            store.i.payload.count.eq(count),
            results.place.eq(rewriter.place),
            rewriter.replacement.eq(results.word),
            rewriter.window_scale.eq(self.window_scale),
        ]
        return rewriter.dropped

    def _beats(self, m: Module, parser: Parser, results: Any) -> Signal:
        m.submodules.skid_in = skid_in = SkidBuffer(beat_layout(self.lanes))
        m.submodules.feed = feed = Feed(self.lanes)
        # Without the bits that are always the same a beat is 9 bits per lane, which is what block RAMs are built from.
        m.submodules.store = store = Queue(9 * self.lanes, STORE_DEPTH)
        m.submodules.rewriter = rewriter = BeatRewriter(self.lanes)
        m.submodules.skid_out = skid_out = SkidBuffer(beat_layout(self.lanes))
        wiring.connect(m, wiring.flipped(self.i), skid_in.i)
        wiring.connect(m, skid_in.o, feed.i)
        wiring.connect(m, results.o, rewriter.result)
        wiring.connect(m, rewriter.o, skid_out.i)
        wiring.connect(m, skid_out.o, wiring.flipped(self.o))
        beat, stored, keep = feed.o.payload, rewriter.i.payload, Signal(self.lanes - 1)
        m.d.comb += [
            store.i.valid.eq(feed.o.valid & feed.o.ready),
            store.i.payload.eq(Cat(beat.data, beat.keep[1:], beat.last)),
            feed.o.ready.eq(_room(m, store)),
            rewriter.i.valid.eq(store.o.valid),
            Cat(stored.data, keep, stored.last).eq(store.o.payload),
            stored.keep.eq(Cat(1, keep)),
            store.o.ready.eq(rewriter.i.ready),
            rewriter.words.eq(results.words),
            parser.valid.eq(feed.valid),
            parser.word.eq(feed.word),
            parser.present.eq(feed.present),
            parser.last.eq(feed.last),
            feed.ready.eq(parser.ready),
            feed.rest.eq(parser.rest),
            rewriter.window_scale.eq(self.window_scale),
        ]
        return rewriter.dropped

    def _keep_edges(self, m: Module, parser: Parser) -> None:
        """In as many memories as edges can come at once: the lowest bits of an edge's number say which."""
        low = (parser.words - 1).bit_length()
        m.d.comb += self.edge.eq(0)
        for part in range(parser.words):
            m.submodules[f"edges_{part}"] = edges = Memory(
                shape=32, depth=EDGES // parser.words, init=[], attrs=DISTRIBUTED
            )
            write, read = edges.write_port(), edges.read_port(domain="comb")
            m.d.comb += read.addr.eq(Cat(self.edge_number[low:], self.edge_bank))
            with m.If(self.edge_number[:low] == part):
                m.d.comb += self.edge.eq(read.data)
            for number in range(parser.words):
                edge = parser.edge[number]
                with m.If(edge.number[:low] == part):
                    m.d.comb += [
                        write.en.eq(parser.edge_valid[number]),
                        write.addr.eq(Cat(edge.number[low:], edge.bank)),
                        write.data.eq(edge.edge),
                    ]


def _room(m: Module, store: Queue) -> Value:
    """Whether the store has places left, from a register."""
    room = Signal()
    most = STORE_DEPTH - STORE_SPARE
    # In highest bits only, as the spare is a power of two.
    m.d.sync += room.eq(store.level[2:] != most >> 2)
    return room
