# SPDX-License-Identifier: Apache-2.0
"""AES encryption with 128- and 256-bit keys, several blocks on their way at once, each with a key of its own."""

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from gateware.session.memories import NO_BYPASS
from gateware.session.rate import Rate
from gateware.session.sbox import LATENCY_CYCLES, SubBytes

ROUNDS = {False: 14, True: 10}
"""Whether the key has 128 bits -> rounds of AES: FIPS 197, 5."""
UNIT_CYCLES = LATENCY_CYCLES + 1


class Use(enum.Enum, shape=2):
    """What a block is encrypted for."""

    TEXT = 0
    TAG = 1
    HASH_KEY = 2


def request_layout(rate: Rate, keys: int) -> data.StructLayout:
    """Blocks to be encrypted under one key: its number, whether it has 128 bits, and what for."""
    return data.StructLayout({"blocks": 128 * rate.blocks, "key": range(keys), "short": 1, "use": Use})


def reply_layout(rate: Rate) -> data.StructLayout:
    """Encrypted blocks."""
    return data.StructLayout({"blocks": 128 * rate.blocks, "use": Use})


def row_layout(rate: Rate, keys: int) -> data.StructLayout:
    """A round key to be written: for which round of the key ``key``, counted as in `first_round`."""
    return data.StructLayout({"key": range(keys), "round": range(rate.rounds), "value": 128})


def first_round(rate: Rate, short: bool) -> int:
    """The round that adds the first round key. Those before pass blocks without effect, and need a key of zeros."""
    return rate.rounds - 1 - ROUNDS[short]


def shift_rows(state: Value, times: int = 1) -> Value:
    """FIPS 197, 5.1.2; a block's byte ``r + 4 * c`` is in row r and column c."""
    return Cat(state.word_select(r + 4 * ((c + times * r) % 4), 8) for c in range(4) for r in range(4))


def _double(byte: Value) -> Value:
    """Times x in GF(2^8): FIPS 197, 4.2.1."""
    return (byte << 1)[:8] ^ Mux(byte[7], 0x1B, 0)


def _mix_columns(state: Value, on: Value) -> Value:
    """FIPS 197, 5.1.3 where ``on``, else nothing. 2a + 3b + c + d is a + (a + b + c + d) + 2 (a + b)."""
    mixed = []
    for c in range(4):
        column = [state.word_select(r + 4 * c, 8) for r in range(4)]
        every = column[0] ^ column[1] ^ column[2] ^ column[3]
        mixed += [a ^ Mux(on, every ^ _double(a ^ b), 0) for a, b in zip(column, column[1:] + column[:1], strict=True)]
    return Cat(*mixed)


