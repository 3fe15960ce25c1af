# SPDX-License-Identifier: Apache-2.0
"""The control: everything of a device but its datapath."""

import hashlib

from amaranth import Cat, DomainRenamer, Module, Mux, Signal
from amaranth.hdl import Const, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from custodes.control_registers import (
    CONTROL_BLOCK,
    CONTROL_IDENTITY_VALUE,
    FIRMWARE_BLOCK,
    WATCHDOG_FEED_VALUE,
    ZEROISE_VALUE,
)
from custodes.lifecycle import Lifecycle as State
from custodes.register_map import RegisterMap
from gateware.control.access import AccessInterface, AccessSignature
from gateware.control.arbiter import PAGE_WORDS, Arbiter, Router
from gateware.control.cpu import Cpu
from gateware.control.decoder import Decoder
from gateware.control.firewall import Firewall
from gateware.control.lifecycle import STATE_BITS, Lifecycle
from gateware.control.mailbox import Mailbox
from gateware.control.spi import SPI_PINS, SpiMaster, SpiPinsInterface
from gateware.control.uart_link import UartLink
from gateware.control.watchdog import WATCHDOG_CYCLES
from gateware.hash import Sha256
from gateware.hash.sha256 import block_word
from gateware.trng.trng import Trng

SECRET_BYTES = 32
PAGES = sorted({CONTROL_BLOCK.address(register.name) // PAGE_WORDS for register in CONTROL_BLOCK.registers})
"""Where the control's own registers are."""


class ControlSystem(wiring.Component):
    """Registers, the links to them, CPU and firmware, random numbers, and the life of the device.

    Args:
        rom: the firmware.
        secret: of the device, 32 bytes.
        build_id: SHA-256 of the design.
        registers: the map of the device.
        clock_hz: of ``sync``.
        watchdog_cycles: see `Watchdog`.
        hash_domain: of the SHA-256 engines: ``sync``, or one with the same clock that may rest while ``hashing`` is 0, as
            simulations let it.

    Members:
        rx, tx: UART pins.
        host: a second way to the registers, for simulations; what it may do is what a host may do.
        datapath: asks for the registers that the control does not have itself.
        flash: SPI pins.
        sample, sample_valid: of the noise source.
        tamper: the pin; need not be synchronous.
        fault: a state machine of the datapath is in a state that does not exist.
        zeroise: everything is to be zeroised.
        renew: the datapath is to be reset.
        state: encoded as in `custodes.lifecycle.Lifecycle`.
        hashing: there is something to do in ``hash_domain``.

    From an alarm on, and from every reset, RAM and registers of the CPU are overwritten within `zeroise_cycles`, and the
    SHA-256 engine and the random numbers are cleared.
    """

    rx: Signal
    tx: Signal
    host: AccessInterface
    datapath: AccessInterface
    flash: SpiPinsInterface
    sample: Signal
    sample_valid: Signal
    tamper: Signal
    fault: Signal
    zeroise: Signal
    renew: Signal
    state: Signal
    hashing: Signal

    def __init__(
        self,
        rom: bytes,
        secret: bytes,
        build_id: bytes,
        registers: RegisterMap,
        clock_hz: int,
        watchdog_cycles: int = WATCHDOG_CYCLES,
        hash_domain: str = "sync",
    ) -> None:
        if len(secret) != SECRET_BYTES:
            raise ValueError(f"the device secret has {SECRET_BYTES} bytes, not {len(secret)}")
        self.cpu = Cpu(rom)
        self.secret = secret
        self.registers = registers
        self.digests = {
            "MAP_DIGEST": registers.digest,
            "BUILD_ID": build_id,
            "ROM_DIGEST": hashlib.sha256(rom).digest(),
        }
        self.clock_hz = clock_hz
        self.watchdog_cycles = watchdog_cycles
        self.hash_domain = hash_domain
        super().__init__(
            {
                "rx": In(1),
                "tx": Out(1),
                "host": In(AccessSignature()),
                "datapath": Out(AccessSignature()),
                "flash": Out(SPI_PINS),
                "sample": In(1),
                "sample_valid": In(1),
                "tamper": In(1),
                "fault": In(1),
                "zeroise": Out(1),
                "renew": Out(1),
                "state": Out(STATE_BITS),
                "hashing": Out(1),
            }
        )

    @property
    def zeroise_cycles(self) -> int:
        return self.cpu.zeroise_cycles + 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.cpu = cpu = self.cpu
        m.submodules.lifecycle = lifecycle = Lifecycle(self.watchdog_cycles)
        m.submodules.uart = uart = UartLink(self.clock_hz)
        m.submodules.mailbox = mailbox = Mailbox()
        m.submodules.trng = trng = Trng(hash_domain=self.hash_domain)
        m.submodules.own = own = Decoder([CONTROL_BLOCK])
        m.submodules.firmware = firmware = Decoder([FIRMWARE_BLOCK])
        wiring.connect(m, cpu.registers, firmware.access)
        faults = [*self._ways(m, uart, own), cpu.fault, uart.fault, mailbox.fault, trng.fault, self.fault]
        m.d.comb += [
            uart.rx.eq(self.rx),
            self.tx.eq(uart.tx),
            lifecycle.tamper.eq(self.tamper),
            lifecycle.trap.eq(cpu.trap),
            lifecycle.integrity.eq(Cat(faults).any()),
            Value.cast(lifecycle.secret).eq(int.from_bytes(self.secret, "little")),
            lifecycle.noise.eq(trng.alarm),
            cpu.zeroise.eq(lifecycle.zeroise),
            trng.clear.eq(lifecycle.zeroise),
            trng.sample.eq(self.sample),
            trng.sample_valid.eq(self.sample_valid),
            self.zeroise.eq(lifecycle.zeroise),
            self.renew.eq(lifecycle.renew),
            self.state.eq(lifecycle.state),
        ]
        self._identity(m, own)
        self._state(m, own, firmware, lifecycle)
        self._messages(m, own, firmware, mailbox)
        self._noise(m, own, firmware, trng)
        self._sha(m, firmware, lifecycle.zeroise, trng.hashing)
        self._flash(m, firmware)
        m.d.comb += [
            own["UART_DIVISOR"].value.eq(uart.divisor),
            uart.i_divisor.eq(own["UART_DIVISOR"].data),
            uart.write_divisor.eq(own["UART_DIVISOR"].writes),
        ]
        return m

    def _ways(self, m: Module, uart: UartLink, own: Decoder) -> list[Value]:
        """Who reaches which registers; returns the faults on the way."""
        m.submodules.hosts = hosts = Arbiter(2)
        m.submodules.firewall = firewall = Firewall(self.registers)
        m.submodules.cpu_firewall = cpu_firewall = Firewall(self.registers)
        m.submodules.arbiter = arbiter = Arbiter(2)
        m.submodules.router = router = Router(PAGES)
        wiring.connect(m, uart.access, hosts.i[0])
        wiring.connect(m, wiring.flipped(self.host), hosts.i[1])
        wiring.connect(m, hosts.o, firewall.i)
        wiring.connect(m, self.cpu.host, cpu_firewall.i)
        wiring.connect(m, firewall.o, arbiter.i[0])
        wiring.connect(m, cpu_firewall.o, arbiter.i[1])
        wiring.connect(m, arbiter.o, router.i)
        wiring.connect(m, router.o[0], wiring.flipped(self.datapath))
        wiring.connect(m, router.o[1], own.access)
        # Firmware may always do what the host may while blank; for it, too, there is nothing outside the map.
        m.d.comb += [firewall.state.eq(self.state), cpu_firewall.state.eq(State.BLANK)]
        return [firewall.fault, cpu_firewall.fault]

    def _identity(self, m: Module, own: Decoder) -> None:
        scratch = Signal(32)
        m.d.comb += [
            own["CONTROL_IDENTITY"].value.eq(CONTROL_IDENTITY_VALUE),
            own["CLOCK_HZ"].value.eq(self.clock_hz),
            own["SCRATCH"].value.eq(scratch),
        ]
        with m.If(own["SCRATCH"].writes):
            m.d.sync += scratch.eq(own["SCRATCH"].data)
        for name, digest in self.digests.items():
            words = Const(int.from_bytes(digest, "little"), 8 * len(digest))
            m.d.comb += own[name].value.eq(words.word_select(own[name].index, 32))

    def _state(self, m: Module, own: Decoder, firmware: Decoder, lifecycle: Lifecycle) -> None:
        secret, state, watchdog = firmware["SECRET"], firmware["STATE"], firmware["WATCHDOG"]
        m.d.comb += [
            own["LIFECYCLE"].value.eq(lifecycle.state),
            own["ALARMS"].value.eq(lifecycle.alarms),
            lifecycle.command.eq(own["ZEROISE"].writes & (own["ZEROISE"].data == ZEROISE_VALUE)),
            lifecycle.secret_index.eq(secret.index),
            lifecycle.secret_read.eq(secret.reads),
            secret.value.eq(lifecycle.secret_word),
            lifecycle.secret_lock.eq(firmware["SECRET_LOCK"].writes),
            state.value.eq(lifecycle.state),
            firmware.value("FEATURES", "UPLOAD").eq("UPLOAD_DIGEST" in self.registers),
            lifecycle.request_valid.eq(state.writes),
            lifecycle.request.eq(state.data),
            lifecycle.firmware.eq(firmware["RAISE"].writes),
            lifecycle.feed.eq(watchdog.writes & (watchdog.data == WATCHDOG_FEED_VALUE)),
        ]
        cycles, upper, time = Signal(64), Signal(32), firmware["TIME"]
        m.d.sync += cycles.eq(cycles + 1)
        m.d.comb += time.value.eq(Mux(time.index, upper, cycles[:32]))
        with m.If(time.reads & ~time.index):
            m.d.sync += upper.eq(cycles[32:])

    @staticmethod
    def _messages(m: Module, own: Decoder, firmware: Decoder, mailbox: Mailbox) -> None:
        request, reply, send = own["REQUEST"], own["REPLY"], own["MAILBOX_SEND"]
        taken, given, answer = firmware["FIRMWARE_REQUEST"], firmware["FIRMWARE_REPLY"], firmware["MAILBOX_ANSWER"]
        m.d.comb += [
            mailbox.request_address.eq(request.index),
            mailbox.request_data.eq(request.data),
            mailbox.request_write.eq(request.writes),
            mailbox.send.eq(send.writes),
            mailbox.send_length.eq(send.data),
            mailbox.reply_address.eq(reply.index),
            reply.value.eq(mailbox.reply_data),
            own.value("MAILBOX_STATUS", "STATE").eq(mailbox.state),
            own.value("MAILBOX_STATUS", "LENGTH").eq(mailbox.reply_length),
            mailbox.firmware_address.eq(taken.index),
            taken.value.eq(mailbox.firmware_data),
            mailbox.answer_address.eq(given.index),
            mailbox.answer_data.eq(given.data),
            mailbox.answer_write.eq(given.writes),
            mailbox.answer.eq(answer.writes),
            mailbox.answer_length.eq(answer.data),
            firmware.value("MAILBOX_PENDING", "LENGTH").eq(Mux(mailbox.pending, mailbox.length, 0)),
            firmware.value("MAILBOX_PENDING", "PENDING").eq(mailbox.pending),
        ]

    @staticmethod
    def _noise(m: Module, own: Decoder, firmware: Decoder, trng: Trng) -> None:
        raw, random = own["NOISE_RAW"], firmware["RANDOM"]
        m.d.comb += [
            own["NOISE_STATUS"].value.eq(Cat(trng.state, Const(0, 6), trng.raw.valid)),
            own["NOISE_FAILURES"].value.eq(Cat(trng.repetitions, trng.proportions)),
            raw.value.eq(Mux(trng.raw.valid, trng.raw.payload, 0)),
            trng.raw.ready.eq(raw.reads),
            firmware["RANDOM_STATUS"].value.eq(Cat(trng.o.valid, trng.alarm)),
            random.value.eq(Mux(trng.o.valid, trng.o.payload, 0)),
            trng.o.ready.eq(random.reads),
        ]

    def _sha(self, m: Module, firmware: Decoder, zeroise: Value, others: Value) -> None:
        sha = Sha256()
        m.submodules.sha = DomainRenamer(self.hash_domain)(sha)
        word, command, state = firmware["SHA_WORD"], firmware["SHA_COMMAND"], firmware["SHA_STATE"]
        # A word waits here until the engine takes it.
        waiting = Signal(block_word())
        clear = Signal()
        m.d.comb += [
            clear.eq(zeroise | (command.writes & firmware.data("SHA_COMMAND", "CLEAR"))),
            sha.i.payload.eq(waiting),
            sha.clear.eq(clear),
            self.hashing.eq(sha.busy | sha.i.valid | clear | others),
            word.busy.eq(sha.i.valid),
            firmware["SHA_STATUS"].value.eq(sha.busy | sha.i.valid),
            state.value.eq(sha.state.word_select(~state.index, 32)),
        ]
        with m.If(sha.i.ready):
            m.d.sync += sha.i.valid.eq(0)
            with m.If(sha.i.valid):
                m.d.sync += waiting.first.eq(0)
        with m.If(word.writes):
            m.d.sync += [waiting.word.eq(word.data), sha.i.valid.eq(1)]
        with m.If(command.writes):
            m.d.sync += waiting.first.eq(firmware.data("SHA_COMMAND", "FIRST"))
        with m.If(clear):
            m.d.sync += [waiting.word.eq(0), sha.i.valid.eq(0)]

    def _flash(self, m: Module, firmware: Decoder) -> None:
        m.submodules.spi = spi = SpiMaster()
        wiring.connect(m, spi.pins, wiring.flipped(self.flash))
        select, byte = firmware["SPI_SELECT"], firmware["SPI_DATA"]
        m.d.comb += [
            select.value.eq(spi.select),
            spi.i.eq(byte.data),
            spi.start.eq(byte.writes),
            firmware.value("SPI_DATA", "BYTE").eq(spi.o),
            firmware.value("SPI_DATA", "BUSY").eq(spi.busy),
        ]
        selected = Signal()
        m.d.comb += spi.select.eq(selected)
        with m.If(select.writes):
            m.d.sync += selected.eq(firmware.data("SPI_SELECT", "SELECT"))
