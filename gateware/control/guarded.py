# SPDX-License-Identifier: Apache-2.0
"""Registers for the mode of a machine that secrets depend on: a bit or two that flip never make another mode."""

import enum
from itertools import combinations
from typing import Any

from amaranth import Signal
from amaranth.hdl import Value

MIN_DISTANCE = 3
"""Bits in which any two modes differ, so that one or two flips always make a value that is none."""
ATTRIBUTES = {"keep": 1, "fsm_encoding": "none"}
"""Synthesis leaves the encoding as it is, after `KEEP_ENCODINGS`."""
MODES = "modes"
"""Attribute that names the modes and their numbers: whoever looks at a netlist finds every mode register by it."""

# SEC_CM: ENCODING.KEPT
KEEP_ENCODINGS = (
    "select -set modes a:fsm_encoding=none %ci1:+[Q] t:$dff %i; setattr -set keep 1 @modes; simplemap @modes"
)
"""What synthesis with Yosys must begin with: it makes one flip-flop of two that are always the same, and Amaranth gives
attributes to wires only. In pieces of one bit, or else the highest bits are merged all the same (``wreduce``)."""


def guarded(modes: type[enum.Enum], *, init: Any = None, name: str | None = None) -> tuple[Any, Value]:
    """A register for one of ``modes``, to be used as ``Signal(modes)`` is, and its fault: 1 while it holds what is none of
    them, without delay.

    What the machine does then is up to it: the default case of its `Switch` must be a safe one.

    Args:
        modes: an enumeration with numbers that are not negative.
        init: after reset; without one, the first of them.
        name: of the register; without one, that of the enumeration.

    Raises:
        ValueError: two modes differ in fewer than `MIN_DISTANCE` bits.
    """
    numbers = {mode: int(mode.value) for mode in modes}
    for one, other in combinations(modes, 2):
        if (numbers[one] ^ numbers[other]).bit_count() < MIN_DISTANCE:
            raise ValueError(f"{one} and {other} differ in fewer than {MIN_DISTANCE} bits")
    first: Any = next(iter(modes)) if init is None else init
    attributes = ATTRIBUTES | {MODES: " ".join(f"{mode.name}={number}" for mode, number in numbers.items())}
    register = Signal(modes, init=first, name=name or modes.__name__.lower(), attrs=attributes)
    return register, ~Value.cast(register).matches(*numbers.values())
