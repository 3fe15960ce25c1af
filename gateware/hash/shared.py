# SPDX-License-Identifier: Apache-2.0
"""One SHA-256 engine for several users."""

from typing import Any

from amaranth import DomainRenamer, Module, Signal
from amaranth.lib import enum, stream, wiring
from amaranth.lib.wiring import In, Out

from gateware.control.guarded import guarded
from gateware.hash.sha256 import STATE_BITS, Sha256, block_word


class EngineSignature(wiring.Signature):
    """What a user of the engine has.

    Members:
        use: the user wants the engine, and keeps it as long as this is 1.
        mine: the user has it. Words are taken only then, and ``busy`` and ``state`` mean something only then.
        i, busy, state: as those of `Sha256`; ``state`` stays until the engine is another's.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "use": Out(1),
                "mine": In(1),
                "i": Out(stream.Signature(block_word())),
                "busy": In(1),
                "state": In(STATE_BITS),
            }
        )


class Owner(enum.Enum, shape=5):
    """Who has the engine. SEC_CM: HASH.OWNER.GUARDED"""

    NOBODY = 0b00111
    THIRD = 0b00000
    SECOND = 0b11001
    FIRST = 0b11110


class SharedSha256(wiring.Component):
    """A `Sha256` that some use in turns. Where several want it, they go in their order.

    Args:
        hash_domain: of the engine: ``sync``, or one with the same clock that may rest while ``hashing`` is 0.

    Members:
        first, second, third: the users. One that lets go must be through with its blocks; but for the third, whose digests
            are secret: as it lets go the engine is cleared.
        clear: as of `Sha256`; nobody has the engine after it.
        fault: the owner is one that does not exist. Nobody has the engine then.
        hashing: there is something to do in ``hash_domain``.

    A user has the engine a cycle after it has asked, if it is free; a change of users takes two cycles.
    """

    first: Any
    second: Any
    third: Any
    clear: Signal
    fault: Signal
    hashing: Signal

    def __init__(self, hash_domain: str = "sync") -> None:
        self.hash_domain = hash_domain
        engine = EngineSignature()
        super().__init__(
            {
                "first": In(engine),
                "second": In(engine),
                "third": In(engine),
                "clear": In(1),
                "fault": Out(1),
                "hashing": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        sha256 = Sha256()
        m.submodules.sha256 = DomainRenamer(self.hash_domain)(sha256)
        owner, fault = guarded(Owner)
        # A cycle later, when nobody has the engine yet.
        leaves = Signal()
        m.d.sync += leaves.eq((owner == Owner.THIRD) & ~self.third.use)
        m.d.comb += [
            self.fault.eq(fault),
            sha256.clear.eq(self.clear | leaves),
            self.hashing.eq(sha256.busy | sha256.i.valid | sha256.clear),
        ]
        users = {Owner.FIRST: self.first, Owner.SECOND: self.second, Owner.THIRD: self.third}
        for user in users.values():
            m.d.comb += [user.busy.eq(sha256.busy), user.state.eq(sha256.state)]
        with m.Switch(owner):
            with m.Case(Owner.NOBODY):
                for name, user in reversed(users.items()):
                    with m.If(user.use):
                        m.d.sync += owner.eq(name)
            for name, user in users.items():
                with m.Case(name):
                    m.d.comb += [
                        user.mine.eq(1),
                        sha256.i.valid.eq(user.i.valid),
                        sha256.i.payload.eq(user.i.payload),
                        user.i.ready.eq(sha256.i.ready),
                    ]
                    with m.If(~user.use):
                        m.d.sync += owner.eq(Owner.NOBODY)
        with m.If(self.clear & ~fault):
            m.d.sync += owner.eq(Owner.NOBODY)
        return m
