# SPDX-License-Identifier: Apache-2.0
"""What a retimer leaves of timing channels, measured: mutual information of known symbols and what a receiver sees.

The specification of the retimer runs over the arrival times that an encoder makes, at 1 Gbit/s with cycles of 8 ns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import asdict, dataclass
from math import isclose, log, log2
from random import Random
from typing import Any

from custodes.errors import MismatchError
from custodes.model.retimer import Retimer
from custodes.retimer import WIRE_BYTES, Policy, Schedule
from custodes.timing_channels import Code, Count, CountInWindow, Jitter, OnOff, Order, Position, Seen, Sent

CYCLE_S = 8e-9
LANES, STORE_BYTES = 1, 65536
FRAME_BYTES = 1514
FIRST_PORT = 49152
KEY = 0x6A09_E667_F3BC_C908
SYMBOLS, SHUFFLES = 2000, 20
SETTLED = Schedule().slot_cycles
"""The boundary at which the schedule that is measured has been taken up."""


def entropy(values: Iterable[Hashable]) -> float:
    """In bits: that of the frequencies, with the correction of Miller and Madow for the bias of the estimate."""
    counts = Counter(values)
    number = counts.total()
    plain = -sum(count / number * log2(count / number) for count in counts.values())
    return plain + (len(counts) - 1) / (2 * number * log(2))


def mutual_information(sent: Sequence[Hashable], seen: Sequence[Hashable]) -> float:
    """In bits per symbol; an estimate: perhaps a little below zero, never more than kinds of symbols allow."""
    most = log2(min(len({*sent}), len({*seen})))
    return min(most, entropy(sent) + entropy(seen) - entropy(zip(sent, seen, strict=True)))


@dataclass(frozen=True)
class Leak:
    """What a channel brought through.

    Attributes:
        code, policy: what was sent through what.
        symbols: how many.
        bits_per_symbol: mutual information.
        shuffled: its largest value among the same symbols in random orders: an estimate is nothing up to here.
        period, period_s: what the schedule consists of, and how long that is.
        symbols_per_s: as the encoder sent them.
        bound_bits_per_s: None where there is no retimer.
    """

    code: str
    policy: str
    symbols: int
    bits_per_symbol: float
    shuffled: float
    period: str
    period_s: float
    symbols_per_s: float
    bound_bits_per_s: float | None

    @property
    def bits_per_s(self) -> float:
        return max(self.bits_per_symbol, 0) * self.symbols_per_s

    @property
    def significant(self) -> bool:
        return self.bits_per_symbol > self.shuffled

    @property
    def within_bound(self) -> bool:
        """Up to what the estimate is uncertain by."""
        if self.bound_bits_per_s is None:
            return True
        certain = (self.bits_per_symbol - max(self.shuffled, 0)) * self.symbols_per_s
        return certain <= self.bound_bits_per_s or isclose(certain, self.bound_bits_per_s)

    @property
    def bits_per_period(self) -> float:
        return self.bits_per_s * self.period_s

    @property
    def bound_per_period(self) -> float | None:
        return None if self.bound_bits_per_s is None else self.bound_bits_per_s * self.period_s

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"bits_per_s": self.bits_per_s, "within_bound": self.within_bound}


def frame_of(flow: int) -> bytes:
    """A UDP datagram of the flow with this number."""
    header = bytes.fromhex("020000000002 020000000001 0800 4500 05dc 0000 4000 4011 0000 c0000201 c0000202")
    return (header + (FIRST_PORT + flow).to_bytes(2)).ljust(FRAME_BYTES, b"\0")


def flow_of(frame: bytes) -> int:
    return int.from_bytes(frame[34:36]) - FIRST_PORT


@dataclass(frozen=True)
class Way:
    """What frames go through.

    Attributes:
        title: for people.
        retimed: there is a retimer; if not, the schedule is only what the encoder goes by.
        key: that batches are sorted with.
        dummies_known: the receiver can tell dummies.
    """

    title: str
    schedule: Schedule
    key: int = KEY
    retimed: bool = True
    dummies_known: bool = False

    @property
    def period_cycles(self) -> int:
        return self.schedule.period

    @property
    def batches(self) -> bool:
        return self.schedule.policy == Policy.BATCH

    def go(self, sent: Sequence[Sent], end: int) -> list[Seen]:
        """What the receiver sees up to cycle ``end`` of what was sent, less the delay of one period."""
        if not self.retimed:
            return [Seen(*frame) for frame in sent]
        model = Retimer(LANES, STORE_BYTES)
        model.key = self.key
        model.set_schedule(self.schedule, 0)
        for frame in sent:
            model.receive(frame_of(frame.flow), SETTLED + frame.cycle)
        begin = SETTLED + self.period_cycles
        return [
            Seen(leaving.cycle - begin, None if leaving.dummy else flow_of(leaving.frame))
            for leaving in model.advance(begin + end)
            if leaving.cycle >= begin and not (leaving.dummy and self.dummies_known)
        ]

    def bound_bits_per_s(self, code: Code) -> float | None:
        """That of the scrub table, for frames of one size."""
        if not self.retimed:
            return None
        period_s = self.period_cycles * CYCLE_S
        if self.schedule.policy == Policy.CONSTANT_RATE and not self.dummies_known:
            return 0.0
        if not self.batches:
            return 1 / period_s
        if not isinstance(code, Order):
            most = self.period_cycles // (FRAME_BYTES + WIRE_BYTES)
            return log2(most + 1) / period_s
        if not self.key:
            return code.FLOWS * log2(code.FLOWS) / period_s
        return 0.0


NO_RETIMER = Way("no retimer", Schedule(), retimed=False)
NO_RETIMER_WINDOWS = Way("no retimer", Schedule(Policy.BATCH), retimed=False)
CONSTANT_RATE = Way("constant rate", Schedule())
DUMMIES_KNOWN = Way("constant rate, dummies known", Schedule(), dummies_known=True)
SLOT = Way("slot", Schedule(Policy.SLOT))
BATCH = Way("batch", Schedule(Policy.BATCH))
ARRIVAL_ORDER = Way("batch in order of arrival", Schedule(Policy.BATCH), key=0)
CASES: tuple[tuple[type[Code], Way], ...] = (
    *((code, way) for code in (OnOff, Jitter, Position) for way in (NO_RETIMER, SLOT, BATCH, CONSTANT_RATE)),
    (Count, NO_RETIMER),
    (Count, SLOT),
    (CountInWindow, BATCH),
    (Count, CONSTANT_RATE),
    (Count, DUMMIES_KNOWN),
    (Order, NO_RETIMER_WINDOWS),
    (Order, ARRIVAL_ORDER),
    (Order, BATCH),
)
"""What is measured, through what."""


def measure(kind: type[Code], way: Way, symbols: int = SYMBOLS, seed: int = 0) -> Leak:
    """Send random symbols with a code through a retimer, and compare them with what is seen."""
    random = Random(seed)
    code = kind(way.period_cycles, FRAME_BYTES + WIRE_BYTES)
    said = random.choices(range(code.alphabet), k=symbols)
    sent = [*code.send(said, random)]
    end = max(symbols * code.span, sent[-1].cycle)
    seen = code.read(way.go(sent, end), symbols)
    shuffled = [mutual_information(random.sample(said, symbols), seen) for _ in range(SHUFFLES)]
    return Leak(
        code=code.name,
        policy=way.title,
        symbols=symbols,
        bits_per_symbol=mutual_information(said, seen),
        shuffled=max(shuffled),
        period="window" if way.batches else "slot",
        period_s=way.period_cycles * CYCLE_S,
        symbols_per_s=symbols / (end * CYCLE_S),
        bound_bits_per_s=way.bound_bits_per_s(code),
    )


def measure_all(symbols: int = SYMBOLS) -> list[Leak]:
    """Every case."""
    return [measure(kind, way, symbols) for kind, way in CASES]


def judge_leaks(leaks: Iterable[Leak]) -> None:
    """Raise `MismatchError` where a channel brought more through than its bound."""
    over = [f"{leak.code} through {leak.policy}" for leak in leaks if not leak.within_bound]
    if over:
        raise MismatchError(f"timing channels carry more than their bounds: {', '.join(over)}")
