# SPDX-License-Identifier: Apache-2.0
"""One SHA-256 engine for two users, of which each has its time."""

from typing import Any

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from gateware.hash.sha256 import STATE_BITS, Sha256, block_word


class HashSignature(wiring.Signature):
    """What a user has of an engine: ``i``, ``busy`` and ``state`` as those of `Sha256`."""

    def __init__(self) -> None:
        super().__init__({"i": Out(stream.Signature(block_word())), "busy": In(1), "state": In(STATE_BITS)})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HashSignature)


class TurnedSha256(wiring.Component):
    """A `Sha256` that is the first user's, and while ``turned`` is 1 the second's.

    Members:
        first, second: the users. Of one that does not have the engine no word is taken, and it reads as busy.
        turned: between blocks only, or with `clear`.
        clear: as of `Sha256`. Whose turn ends has its message cleared, or must not mind that the other reads its digest.

    Latency and throughput: those of `Sha256`.
    """

    first: Any
    second: Any
    turned: Signal
    clear: Signal

    def __init__(self) -> None:
        user = HashSignature()
        super().__init__({"first": In(user), "second": In(user), "turned": In(1), "clear": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.sha256 = sha256 = Sha256()
        m.d.comb += sha256.clear.eq(self.clear)
        for user, turn in ((self.first, ~self.turned), (self.second, self.turned)):
            m.d.comb += [user.state.eq(sha256.state), user.busy.eq(sha256.busy | ~turn)]
            with m.If(turn):
                m.d.comb += [
                    sha256.i.valid.eq(user.i.valid),
                    sha256.i.payload.eq(user.i.payload),
                    user.i.ready.eq(sha256.i.ready),
                ]
        return m
