# SPDX-License-Identifier: Apache-2.0
"""Pieces of a list, and one of many values."""

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from operator import or_
from typing import TypeVar

from amaranth import Cat, Mux
from amaranth.hdl import Value, ValueLike

T = TypeVar("T")


def batched(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """``values`` in pieces of ``size``, the last perhaps shorter: `itertools.batched`, which is newer than the Python that
    is asked for."""
    return (values[at : at + size] for at in range(0, len(values), size))


def among(value: Value, numbers: Iterable[int]) -> Value:
    """Whether it is one of the numbers."""
    return Cat(*(value == number for number in numbers)).any()


def gated(choices: Iterable[tuple[ValueLike, ValueLike]]) -> Value:
    """Of (gate, value) pairs the value whose gate is open, of which there is one at most; zero where there is none."""
    return Value.cast(reduce(or_, (Mux(gate, value, 0) for gate, value in choices)))
