# SPDX-License-Identifier: Apache-2.0
"""What the host says of an upload, and what it is told."""

from amaranth import Cat, Const, Module, Signal
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from custodes.gateway_registers import DEFAULT_PAUSE_CYCLES, UPLOAD_BLOCK
from custodes.upload_modes import Fault, Mode, UploadOrder
from gateware.control.bus import BusInterface, bus_signature
from gateware.hash.sha256 import STATE_BITS, STATE_WORDS, WORD_BITS
from gateware.upload.pause import CYCLES_BITS
from gateware.upload.weights import MAC_BITS, OFFSET_BITS

REGISTERS = 0x100
"""Of the page."""
BITS_BITS = 64
OCTET_SHIFT = 3
LOW_MAC_BITS = MAC_BITS - WORD_BITS


def offset(name: str) -> int:
    """Of a register in its block."""
    return UPLOAD_BLOCK[name].offset


class Registers(wiring.Component):
    """Registers of `UPLOAD_BLOCK`, by their offsets.

    Members:
        bus: what is read is right 3 cycles after the address rests.
        off: the mode is OFF: nothing is taken in another but orders, or the host could tell the server something.
        clear: forget the announcement.
        mode, ready, power, reason, counted: what is told; ``counted`` in octets.
        start, stop: orders, one cycle each.
        octets, whole: how many are announced; whether it is as many as can come, and no bits more.
        digest, pause_cycles, server, gateway: as written; of addresses the first octet is the most significant.

    Reset: what the map says.
    """

    bus: BusInterface
    off: Signal
    clear: Signal
    mode: Signal
    ready: Signal
    power: Signal
    reason: Signal
    counted: Signal
    start: Signal
    stop: Signal
    octets: Signal
    whole: Signal
    digest: Signal
    pause_cycles: Signal
    server: Signal
    gateway: Signal

    def __init__(self) -> None:
        super().__init__(
            {
                "bus": In(bus_signature(REGISTERS)),
                "off": In(1),
                "clear": In(1),
                "mode": In(Mode),
                "ready": In(1),
                "power": In(1),
                "reason": In(Fault),
                "counted": In(OFFSET_BITS),
                "start": Out(1),
                "stop": Out(1),
                "octets": Out(OFFSET_BITS),
                "whole": Out(1),
                "digest": Out(STATE_BITS),
                "pause_cycles": Out(CYCLES_BITS),
                "server": Out(MAC_BITS),
                "gateway": Out(MAC_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        write, address, data = Signal(), Signal.like(self.bus.address), Signal(WORD_BITS)
        m.d.sync += [write.eq(self.bus.write), address.eq(self.bus.address), data.eq(self.bus.write_data)]
        bits, order = Signal(BITS_BITS), UPLOAD_BLOCK["UPLOAD_COMMAND"].field("ORDER")
        given = data[order.lowest : order.lowest + order.width]
        commands, beyond = write & (address == offset("UPLOAD_COMMAND")), OFFSET_BITS + OCTET_SHIFT
        pause = Signal(CYCLES_BITS, init=DEFAULT_PAUSE_CYCLES)
        m.d.comb += [self.octets.eq(bits[OCTET_SHIFT:beyond]), self.pause_cycles.eq(pause)]
        m.d.sync += [
            self.start.eq(commands & (given == UploadOrder.START)),
            self.stop.eq(commands & (given == UploadOrder.STOP)),
            self.whole.eq((bits[:OCTET_SHIFT] == 0) & (self.octets != 0) & (bits[beyond:] == 0)),
        ]
        # What is announced while START is carried out would count, and not be looked at.
        taken = write & self.off & ~self.start
        with m.If(taken), m.Switch(address):
            with m.Case(offset("UPLOAD_PAUSE_CYCLES")):
                m.d.sync += pause.eq(data)
            for name, mac in (("SERVER_MAC", self.server), ("UPLOAD_MAC", self.gateway)):
                with m.Case(offset(name)):
                    m.d.sync += mac[LOW_MAC_BITS:].eq(data)
                with m.Case(offset(name) + 1):
                    m.d.sync += mac[:LOW_MAC_BITS].eq(data[WORD_BITS - LOW_MAC_BITS :])
        with m.If(taken), m.Switch(address):
            for name, value in (("UPLOAD_BITS", bits), ("UPLOAD_DIGEST", self.digest)):
                for at in range(len(value) // WORD_BITS):
                    with m.Case(offset(name) + at):
                        m.d.sync += value.word_select(at, WORD_BITS).eq(data)
        # SEC_CM: UPLOAD.FORGOTTEN
        with m.If(self.clear):
            m.d.sync += [bits.eq(0), self.digest.eq(0)]
        self._read(m, address, bits)
        return m

    def _read(self, m: Module, address: Value, bits: Value) -> None:
        status = {
            "MODE": Value.cast(self.mode),
            "READY": self.ready,
            "POWER": self.power,
            "FAULT": Value.cast(self.reason),
        }
        state, answer, digest = Signal(WORD_BITS), Signal(WORD_BITS), offset("UPLOAD_DIGEST")
        for field in UPLOAD_BLOCK["UPLOAD_STATE"].fields:
            m.d.comb += state[field.lowest : field.lowest + field.width].eq(status[field.name])
        counted = Cat(Const(0, OCTET_SHIFT), self.counted, Const(0, BITS_BITS - OFFSET_BITS - OCTET_SHIFT))
        padding = Const(0, WORD_BITS - LOW_MAC_BITS)
        pairs = {
            "UPLOAD_BITS": (bits[:WORD_BITS], bits[WORD_BITS:]),
            "UPLOAD_COUNTED": (counted[:WORD_BITS], counted[WORD_BITS:]),
            "SERVER_MAC": (self.server[LOW_MAC_BITS:], Cat(padding, self.server[:LOW_MAC_BITS])),
            "UPLOAD_MAC": (self.gateway[LOW_MAC_BITS:], Cat(padding, self.gateway[:LOW_MAC_BITS])),
        }
        with m.Switch(address):
            with m.Case(offset("UPLOAD_STATE")):
                m.d.comb += answer.eq(state)
            with m.Case(offset("UPLOAD_PAUSE_CYCLES")):
                m.d.comb += answer.eq(self.pause_cycles)
            for name, values in pairs.items():
                for at, value in enumerate(values):
                    with m.Case(offset(name) + at):
                        m.d.comb += answer.eq(value)
            with m.Case(*range(digest, digest + STATE_WORDS)):
                m.d.comb += answer.eq(self.digest.word_select(address[:3], WORD_BITS))
        m.d.sync += self.bus.read_data.eq(answer)
