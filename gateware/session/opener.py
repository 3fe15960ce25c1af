# SPDX-License-Identifier: Apache-2.0
"""Opens frames from declared peers."""

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import data

from custodes.macsec import (
    AN_BITS,
    ETHERTYPE,
    HEADER_BYTES,
    ICV_BYTES,
    MACS_BYTES,
    MAX_SEALED_BYTES,
    MIN_PLAIN_BYTES,
    OVERHEAD_BYTES,
    SHORT_BYTES,
    TCI,
    Opening,
)
from gateware.session.direction import Direction, big_endian
from gateware.session.intake import Fault
from gateware.stream import Queue


class Opener(Direction):
    """Frames of a peer leave opened once their ICV is found right; all others are dropped, and no byte of them leaves.

    The upper half of an extended packet number is taken from the lowest acceptable one when a frame is judged, which may be
    before the frames right in front of it are accepted. Where these lift that past a multiple of 2^31, a late frame may
    be counted as late that the specification, which waits, counts as not valid, or the other way round; it is dropped.

    See `Direction`. Verdicts are those of `Opening`. Standard: IEEE 802.1AE-2018, 10.6.
    """

    opens = True
    header_bytes = HEADER_BYTES
    address = range(MACS_BYTES, HEADER_BYTES)
    key_bytes = 8
    bytes_max = MAX_SEALED_BYTES
    growth_bytes = -OVERHEAD_BYTES
    head_bytes = MACS_BYTES
    known_layout = data.StructLayout({"untagged": 1, "bad_tag": 1, "an": AN_BITS, "pn": 32})
    not_using_sa = Opening.IN_PKTS_NOT_USING_SA

    def _know(self, m: Module, known: Any, record: Any) -> None:
        length, tci, short = record.length, record.address[16:24], record.address[24:32]
        ethertype = int.from_bytes(ETHERTYPE.to_bytes(2, "big"), "little")
        whole = MACS_BYTES + OVERHEAD_BYTES
        fits = Mux(short == 0, length >= whole + SHORT_BYTES, (short < SHORT_BYTES) & (length == short + whole))
        m.d.sync += [
            known.untagged.eq((length < MIN_PLAIN_BYTES) | (record.address[:16] != ethertype)),
            known.bad_tag.eq((tci[AN_BITS:] != TCI >> AN_BITS) | ~fits),
            known.an.eq(tci[:AN_BITS]),
            known.pn.eq(big_endian(record.address[32:64], 4)),
        ]

    def _judge(self, m: Module, reason: Signal, stage: Any, found: Value, usable: Value, suite: Any) -> None:
        known = stage.known
        # The last that applies counts.
        with m.If(~suite[1] & (known.pn == 0)):
            m.d.comb += reason.eq(Opening.IN_PKTS_BAD_TAG)
        with m.If(~usable):
            m.d.comb += reason.eq(Opening.IN_PKTS_NOT_USING_SA)
        with m.If(~found):
            m.d.comb += reason.eq(Opening.IN_PKTS_NO_SCI)
        with m.If(known.bad_tag):
            m.d.comb += reason.eq(Opening.IN_PKTS_BAD_TAG)
        with m.If(known.untagged):
            m.d.comb += reason.eq(Opening.IN_PKTS_NO_TAG)
        with m.If(stage.fault == Fault.TOO_LONG):
            m.d.comb += reason.eq(Opening.IN_PKTS_TOO_LONG)
        with m.If(stage.fault == Fault.ERROR):
            m.d.comb += reason.eq(Opening.IN_PKTS_ERROR)

    def _pn(self, known: Any, suite: Any, pn: Value) -> Value:
        upper = (pn[32:64] + (pn[31] & ~known.pn[31]))[:32]
        return Cat(known.pn, Mux(suite[1], upper, 0))

    def _take_pn(self, m: Module, passes: Value, number: Value, pn: Value, final: Value) -> None:
        m.d.comb += [self.associations.exhaust_valid.eq(0), self.associations.exhaust.eq(Const(0))]

    def _compose(self, ends: Any, an: Value, sci: Value, pn: Value, length: Value) -> tuple[Value, Value, Value]:
        return ends.header, ends.header[-64:], length - (HEADER_BYTES + ICV_BYTES)

    def _end(self, m: Module, plan: Any, alive: Value, leaves: Value, accepted: Value) -> tuple[Value, Value]:
        """Whether the ICV is right, and the PN not too low: read in one cycle, compared in the next, used in a third."""
        m.submodules.results = results = Queue(1, 16)
        numbers = self.numbers
        late, higher, good, reason = Signal(), Signal(), Signal(), Signal(4)
        m.d.comb += [
            results.i.valid.eq(self.gcm.tag_valid),
            results.i.payload.eq(self.gcm.good),
            results.o.ready.eq(leaves & (plan.reason == 0)),
            numbers.checked.eq(plan.number),
            numbers.write_valid.eq(accepted & higher),
            numbers.write_number.eq(plan.number),
            numbers.write.eq(plan.raised),
            good.eq(results.o.payload),
        ]
        read = Signal(len(numbers.lowest), reset_less=True)
        now = m.d.sync if self.narrow else m.d.comb
        now += read.eq(numbers.lowest)
        m.d.sync += [late.eq(plan.pn < read), higher.eq(plan.raised > read)]
        # SEC_CM: FRAME.TAG_FIRST
        with m.If(~good):
            m.d.comb += reason.eq(Opening.IN_PKTS_NOT_VALID)
        # SEC_CM: FRAME.REPLAY
        with m.If(late):
            m.d.comb += reason.eq(Opening.IN_PKTS_LATE)
        with m.If(~alive):
            m.d.comb += reason.eq(Opening.IN_PKTS_NOT_USING_SA)
        return results.o.valid, reason
