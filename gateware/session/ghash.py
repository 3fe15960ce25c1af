# SPDX-License-Identifier: Apache-2.0
"""GHASH, several blocks on their way at once, each frame with a key of its own."""

from itertools import pairwise
from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from gateware.session.field import BITS, assembled, element, factors, product, reduced, times_power, total
from gateware.session.memories import NO_BYPASS
from gateware.session.rate import Rate

LEAF_BITS = 32
"""Of the factors whose products are made bit by bit."""


def beat_layout(rate: Rate, keys: int) -> data.StructLayout:
    """A beat of a frame's blocks.

    Members:
        data: bytes; a block takes ``rate.cycles`` beats, or a beat takes ``rate.blocks`` blocks.
        key: number of the hash key.
        first, last: the block begins or ends with this beat.
        places: of each block in the beat, ``power``: how far it is from the frame's end in blocks, 0 for the last, but at
            most ``rate.chains`` - 1; ``fresh``: no block of the same frame was ``rate.chains`` blocks earlier;
            ``adds``: none comes so much later, and so its product is part of the sum.
        begins: the first beat of the frame with a block that adds. ``ends``: the last.
        note: comes out with the hash.

    Blocks of zeros may precede a frame's first, as fresh ones. The blocks of a frame follow each other without a pause.
    """
    place = data.StructLayout({"power": range(rate.chains), "fresh": 1, "adds": 1})
    return data.StructLayout(
        {
            "data": 8 * rate.lanes,
            "key": range(keys),
            "first": 1,
            "last": 1,
            "places": data.ArrayLayout(place, rate.blocks),
            "begins": 1,
            "ends": 1,
            "note": 1,
        }
    )


def power_layout(rate: Rate, keys: int) -> data.StructLayout:
    """A power of a hash key to be written: ``power`` 0 is the key itself."""
    return data.StructLayout({"key": range(keys), "power": range(rate.chains), "value": BITS})


