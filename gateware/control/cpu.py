# SPDX-License-Identifier: Apache-2.0
"""The control CPU with its memories: picorv32, of which only the ROM can tell what to do."""

from importlib import resources
from pathlib import Path

from amaranth import Cat, ClockSignal, Const, Instance, Module, Mux, ResetSignal, Signal
from amaranth.hdl import Value
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from gateware.control.access import ADDRESS_BITS, AccessInterface, AccessSignature
from gateware.control.guarded import guarded
from gateware.control.memory import Ram, Rom

PICORV32 = Path(str(resources.files("pythondata_cpu_picorv32"))) / "verilog" / "picorv32.v"
"""Its Verilog, as its authors wrote it: whoever makes something of a `Cpu` adds it."""
ROM_BYTES = 32 * 1024
RAM_BYTES = 16 * 1024
REGION_SHIFT = 28
"""Of a byte address: what is above says where it is."""
WORD_SHIFT = 2
REGISTERS = 32
SCRUB_CYCLES = 192
"""In which the CPU overwrites what it has in itself: 34 instructions of at most 5 cycles."""


class Region(enum.IntEnum):
    """What the CPU sees at ``region << REGION_SHIFT``."""

    ROM = 0
    RAM = 1
    FIRMWARE = 2
    """Registers that only the CPU has."""
    HOST = 3
    """Registers as the host sees them."""


class Phase(enum.Enum, shape=5):
    """What the CPU is at: whatever does not exist is followed by the first."""

    RESET = 0b00000
    SCRUB = 0b00111
    """It overwrites its registers."""
    HOLD = 0b11001
    """In reset until the RAM is clean, and for as long as somebody zeroises."""
    RUN = 0b11110


