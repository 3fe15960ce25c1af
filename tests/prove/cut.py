# SPDX-License-Identifier: Apache-2.0
"""Units too large for a solver, cut down to what a property is about: the rest is replaced by what has free outputs."""

import sys
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from types import FrameType, ModuleType
from typing import Any
from unittest.mock import patch

from amaranth import Module, Mux, Signal, Value
from amaranth.hdl import Elaboratable, Fragment, ShapeLike, ValueCastable
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import Flow, In, Out

from .harness import Harness

_LOCK = threading.Lock()


class Cut:
    """A unit that has been elaborated with other things in the place of some that its modules name.

    ``dut`` is the unit; ``made`` is what has been put in a place, by its name, in the order it was made; ``signals`` is
    what methods of the modules in ``watched`` have called so, as ``Class.method.name``: registers that no port shows.
    """

    def __init__(
        self,
        make: Callable[[], Any],
        places: Mapping[ModuleType, Mapping[str, Any]],
        watched: Sequence[ModuleType] = (),
    ) -> None:
        self.made: dict[str, list[Any]] = {}
        self.signals: dict[str, Any] = {}
        self._watched = [vars(module) for module in watched]
        # Everything is elaborated before the modules are as they were, and nobody else does so meanwhile.
        with _LOCK, ExitStack() as stack:
            for module, names in places.items():
                for name, stand_in in names.items():
                    by = self._recorded(name, stand_in) if isinstance(stand_in, type) else stand_in
                    stack.enter_context(patch.object(module, name, by))
            self.dut = make()
            stack.callback(sys.setprofile, sys.getprofile())
            sys.setprofile(self._note)
            fragment = Fragment.get(self.dut.elaborate(None), None)
        self.dut.elaborate = lambda platform: fragment

    def _recorded(self, name: str, stand_in: Callable[..., Any]) -> Callable[..., Any]:
        def make(*arguments: Any, **named: Any) -> Any:
            instance = stand_in(*arguments, **named)
            self.made.setdefault(name, []).append(instance)
            return instance

        return make

    def _note(self, frame: FrameType, event: str, argument: object) -> None:
        if event == "return" and any(frame.f_globals is names for names in self._watched):
            for name, value in frame.f_locals.items():
                each = value if isinstance(value, list) else [value]
                if all(isinstance(one, ValueCastable | Value) for one in each):
                    self.signals[f"{frame.f_code.co_qualname}.{name}"] = value


def hollow(unit: type[wiring.Component]) -> type[wiring.Component]:
    """A unit with the ports of another and nothing inside: its outputs are for the harness to drive."""

    def elaborate(self: Any, platform: object) -> Module:
        for part in vars(self).values():
            if isinstance(part, Elaboratable):
                whole: Any = part
                whole._MustUse__used = True  # or Amaranth warns that it has not been
        return Module()

    return type(f"Hollow{unit.__name__}", (unit,), {"elaborate": elaborate})


def drive_outputs(h: Harness, unit: wiring.Component, name: str, besides: Collection[str] = ()) -> None:
    """Let the solver drive the outputs of a hollow unit, ``besides`` those."""
    _drive(h, unit, Out, name, besides)


def drive_inputs(h: Harness, unit: wiring.Component, besides: Collection[str] = ()) -> None:
    """Let the solver drive the inputs of a unit, ``besides`` those."""
    _drive(h, unit, In, "dut", besides)


def _drive(h: Harness, unit: wiring.Component, flow: Flow, name: str, besides: Collection[str]) -> None:
    for path, member, value in unit.signature.flatten(unit):
        if member.flow == flow and path[0] not in besides:
            bits = Value.cast(value)
            h.m.d.comb += bits.eq(h.free(len(bits), "_".join(map(str, (name, *path)))))


class OneRow(wiring.Component):
    """Stands in for a memory: keeps one row of it, whichever it is; any other may hold anything at any time.

    Members:
        tag, row: which row is kept, and what it holds.
        others: what is read of the others, for all ports; likewise what is read of a row while it is written, where the
            memory has been promised that nobody needs that (``no_rw_check``).

    Reset leaves the row as it is. At first it holds anything.
    """

    tag: Signal
    row: Any
    others: Signal

    def __init__(
        self, *, shape: ShapeLike, depth: int, init: list[int], attrs: Mapping[str, int] | None = None
    ) -> None:
        self.shape: Any = shape
        self.depth = depth
        self.bypassed = not (attrs or {}).get("no_rw_check")
        self._writes: list[Any] = []
        self._reads: list[Any] = []
        bits = len(Value.cast(Signal(shape)))
        super().__init__({"tag": In(range(depth)), "row": Out(shape), "others": In(bits)})

    def write_port(self) -> Any:
        port = memory.WritePort.Signature(addr_width=len(self.tag), shape=self.shape).create()
        self._writes.append(port)
        return port

    def read_port(self, *, domain: str) -> Any:
        if domain != "comb":
            raise ValueError(f"rows are read without a clock, not in {domain}")
        port = memory.ReadPort.Signature(addr_width=len(self.tag), shape=self.shape).create()
        self._reads.append(port)
        return port

    def elaborate(self, platform: object) -> Module:
        m = Module()
        row = Signal(len(Value.cast(self.row)), reset_less=True)
        m.d.comb += self.row.eq(row)
        writes = Signal()
        for port in self._writes:
            with m.If(port.en & (port.addr == self.tag)):
                m.d.comb += writes.eq(1)
                m.d.sync += row.eq(port.data)
        for port in self._reads:
            kept = (port.addr == self.tag) & (self.bypassed | ~writes)
            m.d.comb += Value.cast(port.data).eq(Mux(kept, row, self.others))
        return m
