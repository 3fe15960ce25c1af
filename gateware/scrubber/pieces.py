# SPDX-License-Identifier: Apache-2.0
"""Where the rewriter's pieces of a frame come from: one store each, and the verdict on the frame."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value, ValueLike
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from gateware.scrubber.beat import section_entry
from gateware.scrubber.layouts import VERDICTS, Network, Transport
from gateware.scrubber.split import EDIT
from gateware.stream.join import masked, piece_beat

MAX_WORDS = 12


def decided(m: Module, lanes: int, verdict: stream.Interface, done: Value) -> Value:
    """Whether there is a verdict to go by; the next one is asked for when the frame is ``done``. Up to 8 lanes that takes a
    cycle more, in which other pieces of the frame move: it keeps the queue out of a long path."""
    if lanes > 8:
        m.d.comb += verdict.ready.eq(done)
        return verdict.valid
    m.d.sync += verdict.ready.eq(done)
    return verdict.valid & ~verdict.ready


class Section(wiring.Component):
    """Takes a frame's section out of its store: hands it on, or throws it away where the verdict is to drop.

    Args:
        lanes: bytes per beat.
        verdict: layout of what is needed of a verdict; it has ``drop``.
        bytes_max: the longest section; 0 where the store says how many bytes an entry has.

    Members:
        store: the section's entries.
        verdict: one per frame.
        length: of the section, in bytes; driven by the parent from ``verdict``.
        edits: bytes to put in place of the store's, and which; driven by the parent from ``verdict``.
        o: the piece.

    No latency, a beat per cycle.
    """

    store: stream.Interface
    verdict: stream.Interface
    length: Signal
    edits: data.View
    o: stream.Interface

    def __init__(self, lanes: int, verdict: data.StructLayout, bytes_max: int) -> None:
        self.lanes = lanes
        self.bytes_max = bytes_max
        super().__init__(
            {
                "store": In(stream.Signature(section_entry(lanes, not bytes_max))),
                "verdict": In(stream.Signature(verdict)),
                "length": In(range(bytes_max + 1)),
                "edits": In(data.ArrayLayout(EDIT, max(1, bytes_max))),
                "o": Out(stream.Signature(piece_beat(lanes))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes, entry, drop = self.lanes, self.store.payload, self.verdict.payload.drop
        moves = Signal()
        active = decided(m, lanes, self.verdict, moves & entry.last)
        m.d.comb += [
            self.o.valid.eq(self.store.valid & active & ~drop),
            self.store.ready.eq(active & (drop | self.o.ready)),
            moves.eq(self.store.valid & self.store.ready),
            self.o.payload.last.eq(entry.last),
        ]
        if not self.bytes_max:
            m.d.comb += [
                self.o.payload.count.eq(entry.count),
                self.o.payload.data.eq(masked(entry.data, lanes, entry.count)),
            ]
            return m
        index = Signal(range(self.bytes_max // lanes + 1))
        with m.If(moves):
            m.d.sync += index.eq(Mux(entry.last, 0, index + 1))
        bits = (lanes - 1).bit_length()
        begun = Cat(Const(0, bits), index) if bits else index
        left = Signal(range(self.bytes_max + 1))
        count = Signal(range(lanes + 1))
        edited = Signal(data.ArrayLayout(8, lanes))
        m.d.comb += [
            left.eq(self.length - begun),
            count.eq(Mux(left > lanes, lanes, left) if lanes > 1 else self.length != 0),
            edited.eq(entry.data),
            self.o.payload.count.eq(count),
            self.o.payload.data.eq(masked(edited, lanes, count)),
        ]
        ahead = int(lanes == 1)
        chosen = Signal(data.ArrayLayout(EDIT, lanes))
        for lane in range(lanes):
            with m.Switch(index):
                for at in range(lane + ahead, self.bytes_max, lanes):
                    with m.Case(at // lanes - ahead):
                        m.d.comb += chosen[lane].eq(self.edits[at])
        if ahead:
            # Nothing edits a header's first byte, so that a byte's edit can be chosen along with the byte before.
            following = Signal.like(chosen)
            with m.If(moves):
                m.d.sync += following.eq(Mux(entry.last, 0, chosen.as_value()))
            chosen = following
        for lane in range(lanes):
            with m.If(chosen[lane].set):
                m.d.comb += edited[lane].eq(chosen[lane].byte)
        return m


def drive_edits(m: Module, section: Section, edits: dict[int, tuple[ValueLike, ValueLike]]) -> None:
    """``edits``: position -> (whether, byte)."""
    for at, (condition, byte) in edits.items():
        m.d.comb += [section.edits[at].set.eq(condition), section.edits[at].byte.eq(byte)]


def network_edits(verdict: data.View, ttl: Value) -> dict[int, tuple[ValueLike, ValueLike]]:
    """Lengths, the IPv4 header checksum, the IPv6 hop limit."""
    ipv4, ipv6 = verdict.network == Network.IPV4, verdict.network == Network.IPV6
    return {
        2: (ipv4, verdict.length[8:]),
        3: (ipv4, verdict.length[:8]),
        4: (ipv6, verdict.length[8:]),
        5: (ipv6, verdict.length[:8]),
        7: (ipv6, Mux(verdict.neighbour, 255, ttl)),
        10: (ipv4, verdict.ip_checksum[8:]),
        11: (ipv4, verdict.ip_checksum[:8]),
    }


def transport_edits(verdict: data.View) -> dict[int, tuple[ValueLike, ValueLike]]:
    """Checksums, TCP data offset, the acknowledgement number that acknowledges nothing."""
    tcp, udp = verdict.transport == Transport.TCP, verdict.transport == Transport.UDP
    icmp = ~tcp & ~udp
    high, low = verdict.checksum[8:], verdict.checksum[:8]
    return {
        2: (icmp, high),
        3: (icmp, low),
        6: (udp, high),
        7: (udp, low),
        **dict.fromkeys(range(8, 12), (tcp & verdict.no_ack, 0)),
        12: (tcp, Cat(Const(0, 4), (verdict.words + 20)[2:6])),
        16: (tcp, high),
        17: (tcp, low),
        18: (verdict.quotes, verdict.quoted_checksum[8:]),
        19: (verdict.quotes, verdict.quoted_checksum[:8]),
    }


class OptionWords(wiring.Component):
    """Makes the rebuilt TCP options: MSS, SACK-permitted and window scale, or the word in front of SACK edges.

    Members:
        verdict: one per frame.
        o: the piece, 0 to 12 bytes.

    No latency, a beat per cycle.
    """

    verdict: stream.Interface
    o: stream.Interface

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(
            {"verdict": In(stream.Signature(VERDICTS["words"])), "o": Out(stream.Signature(piece_beat(lanes)))}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes, v = self.lanes, self.verdict.payload
        permitted, scale, sack = v.has_sack_permitted, v.has_window_scale, v.has_sack
        mss_word = Cat(Const(2, 8), Const(4, 8), v.mss[8:], v.mss[:8])
        permitted_word = Cat(Const(1, 8), Const(1, 8), Const(4, 8), Const(2, 8))
        scale_word = Cat(Const(1, 8), Const(3, 8), Const(3, 8), v.window_scale, Const(0, 4))
        sack_word = Cat(Const(1, 8), Const(1, 8), Const(5, 8), Const(2, 3), v.sack_blocks, Const(0, 2))
        words = Signal(8 * MAX_WORDS)
        length = Signal(range(MAX_WORDS + 1))
        rest = Signal(64)
        m.d.comb += [
            rest.eq(Mux(permitted, Cat(permitted_word, Mux(scale, scale_word, 0)), Mux(scale, scale_word, 0))),
            words.eq(Mux(sack, sack_word, Mux(v.has_mss, Cat(mss_word, rest), rest))),
            length.eq(Mux(sack, 4, (v.has_mss + permitted + scale) << 2)),
        ]
        index = Signal(range(MAX_WORDS // lanes + 1))
        bits = (lanes - 1).bit_length()
        begun = Cat(Const(0, bits), index) if bits else index
        left = Signal(range(MAX_WORDS + 1))
        out = self.o.payload
        done = Signal()
        active = decided(m, lanes, self.verdict, done)
        m.d.comb += [
            left.eq(length - begun),
            out.count.eq(Mux(left > lanes, lanes, left)),
            out.last.eq(left <= lanes),
            self.o.valid.eq(active & ~v.drop),
            done.eq(active & (v.drop | (self.o.ready & out.last))),
        ]
        with m.Switch(index):
            for at in range(MAX_WORDS // lanes + 1):
                with m.Case(at):
                    m.d.comb += out.data.eq(words[8 * lanes * at : 8 * lanes * (at + 1)])
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += index.eq(Mux(out.last, 0, index + 1))
        return m


class SackEdges(wiring.Component):
    """Takes the SACK edges out of the options as they came.

    Members:
        store: the options' entries.
        verdict: one per frame.
        o: the piece, 0 to 32 bytes.

    Latency 1 cycle, a beat per cycle.
    """

    store: stream.Interface
    verdict: stream.Interface
    o: stream.Interface

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(
            {
                "store": In(stream.Signature(section_entry(lanes))),
                "verdict": In(stream.Signature(VERDICTS["edges"])),
                "o": Out(stream.Signature(piece_beat(lanes))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes, v, out = self.lanes, self.verdict.payload, self.o.payload
        bits = (lanes - 1).bit_length()
        held, full = Signal(section_entry(lanes)), Signal()
        emit, complete, advance = Signal(), Signal(), Signal()
        # Where the edges are is compared with the number of the beat to come; of the first, the verdict tells.
        following = Signal(range(40 // lanes + 2), init=1)
        first, inside, final = Signal(init=1), Signal(), Signal()
        within, ends = Mux(first, v.sack_begins, inside), Mux(first, v.sack_ends, final)
        follows = Mux(held.last, 0, self.store.payload.data.as_value())
        window = Cat(held.data.as_value(), follows)
        shifted = Signal(data.ArrayLayout(8, lanes))
        if lanes == 1:
            m.d.comb += shifted.eq(held.data)
        else:
            with m.Switch(v.sack_start[:bits]):
                for residue in range(min(lanes, 40)):
                    with m.Case(residue):
                        m.d.comb += shifted.eq(window[8 * residue : 8 * (residue + lanes)])
        m.d.comb += [
            complete.eq(full & decided(m, lanes, self.verdict, advance & held.last) & (held.last | self.store.valid)),
            emit.eq(~v.drop & Mux(v.has_sack, within, held.last)),
            self.o.valid.eq(complete & emit),
            advance.eq(complete & (~emit | self.o.ready)),
            out.count.eq(Mux(v.has_sack, min(lanes, 32) if lanes < 16 else v.sack_blocks << 3, 0)),
            out.last.eq(~v.has_sack | ends),
            out.data.eq(masked(shifted, lanes, out.count)),
            self.store.ready.eq(advance | ~full),
        ]
        with m.If(self.store.ready):
            m.d.sync += [full.eq(self.store.valid), held.eq(self.store.payload)]
        with m.If(advance):
            m.d.sync += [
                first.eq(held.last),
                following.eq(Mux(held.last, 1, following + 1)),
                inside.eq((following >= v.sack_first) & (following <= v.sack_last)),
                final.eq(following == v.sack_last),
            ]
        return m
