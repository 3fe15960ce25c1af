# SPDX-License-Identifier: Apache-2.0
"""Bytes on the way to the flash and back."""

import pytest

from gateware.control.spi import SpiMaster
from tests.gateware.control.clocked import run, until
from tests.gateware.stream.bench import refusal

SENT, CAME = b"\x9f\x00\xa5\x81", b"\xff\x3c\x5a\x7e"


@pytest.mark.parametrize("half_cycles", [2, 3, 8])
def test_exchanges_bytes_in_mode_0(half_cycles: int):
    dut = SpiMaster(half_cycles)
    received = bytearray()

    async def master(ctx):
        ctx.set(dut.select, 1)
        await ctx.tick()
        for sent, came in zip(SENT, CAME, strict=True):
            ctx.set(dut.i, sent)
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            assert await until(ctx, ~dut.busy) == 16 * half_cycles
            assert ctx.get(dut.o) == came

    async def slave(ctx):
        """Looks when the clock rises, and changes its mind when it falls."""
        bits = "".join(f"{byte:08b}" for byte in CAME)
        clock, seen = 0, ""
        await until(ctx, dut.pins.cs)
        ctx.set(dut.pins.cipo, int(bits[0]))
        while len(seen) < len(bits):
            await ctx.tick()
            before, clock = clock, ctx.get(dut.pins.sck)
            if clock and not before:
                seen += str(ctx.get(dut.pins.copi))
            elif before and not clock:
                ctx.set(dut.pins.cipo, int(bits[len(seen)]))
        received.extend(int(seen, 2).to_bytes(len(SENT)))

    run(dut, master, slave)
    assert received == SENT


def test_a_byte_is_not_disturbed_by_the_next():
    dut = SpiMaster()

    async def master(ctx):
        ctx.set(dut.i, 0xA5)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.i, 0x00)
        bits = ""
        for _ in range(8):
            await until(ctx, dut.pins.sck)
            bits += str(ctx.get(dut.pins.copi))
            if len(bits) == 7:
                ctx.set(dut.start, 0)
            await until(ctx, ~dut.pins.sck)
        assert int(bits, 2) == 0xA5

    run(dut, master)


def test_a_clock_that_is_too_fast_to_look_in_time_is_refused():
    assert "at least 2" in refusal(lambda: SpiMaster(1))
