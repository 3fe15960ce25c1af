# SPDX-License-Identifier: Apache-2.0
"""Seals frames to declared peers."""

from typing import Any

from amaranth import Cat, Const, Module, Mux
from amaranth.hdl import Signal, Value
from amaranth.lib import data

from custodes.macsec import (
    ETHERTYPE,
    HEADER_BYTES,
    MACS_BYTES,
    MAX_PLAIN_BYTES,
    MIN_PLAIN_BYTES,
    OVERHEAD_BYTES,
    SHORT_BYTES,
    TCI,
    Sealing,
)
from gateware.session.direction import Direction, big_endian
from gateware.session.intake import Fault


class Sealer(Direction):
    """Frames to a peer leave sealed by the association that is selected for its channel; all others are dropped.

    The packet number of a frame is taken when the frame is judged, and never given back. Whether its association still has
    its key is asked again when the frame is complete.

    See `Direction`. Verdicts are those of `Sealing`. Standard: IEEE 802.1AE-2018, 10.5.
    """

    opens = False
    header_bytes = MACS_BYTES
    address = range(6)
    key_bytes = 6
    bytes_max = MAX_PLAIN_BYTES
    growth_bytes = OVERHEAD_BYTES
    head_bytes = HEADER_BYTES
    known_layout = data.StructLayout({})
    not_using_sa = Sealing.OUT_PKTS_NOT_USING_SA

    def _know(self, m: Module, known: Any, record: Any) -> None:
        pass

    def _judge(self, m: Module, reason: Signal, stage: Any, found: Value, usable: Value, suite: Any) -> None:
        # The last that applies counts.
        with m.If(~usable):
            m.d.comb += reason.eq(Sealing.OUT_PKTS_NOT_USING_SA)
        with m.If(~found):
            m.d.comb += reason.eq(Sealing.OUT_PKTS_NO_PEER)
        with m.If(stage.fault == Fault.TOO_LONG):
            m.d.comb += reason.eq(Sealing.OUT_PKTS_TOO_LONG)
        with m.If((stage.fault == Fault.TOO_SHORT) | ((stage.fault == Fault.NONE) & (stage.length < MIN_PLAIN_BYTES))):
            m.d.comb += reason.eq(Sealing.OUT_PKTS_TOO_SHORT)
        with m.If(stage.fault == Fault.ERROR):
            m.d.comb += reason.eq(Sealing.OUT_PKTS_ERROR)

    def _pn(self, known: Any, suite: Any, pn: Value) -> Value:
        return pn

    def _take_pn(self, m: Module, passes: Value, number: Value, pn: Value, final: Value) -> None:
        # SEC_CM: NONCE.MONOTONIC
        numbers = self.numbers
        m.d.comb += [numbers.write_valid.eq(passes), numbers.write_number.eq(number), numbers.write.eq(pn + 1)]
        # The next frame is judged two cycles later at the earliest, or, with few lanes, some more.
        now = m.d.sync if self.narrow else m.d.comb
        now += [self.associations.exhaust_valid.eq(passes & final), self.associations.exhaust.eq(number)]

    def _compose(self, ends: Any, an: Value, sci: Value, pn: Value, length: Value) -> tuple[Value, Value, Value]:
        text = length - MACS_BYTES
        short = Mux(text < SHORT_BYTES, text[:6], 0)
        tag = Cat(
            Const(int.from_bytes(ETHERTYPE.to_bytes(2, "big"), "little"), 16),
            an,
            Const(TCI >> 2, 6),
            short,
            Const(0, 2),
            big_endian(pn[:32], 4),
            sci,
        )
        return Cat(ends.header, tag), sci, text

    def _end(self, m: Module, plan: Any, alive: Value, leaves: Value, accepted: Value) -> tuple[Value, Value]:
        return Value.cast(1), Mux(alive, 0, Sealing.OUT_PKTS_NOT_USING_SA)
