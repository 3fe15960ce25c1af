# SPDX-License-Identifier: Apache-2.0
"""The device secret, which firmware reads once after a reset."""

from amaranth import Module, Signal
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from custodes.control_registers import SECRET_WORDS
from gateware.control.guarded import guarded

SECRET = data.ArrayLayout(32, SECRET_WORDS)


class Latch(enum.Enum, shape=3):
    """Whether a word can still be read: whatever is not the first means no."""

    OPEN = 0b010
    SHUT = 0b101


class DeviceSecret(wiring.Component):
    """Lets each word of the device secret be read once.

    Members:
        secret: the words; constant.
        index, read: a word is read, in one cycle.
        word: its value, in that cycle; 0 at any other time, when it has been read before, and when locked.
        lock: no word can be read any more, from the next cycle on.
        fault: a latch holds what it cannot, without delay.

    Reset makes every word readable again. Each word has a latch of its own, and the lock has one, so that two bits that
    flip do not make a word readable again.
    """

    secret: data.View
    index: Signal
    read: Signal
    word: Signal
    lock: Signal
    fault: Signal

    def __init__(self) -> None:
        super().__init__(
            {
                "secret": In(SECRET),
                "index": In(range(SECRET_WORDS)),
                "read": In(1),
                "word": Out(32),
                "lock": In(1),
                "fault": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # SEC_CM: SECRET.LATCH.GUARDED
        lock, lock_fault = guarded(Latch, name="lock_latch")
        faults = [lock_fault]
        # SEC_CM: SECRET.LOCK
        with m.If(self.lock):
            m.d.sync += lock.eq(Latch.SHUT)
        for index in range(SECRET_WORDS):
            latch, fault = guarded(Latch, name=f"latch_{index}")
            faults.append(fault)
            with m.If(self.read & (self.index == index)):
                # SEC_CM: SECRET.READ_ONCE
                m.d.sync += latch.eq(Latch.SHUT)
                with m.If((latch == Latch.OPEN) & (lock == Latch.OPEN) & ~self.lock):
                    m.d.comb += self.word.eq(self.secret[index])
        m.d.comb += self.fault.eq(sum(faults, start=0) != 0)
        return m
