# SPDX-License-Identifier: Apache-2.0
"""Frames out of what a PHY receives."""

from amaranth import Cat, Module, Signal
from amaranth.lib import (
    crc,  # pyright: ignore[reportAttributeAccessIssue] (the stubs have no lib.crc)
    data,
    stream,
    wiring,
)
from amaranth.lib.wiring import In, Out

from custodes.ethernet import (
    FCS_BYTES,
    MAX_FRAME_BYTES,
    MIN_FRAME_BYTES,
    PREAMBLE,
    SFD,
    TAG_BYTES,
    TAG_ETHERTYPE,
)
from gateware.ethernet.gmii import GMII, GmiiInterface
from gateware.stream import beat_layout

OUTCOME = data.StructLayout(dict.fromkeys(("refused", "preamble", "oversize", "error", "runt", "fcs"), 1))
"""What was wrong with what came in: at most one."""
TAG_AT = 12
"""Bytes of a frame before its EtherType."""


class Receiver(wiring.Component):
    """Takes off preamble and FCS, and marks what is no frame of IEEE 802.3 as bad.

    Members:
        gmii: from the PHY.
        enable: frames that begin while this is 0 are refused.
        o: frames without FCS; there is no back-pressure. The last beat of a bad one has ``error``. What ends within its
            first five bytes gives no beat at all.
        outcome: for one cycle, what was wrong. Two are at least two cycles apart.

    A frame begins with any number of preamble bytes, none included, and a start of frame delimiter (clause 4.2.9 lets a
    receiver lose some of them). It must have 64 to 1518 bytes with its FCS, 1522 with an 802.1Q tag, and a right FCS
    (clause 3.2.9), without RX_ER in it (clause 35.2.1.5). An oversize frame ends with the byte that is too many.

    Latency: 7 cycles from a byte at ``gmii`` to ``o``. Throughput: a byte per cycle. Reset: what is left of a frame under
    way is not taken for a new one.
    """

    gmii: GmiiInterface
    enable: Signal
    o: stream.Interface
    outcome: data.View

    def __init__(self) -> None:
        super().__init__(
            {
                "gmii": In(GMII),
                "enable": In(1),
                "o": Out(stream.Signature(beat_layout(1), always_ready=True)),
                "outcome": Out(OUTCOME),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        largest = MAX_FRAME_BYTES + TAG_BYTES + FCS_BYTES
        m.submodules.fcs = fcs = crc.catalog.CRC32_ETHERNET(data_width=8).create()
        byte, valid, error = Signal(8, reset_less=True), Signal(), Signal()
        recent = Signal(data.ArrayLayout(8, FCS_BYTES + 1), reset_less=True)  # the newest first
        held = Signal(FCS_BYTES + 1)  # which of them are of this frame
        length = Signal(range(largest + 2))
        tagged, damaged, preamble = Signal(), Signal(), Signal()
        outcome = Signal(OUTCOME)
        m.d.sync += [
            byte.eq(self.gmii.data),
            valid.eq(self.gmii.valid),
            error.eq(self.gmii.error),
            preamble.eq(0),
            self.o.valid.eq(0),
            self.o.payload.last.eq(0),
            self.o.payload.error.eq(0),
            self.o.payload.data[0].eq(recent[FCS_BYTES]),
            self.outcome.eq(outcome),
        ]
        m.d.comb += [self.o.payload.keep.eq(1), fcs.data.eq(byte)]
        full = Signal()  # as long as a frame can be
        m.d.comb += full.eq(length == largest - TAG_BYTES)
        with m.If(tagged):
            m.d.comb += full.eq(length == largest)
        with m.FSM(init="SKIP"):
            with m.State("IDLE"):
                m.d.comb += fcs.start.eq(1)
                m.d.sync += [held.eq(0), length.eq(0), tagged.eq(0), damaged.eq(0)]
                with m.If(valid):
                    m.d.sync += preamble.eq(1)
                    with m.If(~self.enable):
                        m.d.comb += outcome.refused.eq(1)
                        m.next = "SKIP"
                    with m.Elif((byte == SFD) & ~error):
                        m.next = "FRAME"
                    with m.Elif((byte != PREAMBLE) | error):
                        m.d.comb += outcome.preamble.eq(1)
                        m.next = "SKIP"
                with m.Elif(preamble):
                    m.d.comb += outcome.preamble.eq(1)
            with m.State("FRAME"):
                with m.If(valid & full):
                    m.d.comb += outcome.oversize.eq(1)
                    m.next = "SKIP"
                with m.Elif(valid):
                    m.d.comb += fcs.valid.eq(1)
                    m.d.sync += [
                        recent.eq(Cat(byte, recent)),
                        held.eq(Cat(1, held)),
                        length.eq(length + 1),
                        damaged.eq(damaged | error),
                        self.o.valid.eq(held[-1]),
                    ]
                    with m.If(length == TAG_AT + 1):
                        m.d.sync += tagged.eq(Cat(byte, recent[0]) == TAG_ETHERTYPE)
                with m.Else():
                    with m.If(damaged):
                        m.d.comb += outcome.error.eq(1)
                    with m.Elif(length < MIN_FRAME_BYTES + FCS_BYTES):
                        m.d.comb += outcome.runt.eq(1)
                    with m.Elif(~fcs.match_detected):
                        m.d.comb += outcome.fcs.eq(1)
                    m.next = "IDLE"
                with m.If(~valid | full):
                    m.d.sync += [
                        self.o.valid.eq(held[-1]),
                        self.o.payload.last.eq(1),
                        self.o.payload.error.eq(outcome.as_value().any()),
                    ]
            with m.State("SKIP"), m.If(~valid):
                m.next = "IDLE"
        return m
