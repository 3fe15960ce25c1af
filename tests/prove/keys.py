# SPDX-License-Identifier: Apache-2.0
"""Keys are not kept: `KeyLoader` has nothing of one when it is done with it, and writes zeros over what it wrote."""

from amaranth import Cat, Mux, Signal
from amaranth.hdl import Value

from gateware.session import loader
from gateware.session.loader import KeyLoader, State
from gateware.session.rate import Rate

from .cut import Cut, drive_inputs, drive_outputs, hollow
from .harness import Harness

KEYS = 4
LOAD_CYCLES = 4
"""More than these takes a load: what `nonces` relies on."""


def key_loader(h: Harness, lanes: int) -> None:
    """Any orders, any words, any time that AES and GHASH take for their part.

    They reply only when asked. What S-boxes say of a word is free; it is two cycles old at most, and so gone soon after the
    words are. As `Session` and `Associations` promise, an order stays until it is taken, and while a key is being loaded no
    words are pushed. That a load comes to its end, after hundreds of cycles, is for the bench of `Gcm` to show.
    """
    rate = Rate(lanes)
    cut = Cut(lambda: KeyLoader(rate, KEYS), {loader: {"SubBytes": hollow(loader.SubBytes)}}, watched=[loader])
    dut = h.device(lambda: cut.dut)
    m, order = h.m, dut.i.payload
    drive_inputs(h, dut)
    drive_outputs(h, cut.made["SubBytes"][0], "sub_bytes")
    loads = dut.i.valid & ~order.wipe
    h.assume(h.held(dut.i))
    h.assume(~loads | ~(dut.word_valid | dut.forget))
    asked = Signal()
    with m.If(dut.ask.valid & dut.ask.ready):
        m.d.sync += asked.eq(1)
    with m.Elif(dut.reply_valid):
        m.d.sync += asked.eq(0)
    h.assume(~dut.reply_valid | asked)
    h.assume(~dut.product_valid | dut.multiply)

    def inner(name: str, method: str = "elaborate") -> Value:
        return Value.cast(cut.signals[f"KeyLoader.{method}.{name}"])

    state, staged, window, factor = inner("state"), inner("staged"), inner("window"), dut.factor
    following, change = inner("following"), inner("change", "_expand")
    pushed, done, used = Signal(), Signal(), Signal()
    m.d.sync += done.eq(dut.i.valid & dut.i.ready)
    with m.If(dut.forget | dut.ask.valid):
        m.d.sync += pushed.eq(0)
    with m.Elif(dut.word_valid):
        m.d.sync += pushed.eq(1)
    with m.If(dut.row_valid & dut.row.value.all()):
        m.d.sync += used.eq(1)
    idle = state == State.IDLE
    h.check(~dut.fault)
    h.check(~done | idle)
    h.check(pushed | loads | (staged == 0))
    h.check(loads | ((window == 0) & (following == 0) & (change == 0)))
    h.check(loads | (factor == 0))
    h.check(~dut.row_valid | (dut.i.valid & (dut.row.key == order.key)))
    h.check(~dut.power_valid | (dut.i.valid & (dut.power.key == order.key)))

    # A key is overwritten: whichever of its rows and powers, before the order is taken.
    row, power = h.constant(range(rate.rounds), "any_row"), h.constant(range(max(2, rate.chains)), "any_power")
    row_is_zero, power_is_zero = Signal(), Signal()
    row_now = dut.row_valid & (dut.row.round == row) & (dut.row.value == 0)
    power_now = dut.power_valid & (dut.power.power == power) & (dut.power.value == 0)
    wipes = dut.i.valid & order.wipe & ~dut.i.ready
    m.d.sync += [row_is_zero.eq(wipes & (row_is_zero | row_now)), power_is_zero.eq(wipes & (power_is_zero | power_now))]
    h.assume((row < rate.rounds) & (power < rate.chains))
    h.check(~(dut.i.valid & order.wipe & dut.i.ready) | ((row_is_zero | row_now) & (power_is_zero | power_now)))
    age = Signal(range(LOAD_CYCLES + 2))
    m.d.sync += age.eq(Mux(dut.i.valid & ~dut.i.ready, Mux(age <= LOAD_CYCLES, age + 1, age), 0))
    h.check(~(loads & dut.i.ready) | (age > LOAD_CYCLES))

    # Where the induction starts from.
    count, shifts, clears = inner("count"), inner("shifts"), inner("clears")
    turn, number = inner("turn", "_expand"), inner("number", "_expand")
    h.lemma(sum((state == legal for legal in State), Value.cast(0)) == 1)
    h.lemma(idle | (dut.i.valid & (order.wipe == (state == State.WIPE))))
    expands = state == State.EXPAND
    h.lemma((turn & (turn - 1)[: len(turn)]) == 0)
    h.lemma(expands | ((turn == 1) & ~shifts & (number == 0)))
    h.lemma(~expands | (age > LOAD_CYCLES) | ((number == 0) & (turn == (1 << age) >> 1)))
    h.lemma(~loads | idle | expands | (age > LOAD_CYCLES))
    h.lemma(expands | (change == 0))
    h.lemma((state != State.AWAIT) | ((staged == 0) & (clears | (window == 0) & (following == 0))))
    h.lemma((state != State.MULTIPLY) | (Cat(staged, window, following) == 0))
    h.lemma((state == State.AWAIT) == asked)
    h.lemma(~dut.i.ready | (idle & dut.i.valid))
    h.lemma(~(idle | expands | (state == State.ASK)) | dut.i.ready | (factor == 0))
    h.lemma((state != State.WIPE) | (count <= dut.wipe_cycles))
    for writes, where, size, any_, zero in (
        (dut.row_valid, dut.row.round, rate.rounds, row, row_is_zero),
        (dut.power_valid, dut.power.power, rate.chains, power, power_is_zero),
    ):
        h.lemma((state != State.WIPE) | (count == 0) | ((writes == (count <= size)) & (~writes | (where == count - 1))))
        h.lemma((state != State.WIPE) | (any_ + 1 >= count) | zero)

    h.cover(loads & used)
    h.cover(done & pushed)
    h.cover(dut.row_valid & order.wipe & (row == rate.rounds - 1) & (dut.row.round == row))
