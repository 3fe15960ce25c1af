# SPDX-License-Identifier: Apache-2.0
"""Which parts of a device to work out together, from how often each of its variables changes in a run.

A class is worked out in the cycles in which something has changed that it is worked out from. Large classes are worked out
in vain, small ones cost a test and the marking of those that depend on them: classes are merged while that costs less.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from sim.merging import loops, merge
from sim.netlist import Netlist, Unit, Variable

TEST, ENTER, COMPUTE, STORE, COMMIT, GUARD = 2.5, 5.0, 1.5, 0.75, 3.0, 2.0
"""Costs, in instructions or so: asking whether a class is due, working one out, a variable of it, keeping that for other
classes, a register, asking for the condition of a unit."""
WATCH_BELOW = 0.6
"""A variable is compared with what it was, and wakes what depends on it, where it changes less often than this times what
it is computed from."""
WATCH_GAIN = 0.02
"""And by at least so much less, in changes per cycle."""
OWN_ABOVE = 0.5
"""Logic that only one unit uses is worked out with it, unless it is due less often than this times the unit."""


@dataclass(eq=False)
class Class:
    """Logic that is worked out together, or units along with the logic that only they use.

    ``wakers`` and ``made`` are sets of variables, ``due`` is the set of the cycles of the run in which it was due: as bits.
    """

    logic: list[Variable] = field(default_factory=list)
    units: list[Unit] = field(default_factory=list)
    wakers: int = 0
    made: int = 0
    due: int = 0
    cost: float = 0.0


@dataclass
class Run:
    """A recorded run: for each variable, memory and condition of a unit the cycles in which it changed or held, as bits."""

    cycles: int
    variables: list[int]
    memories: list[int]
    conditions: list[int]


class Activity:
    """The classes of a device.

    Members:
        watched: logic that wakes the classes that depend on it.
        own: for each unit the logic that only it uses and that is worked out with it.
        logic: classes of logic, each after those that it depends on.
        clocked: classes of units; who reads a register comes before who writes it.
    """

    def __init__(self, netlist: Netlist, run: Run) -> None:
        self.netlist, self.run = netlist, run
        self.watched: set[Variable] = set()
        self._wakers: dict[Variable, int] = {}
        self._due: dict[Variable, int] = {}
        self.waker_runs: list[int] = []
        self._bit: dict[object, int] = {}
        self._watch()
        self.own = self._own()
        self.clocked = self._clocked()
        self.logic = self._logic()

    def bits_of(self, wakers: int) -> Iterator[int]:
        while wakers:
            lowest = wakers & -wakers
            yield lowest.bit_length() - 1
            wakers ^= lowest

    def waker(self, source: object) -> int | None:
        """The number of a variable or memory (by its name) among those that wake classes."""
        return self._bit.get(source)

    def _new_waker(self, source: object, run: int) -> None:
        self._bit[source] = len(self.waker_runs)
        self.waker_runs.append(run)

    def wakers_of(self, variables: Iterable[Variable]) -> int:
        wakers = 0
        for variable in variables:
            wakers |= 1 << self._bit[variable] if variable in self._bit else self._wakers[variable]
        return wakers

    def _due_for(self, variables: Iterable[Variable]) -> int:
        due = 0
        for variable in variables:
            due |= self.waker_runs[self._bit[variable]] if variable in self._bit else self._due[variable]
        return due

    def _watch(self) -> None:
        netlist, run = self.netlist, self.run
        for variable in netlist.variables:
            if not variable.computed:
                self._new_waker(variable, run.variables[variable.number])
        for memory in netlist.memories.values():
            self._new_waker(memory.name, run.memories[memory.number])
        for variable in netlist.logic:
            sources = netlist.sources[variable]
            wakers, due = self.wakers_of(sources), self._due_for(sources)
            if memory := netlist.memory_of(variable):
                wakers |= 1 << self._bit[memory.name]
                due |= run.memories[memory.number]
            self._wakers[variable], self._due[variable] = wakers, due
            changes, dues = run.variables[variable.number].bit_count(), due.bit_count()
            if changes < min(WATCH_BELOW * dues, dues - WATCH_GAIN * run.cycles):
                self.watched.add(variable)
                self._new_waker(variable, run.variables[variable.number])

    def _unit_due(self, unit: Unit) -> int:
        due = self._due_for(self.netlist.data_of(unit))
        return due & self.run.conditions[unit.number] if unit.condition else due

    def _own(self) -> dict[Unit, list[Variable]]:
        """Who uses a variable: units for their data, or something that needs it kept."""
        netlist = self.netlist
        users: defaultdict[Variable, set[Unit | None]] = defaultdict(set)
        for unit in netlist.units:
            for variable in netlist.data_of(unit):
                users[variable].add(unit)
            for variable in netlist.condition_of(unit):
                users[variable].add(None)
        for port in netlist.ports.values():
            if port["direction"] == "output":
                for variable in netlist.variables_of(port["bits"]):
                    users[variable].add(None)
        dues = {unit: self._unit_due(unit).bit_count() for unit in netlist.units}
        own: dict[Unit, list[Variable]] = {unit: [] for unit in netlist.units}
        for variable in reversed(netlist.logic):
            owner = next(iter(users[variable])) if len(users[variable]) == 1 else None
            due = self._due[variable].bit_count()
            if owner and due and (variable in self.watched or due < OWN_ABOVE * dues[owner]):
                owner = None
            if owner:
                own[owner].append(variable)
            for source in netlist.sources[variable]:
                users[source].add(owner)
        for variables in own.values():
            variables.reverse()
        return own

    def _clocked(self) -> list[Class]:
        netlist, run = self.netlist, self.run
        classes: list[Class] = []
        writers: defaultdict[object, set[Class]] = defaultdict(set)
        for unit in netlist.units:
            classes.append(Class(units=[unit]))
            for written in (*unit.registers, *([unit.write.memory.name] if unit.write else [])):
                writers[written].add(classes[-1])
        after = {
            each: {writer for source in self._read(each.units[0]) for writer in writers[source]} - {each}
            for each in classes
        }
        weight = {unit: COMPUTE * len(self.own[unit]) + COMMIT * len(unit.registers) for unit in netlist.units}

        def cost(units: Sequence[Unit], due: int) -> float:
            if len(units) == 1:
                times = (due & run.conditions[units[0].number]).bit_count() if units[0].condition else due.bit_count()
                return TEST * run.cycles + times * (ENTER + weight[units[0]])
            times = due.bit_count()
            total = TEST * run.cycles + times * ENTER
            for unit in units:
                holds = (due & run.conditions[unit.number]).bit_count() if unit.condition else times
                total += (times * GUARD if unit.condition else 0) + holds * weight[unit]
            return total

        for each in classes:
            self._wake(each)
            each.cost = cost(each.units, each.due)

        def woken(each: Class) -> tuple[int, int]:
            """With the condition, which wakes a class only where there are others in it."""
            condition = netlist.condition_of(each.units[0]) if len(each.units) == 1 else []
            return each.wakers | self.wakers_of(condition), each.due | self._due_for(condition)

        def price(a: Class, b: Class) -> float | None:
            if a.units[0].write or b.units[0].write:
                return None
            return cost(a.units + b.units, woken(a)[1] | woken(b)[1])

        def join(a: Class, b: Class) -> Class:
            (a_wakers, a_due), (b_wakers, b_due) = woken(a), woken(b)
            # A write comes last, when all that is read has been read.
            units = sorted(a.units + b.units, key=lambda unit: unit.write is not None)
            both = Class(units=units, wakers=a_wakers | b_wakers, due=a_due | b_due)
            both.cost = cost(units, both.due)
            return both

        return merge(loops(classes, after, join), price, join)

    def _read(self, unit: Unit) -> set[object]:
        """Registers and memories that are read where ``unit`` is worked out."""
        netlist = self.netlist
        read: set[object] = {*netlist.data_of(unit), *netlist.condition_of(unit)}
        for variable in self.own[unit]:
            read |= set(netlist.sources[variable])
            if memory := netlist.memory_of(variable):
                read.add(memory.name)
        return read

    def _wake(self, each: Class) -> None:
        data = self.netlist.data_of(each.units[0])
        each.wakers, each.due = self.wakers_of(data), self._due_for(data)

    def _logic(self) -> list[Class]:
        netlist, run = self.netlist, self.run
        owned = {variable for variables in self.own.values() for variable in variables}
        by_wakers: dict[int, Class] = {}
        place: dict[Variable, Class] = {}
        before: dict[Class, set[Class]] = {}
        for variable in netlist.logic:
            if variable in owned:
                continue
            wakers = self._wakers[variable]
            each = place[variable] = by_wakers.setdefault(wakers, Class(wakers=wakers, due=self._due[variable]))
            each.logic.append(variable)
            if variable in self.watched:
                each.made |= 1 << self._bit[variable]
            before.setdefault(each, set()).update(place[s] for s in netlist.sources[variable] if s in place)

        def cost(count: int, due: int) -> float:
            return TEST * run.cycles + due.bit_count() * (ENTER + (COMPUTE + STORE) * count)

        def woken(a: Class, b: Class) -> tuple[int, int]:
            wakers, due = a.wakers & ~b.made | b.wakers & ~a.made, a.due | b.due
            if wakers != a.wakers | b.wakers:
                due = 0
                for waker in self.bits_of(wakers):
                    due |= self.waker_runs[waker]
            return wakers, due

        def price(a: Class, b: Class) -> float | None:
            return cost(len(a.logic) + len(b.logic), woken(a, b)[1])

        def join(a: Class, b: Class) -> Class:
            wakers, due = woken(a, b)
            both = Class(a.logic + b.logic, [], wakers, a.made | b.made, due)
            both.cost = cost(len(both.logic), due)
            return both

        classes = list(by_wakers.values())
        after: dict[Class, set[Class]] = {each: set() for each in classes}
        for each in classes:
            each.cost = cost(len(each.logic), each.due)
            for one in before[each] - {each}:
                after[one].add(each)
        place_in_order = {variable: at for at, variable in enumerate(netlist.logic)}
        result = merge((classes, after), price, join)
        for each in result:
            each.logic.sort(key=place_in_order.__getitem__)
        return result
