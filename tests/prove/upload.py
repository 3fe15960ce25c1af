# SPDX-License-Identifier: Apache-2.0
"""A server serves only after as many bits as were announced have gone to the engine, and its digest was the announced one;
it has power only after having had none for long enough.

What the engine makes of them is free, and what comes from the store of frames, and what the host writes. Frames of weights
have few octets here, and padding is cut short, which no property depends on, so that the covers are within reach.
"""

from typing import Any

from amaranth import Cat, Mux, Signal
from amaranth.hdl import Value

from custodes.upload_modes import Fault, Mode
from gateware.upload import digester, modes, registers, upload, weights
from gateware.upload.upload import Upload
from gateware.upload.weights import Step

from .cut import Cut, drive_inputs, drive_outputs, hollow
from .harness import Harness, counter

OFF_CYCLES = 8
FRAME_BYTES = 8
BLOCK_WORDS = 4
BYTE_BITS = 8
WORD_BYTES = 4


class Gate:
    """The unit, and what is in it that the proof speaks of."""

    def __init__(self, h: Harness) -> None:
        outside = ("FrameFIFO", "WidthConverter", "SkidBuffer", "Ending", "Watch", "Pause")
        hollows = {name: hollow(getattr(upload, name)) for name in outside}
        inside = {"Modes": modes.Modes, "Registers": registers.Registers, "Weights": weights.Weights}
        engine = {"Queue": hollow(digester.Queue)}
        cut = Cut(
            lambda: Upload(1, OFF_CYCLES),
            {
                upload: hollows | inside | {"Digester": digester.Digester},
                weights: {"UPLOAD_BYTES": FRAME_BYTES},
                digester: engine | {"BLOCK_WORDS": BLOCK_WORDS},
            },
            watched=[modes, registers, weights],
        )
        self.dut = h.device(lambda: cut.dut)
        drive_inputs(h, self.dut)
        for name in (*outside, *engine):
            for number, part in enumerate(cut.made[name]):
                drive_outputs(h, part, f"{name}_{number}")
        self.modes, self.registers, self.weights, self.digester = (
            cut.made[name][0] for name in ("Modes", "Registers", "Weights", "Digester")
        )
        self.engine = self.dut.engine
        self.bits = cut.signals["Registers.elaborate.bits"]
        self.off_left = cut.signals["Modes.elaborate.left"]
        self._inner = cut.signals

    def of_weights(self, name: str) -> Any:
        return self._inner[f"Weights.{name}"]


def serves(h: Harness) -> None:
    """Anything that a host, the world and the server may do, at any time."""
    gate = Gate(h)
    dut, mode, m = gate.dut, gate.modes, h.m
    off = mode.mode == Mode.OFF

    # Written down a second time: what was announced as the mode was OFF for the last time, how many octets have gone to the
    # engine since, whether its digest was right as it was said to be there, and for how long there has been no power.
    bits, digest = Signal.like(gate.bits, name="bits_then"), Signal.like(gate.registers.digest, name="digest_then")
    octets, right, same = Signal(48), Signal(), Signal()
    o_hash, powerless, powered = gate.weights.o_hash, Signal(range(OFF_CYCLES + 1)), Signal()
    with m.If(off):
        m.d.sync += [bits.eq(gate.bits), digest.eq(gate.registers.digest)]
    with m.If(dut.forget):
        m.d.sync += [octets.eq(0), right.eq(0)]
    with m.Else():
        m.d.sync += octets.eq(octets + Mux(o_hash.valid & o_hash.ready, o_hash.payload.octets, 0))
        with m.If(mode.checking & gate.digester.done):
            m.d.sync += right.eq(same)
    m.d.sync += same.eq(gate.engine.state == Cat(reversed(_split(digest))))
    m.d.sync += powered.eq(dut.power)
    with m.If(dut.power):
        m.d.sync += powerless.eq(0)
    with m.Elif(powerless != OFF_CYCLES):
        m.d.sync += powerless.eq(powerless + 1)

    good = right & (bits == octets << 3) & (octets != 0)
    for passes in (mode.serving, dut.o_world.valid, dut.o_server.valid):
        h.check(~passes | good)
    h.check(~dut.serving | good | off)
    h.check(~dut.power | powered | (powerless == OFF_CYCLES))
    h.check(~dut.power | ~dut.forget | (mode.mode == Mode.UPLOAD) | off)
    h.check(~dut.fault)

    _of_modes(h, gate, off, bits, digest, powerless)
    _of_weights(h, gate, off, octets)
    equal = gate.digester.equal.all()
    h.lemma(off | (gate.registers.digest != digest) | dut.forget | ~equal | same)
    h.lemma(~mode.serving | right)

    given = counter(h, dut.power & ~powered, "given", 2)
    second = counter(h, gate.weights.second, "second", 2)
    h.cover(dut.o_world.valid & dut.o_server.valid & (octets == FRAME_BYTES + 1))
    h.cover(mode.serving & (octets == 3) & second.any())
    h.cover(off & (mode.reason == Fault.DIGEST))
    h.cover(off & (mode.reason == Fault.ORDER))
    h.cover(off & (mode.reason == Fault.MALFORMED))
    h.cover(off & (mode.reason == Fault.LENGTH))
    h.cover(dut.power & (given == 2) & (mode.reason == Fault.ORDERED))


