# SPDX-License-Identifier: Apache-2.0
"""Protocol checker: the rules of the frame stream, as a passive component."""

from typing import Any

from amaranth import Module, Signal
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from .beat import beat_layout

__all__ = ["StreamChecker", "StreamRule"]


class StreamRule(enum.Enum, shape=3):
    """Rule of the frame stream that was broken; the lower one is reported when several are in one cycle."""

    NONE = 0
    VALID_DROPPED = 1  #: valid fell before the transfer
    PAYLOAD_CHANGED = 2  #: payload changed while waiting for the transfer
    KEEP_ZERO = 3  #: a beat without a byte
    KEEP_NOT_CONTIGUOUS = 4  #: kept lanes do not start at lane 0 or have a hole
    KEEP_NOT_FULL = 5  #: a beat before the last one is not full


class ObservedInterface(wiring.PureInterface):
    """A stream of which every signal is an input."""

    valid: Signal
    ready: Signal
    payload: data.View


class StreamChecker(wiring.Component):
    """Watches a frame stream and says whether, and first how, it broke the rules. It drives nothing of the stream.

    Parameters
    ----------
    lanes
        Bytes per beat.

    Members
    -------
    i : payload, valid and ready, all In
        The observed stream; :meth:`observe` connects it.
    violation : 1 bit, Out
        A rule was broken. Sticky until reset.
    code : :class:`StreamRule`, Out
        The first rule that was broken, ``NONE`` while there was none.

    Latency: 1 cycle. Reset: clears ``violation`` and forgets the beat that was waiting, so it must come with the reset of
    the observed stream's source. Standard: Amaranth RFC 61 and the rule of :func:`beat_layout`.
    """

    i: ObservedInterface
    violation: Signal
    code: Any

    def __init__(self, lanes: int):
        self._layout = beat_layout(lanes)
        observed = wiring.Signature({"payload": Out(self._layout), "valid": Out(1), "ready": Out(1)})
        super().__init__({"i": In(observed), "violation": Out(1), "code": Out(StreamRule)})

    def observe(self, m: Module, port: stream.Interface) -> None:
        """Connect this checker to the stream ``port`` in the module ``m``, whichever way ``port`` faces."""
        i: Any = self.i
        m.d.comb += [
            i.payload.eq(port.payload),
            i.valid.eq(port.valid),
            i.ready.eq(port.ready),
        ]

    def elaborate(self, platform: object) -> Module:
        m = Module()

        i: Any = self.i
        waiting = Signal()  # the beat before was not transferred
        waiting_payload = Signal(self._layout, reset_less=True)
        m.d.sync += [waiting.eq(i.valid & ~i.ready), waiting_payload.eq(i.payload)]

        rule = Signal(StreamRule)
        keep = i.payload.keep
        with m.If(waiting & ~i.valid):
            m.d.comb += rule.eq(StreamRule.VALID_DROPPED)
        with m.Elif(i.valid):
            with m.If(waiting & (i.payload.as_value() != waiting_payload.as_value())):
                m.d.comb += rule.eq(StreamRule.PAYLOAD_CHANGED)
            with m.Elif(keep == 0):
                m.d.comb += rule.eq(StreamRule.KEEP_ZERO)
            with m.Elif((keep & (keep + 1)).any()):
                m.d.comb += rule.eq(StreamRule.KEEP_NOT_CONTIGUOUS)
            with m.Elif(~i.payload.last & ~keep.all()):
                m.d.comb += rule.eq(StreamRule.KEEP_NOT_FULL)

        with m.If(~self.violation & (rule != StreamRule.NONE)):
            m.d.sync += [self.violation.eq(1), self.code.eq(rule)]
        return m
