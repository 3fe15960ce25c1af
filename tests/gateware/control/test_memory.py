# SPDX-License-Identifier: Apache-2.0
"""The memories of the control CPU."""

from gateware.control.memory import Ram, Rom
from tests.gateware.control.clocked import run, until
from tests.gateware.stream.bench import refusal

BYTES = 256
WORDS = BYTES // 4


def test_rom_has_its_image_and_then_zeros():
    image = bytes(range(1, 11))
    rom = Rom(image, BYTES)
    wanted = image.ljust(BYTES, b"\0")

    async def read(ctx):
        for at in range(WORDS):
            ctx.set(rom.address, at)
            await ctx.tick()
            assert ctx.get(rom.data) == int.from_bytes(wanted[4 * at : 4 * at + 4], "little")

    run(rom, read)


def test_an_image_that_does_not_fit_is_refused():
    assert "257 bytes, the ROM 256" in refusal(lambda: Rom(bytes(257), BYTES))


async def fill(ctx, ram: Ram) -> None:
    for at in range(WORDS):
        ctx.set(ram.write_address, at)
        ctx.set(ram.write_data, 0x1010101 * (at + 1))
        ctx.set(ram.write, 0b1111)
        await ctx.tick()
    ctx.set(ram.write, 0)


async def contents(ctx, ram: Ram) -> list[int]:
    words = []
    for at in range(WORDS):
        ctx.set(ram.read_address, at)
        await ctx.tick()
        words.append(ctx.get(ram.read_data))
    return words


def test_ram_writes_the_bytes_that_are_asked_for():
    ram = Ram(BYTES)

    async def write(ctx):
        await until(ctx, ram.clean)
        await fill(ctx, ram)
        for lanes in range(16):
            ctx.set(ram.write_address, lanes)
            ctx.set(ram.write_data, 0xDDCCBBAA)
            ctx.set(ram.write, lanes)
            await ctx.tick()
        ctx.set(ram.write, 0)
        words = await contents(ctx, ram)
        for lanes in range(16):
            wanted = bytes(b if lanes >> at & 1 else lanes + 1 for at, b in enumerate(b"\xaa\xbb\xcc\xdd"))
            assert words[lanes].to_bytes(4, "little") == wanted

    run(ram, write)


def test_ram_is_wiped_on_demand_in_the_time_it_says():
    ram = Ram(BYTES)

    async def wipe(ctx):
        assert await until(ctx, ram.clean) <= ram.wipe_cycles
        await fill(ctx, ram)
        assert all(await contents(ctx, ram))
        ctx.set(ram.wipe, 1)
        await ctx.tick()
        assert not ctx.get(ram.clean)
        assert await until(ctx, ram.clean) + 1 <= ram.wipe_cycles
        assert await contents(ctx, ram) == [0] * WORDS

    run(ram, wipe)


def test_what_is_written_while_ram_is_wiped_is_lost():
    ram = Ram(BYTES)

    async def wipe(ctx):
        await until(ctx, ram.clean)
        ctx.set(ram.wipe, 1)
        await ctx.tick()
        ctx.set(ram.write_data, 0xFFFF_FFFF)
        ctx.set(ram.write, 0b1111)
        ctx.set(ram.write_address, 3)
        await until(ctx, ram.clean)
        ctx.set(ram.write, 0)
        assert await contents(ctx, ram) == [0] * WORDS

    run(ram, wipe)


def test_another_wipe_begins_anew():
    ram = Ram(BYTES)

    async def wipe(ctx):
        await until(ctx, ram.clean)
        await fill(ctx, ram)
        for level in (1, 0, 1):
            ctx.set(ram.wipe, level)
            await ctx.tick()
        await ctx.tick().repeat(WORDS - 1)
        assert not ctx.get(ram.clean)
        await ctx.tick()
        assert ctx.get(ram.clean)

    run(ram, wipe)
