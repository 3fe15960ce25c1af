# SPDX-License-Identifier: Apache-2.0
"""The gateway: a server takes one upload of weights, and then serves; what it answers is committed to, and sampled."""

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from custodes.gateway_registers import (
    GATEWAY_BASE,
    GATEWAY_BLOCK,
    GATEWAY_CHANNELS,
    GATEWAY_IDENTITY_VALUE,
    GATEWAY_WORDS,
    PAGE_WORDS,
    SAMPLER_BASE,
    SCRUBBER_BASE,
    UPLOAD_BASE,
)
from custodes.maps import GATEWAY
from custodes.processor_registers import COMMAND, COMMAND_SHIFT, STATUS, STATUS_REFUSED, Command
from custodes.register_map import DATAPATH_WORDS, RegisterMap
from gateware.control.bus import BusInterface, bus_signature
from gateware.devices.warden import Warden
from gateware.hash import EngineSignature, SharedSha256
from gateware.reset import reset_by
from gateware.sampler import Sampler
from gateware.scrubber.scrubber import JUDGED, JudgedInterface
from gateware.session import Session
from gateware.stream import Ending, FrameArbiter, FrameSignature, SkidBuffer, beat_layout
from gateware.upload import Upload

ANSWER_CYCLES = 7
"""Until a register is read."""
FORGET_CYCLES = 8
"""Of reset, for scrubbers and sampler, as the server loses its power."""
OFF_CYCLES = 625_000_000
"""5 s at 125 MHz, for which a server is without power at least: what was in its memory is gone then."""


def outer_members(lanes: int) -> dict[str, Any]:
    """Of a gateway, those that are the device's too, whatever is around it."""
    frames = FrameSignature(lanes)
    return {
        "i_server": In(frames),
        "o_server": Out(frames),
        "i_world": In(frames),
        "o_world": Out(frames),
        "o_recomputer": Out(frames),
        "verdict_server": Out(JUDGED),
        "verdict_world": Out(JUDGED),
        "random": In(stream.Signature(32)),
        "random_alarm": In(1),
        "engine": In(EngineSignature()),
        "power": Out(1),
        "serving": Out(1),
        "alarm": Out(1),
    }


