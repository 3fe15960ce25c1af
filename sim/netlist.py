# SPDX-License-Identifier: Apache-2.0
"""A device as RTLIL."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from amaranth.back import rtlil  # pyright: ignore[reportAttributeAccessIssue] (the stubs have no back.rtlil)
from amaranth.lib import wiring

from sim.top import FlatTop

MODULE = "device"
"""What a device is called there."""


def flat(device: wiring.Component) -> tuple[str, set[str]]:
    """The module `MODULE`, a `FlatTop` of ``device``, and its ports."""
    with _kept():
        top = FlatTop(device)
        text = rtlil.convert(top.module, name=MODULE, ports=top.ports, emit_src=False)
    return text, {port.name for port in top.ports}


@contextmanager
def _kept() -> Iterator[None]:
    """Nothing is searched for garbage: all that is made is needed until the end, and the search is half of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
