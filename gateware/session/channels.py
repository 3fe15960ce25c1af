# SPDX-License-Identifier: Apache-2.0
"""What goes with a channel: its SCI, its replay window, and which of its associations seals."""

from amaranth import Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from custodes.macsec import AN_BITS, MAX_WINDOW
from gateware.session.control import channel_layout

KEPT = data.StructLayout({"sci": 64, "window": range(MAX_WINDOW + 1)})


def chosen_layout(channels: int) -> data.StructLayout:
    """Of a frame: ``found`` is its channel, and ``number`` its association."""
    return data.StructLayout({**KEPT.members, "found": 1, "number": range(channels << AN_BITS)})


class Channels(wiring.Component):
    """Keeps channels.

    Args:
        channels: how many, a power of two.
        opens: the frame says which association it belongs to; or else the one that is selected seals.

    Members:
        write_valid, write: sets a channel, of whose associations the first is selected.
        select_valid, target: this association is selected.
        found, channel, an: of a frame. ``o``: in the next cycle.
    """

    write_valid: Signal
    write: data.View
    select_valid: Signal
    target: Signal
    found: Signal
    channel: Signal
    an: Signal
    o: data.View

    def __init__(self, channels: int, opens: bool) -> None:
        self.channels = channels
        self.opens = opens
        super().__init__(
            {
                "write_valid": In(1),
                "write": In(channel_layout(channels)),
                "select_valid": In(1),
                "target": In(range(channels << AN_BITS)),
                "found": In(1),
                "channel": In(range(channels)),
                "an": In(AN_BITS),
                "o": Out(chosen_layout(channels)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.kept = kept = Memory(shape=KEPT, depth=self.channels, init=[])
        write, read = kept.write_port(), kept.read_port(domain="comb")
        selected = Signal(AN_BITS * self.channels)
        m.d.comb += [
            write.en.eq(self.write_valid),
            write.addr.eq(self.write.channel),
            write.data.sci.eq(self.write.sci),
            write.data.window.eq(self.write.window),
            read.addr.eq(self.channel),
        ]
        with m.If(self.select_valid):
            m.d.sync += selected.word_select(self.target[AN_BITS:], AN_BITS).eq(self.target[:AN_BITS])
        with m.If(self.write_valid):
            m.d.sync += selected.word_select(self.write.channel, AN_BITS).eq(0)
        an = self.an if self.opens else selected.word_select(self.channel, AN_BITS)
        m.d.sync += [
            self.o.sci.eq(read.data.sci),
            self.o.window.eq(read.data.window),
            self.o.found.eq(self.found),
            self.o.number.eq(Cat(an, self.channel)),
        ]
        return m
