# SPDX-License-Identifier: Apache-2.0
"""Pieces of a list: `itertools.batched`, which is newer than the Python that is asked for."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def batched(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """``values`` in pieces of ``size``, the last perhaps shorter."""
    return (values[at : at + size] for at in range(0, len(values), size))
