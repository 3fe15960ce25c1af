# SPDX-License-Identifier: Apache-2.0
"""`gateware.stream.StreamChecker` on streams that keep the rules and on streams that break them."""

import random
from typing import Any, NamedTuple

import cocotb

from gateware.stream import StreamRule
from tests.cocotb_benches.codecs import lanes_of
from tests.cocotb_benches.pin import Pins
from tests.cocotb_benches.tb import TB, Agent


class Offer(NamedTuple):
    """What is on the observed stream in one cycle."""

    valid: int = 1
    ready: int = 1
    data: int = 0
    keep: int = 0
    last: int = 0
    error: int = 0


def first_broken(offers: list[Offer], lanes: int) -> list[StreamRule]:
    """After each cycle the first rule that was broken so far, by the text of the rules."""
    verdicts, found = [], StreamRule.NONE
    for before, offer in zip([None, *offers], offers, strict=False):
        waiting = before is not None and before.valid and not before.ready
        if found == StreamRule.NONE:
            found = _broken(offer, before if waiting else None, lanes)
        verdicts.append(found)
    return verdicts


def _broken(offer: Offer, waiting: Offer | None, lanes: int) -> StreamRule:
    if not offer.valid:
        return StreamRule.NONE if waiting is None else StreamRule.VALID_DROPPED
    if waiting is not None and waiting[2:] != offer[2:]:
        return StreamRule.PAYLOAD_CHANGED
    if not offer.keep:
        return StreamRule.KEEP_ZERO
    if f"{offer.keep:b}".strip("1"):
        return StreamRule.KEEP_NOT_CONTIGUOUS
    if not offer.last and f"{offer.keep:b}" != "1" * lanes:
        return StreamRule.KEEP_NOT_FULL
    return StreamRule.NONE


class Player(Agent):
    """Plays offers, one per cycle, and notes the checker's verdict after each."""

    def __init__(self, dut: Pins) -> None:
        self.i = {"valid": dut.i_valid, "ready": dut.i_ready}
        self.i |= {field: getattr(dut, f"i_payload_{field}") for field in ("data", "keep", "last", "error")}
        self.violation, self.code = dut.violation, dut.code
        self.offers: list[Offer] = []
        self.played = 0
        self.seen: list[StreamRule] = []

    @property
    def busy(self) -> bool:
        return len(self.seen) < len(self.offers)

    def sample(self) -> None:
        code = StreamRule(self.code.value)
        assert (self.violation.value == 1) == (code != StreamRule.NONE)
        if self.played > 1:
            self.seen.append(code)

    def drive(self) -> None:
        offer = self.offers[self.played] if self.played < len(self.offers) else None
        self.played += bool(self.offers) and self.busy
        for field, signal in self.i.items():
            signal.value = getattr(offer, field) if offer else 0

    def restart(self) -> None:
        self.offers, self.seen, self.played = [], [], 0
        for signal in self.i.values():
            signal.value = 0


async def play(tb: TB, player: Player, offers: list[Offer]) -> None:
    """The checker's verdicts on ``offers`` are those of the rules; it is reset first."""
    await tb.reset()
    player.offers = offers
    await tb.cycles(len(offers) + 3)
    assert player.seen[: len(offers)] == first_broken(offers, lanes_of(tb.dut.i_payload_data))


def broken_stream(source: random.Random, lanes: int, cycles: int) -> list[Offer]:
    """Mostly by the rules, and now and then against one."""
    full = (1 << lanes) - 1
    offers: list[Offer] = []
    for _ in range(cycles):
        before = offers[-1] if offers else Offer(valid=0)
        ready = source.getrandbits(1)
        if before.valid and not before.ready and source.random() < 0.97:
            offers.append(before._replace(ready=ready))
            continue
        last = int(source.random() < 0.3)
        keep = (1 << source.randint(1, lanes)) - 1 if last else full
        if source.random() < 0.03:
            keep = source.choice((0, source.randint(0, full)))
        offers.append(Offer(source.getrandbits(1), ready, source.getrandbits(8 * lanes), keep, last, 0))
    return offers


@cocotb.test()
async def agrees_with_the_rules_on_random_streams(dut: Any) -> None:
    tb = TB(dut)
    player = Player(tb.dut)
    tb.add(player)
    await tb.start()
    lanes = lanes_of(dut.i_payload_data)
    rules: set[StreamRule] = set()
    for _ in range(60):
        offers = broken_stream(tb.random, lanes, 60)
        await play(tb, player, offers)
        rules.add(first_broken(offers, lanes)[-1])
    assert rules == set(StreamRule)


@cocotb.test()
@cocotb.parametrize(
    ("rule", list(StreamRule)[1:]),
)
async def names_the_rule(dut: Any, rule: StreamRule) -> None:
    tb = TB(dut)
    player = Player(tb.dut)
    tb.add(player)
    await tb.start()
    full = (1 << lanes_of(dut.i_payload_data)) - 1
    waits = Offer(ready=0, keep=full)
    examples = {
        StreamRule.VALID_DROPPED: [waits, Offer(valid=0)],
        StreamRule.PAYLOAD_CHANGED: [waits, Offer(keep=full, data=1)],
        StreamRule.KEEP_ZERO: [Offer(keep=0, last=1)],
        StreamRule.KEEP_NOT_CONTIGUOUS: [Offer(keep=2, last=1)],
        StreamRule.KEEP_NOT_FULL: [Offer(keep=1)],
    }
    offers = [Offer(keep=full), Offer(valid=0), *examples[rule], Offer(keep=full), Offer(keep=0)]
    assert first_broken(offers, full.bit_length())[-1] == rule
    await play(tb, player, offers)


@cocotb.test()
async def reset_forgets_the_beat_that_was_waiting(dut: Any) -> None:
    tb = TB(dut)
    player = Player(tb.dut)
    tb.add(player)
    await tb.start()
    await play(tb, player, [Offer(ready=0, keep=1, last=1)] * 4)
    await play(tb, player, [Offer(valid=0), Offer(keep=1, last=1)])
