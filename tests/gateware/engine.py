# SPDX-License-Identifier: Apache-2.0
"""An engine for units that are tested without the one that they share."""

from typing import Any

from amaranth import Module
from amaranth.hdl import ValueLike
from amaranth.lib import wiring

from gateware.hash import Sha256


def give_engine(m: Module, unit: Any, clear: ValueLike = 0) -> None:
    """Connect a `Sha256` of its own to ``unit.engine``."""
    m.submodules.engine = engine = Sha256()
    wiring.connect(m, engine.i, unit.engine.i)
    m.d.comb += [
        unit.engine.mine.eq(1),
        unit.engine.busy.eq(engine.busy),
        unit.engine.state.eq(engine.state),
        engine.clear.eq(clear),
    ]