class Aes(wiring.Component):
    """Encrypts blocks in ``rate.units`` units of a round each, through which a block goes ``rate.passes`` times.

    A unit takes 3 cycles for a round and so has 3 blocks inside. AES with 128 bits has four rounds fewer. Its blocks take
    the same way: in four more of the first rounds bytes are not substituted, columns not mixed, and the key is zero; what
    is left of such a round shifts rows, which is undone by shifting the block when it comes in, in the same way for both
    lengths of keys, as four times shift back. So time depends on nothing.

    Args:
        rate: units, passes, blocks side by side.
        keys: how many keys are kept, in block RAM.

    Members:
        i: requests, taken whenever a place is free: at least every ``rate.cycles`` cycles on average.
        o_valid, o: replies in order; they cannot wait.
        row_valid, row: writes a round key, of a key that no block inside has.

    Latency: 3 * ``rate.rounds`` + 2 cycles. Reset forgets the blocks inside; round keys stay until overwritten.
    Standard: FIPS 197, 5.1.
    """

    i: stream.Interface
    o_valid: Signal
    o: data.View
    row_valid: Signal
    row: data.View

    def __init__(self, rate: Rate, keys: int) -> None:
        self.rate = rate
        self.keys = keys
        super().__init__(
            {
                "i": In(stream.Signature(request_layout(rate, keys))),
                "o_valid": Out(1),
                "o": Out(reply_layout(rate)),
                "row_valid": In(1),
                "row": In(row_layout(rate, keys)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        rate = self.rate
        travels = data.StructLayout(
            {"valid": 1, "again": 1, "passed": range(rate.passes), "key": range(self.keys), "short": 1, "use": Use}
        )
        enters = Signal(travels)
        place, state = Signal(travels), Signal(128 * rate.blocks, reset_less=True)
        m.d.comb += [
            enters.valid.eq(self.i.valid),
            # Whether it goes through the units again goes with it, as that decides whether another can come in.
            enters.again.eq(self.i.valid if rate.passes > 1 else 0),
            enters.key.eq(self.i.payload.key),
            enters.short.eq(self.i.payload.short),
            enters.use.eq(self.i.payload.use),
        ]
        entering, entering_state = place, state
        for unit in range(rate.units):
            place, state = self._unit(m, unit, place, state)
        m.d.comb += self.i.ready.eq(~place.again)
        m.d.sync += [
            self.o_valid.eq(place.valid & ~place.again),
            self.o.blocks.eq(state),
            self.o.use.eq(place.use),
            entering.eq(enters),
        ]
        with m.If(~self.i.ready):
            m.d.sync += [
                entering.eq(place),
                entering.again.eq(place.passed != rate.passes - 2),
                entering.passed.eq(place.passed + 1),
            ]
        shifted = Cat(
            shift_rows(self.i.payload.blocks.word_select(block, 128), ROUNDS[False] - rate.rounds)
            for block in range(rate.blocks)
        )
        m.d.sync += entering_state.eq(Mux(self.i.ready, shifted, state) if rate.passes > 1 else shifted)
        return m

    def _unit(self, m: Module, unit: int, place: Any, state: Value) -> tuple[Any, Value]:
        """A round: what was at its entrance 2 cycles ago, one register before the next entrance."""
        rate = self.rate
        m.submodules[f"keys_{unit}"] = keys = Memory(shape=128, depth=self.keys * rate.passes, init=[], attrs=NO_BYPASS)
        write, read = keys.write_port(), keys.read_port(domain="comb")
        row, key = (Signal(128, name=f"{name}_{unit}", reset_less=True) for name in ("row", "key"))
        # More passes than one go through a power of two of units.
        unit_bits = (rate.units - 1).bit_length()
        m.d.comb += [
            write.en.eq(self.row_valid & (self.row.round[:unit_bits] == unit)),
            write.addr.eq(self._address(self.row.key, self.row.round[unit_bits:])),
            write.data.eq(self.row.value),
            read.addr.eq(self._address(place.key, place.passed)),
        ]
        m.d.sync += [row.eq(read.data), key.eq(row)]

        # Which of the passes have this round among those without effect, and which ends with the last round.
        numbers = [unit + rate.units * passed for passed in range(rate.passes)]
        skips, mixes = Signal(name=f"skips_{unit}"), Signal(name=f"mixes_{unit}")
        for passed, number in enumerate(numbers):
            with m.If(place.passed == passed):
                m.d.comb += [
                    skips.eq(Mux(place.short, number <= first_round(rate, True), number <= first_round(rate, False))),
                    mixes.eq(~skips & (number != rate.rounds - 1)),
                ]
        before, after = Signal(place.shape(), name=f"before_{unit}"), Signal(place.shape(), name=f"after_{unit}")
        mixes_before, mixes_after = Signal(name=f"mixes_before_{unit}"), Signal(name=f"mixes_after_{unit}")
        m.d.sync += [before.eq(place), after.eq(before), mixes_before.eq(mixes), mixes_after.eq(mixes_before)]

        o = Signal(128 * rate.blocks, name=f"round_{unit}")
        if numbers[-1] <= first_round(rate, False):
            # No block's bytes are ever substituted here.
            state_before = Signal(128 * rate.blocks, name=f"state_before_{unit}", reset_less=True)
            state_after = Signal(128 * rate.blocks, name=f"state_after_{unit}", reset_less=True)
            m.d.sync += [state_before.eq(state), state_after.eq(state_before)]
        else:
            m.submodules[f"sub_bytes_{unit}"] = sub_bytes = SubBytes(16 * rate.blocks)
            m.d.comb += [sub_bytes.i.eq(state), sub_bytes.skip.eq(skips)]
            state_after = sub_bytes.o
        for block in range(rate.blocks):
            mixed = _mix_columns(shift_rows(state_after.word_select(block, 128)), mixes_after)
            m.d.comb += o.word_select(block, 128).eq(mixed ^ key)
        if unit == rate.units - 1:
            return after, o
        place, state = (
            Signal(place.shape(), name=f"place_{unit}"),
            Signal.like(o, name=f"state_{unit}", reset_less=True),
        )
        m.d.sync += [place.eq(after), state.eq(o)]
        return place, state

    def _address(self, key: Value, passed: Value) -> Value:
        """Of a round key in a unit's memory."""
        bits = (self.rate.passes - 1).bit_length()
        return Cat(passed[:bits] if bits else Const(0, 0), key)
