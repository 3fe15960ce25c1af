# SPDX-License-Identifier: Apache-2.0
"""Words are of two shares that were checked: none comes before both digests were those that were committed to in its epoch.

What the engine digests, and what its memories hold, is free: the proof is of the order of things, and of the comparison.
Wiping is cut short, which no property depends on, so that the covers are within reach.
"""

from typing import Any

from amaranth import Mux, Signal
from amaranth.hdl import Value

from custodes.coin_registers import CoinState
from gateware.entropy import coin, words
from gateware.entropy.coin import Coin
from gateware.entropy.modes import COMPARE_CYCLES, USE_CYCLES, Flag, Phase
from gateware.hash.sha256 import STATE_WORDS

from .cut import Cut, OneRow, drive_inputs, drive_outputs, hollow
from .harness import Harness

WIPED = 4


def drawn(h: Harness) -> None:
    """Any orders at any time, any digests, any words in the memories."""
    places = {
        coin: {
            "Sha256": hollow(coin.Sha256),
            "MessageSender": hollow(coin.MessageSender),
            "Memory": OneRow,
            "WIPE_CYCLES": WIPED,
        },
        words: {"Memory": OneRow},
    }
    cut = Cut(Coin, places, watched=[coin])
    dut = h.device(lambda: cut.dut)
    m = h.m
    drive_inputs(h, dut)
    engine = cut.made["Sha256"][0]
    drive_outputs(h, engine, "engine")
    drive_outputs(h, cut.made["MessageSender"][0], "sender")
    for number, memory in enumerate(cut.made["Memory"]):
        m.d.comb += [
            memory.tag.eq(h.constant(range(memory.depth), f"tag_{number}")),
            memory.others.eq(h.free(len(memory.others), f"others_{number}")),
        ]

    def inner(name: str) -> Any:
        return cut.signals[f"Coin.elaborate.{name}"]

    state, phase, match, index = dut._state, dut._phase, dut._match, dut._index
    revealed, party, commitments = inner("revealed"), Value.cast(inner("party")), inner("commitments")

    # The comparison, written down a second time: so many words of the digest have been those of the commitment, in order.
    works = (state == CoinState.CHECK) | (state == CoinState.DERIVE)
    uses, place = dut._uses, dut._place
    used = works & ((phase == Phase.USE) | (phase == Phase.FORGET))
    same, words_seen = Signal(), Signal(range(STATE_WORDS + 1))
    digest = engine.state.word_select(~place, 32)
    equal = (digest == Mux(party, commitments[1], commitments[0])) & (place == words_seen)
    with m.If(~used):
        m.d.sync += [same.eq(1), words_seen.eq(0)]
    with m.Elif(uses[0]):
        m.d.sync += [same.eq(equal & same), words_seen.eq(words_seen + 1)]
    ended = (state == CoinState.CHECK) & (phase == Phase.FORGET) & (index == 2 * STATE_WORDS - 1)
    good, epoch = [Signal(name=f"good_{one}") for one in range(2)], Signal.like(dut.epoch)
    m.d.sync += epoch.eq(dut.epoch)
    begins = epoch != dut.epoch
    for one in range(2):
        with m.If(ended & (party == one) & same & (words_seen == STATE_WORDS)):
            m.d.sync += good[one].eq(1)
        with m.Elif(begins):
            m.d.sync += good[one].eq(0)

    comes = dut.words_cluster.valid | dut.words_world.valid
    h.check(~comes | (good[0] & good[1] & ~begins))
    h.check(~dut.live.any() | (good[0] & good[1] & ~begins))
    h.check(~dut.fault)
    h.lemma(~dut._broken)

    done = [flag == Flag.YES for flag in revealed]
    for one in range(2):
        h.lemma(~done[one] | (good[one] & ~begins))
        h.lemma(~((state == CoinState.DERIVE) | (state == CoinState.DRAWN)) | done[one])
    h.lemma(~begins | (state == CoinState.WIPE))
    then = dut._following
    h.lemma((then == CoinState.IDLE) | (then == CoinState.COMMIT) | (then == CoinState.FAULT))
    h.lemma(works | (phase == Phase.SEND))
    compares, wipes = state == CoinState.COMPARE, state == CoinState.WIPE
    digested = works & (phase == Phase.USE)
    forgets = works & (phase == Phase.FORGET)
    h.lemma(compares | wipes | digested | forgets | ((index == 0) & (uses == 0)))
    for at in range(len(uses)):
        h.lemma(~wipes | (index <= at) | ~uses[at])
        h.lemma(~(compares | digested) | (uses[at] == ((index > at) & (index <= at + STATE_WORDS))))
    h.lemma(~compares | (index <= COMPARE_CYCLES))
    h.lemma(~digested | ((index < USE_CYCLES) & (words_seen == Mux(index == 0, 0, index - 1))))
    h.lemma(~(digested & uses[0]) | (place == words_seen))
    h.lemma(~forgets | ((words_seen == STATE_WORDS) & (index < 2 * STATE_WORDS) & ~uses[:2].any()))
    h.lemma(~forgets | (index == 0) | ~uses[2])
    both, differs = (Value.cast(cut.signals[f"Coin._work.{name}"]) for name in ("both", "differs"))
    h.lemma(~(works & (phase != Phase.SEND)) | ~both)
    waits = uses[1] & (dut._digested != Mux(party, dut._words[1], dut._words[0])) | uses[2] & differs
    h.lemma(~(digested | forgets) | (same == ((match == Flag.YES) & ~waits)))

    h.cover(good[0] & ~good[1])
    h.cover(ended & ~same)
