# SPDX-License-Identifier: Apache-2.0
"""A warden whose words of entropy come from a seed that its host writes: for simulation, where nobody flips a coin."""

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from custodes import registers
from custodes.flow_table import FLOWS
from custodes.seed_registers import SEED, SEED_BYTES, WORD_LIMIT, WORDS_USED
from custodes.table import Port
from gateware.control.bus import BusInterface, bus_signature
from gateware.devices.warden import Warden
from gateware.entropy import Words
from gateware.entropy.modes import digest_word
from gateware.entropy.words import KEY_BITS
from gateware.hash import Sha256
from gateware.scrubber.scrubber import JUDGED, JudgedInterface
from gateware.stream import FrameSignature


class SeededWarden(wiring.Component):
    """A `Warden` with `Words`, and registers of `custodes.seed_registers`.

    Args:
        lanes, flows: of the warden.

    Members: those of the warden, but for words.
    """

    i_cluster: stream.Interface
    o_cluster: stream.Interface
    i_world: stream.Interface
    o_world: stream.Interface
    verdict_cluster: JudgedInterface
    verdict_world: JudgedInterface
    bus: BusInterface
    busy: Signal

    def __init__(self, lanes: int, flows: int = FLOWS) -> None:
        self.lanes = lanes
        self.flows = flows
        frames = FrameSignature(lanes)
        super().__init__(
            {
                "i_cluster": In(frames),
                "o_cluster": Out(frames),
                "i_world": In(frames),
                "o_world": Out(frames),
                "verdict_cluster": Out(JUDGED),
                "verdict_world": Out(JUDGED),
                "bus": In(bus_signature(registers.REGISTERS)),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.warden = warden = Warden(self.lanes, self.flows)
        m.submodules.words = words = Words()
        m.submodules.hash = sha = Sha256()
        m.submodules.seed = memory = Memory(shape=32, depth=SEED_BYTES // 4, init=[])
        for name in ("i_cluster", "i_world"):
            wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(warden, name))
        for name in ("o_cluster", "o_world", "verdict_cluster", "verdict_world"):
            wiring.connect(m, getattr(warden, name), wiring.flipped(getattr(self, name)))
        wiring.connect(m, words.o_cluster, warden.words_cluster)
        wiring.connect(m, words.o_world, warden.words_world)
        wiring.connect(m, words.i, sha.i)

        bus, limit = self.bus, Signal(32)
        write, read = memory.write_port(), memory.read_port(domain="comb")
        begins = bus.write & (bus.address == WORD_LIMIT)
        m.d.sync += [words.restart.eq(begins), words.digest.eq(digest_word(sha.state, words.place))]
        with m.If(~sha.i.valid | sha.i.ready):
            m.d.sync += words.seed.eq(read.data)
        with m.If(begins):
            m.d.sync += limit.eq(bus.write_data)
        m.d.comb += [
            write.addr.eq(bus.address),
            write.data.eq(bus.write_data),
            write.en.eq(bus.write & (bus.address >= SEED) & (bus.address < SEED + SEED_BYTES // 4)),
            read.addr.eq(words.row),
            words.enable.eq(limit.any() & ~words.restart),
            words.limit.eq(limit),
            words.busy.eq(sha.busy),
            # A block that was begun with the seed before would never be whole.
            sha.clear.eq(~words.enable),
            words.head.eq(sha.state[-KEY_BITS:]),
            warden.live.eq(words.live),
            self.busy.eq(warden.busy),
            warden.bus.address.eq(bus.address),
            warden.bus.write_data.eq(bus.write_data),
            warden.bus.write.eq(bus.write),
            bus.read_data.eq(warden.bus.read_data),
        ]
        for port, used in ((Port.CLUSTER, words.used_cluster), (Port.WORLD, words.used_world)):
            with m.If(bus.address == WORDS_USED + port):
                m.d.comb += bus.read_data.eq(used)
        return m
