# SPDX-License-Identifier: Apache-2.0
"""Passive checker of the stream rule and of the beat rule."""

from amaranth import Module, Signal
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from .beat import beat_layout

__all__ = ["StreamChecker", "Violation"]


class Violation(enum.Enum, shape=3):
    """What a stream did wrong; when several rules break in one cycle, the lowest number is reported."""

    NONE = 0
    VALID_DROPPED = 1  # valid fell before the transfer
    PAYLOAD_CHANGED = 2  # the payload changed while waiting for ready
    KEEP_ZERO = 3  # a beat without a byte
    KEEP_GAP = 4  # keep is not contiguous from lane 0
    KEEP_PARTIAL = 5  # keep is not all ones before the last beat


class StreamChecker(wiring.Component):
    """Watches a frame stream and remembers the first violation.

    Parameters
    ----------
    lanes
        Bytes per beat of the stream.

    Members
    -------
    payload : ``beat_layout(lanes)``, in
    valid, ready : 1 bit, in
        The three signals of the stream that is watched.
    violation : 1 bit, out
        Sticky.
    code : :class:`Violation`, out
        The first violation.

    Latency: 1 cycle. Drives nothing back. Reset: no violation, and the cycle before the reset is forgotten.
    """

    payload: data.View
    valid: Signal
    ready: Signal
    violation: Signal
    code: Signal

    def __init__(self, lanes: int) -> None:
        super().__init__(
            {
                "payload": In(beat_layout(lanes)),
                "valid": In(1),
                "ready": In(1),
                "violation": Out(1),
                "code": Out(Violation),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()

        waiting = Signal()
        waited = Signal(len(self.payload.as_value()))
        m.d.sync += [waiting.eq(self.valid & ~self.ready), waited.eq(self.payload)]

        keep = self.payload.keep
        found = Signal(Violation)
        with m.If(waiting & ~self.valid):
            m.d.comb += found.eq(Violation.VALID_DROPPED)
        with m.Elif(waiting & (waited != self.payload.as_value())):
            m.d.comb += found.eq(Violation.PAYLOAD_CHANGED)
        with m.Elif(self.valid & (keep == 0)):
            m.d.comb += found.eq(Violation.KEEP_ZERO)
        with m.Elif(self.valid & ((keep & (keep + 1)) != 0)):
            m.d.comb += found.eq(Violation.KEEP_GAP)
        with m.Elif(self.valid & ~self.payload.last & ~keep.all()):
            m.d.comb += found.eq(Violation.KEEP_PARTIAL)

        with m.If(~self.violation & (found != Violation.NONE)):
            m.d.sync += [self.violation.eq(1), self.code.eq(found)]

        return m
