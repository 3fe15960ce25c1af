# SPDX-License-Identifier: Apache-2.0
"""Turns keys into round keys and powers of the hash key, and overwrites them."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from gateware.control.guarded import guarded
from gateware.session import aes
from gateware.session.field import BITS, element
from gateware.session.ghash import power_layout
from gateware.session.rate import Rate
from gateware.session.sbox import LATENCY_CYCLES, SubBytes

KEY_WORDS = 8
WORD_CYCLES = LATENCY_CYCLES + 3
"""For a word of the key schedule: it is substituted, makes a change, that a word, and that the last one."""


class State(enum.Enum, shape=6):
    """Any two differ in three bits or more; whatever is none of them overwrites the key."""

    IDLE = 0b000000
    EXPAND = 0b000111
    ASK = 0b011001
    AWAIT = 0b011110
    MULTIPLY = 0b101010
    WIPE = 0b110100


def order_layout(keys: int) -> data.StructLayout:
    """``wipe`` key number ``key``, or else load it; ``short``: it has 128 bits."""
    return data.StructLayout({"key": range(keys), "short": 1, "wipe": 1})


class KeyLoader(wiring.Component):
    """Loads a key into `Aes` and `Ghash`, which go on with others meanwhile, or overwrites it with zeros.

    Args:
        rate, keys: those of `Aes` and `Ghash`.

    Members:
        word_valid, word: pushes 32 bits of the key to be loaded, of which all are pushed in their order, a byte's
            predecessors below it; after a key of 128 bits as many zeros. While none is being loaded.
        i: orders; taken when carried out. A key must have been wiped before it is loaded.
        forget: the words that have been pushed are cleared.
        ask, reply_valid, reply: the hash key is what AES makes of zeros.
        multiply, factor, product_valid, product: its powers are products of ``factor`` and itself.
        row_valid, row; power_valid, power: what is written.
        fault: the register of `State` holds none of it, without delay.

    A key takes about 370 cycles and one block through `Aes`, and through `Ghash` for each further power; to wipe it takes
    ``wipe_cycles``. No word is kept longer than it is needed. Reset forgets the words, and leaves what it was writing
    unfinished: whoever resets it wipes every key afterwards. Standard: FIPS 197, 5.2; NIST SP 800-38D, 7.1.
    """

    word_valid: Signal
    word: Signal
    i: stream.Interface
    forget: Signal
    ask: stream.Interface
    reply_valid: Signal
    reply: Signal
    multiply: Signal
    factor: Signal
    product_valid: Signal
    product: Signal
    row_valid: Signal
    row: data.View
    power_valid: Signal
    power: data.View
    fault: Signal

    def __init__(self, rate: Rate, keys: int) -> None:
        self.rate = rate
        self.keys = keys
        self.wipe_cycles = max(rate.rounds, rate.chains)
        super().__init__(
            {
                "word_valid": In(1),
                "word": In(32),
                "i": In(stream.Signature(order_layout(keys))),
                "forget": In(1),
                "ask": Out(stream.Signature(aes.request_layout(rate, keys))),
                "reply_valid": In(1),
                "reply": In(BITS),
                "multiply": Out(1),
                "factor": Out(BITS),
                "product_valid": In(1),
                "product": In(BITS),
                "row_valid": Out(1),
                "row": Out(aes.row_layout(rate, keys)),
                "power_valid": Out(1),
                "power": Out(power_layout(rate, keys)),
                "fault": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        rate, order = self.rate, self.i.payload
        # SEC_CM: LOADER.MODE.GUARDED
        state, fault = guarded(State)
        count = Signal(range(self.wipe_cycles + 1))
        # What is pushed, and what the schedule goes on from.
        staged, window = Signal(data.ArrayLayout(32, KEY_WORDS)), Signal(data.ArrayLayout(32, KEY_WORDS))
        following = Signal(32)
        done, shifts, clears = Signal(), Signal(), Signal()
        m.d.sync += [shifts.eq(0), clears.eq(0), done.eq(0)]
        m.d.comb += [
            self.fault.eq(fault),
            self.i.ready.eq(done),
            self.ask.valid.eq(state == State.ASK),
            self.ask.payload.key.eq(order.key),
            self.ask.payload.short.eq(order.short),
            self.ask.payload.use.eq(aes.Use.HASH_KEY),
            self.multiply.eq((state == State.MULTIPLY) & (count != rate.chains - 1)),
            self.row.key.eq(order.key),
            self.row.value.eq(window.as_value()[BITS:]),
            self.power.key.eq(order.key),
            self.power.value.eq(element(self.factor)),
        ]
        m.d.sync += [self.row_valid.eq(0), self.power_valid.eq(0)]
        with m.Switch(state):
            with m.Case(State.IDLE), m.If(self.i.valid & ~done):
                m.d.sync += [
                    count.eq(0),
                    self.row.round.eq(Mux(order.short, *(aes.first_round(rate, short) - 1 for short in (True, False)))),
                    state.eq(Mux(order.wipe, State.WIPE, State.EXPAND)),
                ]
            with m.Case(State.EXPAND), m.If(self._expand(m, order.short, staged, window, following, shifts)):
                m.d.sync += state.eq(State.ASK)
            with m.Case(State.ASK):
                m.d.sync += clears.eq(1)
                with m.If(self.ask.ready):
                    m.d.sync += state.eq(State.AWAIT)
            with m.Case(State.AWAIT), m.If(self.reply_valid):
                m.d.sync += [self.power.power.eq(0), self.power_valid.eq(1), state.eq(State.MULTIPLY)]
            with m.Case(State.MULTIPLY):
                with m.If(count == rate.chains - 1):
                    m.d.sync += [done.eq(1), state.eq(State.IDLE)]
                with m.Elif(self.product_valid):
                    m.d.sync += [self.power.power.eq(count + 1), self.power_valid.eq(1), count.eq(count + 1)]
            with m.Default():
                m.d.sync += [clears.eq(1), state.eq(State.WIPE)]
                with m.If(clears):
                    m.d.sync += [
                        self.row.round.eq(count),
                        self.power.power.eq(count),
                        self.row_valid.eq(count < rate.rounds),
                        self.power_valid.eq(count < rate.chains),
                        count.eq(count + 1),
                    ]
                with m.If(count == self.wipe_cycles):
                    m.d.sync += [done.eq(1), clears.eq(0), state.eq(State.IDLE)]
        with m.If(shifts):
            m.d.sync += window.eq(Cat(window.as_value()[32:], following))
        with m.If(self.word_valid | shifts):
            m.d.sync += staged.eq(Cat(staged.as_value()[32:], self.word))
        # There are no products with one chain.
        with m.If(self.reply_valid | self.product_valid):
            m.d.sync += self.factor.eq(
                Mux(self.reply_valid, self.reply, self.product) if rate.chains > 1 else self.reply
            )
        with m.If(clears):
            m.d.sync += [window.eq(0), following.eq(0)]
        # What has been pushed outlives the overwriting of other keys, or else the load that follows would find zeros.
        with m.If(self.forget | (state == State.ASK)):
            m.d.sync += staged.eq(0)
        with m.If(done):
            m.d.sync += self.factor.eq(0)
        return m

    def _expand(
        self, m: Module, short: Value, staged: data.View, window: data.View, following: Signal, shifts: Signal
    ) -> Value:
        """A word of the schedule every few cycles, the first from the key, and a row of each four; 1 at their end."""
        turn, number, in_key = Signal(WORD_CYCLES, init=1), Signal(range(64)), Signal(range(KEY_WORDS))
        constant, change = Signal(8, init=1), Signal(32)
        given, first_word = Signal(), Signal()
        m.submodules.sub_bytes = sub_bytes = SubBytes(4)
        last, substituted = window[KEY_WORDS - 1], sub_bytes.o
        turned = Cat(substituted[8:], substituted[:8]) ^ constant
        earlier = Mux(short, window[KEY_WORDS // 2], window[0])
        complete = Signal()
        m.d.comb += sub_bytes.i.eq(last)
        m.d.sync += [
            turn.eq(turn.rotate_left(1)),
            given.eq(Mux(short, number < 4, number < 8)),
            first_word.eq(in_key == 0),
            change.eq(Mux(first_word, turned, Mux(~short & (in_key == 4), substituted, last))),
            following.eq(Mux(given, staged[0], earlier ^ change)),
            shifts.eq(turn[-2]),
        ]
        with m.If(turn[-1]):
            m.d.sync += [
                number.eq(number + 1),
                in_key.eq(Mux(short & (in_key == 3), 0, in_key + 1)),
            ]
            with m.If(first_word & ~given):
                m.d.sync += constant.eq(Cat(Const(0, 1), constant[:7]) ^ Mux(constant[7], 0x1B, 0))
            with m.If(number[:2] == 3):
                m.d.sync += [self.row_valid.eq(1), self.row.round.eq(self.row.round + 1)]
        with m.If((number == Mux(short, 44, 60)) & turn[1]):
            m.d.comb += complete.eq(1)
            m.d.sync += [turn.eq(1), number.eq(0), in_key.eq(0), constant.eq(1), change.eq(0)]
        return complete
