# SPDX-License-Identifier: Apache-2.0
"""Pairs of input and output, committed to, and some of them kept."""

from typing import Any

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from gateware.control.bus import BusInterface, bus_signature
from gateware.hash import EngineSignature
from gateware.sampler.closer import Closer
from gateware.sampler.intake import Intake
from gateware.sampler.layouts import MIN_SLOT_BYTES, PIECE_LANES, WORD_BITS
from gateware.sampler.outlet import Outlet
from gateware.sampler.passage import Passage
from gateware.sampler.registers import REGISTERS, Registers
from gateware.sampler.store import Store
from gateware.stream import FrameArbiter, FrameSignature, SkidBuffer, WidthConverter, beat_layout


class Sampler(wiring.Component):
    """Lets a server answer, and keeps what it has been asked and has answered, as `custodes.gateway_formats` says and
    `custodes.model.sampler` does.

    Args:
        lanes: bytes per beat.
        flows: connections at once, a power of two.
        slots: pairs at once, open or complete, a power of two.
        slot_bytes: of a transcript at most, a power of two, 2048 at least.

    Members:
        i_world, o_server: frames of the world, as a scrubber gives them: canonical, whole and good. Those that pass leave.
        i_server, o_world: the same of the server.
        o_samples: frames for the recomputer.
        bus: the block ``sampler``, addresses from its base on.
        random: words that nobody can know, 8 of which are the key of an epoch. Where none come, none begins.
        fault: a mode register holds what it cannot, without delay. It is up to the device to reset this unit.
        engine: of SHA-256, which is to be cleared as this unit is reset. While it is another's, pairs and epochs wait.

    Frames of both directions are looked at in turn, one word of 4 bytes per cycle: see `Passage`. What has no room waits,
    the other direction does not. Where ``o_samples`` waits, pairs keep their slots, and there is none for others at last.
    After reset all of the store is overwritten with zeros, a word per cycle, before that registers and keys, while BUSY; an
    epoch that is ordered later begins when that has been done.

    Raises:
        ValueError: a size is no power of two, or too small.
    """

    i_world: stream.Interface
    o_server: stream.Interface
    i_server: stream.Interface
    o_world: stream.Interface
    o_samples: stream.Interface
    bus: BusInterface
    random: stream.Interface
    fault: Signal
    engine: Any

    def __init__(self, lanes: int, flows: int = 16, slots: int = 16, slot_bytes: int = 4096) -> None:
        if slots < 2 or slots & (slots - 1):
            raise ValueError(f"slots must be a power of two, not {slots}")
        if slot_bytes < MIN_SLOT_BYTES or slot_bytes & (slot_bytes - 1):
            raise ValueError(f"slot_bytes must be a power of two of at least {MIN_SLOT_BYTES}, not {slot_bytes}")
        self.lanes = lanes
        self.flows, self.slots, self.slot_bytes = flows, slots, slot_bytes
        frames = FrameSignature(lanes)
        super().__init__(
            {
                "i_world": In(frames),
                "o_server": Out(frames),
                "i_server": In(frames),
                "o_world": Out(frames),
                "o_samples": Out(frames),
                "bus": In(bus_signature(REGISTERS)),
                "random": In(stream.Signature(WORD_BITS)),
                "fault": Out(1),
                "engine": Out(EngineSignature()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.passage = passage = Passage(self.flows, self.slots, self.slot_bytes)
        m.submodules.store = store = Store(self.slots, self.slot_bytes)
        m.submodules.closer = closer = Closer(self.slots, self.slot_bytes)
        m.submodules.registers = registers = Registers()
        m.submodules.arbiter = arbiter = FrameArbiter(PIECE_LANES)
        ways = (
            ("world", self.i_world, self.o_server, arbiter.i_first, ~passage.o_server),
            ("server", self.i_server, self.o_world, arbiter.i_second, passage.o_server),
        )
        for name, i, o, turn, goes in ways:
            m.submodules[f"intake_{name}"] = intake = Intake(self.lanes)
            m.submodules[f"outlet_{name}"] = outlet = Outlet(self.lanes)
            wiring.connect(m, wiring.flipped(i), intake.i)
            wiring.connect(m, intake.o, turn)
            wiring.connect(m, outlet.o, wiring.flipped(o))
            m.d.comb += [
                intake.may.eq(outlet.room),
                outlet.i.valid.eq(passage.o.valid & goes),
                outlet.i.payload.eq(passage.o.payload),
            ]
        # Whose turn it is, and whether there is a word, is known late in a cycle.
        turned = data.StructLayout({"beat": beat_layout(PIECE_LANES), "server": 1})
        m.submodules.slice = slice_ = SkidBuffer(turned)
        m.d.comb += [
            slice_.i.valid.eq(arbiter.o.valid),
            slice_.i.payload.beat.eq(arbiter.o.payload),
            slice_.i.payload.server.eq(arbiter.second),
            arbiter.o.ready.eq(slice_.i.ready),
            passage.i.valid.eq(slice_.o.valid),
            passage.i.payload.eq(slice_.o.payload.beat),
            passage.server.eq(slice_.o.payload.server),
            slice_.o.ready.eq(passage.i.ready),
        ]
        wiring.connect(m, wiring.flipped(self.bus), registers.bus)
        wiring.connect(m, closer.engine, wiring.flipped(self.engine))
        wiring.connect(m, wiring.flipped(self.random), registers.random)
        wiring.connect(m, store.free, passage.free)
        wiring.connect(m, store.complete, closer.complete)
        m.d.comb += passage.o.ready.eq(1)
        joined = (
            (
                passage,
                store,
                ("write", "slot", "at", "word", "tag_write", "tag_slot", "tag_at", "tag_word", "completes"),
            ),
            (closer, store, ("source", "source_at", "erase", "erase_at", "gives")),
            (store, closer, ("waiting", "transcript", "tag", "erased")),
            (closer, registers, ("address", "write", "write_address", "bump", "done", "wiping", "live")),
            (registers, closer, ("turn", "written", "bumping", "busy", "key_write", "key_at", "key_word")),
            (passage, registers, ("event", "number", "flows")),
            (closer, passage, ("live",)),
            (registers, passage, ("tick",)),
        )
        for giver, taker, names in joined:
            m.d.comb += [getattr(taker, name).eq(getattr(giver, name)) for name in names]
        m.submodules.samples = samples = WidthConverter(PIECE_LANES, self.lanes)
        wiring.connect(m, samples.o, wiring.flipped(self.o_samples))
        frame = closer.frame.payload
        m.d.comb += [
            closer.ledger.eq(registers.word),
            registers.write_word.eq(closer.word),
            registers.slots.eq(Mux(closer.booting, 0, store.used)),
            samples.i.valid.eq(closer.frame.valid),
            closer.frame.ready.eq(samples.i.ready),
            samples.i.payload.data.eq(Cat(frame.word.word_select(lane, 8) for lane in reversed(range(PIECE_LANES)))),
            samples.i.payload.keep.eq((1 << PIECE_LANES) - 1),
            samples.i.payload.last.eq(frame.last),
            self.fault.eq(passage.fault | closer.fault),
        ]
        return m
