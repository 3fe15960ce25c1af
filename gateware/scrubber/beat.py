# SPDX-License-Identifier: Apache-2.0
"""The beat that travels down the parser.

The parser never waits, so that its beats have no ready: room for what is inside it is kept free in the stores.
"""

from amaranth import Module, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import Out


def layer_beat(lanes: int) -> data.StructLayout:
    """A beat of what is left of a frame once the outer headers are off.

    ``keep`` is contiguous from lane 0; it is zero only where nothing is left, on a beat that is there to carry ``last``.
    ``error`` and ``oversize`` hold on the last beat.
    """
    return data.StructLayout(
        {
            "data": data.ArrayLayout(unsigned(8), lanes),
            "keep": lanes,
            "last": 1,
            "error": 1,
            "oversize": 1,
        }
    )


class LayerInterface(wiring.PureInterface):
    """What `LayerSignature` makes."""

    valid: Signal
    payload: data.View
    meta: data.View


class LayerSignature(wiring.Signature):
    """A feed-forward stream: ``valid`` and ``payload``; with ``meta``, what the outer layers found out, held for the whole
    frame from its first beat on."""

    def __init__(self, lanes: int, meta: data.StructLayout) -> None:
        super().__init__({"valid": Out(1), "payload": Out(layer_beat(lanes)), "meta": Out(meta)})


def begins(m: Module, layer: LayerInterface) -> Signal:
    """Whether the beat that comes next is its frame's first."""
    first = Signal(init=1)
    with m.If(layer.valid):
        m.d.sync += first.eq(layer.payload.last)
    return first


class SectionInterface(wiring.PureInterface):
    """What `SectionSignature` makes."""

    valid: Signal
    payload: data.View


class SectionSignature(wiring.Signature):
    """Writes into one store: ``data`` in the order of the wire, ``last`` of the frame's section; see `section_entry`."""

    def __init__(self, lanes: int, counted: bool = False) -> None:
        super().__init__({"valid": Out(1), "payload": Out(section_entry(lanes, counted))})


def section_entry(lanes: int, counted: bool = False) -> data.StructLayout:
    """One entry of a section store; an empty section has one, too. How many bytes of it count is told by the verdict in a
    header's section, and by ``count`` where the section is ``counted``."""
    count = {"count": lanes.bit_length()} if counted else {}
    return data.StructLayout({"data": data.ArrayLayout(unsigned(8), lanes), **count, "last": 1})
