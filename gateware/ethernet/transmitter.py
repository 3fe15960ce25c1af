# SPDX-License-Identifier: Apache-2.0
"""Frames on their way to a PHY."""

from amaranth import Module, Mux, Signal
from amaranth.lib import (
    crc,  # pyright: ignore[reportAttributeAccessIssue] (the stubs have no lib.crc)
    stream,
    wiring,
)
from amaranth.lib.wiring import In, Out

from custodes.ethernet import FCS_BYTES, GAP_BYTES, MIN_FRAME_BYTES, PREAMBLE, PREAMBLE_BYTES, SFD
from gateware.ethernet.gmii import GMII, GmiiInterface
from gateware.stream import FrameSignature


class Transmitter(wiring.Component):
    """Puts preamble, padding, FCS and gap around frames.

    Members:
        i: frames without FCS, from the first beat of a frame to the last without a pause; with one, or with ``error`` on the
            last beat, TX_ER spoils the frame.
        enable: frames that begin while this is 0 are taken and not sent.
        gmii: to the PHY.
        sent, refused: for one cycle, when a frame ends.

    Seven preamble bytes and the delimiter, the frame, zeros up to 60 bytes, the FCS, and a gap of 12 bytes at least (IEEE
    802.3 clauses 3.2, 4.2.8, 4.4.2); exactly 12 if the next frame is there.

    Latency: 10 cycles from a first beat to its byte at ``gmii``. Throughput: a byte per cycle within a frame. Reset: a frame
    under way is cut short, and the gap is kept.
    """

    i: stream.Interface
    enable: Signal
    gmii: GmiiInterface
    sent: Signal
    refused: Signal

    def __init__(self) -> None:
        super().__init__(
            {"i": In(FrameSignature(1)), "enable": In(1), "gmii": Out(GMII), "sent": Out(1), "refused": Out(1)}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.fcs = fcs = crc.catalog.CRC32_ETHERNET(data_width=8).create()
        i, gmii = self.i, self.gmii
        # Bytes of a state; those of a frame only up to the last that may be padding.
        count = Signal(range(MIN_FRAME_BYTES))
        longest = Signal()
        m.d.comb += [longest.eq(count == MIN_FRAME_BYTES - 1), fcs.data.eq(Mux(i.ready, i.payload.data[0], 0))]
        m.d.sync += [count.eq(count + 1), gmii.error.eq(0), self.sent.eq(0), self.refused.eq(0)]
        with m.FSM():
            with m.State("GAP"):
                m.d.comb += fcs.start.eq(1)
                m.d.sync += [gmii.valid.eq(0), gmii.data.eq(0)]
                with m.If(count == GAP_BYTES - 1):
                    m.d.sync += count.eq(count)
                    with m.If(i.valid):
                        m.d.sync += count.eq(0)
                        m.next = "PREAMBLE"
                        with m.If(~self.enable):
                            m.next = "REFUSE"
            with m.State("PREAMBLE"):
                m.d.sync += [gmii.valid.eq(1), gmii.data.eq(PREAMBLE)]
                with m.If(count == PREAMBLE_BYTES):
                    m.d.sync += [gmii.data.eq(SFD), count.eq(0)]
                    m.next = "FRAME"
            with m.State("FRAME"):
                m.d.comb += [i.ready.eq(1), fcs.valid.eq(1)]
                m.d.sync += [
                    gmii.data.eq(i.payload.data[0]),
                    gmii.error.eq(~i.valid | (i.payload.last & i.payload.error)),
                ]
                with m.If(longest):
                    m.d.sync += count.eq(count)
                with m.If(i.valid & i.payload.last):
                    m.next = "PADDING"
                    with m.If(longest):
                        m.d.sync += count.eq(0)
                        m.next = "FCS"
            with m.State("PADDING"):
                m.d.comb += fcs.valid.eq(1)
                m.d.sync += gmii.data.eq(0)
                with m.If(longest):
                    m.d.sync += count.eq(0)
                    m.next = "FCS"
            with m.State("FCS"):
                m.d.sync += gmii.data.eq(fcs.crc.word_select(count[:2], 8))
                with m.If(count == FCS_BYTES - 1):
                    m.d.sync += [count.eq(0), self.sent.eq(1)]
                    m.next = "GAP"
            with m.State("REFUSE"):
                m.d.comb += i.ready.eq(1)
                with m.If(i.valid & i.payload.last):
                    m.d.sync += [count.eq(GAP_BYTES - 1), self.refused.eq(1)]
                    m.next = "GAP"
        return m