class Ghash(wiring.Component):
    """Sums the products of a frame's blocks and powers of its hash key.

    Up to 4 lanes a block's digits of 8 to 32 bits are multiplied as they come, and added to the product of the blocks
    before. With more lanes a product takes several cycles, so that blocks take turns in ``rate.chains`` chains: each is
    added to the product of the block so many before it, and multiplied by that power of the key; the last of each chain
    are multiplied by the power that is still missing, and summed.

    Args:
        rate: chains, blocks side by side, cycles per block.
        keys: how many keys are kept, in block RAM.

    Members:
        valid, i: beats, see `beat_layout`.
        power_valid, power: writes a power of a key that no frame inside has.
        o_valid, o, o_note: the hash of the frame, for one cycle.

    Latency from the last beat: 4 cycles up to 4 lanes, 8 with more. Throughput: a beat per cycle, frames back to back.
    Reset forgets what is inside; keys stay until overwritten. Constant time. Standard: NIST SP 800-38D, 6.4.
    """

    valid: Signal
    i: data.View
    power_valid: Signal
    power: data.View
    o_valid: Signal
    o: Signal
    o_note: Signal

    def __init__(self, rate: Rate, keys: int) -> None:
        self.rate = rate
        self.keys = keys
        self.latency_cycles = 4 if rate.serial else 8
        super().__init__(
            {
                "valid": In(1),
                "i": In(beat_layout(rate, keys)),
                "power_valid": In(1),
                "power": In(power_layout(rate, keys)),
                "o_valid": Out(1),
                "o": Out(BITS),
                "o_note": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        valid = Signal(2)
        beat: list[Any] = [Signal(self.i.shape(), name=f"beat_{age}", reset_less=True) for age in (1, 2)]
        m.d.sync += [valid.eq(Cat(self.valid, valid)), beat[0].eq(self.i), beat[1].eq(beat[0])]
        rows = [self._powers(m, number) for number in range(self.rate.blocks)]
        if self.rate.serial:
            self._serial(m, valid[1], beat[1], rows[0])
        else:
            self._chained(m, valid[1], beat[1], rows)
        return m

    def _powers(self, m: Module, number: int) -> Value:
        """The power of the key for a block, 2 cycles after its beat."""
        rate = self.rate
        bits = (rate.chains - 1).bit_length()
        m.submodules[f"powers_{number}"] = powers = Memory(
            shape=BITS, depth=self.keys << bits, init=[], attrs=NO_BYPASS
        )
        write, read = powers.write_port(), powers.read_port(domain="comb")
        near, row = (Signal(BITS, name=f"{name}_{number}", reset_less=True) for name in ("near", "row"))

        def address(power: Value, key: Value) -> Value:
            return Cat(power[:bits] if bits else Const(0, 0), key)

        m.d.comb += [
            write.en.eq(self.power_valid),
            write.addr.eq(address(self.power.power, self.power.key)),
            write.data.eq(self.power.value),
            read.addr.eq(address(self.i.places[number].power, self.i.key)),
        ]
        m.d.sync += [near.eq(read.data), row.eq(near)]
        return row

    def _multiplier(self, m: Module, valid: Value, first: Value, row: Value) -> tuple[Signal, Signal]:
        """The factor of the next cycle's digit, and what it will be: the row, times x once for every bit of the digits
        before."""
        factor, following = Signal(BITS, reset_less=True), Signal(BITS)
        digit_bits = BITS // self.rate.cycles
        m.d.comb += following.eq(Mux(first, row, times_power(factor, digit_bits)) if self.rate.cycles > 1 else row)
        with m.If(valid):
            m.d.sync += factor.eq(following)
        return factor, following

    def _serial(self, m: Module, valid: Value, beat: data.View, row: Value) -> None:
        digit_bits = 8 * self.rate.lanes
        factor, _ = self._multiplier(m, valid, beat.first, row)
        now_valid = Signal()
        now: Any = Signal(beat.shape(), reset_less=True)
        m.d.sync += [now_valid.eq(valid), now.eq(beat)]
        # The product so far, and what is left of the one before, to be added to this block.
        sofar, before = Signal(BITS, reset_less=True), Signal(BITS, reset_less=True)
        added = Mux(now.first, Mux(now.places[0].fresh, 0, sofar), before)
        digit = Signal(digit_bits)
        m.d.comb += [digit.eq(element(now.data) ^ added[:digit_bits]), self.o.eq(sofar)]
        with m.If(now_valid):
            m.d.sync += [
                sofar.eq(reduced(product(digit, factor)) ^ Mux(now.first, 0, sofar)),
                before.eq(added >> digit_bits),
            ]
        m.d.sync += [self.o_valid.eq(now_valid & now.last & now.ends), self.o_note.eq(now.note)]

    def _chained(self, m: Module, valid: Value, beat: data.View, rows: list[Value]) -> None:
        """Digits are in step with ``flags[0]``, their partial products with 1, products with 2, sums over a block with 3."""
        flags: list[Any] = [Signal(beat.shape(), name=f"flags_{age}", reset_less=True) for age in range(4)]
        valids = Signal(4)
        m.d.sync += [valids.eq(Cat(valid, valids)), flags[0].eq(beat)]
        m.d.sync += [after.eq(before) for before, after in pairwise(flags)]
        adds = []
        for number, row in enumerate(rows):
            result = self._product(m, number, valid, beat, row, flags)
            adds.append(Mux(flags[3].places[number].adds, result, 0))
        done = valids[3] & flags[3].last
        with m.If(done):
            m.d.sync += self.o.eq(total([Mux(flags[3].begins, 0, self.o), *adds]))
        m.d.sync += [self.o_valid.eq(done & flags[3].ends), self.o_note.eq(flags[3].note)]

    def _product(
        self, m: Module, number: int, valid: Value, beat: data.View, row: Value, flags: list[data.View]
    ) -> Value:
        """The products of one of the blocks side by side, in step with ``flags[3]``."""
        rate = self.rate
        digit_bits = BITS // rate.cycles
        _, factor = self._multiplier(m, valid, beat.first, row)
        earlier = Signal(BITS, name=f"earlier_{number}", reset_less=True)
        word = element(beat.data.word_select(number, BITS) if rate.blocks > 1 else beat.data)
        added = Mux(beat.first, earlier, earlier >> digit_bits) if rate.cycles > 1 else earlier
        digit = Signal(digit_bits, name=f"digit_{number}")
        m.d.comb += digit.eq(word ^ Mux(beat.places[number].fresh, 0, added))

        parts = []
        for at in range(0, BITS, digit_bits):
            registers = []
            for k, (a, b) in enumerate(factors(digit, factor[at : at + digit_bits], LEAF_BITS)):
                left, right = (
                    Signal(len(a), name=f"{side}_{number}_{at}_{k}", reset_less=True) for side in ("left", "right")
                )
                m.d.sync += left.eq(a)
                with m.If(valid):
                    m.d.sync += right.eq(b)
                part = Signal(2 * len(a) - 1, name=f"part_{number}_{at}_{k}", reset_less=True)
                m.d.sync += part.eq(product(left, right))
                registers.append(part)
            parts.append(assembled(registers, digit_bits) << at)
        whole = Signal(BITS + digit_bits - 1, name=f"whole_{number}", reset_less=True)
        result = Signal(BITS, name=f"result_{number}", reset_less=True)
        m.d.sync += [
            whole.eq(total(parts)),
            result.eq(reduced(whole) ^ (Mux(flags[2].first, 0, result) if rate.cycles > 1 else 0)),
        ]
        if rate.cycles == 1:
            m.d.sync += earlier.eq(result)
        else:
            with m.If(flags[3].last):
                m.d.sync += earlier.eq(result)
        return result
