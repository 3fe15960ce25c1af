# SPDX-License-Identifier: Apache-2.0
"""What an entry of the list says, and what several entries share."""

from typing import NamedTuple

FLIPS = "tests/gateware/control/test_flips.py::test_every_flip_of_one_or_two_bits_is_a_fault"
WHOLE = "tests/gateware/control/test_whole.py::test_every_flip_in_every_mode_register_ends_the_device_in_time"


class Countermeasure(NamedTuple):
    """``units`` are the files with its label; ``tests`` show that it works, ``injections`` attack it or take it away."""

    label: str
    against: str
    units: tuple[str, ...]
    tests: tuple[str, ...]
    injections: tuple[str, ...]


def guarded(label: str, *units: str) -> Countermeasure:
    """A mode register in which one or two bits that flip are noticed."""
    return Countermeasure(label, "one or two flipped bits that make another mode", units, (FLIPS,), (WHOLE,))
