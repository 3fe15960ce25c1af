# SPDX-License-Identifier: Apache-2.0
"""Where host and firmware leave messages for each other."""

from amaranth import Module, Signal
from amaranth.lib import enum, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from custodes.control_registers import MAILBOX_BYTES, MAILBOX_WORDS
from custodes.control_registers import Mailbox as Turn
from gateware.control.guarded import guarded

LENGTH = range(MAILBOX_BYTES + 1)
TURN_BITS = 2


class Owner(enum.Enum, shape=5):
    """Whose turn it is: whatever does not exist is nobody's."""

    IDLE = 0b00000
    BUSY = 0b00111
    DONE = 0b11001


class Mailbox(wiring.Component):
    """A memory for a request and one for its reply. The host writes the former except while it is the firmware's turn: so
    what the firmware has checked stays what it was. SEC_CM: MAILBOX.OWNERSHIP

    Members:
        request_address, request_data, request_write: of the host; lost except in its turn.
        send, send_length: hands a request of so many bytes to the firmware; ignored except in the host's turn, and where it
            is longer than the memory.
        reply_address, reply_data: of the host; a word, a cycle later.
        state, reply_length: what the host sees.
        pending, length: a request of so many bytes waits for its reply.
        firmware_address, firmware_data: of the firmware; a word of the request, a cycle later.
        answer_address, answer_data, answer_write: of the firmware; a word of the reply; lost unless ``pending``.
        answer, answer_length: hands the reply to the host; ignored unless ``pending``.
        fault: `Owner` is what it cannot be, without delay.

    Reset: idle; the memories stay as they are, and a reply of before can be read.
    """

    request_address: Signal
    request_data: Signal
    request_write: Signal
    send: Signal
    send_length: Signal
    reply_address: Signal
    reply_data: Signal
    state: Signal
    reply_length: Signal
    pending: Signal
    length: Signal
    firmware_address: Signal
    firmware_data: Signal
    answer_address: Signal
    answer_data: Signal
    answer_write: Signal
    answer: Signal
    answer_length: Signal
    fault: Signal

    def __init__(self) -> None:
        word = range(MAILBOX_WORDS)
        super().__init__(
            {
                "request_address": In(word),
                "request_data": In(32),
                "request_write": In(1),
                "send": In(1),
                "send_length": In(LENGTH),
                "reply_address": In(word),
                "reply_data": Out(32),
                "state": Out(TURN_BITS),
                "reply_length": Out(LENGTH),
                "pending": Out(1),
                "length": Out(LENGTH),
                "firmware_address": In(word),
                "firmware_data": Out(32),
                "answer_address": In(word),
                "answer_data": In(32),
                "answer_write": In(1),
                "answer": In(1),
                "answer_length": In(LENGTH),
                "fault": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.request = request = Memory(shape=32, depth=MAILBOX_WORDS, init=[])
        m.submodules.reply = reply = Memory(shape=32, depth=MAILBOX_WORDS, init=[])
        request_write, request_read = request.write_port(), request.read_port()
        reply_write, reply_read = reply.write_port(), reply.read_port()
        # SEC_CM: MAILBOX.MODE.GUARDED
        owner, fault = guarded(Owner)
        hosts = (owner == Owner.IDLE) | (owner == Owner.DONE)
        with m.Switch(owner):
            with m.Case(Owner.BUSY):
                m.d.comb += self.state.eq(Turn.BUSY)
            with m.Case(Owner.DONE):
                m.d.comb += self.state.eq(Turn.DONE)
        m.d.comb += [
            self.pending.eq(owner == Owner.BUSY),
            self.fault.eq(fault),
            request_write.addr.eq(self.request_address),
            request_write.data.eq(self.request_data),
            request_write.en.eq(self.request_write & hosts),
            request_read.addr.eq(self.firmware_address),
            self.firmware_data.eq(request_read.data),
            reply_write.addr.eq(self.answer_address),
            reply_write.data.eq(self.answer_data),
            reply_write.en.eq(self.answer_write & self.pending),
            reply_read.addr.eq(self.reply_address),
            self.reply_data.eq(reply_read.data),
        ]
        with m.If(self.pending & self.answer):
            m.d.sync += [owner.eq(Owner.DONE), self.reply_length.eq(self.answer_length)]
        with m.If(hosts & self.send & (self.send_length <= MAILBOX_BYTES)):
            m.d.sync += [owner.eq(Owner.BUSY), self.length.eq(self.send_length), self.reply_length.eq(0)]
        return m
