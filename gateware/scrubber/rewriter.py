# SPDX-License-Identifier: Apache-2.0
"""The rewriter: canonical frames from the stores, with every verdict known."""

from collections.abc import Iterable

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from custodes.table import MIN_FRAME_BYTES
from gateware.mask import lanes_before
from gateware.scrubber.beat import section_entry
from gateware.scrubber.layouts import IDS, POLICY, VERDICTS, Network
from gateware.scrubber.pieces import OptionWords, SackEdges, Section, drive_edits, network_edits, transport_edits
from gateware.scrubber.serial_join import SerialJoin
from gateware.scrubber.transport import LENGTHS
from gateware.stream import FrameSignature, SkidBuffer
from gateware.stream.join import Join, piece_beat

JOINED = {"ethernet": (14, 18), "network": (20, 28, 40), "transport": (0, *LENGTHS)}
"""The sections in the order in which they leave, and how long they can be."""
STORES = ("ethernet", "network", "transport", "options", "payload")


class Rewriter(wiring.Component):
    """Joins the pieces of a frame, or drops them all.

    Members:
        store_<section>: the section's entries.
        verdict_<piece>: of the same verdicts, what is for the piece, from a queue of its own.
        o: canonical frames, padded with zeros to 60 bytes.
        ids: of each frame of ``o``, where its addresses are in the table; it does not begin to leave before they are here.
        dropped: a frame has been thrown away.

    Latency from idle 4 cycles with one lane, 15 with 64; as many beats out as the bytes need, one per cycle.
    """

    store_ethernet: stream.Interface
    store_network: stream.Interface
    store_transport: stream.Interface
    store_options: stream.Interface
    store_payload: stream.Interface
    verdict_ethernet: stream.Interface
    verdict_network: stream.Interface
    verdict_transport: stream.Interface
    verdict_words: stream.Interface
    verdict_edges: stream.Interface
    verdict_payload: stream.Interface
    policy: data.View
    o: stream.Interface
    ids: stream.Interface
    dropped: Signal

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(
            {
                **{f"store_{name}": In(stream.Signature(section_entry(lanes, name == "payload"))) for name in STORES},
                **{f"verdict_{name}": In(stream.Signature(layout)) for name, layout in VERDICTS.items()},
                "policy": In(POLICY),
                "o": Out(FrameSignature(lanes)),
                "ids": Out(stream.Signature(IDS)),
                "dropped": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes = self.lanes
        sizes = {"ethernet": 18, "network": 40, "transport": max(LENGTHS), "payload": 0}
        section: dict[str, Section] = {}
        for name, size in sizes.items():
            m.submodules[name] = section[name] = Section(lanes, VERDICTS[name], size)
            wiring.connect(m, wiring.flipped(getattr(self, f"store_{name}")), section[name].store)
            if name == "ethernet":
                self._tell(m, section[name].verdict)
            else:
                wiring.connect(m, wiring.flipped(getattr(self, f"verdict_{name}")), section[name].verdict)
        m.submodules.words = words = OptionWords(lanes)
        m.submodules.edges = edges = SackEdges(lanes)
        wiring.connect(m, wiring.flipped(self.verdict_words), words.verdict)
        wiring.connect(m, wiring.flipped(self.verdict_edges), edges.verdict)
        m.submodules.skid_options = skid = SkidBuffer(section_entry(lanes))
        wiring.connect(m, wiring.flipped(self.store_options), skid.i)
        wiring.connect(m, skid.o, edges.store)

        network = section["network"].verdict.payload.network
        m.d.comb += [
            section["ethernet"].length.eq(Mux(section["ethernet"].verdict.payload.tagged, 18, 14)),
            section["network"].length.eq(
                Mux(network == Network.IPV6, 40, Mux(network == Network.IPV4, 20, 28)),
            ),
            section["transport"].length.eq(section["transport"].verdict.payload.section),
            self.dropped.eq(
                self.verdict_ethernet.valid & self.verdict_ethernet.ready & self.verdict_ethernet.payload.drop
            ),
        ]
        drive_edits(m, section["network"], network_edits(section["network"].verdict.payload, self.policy.ttl))
        drive_edits(m, section["transport"], transport_edits(section["transport"].verdict.payload))

        pieces = [
            *((section[name].o, lengths) for name, lengths in JOINED.items()),
            (words.o, range(0, 13, 4)),
            (edges.o, range(0, 33, 8)),
            (section["payload"].o, ()),
        ]
        m.submodules.skid_joined = joined = SkidBuffer(piece_beat(lanes))
        if lanes == 1:
            m.submodules.join = join = SerialJoin(len(pieces))
            for number, ((piece, _), port) in enumerate(zip(pieces, join.pieces, strict=True)):
                m.submodules[f"skid_{number}"] = skid_piece = SkidBuffer(piece_beat(lanes))
                wiring.connect(m, piece, skid_piece.i)
                wiring.connect(m, skid_piece.o, port)
            wiring.connect(m, join.o, joined.i)
        else:
            self._join(m, pieces, joined.i)
        m.submodules.pad = pad = Pad(lanes)
        wiring.connect(m, joined.o, pad.i)
        wiring.connect(m, pad.o, wiring.flipped(self.o))
        return m

    def _tell(self, m: Module, verdict: stream.Interface) -> None:
        """Hand on the verdict for a frame's first piece, of one that leaves once its ``ids`` are told: up to 8 lanes a cycle
        after, so that nothing waits for ``ids.ready`` along with the stores."""
        i, drop = self.verdict_ethernet, self.verdict_ethernet.payload.drop
        told, free, tells = Signal(), Signal(), Signal()
        m.d.comb += [
            free.eq(~self.ids.valid | self.ids.ready),
            tells.eq(i.valid & ~drop & ~told & free),
            verdict.payload.eq(i.payload),
            verdict.valid.eq(i.valid & (drop | told | (tells if self.lanes > 8 else 0))),
            i.ready.eq(verdict.ready),
        ]
        with m.If(free):
            m.d.sync += self.ids.valid.eq(tells)
        with m.If(tells):
            m.d.sync += [self.ids.payload.eq(i.payload.ids), told.eq(1)]
        with m.If(i.valid & i.ready):
            m.d.sync += told.eq(0)

    def _join(self, m: Module, pieces: list[tuple[stream.Interface, Iterable[int]]], o: stream.Interface) -> None:
        """From the back to the front, with a register slice before and behind every join."""
        *heads, (tail, _) = pieces
        for number, (head, lengths) in reversed(list(enumerate(heads))):
            m.submodules[f"join_{number}"] = join = Join(self.lanes, lengths)
            for name, piece, port in (("head", head, join.head), ("tail", tail, join.tail)):
                m.submodules[f"skid_{name}_{number}"] = skid = SkidBuffer(piece_beat(self.lanes))
                wiring.connect(m, piece, skid.i)
                wiring.connect(m, skid.o, port)
            tail = join.o
        wiring.connect(m, tail, o)


class Pad(wiring.Component):
    """Pads frames with zeros to the size of the smallest. Latency 2 cycles, one beat per cycle."""

    i: stream.Interface
    o: stream.Interface

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__({"i": In(stream.Signature(piece_beat(lanes))), "o": Out(FrameSignature(lanes))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes, i, o = self.lanes, self.i.payload, self.o.payload
        final = -(-MIN_FRAME_BYTES // lanes) - 1
        final_count = MIN_FRAME_BYTES - final * lanes
        index = Signal(range(final + 2))
        padding, room, last = Signal(), Signal(), Signal()
        beat, beat_valid, beat_room = Signal(piece_beat(lanes)), Signal(), Signal()
        count = Signal(range(lanes + 1))
        at_end = index == final
        m.d.comb += [
            room.eq(~self.o.valid | self.o.ready),
            beat_room.eq(~beat_valid | room),
            self.i.ready.eq(beat_room & ~padding),
            last.eq((padding | i.last) & (index >= final)),
            count.eq(Mux(padding, 0, i.count)),
        ]
        with m.If((padding | i.last) & (index < final)):
            m.d.comb += count.eq(lanes)
        with m.Elif((padding | i.last) & at_end & (padding | (i.count < final_count))):
            m.d.comb += count.eq(final_count)
        with m.If(beat_room):
            m.d.sync += beat_valid.eq(padding | self.i.valid)
            with m.If(padding | self.i.valid):
                m.d.sync += [
                    beat.data.eq(Mux(padding, 0, i.data.as_value())),
                    beat.count.eq(count),
                    beat.last.eq(last),
                    padding.eq((padding | i.last) & ~last),
                    index.eq(Mux(last, 0, Mux(index > final, index, index + 1))),
                ]
        # Which bytes there are is said a cycle later.
        with m.If(room):
            m.d.sync += [
                self.o.valid.eq(beat_valid),
                o.data.eq(beat.data),
                o.keep.eq(lanes_before(lanes, beat.count)),
                o.last.eq(beat.last),
            ]
        return m
