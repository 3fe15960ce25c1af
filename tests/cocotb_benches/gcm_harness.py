# SPDX-License-Identifier: Apache-2.0
"""What stands around units of AES-GCM so that one design has all that a bench needs."""

from __future__ import annotations

from collections.abc import Mapping

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import Out

from gateware.session.gate import VERDICT, Gate
from gateware.session.gcm import Gcm
from gateware.stream import FrameSignature, Queue
from gateware.stream.join import piece_beat

WAITING = 64
"""Beats of text, and verdicts, that wait for each other."""


class Opener(wiring.Component):
    """Opens frames with a `Gcm`, and lets those through a `Gate` whose tag is right and which have text.

    Args:
        lanes, keys: see `Gcm`.
        depth: of the gate in beats.

    Members:
        o: their text.
        lost: text or a verdict found no room in or before the gate; stays until the reset.
        text_valid: a beat of text leaves the engine, good or not.
        Those of `Gcm` but its text, under the same names.
    """

    o: stream.Interface
    lost: Signal
    text_valid: Signal
    frame: stream.Interface
    i: stream.Interface
    tag_valid: Signal
    good: Signal
    word_valid: Signal
    word: Signal
    order: stream.Interface
    forget: Signal
    busy: Signal

    def __init__(self, lanes: int, keys: int, depth: int) -> None:
        self.lanes = lanes
        self.engine = Gcm(lanes, keys, opens=True)
        self.gate = Gate(lanes, depth)
        members = self.engine.signature.members
        super().__init__(
            {name: members[name] for name in members if name not in ("o", "o_valid", "tag")}
            | {"o": Out(FrameSignature(lanes)), "lost": Out(1), "text_valid": Out(1)}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.engine = engine = self.engine
        m.submodules.gate = gate = self.gate
        m.submodules.text = text = Queue(piece_beat(self.lanes), WAITING)
        m.submodules.verdicts = verdicts = Queue(VERDICT, WAITING)
        # Of a frame without text there is nothing to let out.
        m.submodules.some_text = some_text = Queue(1, 2 * engine.key_stream.frames_depth)
        wiring.connect(m, wiring.flipped(self.frame), engine.frame)
        wiring.connect(m, wiring.flipped(self.i), engine.i)
        wiring.connect(m, wiring.flipped(self.order), engine.order)
        wiring.connect(m, text.o, gate.i)
        wiring.connect(m, verdicts.o, gate.verdict)
        wiring.connect(m, gate.o, wiring.flipped(self.o))
        m.d.comb += [
            engine.word_valid.eq(self.word_valid),
            engine.word.eq(self.word),
            engine.forget.eq(self.forget),
            text.i.valid.eq(engine.o_valid),
            text.i.payload.eq(engine.o),
            some_text.i.valid.eq(self.frame.valid & self.frame.ready),
            some_text.i.payload.eq(self.frame.payload.text != 0),
            some_text.o.ready.eq(engine.tag_valid),
            verdicts.i.valid.eq(engine.tag_valid & some_text.o.payload),
            verdicts.i.payload.good.eq(engine.good),
            self.text_valid.eq(engine.o_valid),
            self.tag_valid.eq(engine.tag_valid),
            self.good.eq(engine.good),
            self.busy.eq(engine.busy),
        ]
        with m.If(
            gate.full
            | text.i.valid & ~text.i.ready
            | verdicts.i.valid & ~verdicts.i.ready
            | some_text.i.valid & ~some_text.i.ready
            | some_text.o.ready & ~some_text.o.valid
        ):
            m.d.sync += self.lost.eq(1)
        return m


class SideBySide(wiring.Component):
    """Units that have nothing to do with each other, in one design, so that it is built once for all.

    Args:
        units: name -> unit; its ports are members of a member of that name.
    """

    def __init__(self, units: Mapping[str, wiring.Component]) -> None:
        self.units = dict(units)
        super().__init__({name: Out(unit.signature) for name, unit in self.units.items()})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for name, unit in self.units.items():
            m.submodules[name] = unit  # pyright: ignore[reportArgumentType]
            wiring.connect(m, unit, wiring.flipped(getattr(self, name)))
        return m
