# SPDX-License-Identifier: Apache-2.0
"""How a direction of a session is told what to do, and what it says."""

from amaranth import Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from custodes.macsec import AN_BITS, MAX_WINDOW, Suite
from custodes.processor_registers import COUNTERS_PER_ASSOCIATION

REASON = unsigned(4)


def channel_layout(channels: int) -> data.StructLayout:
    """What `ControlSignature` says of a channel."""
    return data.StructLayout(
        {"channel": range(channels), "in_use": 1, "address": 64, "sci": 64, "window": range(MAX_WINDOW + 1)}
    )


class ControlInterface(wiring.PureInterface):
    """What `ControlSignature` makes."""

    word_valid: Signal
    word: Signal
    forget: Signal
    number: Signal
    load_valid: Signal
    suite: Signal
    ssci: Signal
    salt: Signal
    pn: Signal
    ready: Signal
    loading: Signal
    target: Signal
    zeroise_valid: Signal
    channel_valid: Signal
    channel: data.View
    select_valid: Signal
    busy: Signal
    read: Signal
    pn_now: Signal
    usable_now: Signal
    octets: Signal
    counter: Signal
    count: Signal


class ControlSignature(wiring.Signature):
    """How a direction is told what to do.

    Args:
        channels: how many it has.

    Members:
        load_valid: load association ``number`` with ``suite``, ``ssci``, ``salt`` and ``pn``, which hold until it is no
            longer ``loading``, and the key that has been pushed with ``word``; only while ``ready``, and if ``number`` was
            the same a cycle before.
        zeroise_valid, select_valid: take the key of ``target`` away; let it be the one of its channel that seals.
        forget: the words that have been pushed.
        channel_valid, channel: its address (of the peer, or its SCI), our SCI, its replay window.
        read, pn_now, usable_now, octets: of an association, its PN or lowest acceptable PN, whether it is used, and its
            total.
        counter, count: a count of frames, its reason in the lower bits of ``counter``.

    What is read is right 4 cycles later, and while frames come as fast as they can, now and then a few cycles after that.
    """

    def __init__(self, channels: int) -> None:
        number = range(channels << AN_BITS)
        super().__init__(
            {
                "word_valid": Out(1),
                "word": Out(32),
                "forget": Out(1),
                "number": Out(number),
                "load_valid": Out(1),
                "suite": Out(Suite),
                "ssci": Out(32),
                "salt": Out(96),
                "pn": Out(64),
                "ready": In(1),
                "loading": In(1),
                "target": Out(number),
                "zeroise_valid": Out(1),
                "channel_valid": Out(1),
                "channel": Out(channel_layout(channels)),
                "select_valid": Out(1),
                "busy": In(1),
                "read": Out(number),
                "pn_now": In(64),
                "usable_now": In(1),
                "octets": In(64),
                "counter": Out(range(len(number) * COUNTERS_PER_ASSOCIATION)),
                "count": In(32),
            }
        )


class VerdictInterface(wiring.PureInterface):
    """What `VERDICT` makes."""

    valid: Signal
    reason: Signal


VERDICT = wiring.Signature({"valid": Out(1), "reason": Out(REASON)})
"""For one cycle per frame, in order: 0 where it leaves, else why not."""