class Gateway(wiring.Component):
    """Between a server and the world: `Upload`, and where that lets frames pass a `Warden` without flows and a `Sampler`,
    whose samples leave sealed by a `Session`.

    Args:
        lanes: of the frame streams.
        flows, slots, slot_bytes: see `Sampler`.
        off_cycles: see `Upload`.
        opens: whether weights may come sealed, for which a session must open them.
        registers: the map of the device, which `GATEWAY_MAP` tells of.

    Members:
        i_server, o_server; i_world, o_world; o_recomputer: frame streams.
        verdict_server, verdict_world: what the scrubbers make of each frame that came in there and was let as far, see
            `JUDGED`.
        bus: registers of that map, but for those of control; what is read is right `ANSWER_CYCLES` after the address has
            come to rest.
        random, random_alarm: see `Sampler`; and that the noise source of the words has failed, which takes the power.
        engine: of the third user, see `SharedSha256`.
        tamper: somebody tampers: see `Session`; and the server has no power until a reset, as after a `Command.TAMPER`.
        power: of the server.
        serving: frames pass.
        alarm: a unit has failed, there are no random words, or somebody tampers.
        fault: a unit holds a state that does not exist, a cycle later.

    As the server loses its power, the scrubbers forget what they admit, but for their tables of addresses, and the sampler
    everything; nothing comes to them until it serves again. A frame that is under way then ends with ``error`` at every
    port. Sessions and how weights come can be set while there is no power, the scrubbers until the server serves; what a
    session is told later is refused. A reset lasts 4 cycles at least.
    """

    i_server: stream.Interface
    o_server: stream.Interface
    i_world: stream.Interface
    o_world: stream.Interface
    o_recomputer: stream.Interface
    verdict_server: JudgedInterface
    verdict_world: JudgedInterface
    bus: BusInterface
    random: stream.Interface
    random_alarm: Signal
    engine: Any
    tamper: Signal
    power: Signal
    serving: Signal
    alarm: Signal
    fault: Signal

    def __init__(
        self,
        lanes: int,
        flows: int = 16,
        slots: int = 16,
        slot_bytes: int = 4096,
        off_cycles: int = OFF_CYCLES,
        opens: bool = True,
        registers: RegisterMap = GATEWAY,
    ) -> None:
        self.lanes = lanes
        self.sampler = Sampler(lanes, flows, slots, slot_bytes)
        self.off_cycles = off_cycles
        self.opens = opens
        self.registers = registers
        super().__init__(
            {
                **outer_members(lanes),
                "bus": In(bus_signature(GATEWAY_WORDS)),
                "tamper": In(1),
                "fault": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.upload = upload = Upload(self.lanes, self.off_cycles)
        m.submodules.session = session = Session(self.lanes, opens=self.opens, channels=GATEWAY_CHANNELS)
        m.submodules.to_server = to_server = FrameArbiter(self.lanes)
        warden, sampler = Warden(self.lanes, flows=0), self.sampler
        # A pulse as power goes, so that what is behind it wipes its memories while there is none; from one register after
        # the other, as these units fill the device.
        since = Signal(FORGET_CYCLES)
        forgets, later, latest = Signal(init=1), Signal(init=1), Signal(init=1)
        m.d.sync += [
            since.eq(Cat(upload.forget, since)),
            forgets.eq(upload.forget & ~since[-1]),
            later.eq(forgets),
            latest.eq(later),
        ]
        reset_by(m, "scrubbers", warden, forgets)
        reset_by(m, "sampler", sampler, later)
        # SEC_CM: UPLOAD.FORGOTTEN, SEC_CM: SAMPLER.FORGOTTEN
        engine = SharedSha256()
        reset_by(m, "hash", engine, latest)
        wiring.connect(m, upload.engine, engine.first)
        wiring.connect(m, sampler.engine, engine.second)
        wiring.connect(m, wiring.flipped(self.engine), engine.third)
        sealed = Signal()
        self._weights(m, upload, session, sealed)
        wiring.connect(m, wiring.flipped(self.i_server), upload.i_server)
        for name, given, taken, forgotten in (
            ("to_scrub_world", upload.o_world, warden.i_world, forgets),
            ("to_scrub_server", upload.o_server, warden.i_cluster, forgets),
            ("to_sample_world", warden.o_cluster, sampler.i_world, later),
            ("to_sample_server", warden.o_world, sampler.i_server, later),
        ):
            self._slice(m, name, forgotten, given, taken)
        wiring.connect(m, upload.o_weights, to_server.i_first)
        wiring.connect(m, to_server.o, wiring.flipped(self.o_server))
        # What is behind the sampler is not reset with it: a frame under way ends there, as one that is none.
        for name, given, taken in (
            ("server", sampler.o_server, to_server.i_second),
            ("world", sampler.o_world, wiring.flipped(self.o_world)),
            ("samples", sampler.o_samples, session.i_plain),
        ):
            m.submodules[f"ending_{name}"] = ending = Ending(self.lanes)
            self._slice(m, f"sampled_{name}", later, given, ending.i)
            wiring.connect(m, ending.o, taken)
            m.d.comb += ending.cut.eq(later)
        wiring.connect(m, wiring.flipped(self.random), sampler.random)
        m.submodules.to_recomputer = to_recomputer = SkidBuffer(beat_layout(self.lanes))
        wiring.connect(m, session.o_sealed, to_recomputer.i)
        wiring.connect(m, to_recomputer.o, wiring.flipped(self.o_recomputer))
        wiring.connect(m, warden.verdict_cluster, wiring.flipped(self.verdict_server))
        wiring.connect(m, warden.verdict_world, wiring.flipped(self.verdict_world))
        failed, stops, stopped = Signal(), Signal(), Signal()
        # SEC_CM: GATEWAY.STOPPED
        with m.If(self.tamper | stops):
            m.d.sync += stopped.eq(1)
        faulty = upload.fault | sampler.fault | session.fault | engine.fault
        m.d.sync += [
            self.fault.eq(faulty),
            failed.eq(faulty | self.tamper | stopped | self.random_alarm),
        ]
        m.d.comb += [
            session.tamper.eq(self.tamper),
            upload.alarm.eq(failed),
            self.power.eq(upload.power),
            self.serving.eq(upload.serving),
            self.alarm.eq(failed),
        ]
        m.d.comb += stops.eq(self._registers(m, sealed, upload, sampler, session, warden))
        return m

    def _slice(self, m: Module, name: str, forgotten: Signal, given: stream.Interface, taken: stream.Interface) -> None:
        """What comes from one unit to another, forgotten with one of them."""
        reset_by(m, name, between := SkidBuffer(beat_layout(self.lanes)), forgotten)
        wiring.connect(m, given, between.i)
        wiring.connect(m, between.o, taken)

    def _weights(self, m: Module, upload: Upload, session: Session, sealed: Signal) -> None:
        """What comes from the world goes straight on, or by way of the session until the server serves."""
        m.submodules.from_world = merged = FrameArbiter(self.lanes)
        world, by_session, within = self.i_world, Signal(), Signal()
        takes = world.valid & world.ready
        with m.If(takes):
            m.d.sync += within.eq(~world.payload.last)
        # Not within a frame, nor where the first beat of one is being offered.
        with m.If((takes & world.payload.last) | (~world.valid & ~within)):
            m.d.sync += by_session.eq(sealed & ~upload.serving)
        m.d.comb += [
            merged.i_first.valid.eq(world.valid & ~by_session),
            merged.i_first.payload.eq(world.payload),
            session.i_sealed.valid.eq(world.valid & by_session),
            session.i_sealed.payload.eq(world.payload),
        ]
        with m.If(by_session):
            m.d.comb += world.ready.eq(session.i_sealed.ready)
        with m.Else():
            m.d.comb += world.ready.eq(merged.i_first.ready)
        wiring.connect(m, session.o_plain, merged.i_second)
        wiring.connect(m, merged.o, upload.i_world)

    def _registers(
        self, m: Module, sealed: Signal, upload: Upload, sampler: Sampler, session: Session, warden: Warden
    ) -> Signal:
        """Keys, and how weights come, are what they are as the server gets power; the policy, as it serves. Returns whether
        the session is told to stop, which it may be at any time."""
        # Registers are everywhere in the device: what is asked for is decoded before a register, and a unit sees only what
        # is for it, or else all would share one of these.
        bus, own = self.bus, Signal(32)
        address, write_data, write = Signal.like(bus.address), Signal(32), Signal()
        m.d.sync += [address.eq(bus.address), write_data.eq(bus.write_data), write.eq(bus.write)]
        commands, stops, denied = Signal(), Signal(), Signal()
        m.d.comb += [
            commands.eq(write & (address == COMMAND)),
            stops.eq(commands & (write_data >> COMMAND_SHIFT == Command.TAMPER)),
        ]
        with m.If(commands):
            m.d.sync += denied.eq(upload.power & ~stops)
        page = bus.address // PAGE_WORDS
        above = (bus.address >= SCRUBBER_BASE) & (bus.address < UPLOAD_BASE)
        units = [
            (session.bus, bus.address < DATAPATH_WORDS, 0, ~upload.power | stops),
            (warden.bus, above, SCRUBBER_BASE, ~upload.serving),
            (upload.bus, page == UPLOAD_BASE // PAGE_WORDS, UPLOAD_BASE, Const(1)),
            (sampler.bus, page == SAMPLER_BASE // PAGE_WORDS, SAMPLER_BASE, Const(1)),
        ]
        m.d.sync += bus.read_data.eq(0)
        for unit, chosen, base, open_ in units:
            here = Signal()
            m.d.sync += [
                here.eq(chosen),
                unit.address.eq(Mux(here, address - base, 0)),
                unit.write_data.eq(Mux(here, write_data, 0)),
                # SEC_CM: GATEWAY.SETTINGS_FROZEN
                unit.write.eq(write & here & open_),
            ]
            with m.If(here):
                m.d.sync += bus.read_data.eq(unit.read_data)
        with m.Switch(address):
            with m.Case(GATEWAY_BLOCK.address("GATEWAY_IDENTITY")):
                m.d.comb += own.eq(GATEWAY_IDENTITY_VALUE)
            with m.Case(GATEWAY_BLOCK.address("GATEWAY_MAP")):
                m.d.comb += own.eq(int.from_bytes(self.registers.digest[:4], "little"))
            with m.Case(GATEWAY_BLOCK.address("SEALED")):
                m.d.comb += own.eq(sealed)
                with m.If(write & ~upload.power):
                    m.d.sync += sealed.eq(write_data[0])
            with m.Case(GATEWAY_BLOCK.address("RANDOM_STATE")):
                m.d.comb += own.eq(Cat(self.random.valid, self.random_alarm))
        with m.If(denied & (address == STATUS)):
            m.d.sync += bus.read_data.eq(session.bus.read_data | STATUS_REFUSED)
        with m.If(address // PAGE_WORDS == GATEWAY_BASE // PAGE_WORDS):
            m.d.sync += bus.read_data.eq(own)
        return stops
