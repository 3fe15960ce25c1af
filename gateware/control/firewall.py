# SPDX-License-Identifier: Apache-2.0
"""What the host may read and write, by the lifecycle state."""

from functools import reduce
from operator import or_

from amaranth import Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from custodes.lifecycle import Lifecycle
from custodes.register_map import Guard, RegisterMap
from gateware.control.access import ACCESS_REPLY, ACCESS_REQUEST, AccessInterface, AccessSignature
from gateware.control.guarded import guarded
from gateware.control.lifecycle import STATE_BITS

READ_IN = {
    Guard.ALWAYS: tuple(Lifecycle),
    Guard.WRITE_BLANK: tuple(Lifecycle),
    Guard.BLANK: (Lifecycle.BLANK,),
    Guard.FIRMWARE: (),
}
"""Where the host gets through to read. A state that does not exist is in none of them."""
WRITTEN_IN = READ_IN | {Guard.WRITE_BLANK: (Lifecycle.BLANK,)}
"""Likewise to write."""


class Passing(enum.Enum, shape=5):
    """What is being done: whatever does not exist refuses what has been asked, if anything has."""

    IDLE = 0b00000
    FORWARD = 0b00111
    AWAIT = 0b11001
    ANSWER = 0b11110


class Firewall(wiring.Component):
    """Lets accesses of the host through to registers that it may use in this state, and refuses all others.

    Refused is what is at an address that is not in the map, what is not read or not written there, and what the register's
    `Guard` keeps from the host in this state. A request that has not been taken yet when the state changes is judged again,
    and withdrawn where it is not allowed any more.

    Args:
        registers: of the device.

    Members:
        i: of the host. o: to the registers.
        state: encoded as in `Lifecycle`.
        fault: `Passing` is what it cannot be, without delay. The access under way is refused.

    Latency: 2 cycles there and 1 back, more than without. Reset: an access under way is forgotten, as its owner must be
    reset with it.
    """

    i: AccessInterface
    o: AccessInterface
    state: Signal
    fault: Signal

    def __init__(self, registers: RegisterMap) -> None:
        self.registers = registers
        super().__init__(
            {"i": In(AccessSignature()), "o": Out(AccessSignature()), "state": In(STATE_BITS), "fault": Out(1)}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # SEC_CM: FIREWALL.MODE.GUARDED
        passing, fault = guarded(Passing)
        asked, reply = Signal(ACCESS_REQUEST), Signal(ACCESS_REPLY)
        # Whether the host waits for a reply, and whether the registers owe one: known apart from `Passing`, so that a fault
        # of that ends an access as it must end, and whoever wants to know what happened can ask.
        waits, owed, allowed = Signal(), Signal(), Signal()
        m.d.comb += [
            allowed.eq(self._allowed(asked.address, asked.write)),
            self.fault.eq(fault),
            self.i.request.ready.eq(passing == Passing.IDLE),
            self.i.reply.valid.eq(passing == Passing.ANSWER),
            self.i.reply.payload.eq(reply),
            # SEC_CM: FIREWALL.JUDGED_AGAIN
            self.o.request.valid.eq((passing == Passing.FORWARD) & allowed & ~owed),
            self.o.request.payload.eq(asked),
            self.o.reply.ready.eq(owed),
        ]
        with m.Switch(passing):
            with m.Case(Passing.IDLE), m.If(self.i.request.valid):
                m.d.sync += [asked.eq(self.i.request.payload), waits.eq(1), passing.eq(Passing.FORWARD)]
            with m.Case(Passing.FORWARD):
                with m.If(~allowed):
                    m.d.sync += [reply.data.eq(0), reply.refused.eq(1), passing.eq(Passing.ANSWER)]
                with m.Elif(self.o.request.ready & ~owed):
                    m.d.sync += [owed.eq(1), passing.eq(Passing.AWAIT)]
            with m.Case(Passing.AWAIT), m.If(self.o.reply.valid):
                m.d.sync += [reply.eq(self.o.reply.payload), passing.eq(Passing.ANSWER)]
            with m.Case(Passing.ANSWER), m.If(self.i.reply.ready):
                m.d.sync += [reply.eq(0), waits.eq(0), passing.eq(Passing.IDLE)]
            with m.Default():
                m.d.sync += [
                    reply.data.eq(0),
                    reply.refused.eq(1),
                    passing.eq(Mux(waits, Passing.ANSWER, Passing.IDLE)),
                ]
        with m.If(owed & self.o.reply.valid):
            m.d.sync += owed.eq(0)
        return m

    def _allowed(self, address: Value, write: Value) -> Value:
        ranges = self.registers.guards()
        # SEC_CM: FIREWALL.STATE
        through = {guard: Value.cast(self.state).matches(*map(int, states)) for guard, states in READ_IN.items()}
        written = {guard: Value.cast(self.state).matches(*map(int, states)) for guard, states in WRITTEN_IN.items()}
        # SEC_CM: FIREWALL.MAP
        return reduce(
            or_,
            (
                _within(address, at.first, at.words)
                & Mux(write, Const(at.writable, 1) & written[at.guard], Const(at.readable, 1) & through[at.guard])
                for at in ranges
            ),
        )


def _within(address: Value, first: int, words: int) -> Value:
    """Whether an address is one of so many from ``first`` on: that of a power of two that is aligned is cheap."""
    if words & (words - 1) or first % words:
        return (address >= first) & (address < first + words)
    return address[words.bit_length() - 1 :] == first // words
