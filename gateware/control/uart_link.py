# SPDX-License-Identifier: Apache-2.0
"""The host's way to the registers over a UART, in the frames of `custodes.serial_frames`."""

from typing import Any, NamedTuple

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import enum, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from custodes.control_registers import UART_DEFAULT_BAUD, UART_FALLBACK_MS
from custodes.serial_frames import (
    ADDRESS_BITS,
    CRC_POLYNOMIAL,
    CRC_RESIDUE,
    IDLE_MS,
    MAX_WORDS,
    OPERATION_BITS,
    OPERATION_LOWEST,
    REPLY_SYNC,
    REQUEST_SYNC,
    SEQUENCE_BITS,
    SEQUENCE_LOWEST,
    STATUS_LOWEST,
    WORDS_BITS,
    WORDS_LOWEST,
    Operation,
    Status,
)
from gateware.control import access
from gateware.control.access import AccessInterface, AccessSignature
from gateware.control.guarded import guarded
from gateware.control.uart import DATA_BITS, MIN_DIVISOR, UartReceiver, UartTransmitter

DIVISOR_BITS = 16
LATENCY_CYCLES = 16
HALF = 128
"""Words of the memory for a frame, of which there are two: a request, and the last reply."""
FIRST_VALUE = 2
"""Place in a frame of the first value, or of the check where there is none."""


class Header(NamedTuple):
    """Fields of the first word of a request, and whether it is one."""

    operation: Value
    sequence: Value
    words: Value
    possible: Value


class Step(enum.Enum, shape=6):
    """What the link does: a state that does not exist forgets the frame."""

    HUNT = 0b000000
    """Wait for a sync byte."""
    RECEIVE = 0b000111
    JUDGE = 0b011001
    """The last byte is there; once it is in the CRC, decide."""
    NEXT = 0b011110
    """Go on with the next word, whose value is being fetched, unless there is none."""
    ASK = 0b101010
    AWAIT = 0b101101
    REPLY = 0b110011