def _of_modes(h: Harness, gate: Gate, off: Value, bits: Value, digest: Value, powerless: Value) -> None:
    """What holds of the announcement, of resets, and of the time without power."""
    dut, mode, left = gate.dut, gate.modes, gate.off_left
    registers = gate.registers
    whole = (gate.bits[:3] == 0) & (gate.bits != 0) & (gate.bits[51:] == 0)
    h.lemma(off | ((gate.bits == bits) & (registers.digest == digest) & whole))
    h.lemma(~(registers.start & mode.ready) | (registers.whole == whole))
    h.lemma((left <= OFF_CYCLES) & (powerless <= OFF_CYCLES))
    h.lemma(off | (left == OFF_CYCLES) | mode.uploading & dut.forget)
    h.lemma(~off | (left == OFF_CYCLES) | ~dut.power)
    h.lemma(~(off & mode.ready) | (left == 0))
    h.lemma(~(mode.ready & mode.ends))
    h.lemma(~(mode.ends & ~off))
    h.lemma(~off | (left == OFF_CYCLES) | dut.forget)
    h.lemma(~(mode.checking | mode.serving) | ~dut.forget)
    h.lemma(~off | (left == OFF_CYCLES) | (powerless + left >= OFF_CYCLES - 1))
    h.lemma(~(off & mode.ready) | (powerless >= OFF_CYCLES - 1))
    h.lemma(~(mode.uploading & dut.forget) | (powerless == OFF_CYCLES) & ~dut.power)


def _of_weights(h: Harness, gate: Gate, off: Value, octets: Value) -> None:
    """What has gone to the engine, by what is done about a frame."""
    unit, step, index = gate.weights, gate.of_weights("elaborate.step"), gate.of_weights("elaborate.index")
    rest, final, wrong = (gate.of_weights(f"elaborate.{name}") for name in ("rest", "final", "wrong"))
    mine = gate.of_weights("elaborate.mine")
    left, due, final_frame = (gate.of_weights(f"_due.{name}") for name in ("left", "due", "final_frame"))
    total, counted = gate.registers.octets, unit.counted
    mode, forget = gate.modes, gate.dut.forget
    there = (total - counted)[:48]
    many = there > FRAME_BYTES

    new = ~unit.complete & (counted == 0) & (step == Step.HEAD) & (index == 0) & ~mine & (octets == 0)
    h.lemma(~(off & (gate.off_left <= OFF_CYCLES - 2)) | new)
    h.lemma(~(mode.uploading & forget) | new)
    h.lemma(~(mode.checking | mode.serving) | unit.complete)

    runs = ~off & ~forget
    reads, judges, within = step == Step.HEAD, step == Step.JUDGE, Signal()
    h.m.d.comb += within.eq(
        (step == Step.SEND) | (step == Step.OCTETS) | (step == Step.PADDING) | (step == Step.ACCEPT)
    )
    known = (judges & mine) | within
    h.lemma(~runs | unit.complete | (counted < total))
    h.lemma(~(runs & unit.complete) | ((counted == total) & ~within & (octets == counted)))
    h.lemma(~(runs & ((reads & (index >= 1)) | known)) | (left == there))
    h.lemma(
        ~(runs & ((reads & (index >= 2)) | known)) | ((due == Mux(many, FRAME_BYTES, there)) & (final_frame == ~many))
    )
    h.lemma((index == 0) | ((index <= 5) & (reads | (step == Step.SEND))))
    h.lemma(~(runs & reads & mine) | (index > 3))
    h.lemma(~mine | reads | judges)
    before = reads | judges | (step == Step.SEND) | (step == Step.REST)
    h.lemma(~(runs & before) | (octets == counted))
    h.lemma(~(runs & (step == Step.SEND)) | ((rest == due) & (final == (due <= WORD_BYTES)) & ~wrong))
    takes = runs & (step == Step.OCTETS)
    h.lemma(~takes | ((rest != 0) & (rest <= due) & (final == (rest <= WORD_BYTES)) & ~wrong))
    h.lemma(~takes | (octets == (counted + due - rest)[:48]))
    all_in = (step == Step.PADDING) | ((step == Step.ACCEPT) & ~wrong)
    h.lemma(~(runs & all_in) | (octets == (counted + due)[:48]))


def _split(value: Value) -> list[Value]:
    """Its bytes, the lowest first."""
    return [value[at : at + BYTE_BITS] for at in range(0, len(value), BYTE_BITS)]
