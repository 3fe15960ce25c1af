# SPDX-License-Identifier: Apache-2.0
"""Merging the nodes of a graph without loops, as long as that pays and leaves it without loops."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Protocol, TypeVar

NEIGHBOURS = 40
"""A node is tried with so many others that are due most like it."""
PASSES = 60


class Node(Protocol):
    due: int
    cost: float

    def __hash__(self) -> int: ...


T = TypeVar("T", bound=Node)
Graph = tuple[Sequence[T], dict[T, set[T]]]
"""Nodes, and for each the ones that come after it."""


def loops(nodes: Sequence[T], after: dict[T, set[T]], join: Callable[[T, T], T]) -> Graph[T]:
    """The graph with those nodes joined that come after each other."""
    number = {node: at for at, node in enumerate(nodes)}
    reached = _reached([{number[x] for x in after[node]} for node in nodes])
    whole: dict[int, T] = {}
    first: dict[T, int] = {}
    for at, node in enumerate(nodes):
        least = next((x for x in _bits(reached[at]) if x < at and reached[x] >> at & 1), at)
        first[node] = least
        whole[least] = join(whole[least], node) if least in whole else node
    joined = {whole[first[node]]: set[T]() for node in nodes}
    for node in nodes:
        one = whole[first[node]]
        joined[one] |= {whole[first[x]] for x in after[node]} - {one}
    return list(joined), joined


def merge(graph: Graph[T], price: Callable[[T, T], float | None], join: Callable[[T, T], T]) -> list[T]:
    """Join pairs of nodes, the most profitable first, until none makes them cheaper; returns them in order.

    Args:
        price: what two nodes would cost as one; None where they must stay two.
        join: makes them one.
    """
    nodes, after = graph
    number = {node: at for at, node in enumerate(nodes)}
    alive = dict(enumerate(nodes))
    order = _Order([{number[x] for x in after[node]} for node in nodes])
    for _ in range(PASSES):
        gains = []
        for i, j in sorted(_candidates(alive, order)):
            if order.between(i, j):
                continue
            cost = price(alive[i], alive[j])
            if cost is not None and cost < alive[i].cost + alive[j].cost:
                gains.append((cost - alive[i].cost - alive[j].cost, i, j))
        if not gains:
            break
        merged: set[int] = set()
        for _, i, j in sorted(gains):
            if i in merged or j in merged or order.between(i, j):
                continue
            alive[i] = join(alive[i], alive.pop(j))
            order.merge(i, j)
            merged |= {i, j}
    return [alive[i] for i in order.sorted({i: (-node.due.bit_count(), i) for i, node in alive.items()})]


def _candidates(alive: dict[int, T], order: _Order) -> set[tuple[int, int]]:
    alike = sorted(alive, key=lambda i: (alive[i].due.bit_count(), alive[i].due, i))
    pairs = {(i, j) for at, i in enumerate(alike) for j in alike[at + 1 : at + NEIGHBOURS]}
    for i in alive:
        before = sorted(order.before[i])
        pairs |= {(j, i) for j in before} | set(pairwise(before))
    return {(min(pair), max(pair)) for pair in pairs}


class _Order:
    """A graph by numbers, and what comes anywhere before and after each node, as bits."""

    def __init__(self, after: list[set[int]]) -> None:
        self.after = after
        self.before: list[set[int]] = [set() for _ in after]
        for i, nodes in enumerate(after):
            for j in nodes:
                self.before[j].add(i)
        self.descendants, self.ancestors = _reached(self.after), _reached(self.before)

    def between(self, i: int, j: int) -> bool:
        """Whether something comes after one and before the other, which would close a loop."""
        return bool(self.descendants[i] & self.ancestors[j] or self.descendants[j] & self.ancestors[i])

    def merge(self, i: int, j: int) -> None:
        """Node j becomes part of node i."""
        for one, other, all_one, all_other in (
            (self.before, self.after, self.ancestors, self.descendants),
            (self.after, self.before, self.descendants, self.ancestors),
        ):
            for x in one[j]:
                other[x].discard(j)
                if x != i:
                    other[x].add(i)
            one[i] = (one[i] | one[j]) - {i, j}
            all_one[i] = (all_one[i] | all_one[j]) & ~(1 << i | 1 << j)
            for x in _bits(all_one[i]):
                all_other[x] = all_other[x] & ~(1 << j) | 1 << i
        for x in _bits(self.ancestors[i]):
            self.descendants[x] |= self.descendants[i]
        for x in _bits(self.descendants[i]):
            self.ancestors[x] |= self.ancestors[i]

    def sorted(self, keys: dict[int, tuple[int, int]]) -> list[int]:
        """The nodes of ``keys`` in an order of the graph, lowest key first where there is a choice."""
        missing = {i: len(self.before[i]) for i in keys}
        ready = [(key, i) for i, key in keys.items() if not missing[i]]
        heapq.heapify(ready)
        result = []
        while ready:
            _, i = heapq.heappop(ready)
            result.append(i)
            for j in self.after[i]:
                missing[j] -= 1
                if not missing[j]:
                    heapq.heappush(ready, (keys[j], j))
        return result


def _reached(after: list[set[int]]) -> list[int]:
    reached = [sum(1 << j for j in nodes) for nodes in after]
    changed = True
    while changed:
        changed = False
        for i in reversed(range(len(after))):
            new = reached[i]
            for j in after[i]:
                new |= reached[j]
            if new != reached[i]:
                reached[i], changed = new, True
    return reached


def _bits(number: int) -> Iterator[int]:
    while number:
        lowest = number & -number
        yield lowest.bit_length() - 1
        number ^= lowest
