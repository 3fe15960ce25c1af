# SPDX-License-Identifier: Apache-2.0
"""What the Internet checksums of a frame are made of (RFC 1071), and two ways of adding it up."""

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value, ValueLike
from amaranth.lib import data

from gateware.pick import batched, gated

CHECKSUM_BITS = 16
ADDING_STAGES = 4
"""Up to sixteen numbers, added in pairs."""
FOLDING_STAGES = 2
"""A first end-around carry leaves a sum of less than 31 bits with 17, and a second one with 16."""
GATE_CYCLES = 2
"""In turns, from a term's turn until it is added: its gate opens, then it is registered."""

Term = tuple[ValueLike, ValueLike]
"""Whether it counts, and a number."""
Sums = Mapping[str, Sequence[Sequence[Term]]]
"""Name -> terms, in groups that can be added at once."""


def pair(total: data.View, when: ValueLike = 1) -> list[Term]:
    """The sum of the bytes at even and of those at odd offsets."""
    return byte_pair(total.high, total.low, when)


def byte_pair(high: Value, low: Value, when: ValueLike = 1) -> list[Term]:
    """The same, given one by one."""
    return [(when, Cat(Const(0, 8), high)), (when, low)]


def fold(value: Value) -> Value:
    """One end-around carry: adds what is above 16 bits to the low 16; zero only where ``value`` is."""
    return value[:CHECKSUM_BITS] + value[CHECKSUM_BITS:]


class Pipeline:
    """Registers values: one stage later."""

    def __init__(self, m: Module) -> None:
        self._m = m

    def __call__(self, name: str, value: ValueLike) -> Value:
        value = Value.cast(value)
        register = Signal(value.shape(), name=name)
        self._m.d.sync += register.eq(value)
        return register


def add_at_once(m: Module, sums: Sums, carried: Sequence[Value]) -> tuple[dict[str, Value], list[Value]]:
    """Adds the terms of frames that come in every cycle: a group, then pairs, until each sum is one number, and then its
    end-around carries, one addition per stage.

    Returns:
        the sums, 16 bits each, and ``carried`` as it was when their terms came.
    """
    stage = Pipeline(m)
    numbers = {
        name: [
            stage(f"{name}_{at}", reduce(add, (Mux(when, term, 0) for when, term in group)))
            for at, group in enumerate(groups)
        ]
        for name, groups in sums.items()
    }
    carried = [stage(f"carried_{at}", value) for at, value in enumerate(carried)]
    for level in range(ADDING_STAGES + FOLDING_STAGES):
        for name, added in numbers.items():
            adds = level < ADDING_STAGES
            results = [reduce(add, two) for two in batched(added, 2)] if adds else [fold(added[0])]
            numbers[name] = [stage(f"{name}_{level}_{at}", value) for at, value in enumerate(results)]
        carried = [stage(f"carried_{level}_{at}", value) for at, value in enumerate(carried)]
    return {name: added[0][:CHECKSUM_BITS] for name, added in numbers.items()}, carried


def add_in_turn(m: Module, starts: Value, chains: Sequence[Sums]) -> tuple[dict[str, Value], Value]:
    """Adds the terms of one frame one after the other, with an adder per chain of sums: far smaller.

    Args:
        starts: the terms are there; they stay until all have been added.

    Returns:
        the sums, 16 bits each, and for one cycle whether all are there; they stay until that of the next frame.
    """
    lengths = [sum(len(_halves(groups)) + 2 for groups in sums.values()) for sums in chains]
    turn = Signal(max(lengths) + GATE_CYCLES + 1)
    m.d.sync += turn.eq(Cat(starts, turn))
    found: dict[str, Value] = {}
    for chain, sums in enumerate(chains):
        number, term = Signal(CHECKSUM_BITS + 1, name=f"number_{chain}"), Signal(CHECKSUM_BITS, name=f"term_{chain}")
        gates: list[tuple[Value, Value]] = []
        ends: list[Value] = []
        at = 0
        for name, groups in sums.items():
            for when, half in _halves(groups):
                gate = Signal(name=f"gate_{chain}_{at}")
                m.d.sync += gate.eq(turn[at] & when)
                gates.append((gate, half))
                at += 1
            # A cycle for the last carry, and one in which the next sum begins with nothing.
            at += 2
            ends.append(turn[at - 1 + GATE_CYCLES])
            found[name] = Signal(CHECKSUM_BITS, name=f"{name}_sum")
            with m.If(ends[-1]):
                m.d.sync += found[name].eq(number[:CHECKSUM_BITS])
        m.d.sync += [term.eq(gated(gates)), number.eq(number[:CHECKSUM_BITS] + number[CHECKSUM_BITS] + term)]
        with m.If(Cat(*ends).any()):
            m.d.sync += number.eq(0)
    return found, turn[-1]


def _pieces(term: Value) -> list[Value]:
    return [term[at : at + CHECKSUM_BITS] for at in range(0, len(term), CHECKSUM_BITS)]


def _halves(groups: Sequence[Sequence[Term]]) -> list[tuple[ValueLike, Value]]:
    """The terms as numbers of 16 bits, of which those that are longer make several."""
    return [(when, half) for group in groups for when, term in group for half in _pieces(Value.cast(term))]
