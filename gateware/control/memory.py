# SPDX-License-Identifier: Apache-2.0
"""What the control CPU runs from and works in."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

WORD_BYTES = 4


class Rom(wiring.Component):
    """The firmware. There is no write port: nothing that happens in the device changes it. SEC_CM: ROM.NO_WRITE_PORT

    Args:
        image: at most ``size`` bytes; the rest is 0, which is no instruction.
        size: bytes, a power of two.

    Members:
        address: of a word, counted in words.
        data: the word, little-endian, a cycle later.
    """

    address: Signal
    data: Signal

    def __init__(self, image: bytes, size: int) -> None:
        if len(image) > size:
            raise ValueError(f"the firmware has {len(image)} bytes, the ROM {size}")
        self.image = image.ljust(size, b"\0")
        super().__init__({"address": In(range(size // WORD_BYTES)), "data": Out(32)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        words = [int.from_bytes(self.image[at : at + 4], "little") for at in range(0, len(self.image), WORD_BYTES)]
        m.submodules.words = memory = Memory(shape=32, depth=len(words), init=words)
        read = memory.read_port()
        m.d.comb += [read.addr.eq(self.address), self.data.eq(read.data)]
        return m


class Ram(wiring.Component):
    """Memory that is overwritten with zeros after every reset, and on demand.

    Args:
        size: bytes, a power of two.

    Members:
        read_address, read_data: of a word, and the word a cycle later.
        write_address, write_data, write: of a word; ``write`` has a bit per byte. Lost while the memory is being wiped.
        wipe: overwrite everything, from the beginning; once per rise.
        clean: that has been done.

    Wiping takes ``wipe_cycles``, from the reset or from ``wipe`` on. SEC_CM: RAM.WIPE
    """

    read_address: Signal
    read_data: Signal
    write_address: Signal
    write_data: Signal
    write: Signal
    wipe: Signal
    clean: Signal

    def __init__(self, size: int) -> None:
        self.words = size // WORD_BYTES
        super().__init__(
            {
                "read_address": In(range(self.words)),
                "read_data": Out(32),
                "write_address": In(range(self.words)),
                "write_data": In(32),
                "write": In(WORD_BYTES),
                "wipe": In(1),
                "clean": Out(1),
            }
        )

    @property
    def wipe_cycles(self) -> int:
        return self.words + 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.words = memory = Memory(shape=32, depth=self.words, init=[])
        read, write = memory.read_port(), memory.write_port(granularity=8)
        clean, at, before = Signal(), Signal(range(self.words)), Signal()
        m.d.sync += before.eq(self.wipe)
        with m.If(self.wipe & ~before):
            m.d.sync += [clean.eq(0), at.eq(0)]
        with m.Elif(~clean):
            m.d.sync += [at.eq(at + 1), clean.eq(at == self.words - 1)]
        m.d.comb += [
            read.addr.eq(self.read_address),
            self.read_data.eq(read.data),
            write.addr.eq(Mux(clean, self.write_address, at)),
            write.data.eq(Mux(clean, self.write_data, 0)),
            write.en.eq(Mux(clean, self.write, -1)),
            self.clean.eq(clean),
        ]
        return m