class Cpu(wiring.Component):
    """picorv32 (RV32IMC without division), from reset on at address 0.

    Only the ROM executes, and nothing writes it: an instruction from elsewhere, a write to the ROM, an address where there
    is nothing, a part of a register written, and whatever the CPU itself does not understand stop it. SEC_CM: CPU.ROM_ONLY

    Args:
        image: of the ROM.
        rom_bytes, ram_bytes: sizes, powers of two.

    Members:
        registers: asks for registers of the firmware.
        host: asks for registers as the host sees them.
        trap: the CPU is stopped, until the next reset.
        fault: `Phase` is what it cannot be, without delay.
        zeroise: stops the CPU, has it overwrite its registers, and overwrites the RAM.

    After a reset, and after a rise of ``zeroise``, everything is overwritten within `zeroise_cycles`; only then does the CPU
    start. SEC_CM: CPU.WIPE. ROM and RAM take no wait states; registers take 3 more than whoever has them.
    """

    registers: AccessInterface
    host: AccessInterface
    trap: Signal
    fault: Signal
    zeroise: Signal

    def __init__(self, image: bytes, rom_bytes: int = ROM_BYTES, ram_bytes: int = RAM_BYTES) -> None:
        self.rom = Rom(image, rom_bytes)
        self.ram = Ram(ram_bytes)
        self.rom_bytes = rom_bytes
        self.ram_bytes = ram_bytes
        super().__init__(
            {
                "registers": Out(AccessSignature()),
                "host": Out(AccessSignature()),
                "trap": Out(1),
                "fault": Out(1),
                "zeroise": In(1),
            }
        )

    @property
    def zeroise_cycles(self) -> int:
        return max(self.ram.wipe_cycles, SCRUB_CYCLES + 2) + 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.rom, m.submodules.ram = rom, ram = self.rom, self.ram
        phase = self._phase(m)
        runs, scrubs = Signal(), Signal()
        m.d.comb += [runs.eq(phase == Phase.RUN), scrubs.eq(phase == Phase.SCRUB)]

        valid, instruction, ready, trap = Signal(), Signal(), Signal(), Signal()
        address, write_data, write, read_data = Signal(32), Signal(32), Signal(4), Signal(32)
        next_read, next_write, next_address = Signal(), Signal(), Signal(32)
        m.submodules.picorv32 = Instance(
            "picorv32",
            p_ENABLE_COUNTERS=0,
            p_ENABLE_COUNTERS64=0,
            p_COMPRESSED_ISA=1,
            p_BARREL_SHIFTER=1,
            p_ENABLE_FAST_MUL=1,
            p_CATCH_MISALIGN=1,
            p_CATCH_ILLINSN=1,
            i_clk=ClockSignal(),
            i_resetn=(runs | scrubs) & ~ResetSignal(),
            o_trap=trap,
            o_mem_valid=valid,
            o_mem_instr=instruction,
            i_mem_ready=ready,
            o_mem_addr=address,
            o_mem_wdata=write_data,
            o_mem_wstrb=write,
            i_mem_rdata=read_data,
            o_mem_la_read=next_read,
            o_mem_la_write=next_write,
            o_mem_la_addr=next_address,
            i_pcpi_wr=Const(0, 1),
            i_pcpi_rd=Const(0, 32),
            i_pcpi_wait=Const(0, 1),
            i_pcpi_ready=Const(0, 1),
            i_irq=Const(0, 32),
        )

        # Where an access goes is known as it begins: memories are read a cycle ahead.
        places = {
            Region.ROM: self.rom_bytes,
            Region.RAM: self.ram_bytes,
            Region.FIRMWARE: 1 << ADDRESS_BITS + WORD_SHIFT,
            Region.HOST: 1 << ADDRESS_BITS + WORD_SHIFT,
        }
        at = {region: Signal(name=f"at_{region.name.lower()}") for region in Region}
        with m.If(next_read | next_write):
            for region, size in places.items():
                bits = size.bit_length() - 1
                m.d.sync += at[region].eq(next_address[bits:] == region << REGION_SHIFT - bits)
        at_register = at[Region.FIRMWARE] | at[Region.HOST]
        stopped, fault = Signal(), Signal()
        writes = write.any()
        m.d.comb += fault.eq(
            (runs & trap)
            | (runs & valid & instruction & ~at[Region.ROM])
            | (runs & valid & writes & at[Region.ROM])
            | (runs & valid & writes & at_register & ~write.all())
            | (runs & valid & ~Cat(at.values()).any())
        )
        answered, refused, answer = self._access(m, runs & valid & ~fault, at, address, write_data, writes)
        with m.If(fault | refused):
            m.d.sync += stopped.eq(1)
        m.d.comb += [
            self.trap.eq(stopped),
            rom.address.eq(next_address[WORD_SHIFT:]),
            ram.read_address.eq(next_address[WORD_SHIFT:]),
            ram.write_address.eq(address[WORD_SHIFT:]),
            ram.write_data.eq(write_data),
            ram.write.eq(Mux(runs & valid & at[Region.RAM], write, 0)),
            ram.wipe.eq(self.zeroise),
            ready.eq(Mux(scrubs, valid, answered | (valid & ~fault & (at[Region.ROM] | at[Region.RAM])))),
        ]
        with m.If(scrubs):
            m.d.comb += read_data.eq(_scrubbing(m, address[WORD_SHIFT:]))
        with m.Elif(at[Region.ROM]):
            m.d.comb += read_data.eq(rom.data)
        with m.Elif(at[Region.RAM]):
            m.d.comb += read_data.eq(ram.read_data)
        with m.Else():
            m.d.comb += read_data.eq(answer)
        return m

    def _phase(self, m: Module) -> Value:
        """Reset, registers overwritten, RAM overwritten, and only then what the ROM says."""
        # SEC_CM: CPU.MODE.GUARDED
        phase, fault = guarded(Phase)
        left = Signal(range(SCRUB_CYCLES))
        m.d.comb += self.fault.eq(fault)
        with m.Switch(phase):
            with m.Case(Phase.RESET):
                m.d.sync += [phase.eq(Phase.SCRUB), left.eq(SCRUB_CYCLES - 1)]
            with m.Case(Phase.SCRUB):
                m.d.sync += left.eq(left - 1)
                with m.If(left == 0):
                    m.d.sync += phase.eq(Phase.HOLD)
            with m.Case(Phase.HOLD), m.If(self.ram.clean & ~self.zeroise):
                m.d.sync += phase.eq(Phase.RUN)
            with m.Case(Phase.RUN), m.If(self.zeroise):
                m.d.sync += phase.eq(Phase.RESET)
            with m.Default():
                m.d.sync += phase.eq(Phase.RESET)
        return phase

    def _access(
        self, m: Module, asks: Value, at: dict[Region, Signal], address: Signal, write_data: Signal, writes: Value
    ) -> tuple[Signal, Signal, Signal]:
        """Asks for registers; returns: answered, refused, and the answer."""
        answered, refused, answer = Signal(), Signal(), Signal(32)
        waits = Signal()  # for a reply, whatever has become of the CPU meanwhile
        m.d.sync += [answered.eq(0), refused.eq(0)]
        for region, port in ((Region.FIRMWARE, self.registers), (Region.HOST, self.host)):
            request, reply = port.request, port.reply
            m.d.comb += reply.ready.eq(1)
            with m.If(request.valid & request.ready):
                m.d.sync += request.valid.eq(0)
            with m.If(asks & at[region] & ~(waits | answered | refused)):
                m.d.sync += [
                    request.valid.eq(1),
                    request.payload.address.eq(address[WORD_SHIFT:]),
                    request.payload.write.eq(writes),
                    request.payload.data.eq(write_data),
                    waits.eq(1),
                ]
            with m.If(reply.valid):
                m.d.sync += [
                    waits.eq(0),
                    answer.eq(reply.payload.data),
                    answered.eq(asks & ~reply.payload.refused),
                    refused.eq(asks & reply.payload.refused),
                ]
        return answered, refused, answer


def _scrubbing(m: Module, word: Value) -> Signal:
    """The instruction at a word address that overwrites what the CPU has in itself: registers, then what the multiplier
    works on, then what is written to memory."""
    instruction = Signal(32)
    with m.If(word[:6] < REGISTERS):
        m.d.comb += instruction.eq(Cat(Const(0b0010011, 7), word[:5]))  # addi x[word], x0, 0
    with m.Elif(word[:6] == REGISTERS):
        m.d.comb += instruction.eq(0x0200_0033)  # mul x0, x0, x0
    with m.Elif(word[:6] == REGISTERS + 1):
        m.d.comb += instruction.eq(0x0000_2023)  # sw x0, 0(x0)
    with m.Else():
        m.d.comb += instruction.eq(0x0000_0013)
    return instruction
