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
from gateware.entropy.modes import Flag, Phase
from gateware.hash.sha256 import STATE_WORDS

from .cut import Cut, OneRow, drive_inputs, drive_outputs, hollow
from .harness import Harness

WIPED = 2


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

    # The comparison, written down a second time: so many words of the digest have been those of the commitment.
    same, words_seen = Signal(), Signal(range(STATE_WORDS + 1))
    compares = ((state == CoinState.CHECK) | (state == CoinState.DERIVE)) & (phase == Phase.USE)
    digest = engine.state.word_select(~index[:3], 32)
    equal = digest == Mux(party, commitments[1], commitments[0])
    with m.If(compares):
        m.d.sync += [same.eq(equal & ((words_seen == 0) | same)), words_seen.eq(words_seen + 1)]
    with m.Elif(phase != Phase.FORGET):
        m.d.sync += [same.eq(0), words_seen.eq(0)]
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

    done = [flag == Flag.YES for flag in revealed]
    works = (state == CoinState.CHECK) | (state == CoinState.DERIVE)
    for one in range(2):
        h.lemma(~done[one] | (good[one] & ~begins))
        h.lemma(~((state == CoinState.DERIVE) | (state == CoinState.DRAWN)) | done[one])
    h.lemma(~begins | (state == CoinState.WIPE))
    then = dut._following
    h.lemma((then == CoinState.IDLE) | (then == CoinState.COMMIT) | (then == CoinState.FAULT))
    h.lemma(works | (phase == Phase.SEND))
    h.lemma(~compares | ((index == words_seen) & (index < STATE_WORDS)))
    h.lemma(~compares | (words_seen == 0) | (same == (match == Flag.YES)))
    h.lemma(~compares | (words_seen != 0) | (match == Flag.YES))
    forgets = works & (phase == Phase.FORGET)
    h.lemma(~forgets | ((words_seen == STATE_WORDS) & (same == (match == Flag.YES)) & (index < 2 * STATE_WORDS)))
    counts = (state == CoinState.WIPE) | (state == CoinState.COMPARE) | compares | forgets
    h.lemma(counts | (index == 0))
    h.lemma((state != CoinState.COMPARE) | (index <= STATE_WORDS))

    h.cover(good[0] & ~good[1])
    h.cover(ended & ~same)
