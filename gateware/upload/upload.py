# SPDX-License-Identifier: Apache-2.0
"""The gate between a server and the world: first weights, so many bits with such a digest, and only then frames."""

from typing import Any

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from custodes.gateway_formats import WORD_BYTES
from custodes.upload_modes import Fault, Mode
from gateware.control.bus import BusInterface, bus_signature
from gateware.hash import EngineSignature
from gateware.reset import reset_by
from gateware.stream import Ending, FrameFIFO, FrameSignature, SkidBuffer, WidthConverter, beat_layout
from gateware.upload.digester import Digester
from gateware.upload.inlet import Inlet
from gateware.upload.modes import Modes
from gateware.upload.pause import Pause
from gateware.upload.registers import REGISTERS, Registers
from gateware.upload.watch import Watch
from gateware.upload.weights import Weights

STORE_BYTES = 4096
"""Two frames of weights and more: one leaves while the next comes."""
MIN_OFF_CYCLES = 8
"""Until everything is reset."""


class Upload(wiring.Component):
    """Takes weights from the world to the server, and nothing else either way, until every bit that was announced has come
    and the digest is the announced one; then lets frames pass. Whatever is not as it should be takes the server's power.

    Args:
        lanes: bytes per beat: 1, 2, or a multiple of 4.
        off_cycles: without power, before it is given again; 8 at least.

    Members:
        i_world, i_server: frames from there. Nothing is held back but what ``o_world`` and ``o_server`` hold back.
        o_weights: frames of weights, on their way to the server. One that is cut short ends with ``error``.
        o_world, o_server: what has come from there while SERVING.
        bus: registers of `custodes.gateway_registers.UPLOAD_BLOCK`, by their offsets; what is read is right 3 cycles after
            the address rests.
        alarm: something behind this has failed.
        power: of the server. serving: frames pass, or did a cycle ago.
        forget: there is no power. What is behind ``o_world`` and ``o_server`` is to be held in reset: of a frame that was
            under way the rest does not come, and a beat may be withdrawn.
        fault: the mode register held what is no mode; from there on it is OFF.
        engine: of SHA-256; asked for from the first weights on, until they have been digested. It is to be cleared after
            ``forget`` has begun.

    Latency of what passes: none. Throughput: a beat per cycle; weights as they come with one lane at line rate, with more
    lanes 64 octets in 65 cycles. A frame of weights that finds no room is lost, and the next is out of order. Reset: no
    power, and nothing is known of weights; 2 cycles.
    """

    i_world: stream.Interface
    o_weights: stream.Interface
    o_world: stream.Interface
    i_server: stream.Interface
    o_server: stream.Interface
    bus: BusInterface
    alarm: Signal
    power: Signal
    serving: Signal
    forget: Signal
    fault: Signal
    engine: Any

    def __init__(self, lanes: int, off_cycles: int) -> None:
        if off_cycles < MIN_OFF_CYCLES:
            raise ValueError(f"power must be off for {MIN_OFF_CYCLES} cycles at least, not {off_cycles}")
        self.lanes = lanes
        self.off_cycles = off_cycles
        frames = FrameSignature(lanes)
        super().__init__(
            {
                "i_world": In(frames),
                "o_weights": Out(frames),
                "o_world": Out(frames),
                "i_server": In(frames),
                "o_server": Out(frames),
                "bus": In(bus_signature(REGISTERS)),
                "alarm": In(1),
                "power": Out(1),
                "serving": Out(1),
                "forget": Out(1),
                "fault": Out(1),
                "engine": Out(EngineSignature()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.modes = modes = Modes(self.off_cycles)
        m.submodules.registers = registers = Registers()
        m.submodules.pause = pause = Pause()
        m.submodules.from_world = from_world = Inlet(self.lanes)
        m.submodules.from_server = from_server = Inlet(self.lanes)
        m.submodules.watch = watch = Watch(self.lanes)
        weights, digester = Weights(), Digester()
        # SEC_CM: UPLOAD.FORGOTTEN
        reset_by(m, "weights", weights, modes.forget)
        reset_by(m, "digester", digester, modes.forget)
        self._store(m, from_world, weights, modes.forget)
        wiring.connect(m, weights.o_hash, digester.i)
        wiring.connect(m, digester.engine, wiring.flipped(self.engine))
        wiring.connect(m, wiring.flipped(self.i_world), from_world.i)
        wiring.connect(m, wiring.flipped(self.i_server), from_server.i)
        wiring.connect(m, from_world.o, wiring.flipped(self.o_world))
        wiring.connect(m, from_server.o, wiring.flipped(self.o_server))
        wiring.connect(m, wiring.flipped(self.bus), registers.bus)
        takes, faults, late = Signal(), Signal(len(Fault)), Signal(len(Fault))
        m.d.comb += [
            from_world.opens.eq(modes.serving),
            from_world.keeps.eq(takes),
            from_server.opens.eq(modes.serving),
            from_server.kept.ready.eq(1),
            watch.moves.eq(self.o_world.valid & self.o_world.ready),
            watch.beat.eq(self.o_world.payload),
            weights.total.eq(registers.octets),
            weights.server.eq(registers.server),
            weights.gateway.eq(registers.gateway),
            digester.ends.eq(weights.complete),
            digester.octets.eq(weights.counted),
            digester.expected.eq(registers.digest),
            pause.runs.eq(modes.uploading),
            pause.comes.eq(weights.accepted),
            pause.cycles.eq(registers.pause_cycles),
            modes.start.eq(registers.start),
            modes.whole.eq(registers.whole),
            late[Fault.PAUSE].eq(pause.late),
            modes.faults.eq(faults | late),
            modes.complete.eq(weights.complete),
            modes.digested.eq(digester.done),
            modes.equal.eq(digester.equal),
            registers.off.eq(modes.mode == Mode.OFF),
            registers.clear.eq(modes.ends),
            registers.mode.eq(modes.mode),
            registers.ready.eq(modes.ready),
            registers.power.eq(modes.power),
            registers.reason.eq(modes.reason),
            registers.counted.eq(weights.counted),
            self.power.eq(modes.power),
            self.forget.eq(modes.forget),
            self.fault.eq(modes.fault),
        ]
        m.d.sync += [
            # A cycle late does not matter: without power the store is held in reset.
            takes.eq((modes.uploading | modes.checking) & ~modes.forget),
            self.serving.eq(modes.serving),
            faults[Fault.ORDERED].eq(registers.stop),
            faults[Fault.GUARD].eq(self.alarm),
            # SEC_CM: UPLOAD.BACKWARD
            faults[Fault.BACKWARD].eq(self.i_server.valid & (modes.uploading | modes.checking)),
            faults[Fault.SECOND].eq(weights.second | watch.found),
            faults[Fault.ORDER].eq(weights.order),
            faults[Fault.MALFORMED].eq(weights.malformed),
        ]
        return m

    def _store(self, m: Module, from_world: Inlet, weights: Weights, forget: Signal) -> None:
        """Whole frames, in words of four octets; and back to lanes."""
        wide = max(self.lanes, WORD_BYTES)
        widened = WidthConverter(self.lanes, wide)
        store = FrameFIFO(wide, STORE_BYTES // wide)
        narrowed = WidthConverter(wide, WORD_BYTES)
        kept = SkidBuffer(beat_layout(self.lanes))
        slices = [SkidBuffer(beat_layout(WORD_BYTES)) for _ in range(2)]
        out = WidthConverter(WORD_BYTES, self.lanes)
        parts = {"kept": kept, "widened": widened, "store": store, "narrowed": narrowed, "out": out}
        parts |= {"slice_in": slices[0], "slice_out": slices[1]}
        for name, part in parts.items():
            reset_by(m, name, part, forget)
        m.submodules.ending = ending = Ending(self.lanes)
        wiring.connect(m, from_world.kept, kept.i)
        wiring.connect(m, kept.o, widened.i)
        wiring.connect(m, widened.o, store.i)
        wiring.connect(m, store.o, narrowed.i)
        wiring.connect(m, narrowed.o, slices[0].i)
        wiring.connect(m, slices[0].o, weights.i)
        wiring.connect(m, weights.o, slices[1].i)
        wiring.connect(m, slices[1].o, out.i)
        wiring.connect(m, out.o, ending.i)
        wiring.connect(m, ending.o, wiring.flipped(self.o_weights))
        m.d.comb += ending.cut.eq(forget)