class UartLink(wiring.Component):
    """Reads and writes registers for a host, in whole frames only: nothing is asked for before the CRC of a frame is right.

    A frame ends without effect where a byte is broken, a header is none, or nothing comes for `IDLE_MS`. What is received
    while a request is under way or answered is lost.

    Args:
        clock_hz: of ``sync``; at least 1 MHz.

    Members:
        rx, tx: the line.
        access: to the registers.
        i_divisor, write_divisor: what is written to UART_DIVISOR: clocks per bit from the end of the reply on; less than
            `MIN_DIVISOR` is ignored.
        divisor: clocks per bit. After reset, and `UART_FALLBACK_MS` after the last good frame: those of 115200 baud.
        fault: the state is what it cannot be, without delay. The frame is forgotten.

    Latency, from the middle of the last stop bit of a request to the first bit of the reply: `LATENCY_CYCLES`, and per word
    those of the access and 2 more. Throughput: the line's, one frame at a time. Reset: the session is closed; a frame under
    way is cut short.
    """

    rx: Signal
    tx: Signal
    access: AccessInterface
    i_divisor: Signal
    write_divisor: Signal
    divisor: Signal
    fault: Signal

    def __init__(self, clock_hz: int) -> None:
        self.clock_hz = clock_hz
        self.default_divisor = round(clock_hz / UART_DEFAULT_BAUD)
        if not MIN_DIVISOR <= self.default_divisor < 1 << DIVISOR_BITS:
            raise ValueError(f"{UART_DEFAULT_BAUD} baud cannot be made of {clock_hz} Hz")
        super().__init__(
            {
                "rx": In(1),
                "tx": Out(1),
                "access": Out(AccessSignature()),
                "i_divisor": In(DIVISOR_BITS),
                "write_divisor": In(1),
                "divisor": Out(DIVISOR_BITS),
                "fault": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.receiver = receiver = UartReceiver(DIVISOR_BITS)
        m.submodules.transmitter = transmitter = UartTransmitter(DIVISOR_BITS)
        m.submodules.frames = frames = Memory(shape=32, depth=2 * HALF, init=[])
        stored, fetched = frames.write_port(), frames.read_port()
        # SEC_CM: UART.MODE.GUARDED
        step, fault = guarded(Step)
        m.d.comb += [
            receiver.rx.eq(self.rx),
            self.tx.eq(transmitter.tx),
            receiver.divisor.eq(self.divisor),
            transmitter.divisor.eq(self.divisor),
            self.fault.eq(fault),
        ]

        # The frame on the line: its current word, with the next byte lowest on the way out, and where that is in the frame.
        word, lane, at = Signal(32), Signal(2), Signal(range(HALF))
        shifted, ended = Signal(32), Signal()
        m.d.comb += [shifted.eq(Cat(word[DATA_BITS:], receiver.o.payload)), ended.eq(lane == 3)]
        crc, fed, crc_left = Signal(32, init=-1), Signal(DATA_BITS), Signal(range(DATA_BITS + 1))
        with m.If(crc_left != 0):
            odd = Signal()
            m.d.comb += odd.eq(crc[0] ^ fed[0])
            m.d.sync += [
                crc.eq(crc[1:] ^ Mux(odd, CRC_POLYNOMIAL, 0)),
                fed.eq(fed[1:]),
                crc_left.eq(crc_left - 1),
            ]

        # The request, and what answers it; the check of the last one that was answered.
        operation, words, sequence = Signal(OPERATION_BITS), Signal(WORDS_BITS), Signal(SEQUENCE_BITS)
        operand = Signal(32)
        address = operand[:ADDRESS_BITS]
        opened, last_sequence, last_check = Signal(), Signal(SEQUENCE_BITS), Signal(32)
        status, done = Signal(Status), Signal(range(MAX_WORDS + 1))
        reads, writes, replies = Signal(), Signal(), Signal()
        check_at = Signal.like(at)
        values = Mux(replies, Mux(reads, done, 0), Mux(writes, words, 0))
        m.d.comb += [
            reads.eq(operation == Operation.READ),
            writes.eq(operation == Operation.WRITE),
            replies.eq(step == Step.REPLY),
            check_at.eq(values + FIRST_VALUE),
            self.access.request.payload.address.eq(address),
            self.access.request.payload.write.eq(writes),
            self.access.request.payload.data.eq(fetched.data),
            self.access.request.valid.eq(step == Step.ASK),
            self.access.reply.ready.eq(step == Step.AWAIT),
            fetched.addr.eq(Cat(at, replies)),
            stored.addr.eq(Cat(at, step == Step.AWAIT)),
            stored.data.eq(Mux(step == Step.AWAIT, self.access.reply.payload.data, shifted)),
        ]
        begin = [lane.eq(0), at.eq(0), crc.eq(-1), crc_left.eq(0)]
        loaded, checked = Signal(), Signal()
        answer = [*begin, loaded.eq(0), checked.eq(0), step.eq(Step.REPLY)]

        idle, good = self._clocks(m, receiver.o.valid, step == Step.HUNT)
        with m.Switch(step):
            with m.Case(Step.HUNT):
                m.d.sync += begin
                with m.If(receiver.o.valid & (receiver.o.payload == REQUEST_SYNC)):
                    m.d.sync += [*_feed(fed, crc_left, receiver.o.payload), word.eq(shifted), lane.eq(1)]
                    m.d.sync += step.eq(Step.RECEIVE)
            with m.Case(Step.RECEIVE):
                with m.If(receiver.o.valid):
                    m.d.sync += [*_feed(fed, crc_left, receiver.o.payload), word.eq(shifted), lane.eq(lane + 1)]
                    with m.If(ended):
                        m.d.sync += at.eq(at + 1)
                        m.d.comb += stored.en.eq(1)
                        with m.If(at == 0):
                            head = _header(shifted)
                            m.d.sync += [operation.eq(head.operation), sequence.eq(head.sequence), words.eq(head.words)]
                            with m.If(~head.possible):
                                m.d.sync += step.eq(Step.HUNT)
                        with m.Elif(at == 1):
                            m.d.sync += operand.eq(shifted)
                        with m.Elif(at == check_at):
                            m.d.sync += step.eq(Step.JUDGE)
                with m.Elif(receiver.broken | idle):
                    m.d.sync += step.eq(Step.HUNT)
            with m.Case(Step.JUDGE), m.If(crc_left == 0):
                m.d.sync += answer
                same, follows = Signal(), Signal()
                m.d.comb += [
                    good.eq(crc == CRC_RESIDUE),
                    same.eq(opened & (sequence == last_sequence) & (word == last_check)),
                    follows.eq(opened & (sequence == (last_sequence + 1)[:SEQUENCE_BITS])),
                ]
                # SEC_CM: UART.WHOLE_FRAMES
                with m.If(~good):
                    m.d.sync += step.eq(Step.HUNT)
                # SEC_CM: UART.ONCE
                with m.Elif(~same):
                    hello = (operation == Operation.HELLO) & (words == 0)
                    m.d.sync += [last_sequence.eq(sequence), last_check.eq(word), done.eq(0), status.eq(Status.OK)]
                    with m.If(hello):
                        m.d.sync += opened.eq(1)
                    with m.Elif(~follows):
                        m.d.sync += [opened.eq(0), status.eq(Status.CLOSED)]
                    with m.Elif(~(reads | writes) | (words == 0) | (operand[ADDRESS_BITS:] != words)):
                        m.d.sync += status.eq(Status.MALFORMED)
                    with m.Else():
                        m.d.sync += [at.eq(FIRST_VALUE), step.eq(Step.NEXT)]
            with m.Case(Step.NEXT):
                m.d.sync += step.eq(Step.ASK)
                with m.If(done == words):
                    m.d.sync += answer
                with m.Elif(address[access.ADDRESS_BITS :] != 0):
                    m.d.sync += [*answer, status.eq(Status.REFUSED)]
            with m.Case(Step.ASK), m.If(self.access.request.ready):
                m.d.sync += step.eq(Step.AWAIT)
            with m.Case(Step.AWAIT):
                m.d.comb += stored.en.eq(1)
                with m.If(self.access.reply.valid):
                    m.d.sync += [done.eq(done + 1), at.eq(at + 1), address.eq(address + 1), step.eq(Step.NEXT)]
                    with m.If(self.access.reply.payload.refused):
                        m.d.sync += [*answer, done.eq(done), status.eq(Status.REFUSED)]
            with m.Case(Step.REPLY), m.If(crc_left == 0):
                with m.If(loaded):
                    # What is fed with its own lowest byte is shifted by a byte: so the CRC sends itself.
                    byte = Mux(checked, crc[:DATA_BITS], word[:DATA_BITS])
                    m.d.comb += [
                        transmitter.i.valid.eq(1),
                        transmitter.i.payload.eq(byte ^ checked.replicate(DATA_BITS)),
                    ]
                    with m.If(transmitter.i.ready):
                        m.d.sync += [*_feed(fed, crc_left, byte), word.eq(shifted), lane.eq(lane + 1)]
                        with m.If(ended):
                            m.d.sync += [at.eq(at + 1), loaded.eq(0)]
                with m.Elif(~checked):
                    m.d.sync += [loaded.eq(1), word.eq(fetched.data)]
                    with m.If(at == 0):
                        m.d.sync += word.eq(Cat(Const(REPLY_SYNC, 8), status, operation, sequence, done))
                    with m.Elif(at == 1):
                        m.d.sync += word.eq(last_check)
                    with m.Elif(at == check_at):
                        m.d.sync += checked.eq(1)
                with m.Elif(transmitter.i.ready):
                    m.d.sync += step.eq(Step.HUNT)
            with m.Default():
                m.d.sync += step.eq(Step.HUNT)
        return m

    def _clocks(self, m: Module, byte: Value, rests: Value) -> tuple[Signal, Signal]:
        """What takes time: returns that nothing has come for `IDLE_MS`, and a signal to be set by a good frame."""
        good, idle = Signal(), Signal()
        cycle, tick = Signal(range(self.clock_hz // 1000)), Signal()
        waited, quiet = Signal(range(IDLE_MS + 1)), Signal(range(UART_FALLBACK_MS + 1))
        wanted = Signal(DIVISOR_BITS, init=self.default_divisor)
        divisor = Signal(DIVISOR_BITS, init=self.default_divisor)
        m.d.comb += [self.divisor.eq(divisor), tick.eq(cycle == 0), idle.eq(waited == IDLE_MS)]
        m.d.sync += cycle.eq(Mux(tick, self.clock_hz // 1000 - 1, cycle - 1))
        with m.If(byte):
            m.d.sync += waited.eq(0)
        with m.Elif(tick & ~idle):
            m.d.sync += waited.eq(waited + 1)
        with m.If(good):
            m.d.sync += quiet.eq(0)
        with m.Elif(quiet == UART_FALLBACK_MS):
            m.d.sync += wanted.eq(self.default_divisor)
        with m.Elif(tick):
            m.d.sync += quiet.eq(quiet + 1)
        with m.If(self.write_divisor & (self.i_divisor >= MIN_DIVISOR)):
            m.d.sync += wanted.eq(self.i_divisor)
        with m.If(rests):
            m.d.sync += divisor.eq(wanted)
        return idle, good


def _header(word: Value) -> Header:
    status, operation = word[STATUS_LOWEST:OPERATION_LOWEST], word[OPERATION_LOWEST:SEQUENCE_LOWEST]
    sequence, words = word[SEQUENCE_LOWEST:WORDS_LOWEST], word[WORDS_LOWEST:]
    possible = (status == 0) & operation.matches(*map(int, Operation)) & (words <= MAX_WORDS)
    return Header(operation, sequence, words, possible)


def _feed(fed: Signal, crc_left: Signal, byte: Value) -> list[Any]:
    """Begin to take a byte into the CRC: a bit per cycle."""
    return [fed.eq(byte), crc_left.eq(DATA_BITS)]
