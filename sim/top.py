# SPDX-License-Identifier: Apache-2.0
"""A device with one flat port per signal, whose names survive Verilator."""

from amaranth import Module, Signal
from amaranth.hdl import Value, ValueCastable
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In


class FlatTop:
    """Wraps ``device``: member ``a.b`` of its signature becomes port ``a_b``, and so does every field of a struct.

    Members:
        module: the `Module` to convert.
        ports: the flat signals, inputs and outputs.
    """

    def __init__(self, device: wiring.Component) -> None:
        self.module = m = Module()
        self.ports: list[Signal] = []
        m.submodules.device = device  # pyright: ignore[reportArgumentType]
        for path, member, value in device.signature.flatten(device):
            name = "_".join(str(part) for part in path)
            for flat, part in _parts(name, value):
                port = Signal(len(part), name=flat)
                self.ports.append(port)
                m.d.comb += part.eq(port) if member.flow == In else port.eq(part)


def _parts(name: str, value: object) -> list[tuple[str, Value]]:
    if isinstance(value, data.View) and isinstance(value.shape(), data.StructLayout):
        return [part for key, _ in value.shape() for part in _parts(f"{name}_{key}", value[key])]
    assert isinstance(value, Value | ValueCastable)
    return [(name, Value.cast(value))]
