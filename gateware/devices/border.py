# SPDX-License-Identifier: Apache-2.0
"""The border: a warden whose frames leave for the world by a schedule, and that keeps records of all that leaves."""

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from custodes.border_registers import (
    BORDER_BASE,
    BORDER_BLOCK,
    BORDER_IDENTITY_VALUE,
    FINGERPRINT_BASE,
    PAGE_WORDS,
    RETIMER_BASE,
    STORE_BYTES,
)
from custodes.coin_registers import COIN_BASE
from custodes.flow_table import FLOWS
from custodes.maps import BORDER
from custodes.register_map import DATAPATH_WORDS
from gateware.control.bus import BusInterface, bus_signature
from gateware.devices.warden import Warden
from gateware.entropy import Coin
from gateware.fingerprint import Fingerprints, Gate
from gateware.fingerprint.absorber import TapInterface
from gateware.retimer import Retimer
from gateware.scrubber.scrubber import JUDGED, JudgedInterface
from gateware.stream import FrameSignature


class Border(wiring.Component):
    """Frames that enter at the cluster leave at the world as a `Warden` lets them, when a `Retimer` lets them; frames that
    enter at the world leave at the cluster at once. What leaves is recorded, `Fingerprints`; words come from a `Coin`.

    Args:
        lanes: of the frame streams, 1 or 8.
        flows: slots of the flow table, see `Translator`.
        store_bytes: of frames that wait in the retimer, a power of two.

    Members:
        i_cluster, o_world; i_world, o_cluster: frame streams, see `Warden`. ``o_world`` should never stall: see `Retimer`.
        verdict_cluster, verdict_world: what the warden makes of each frame that entered there, see `JUDGED`. A frame that is
            forwarded to the world still has to find room in the retimer.
        bus: registers of `custodes.maps.BORDER`, but those of control and ports; what is read is right 5 cycles after the
            address has come to rest.
        busy: frames are inside the warden.
        alarm: for one cycle, see `Fingerprints`; or `Coin.fault`, or that of the `Translator`.

    A frame leaves for the cluster only when there is room for its fingerprint; until then the warden holds it, and so
    whoever feeds it. Reset: that of the units.
    """

    i_cluster: stream.Interface
    o_cluster: stream.Interface
    i_world: stream.Interface
    o_world: stream.Interface
    verdict_cluster: JudgedInterface
    verdict_world: JudgedInterface
    bus: BusInterface
    busy: Signal
    alarm: Signal

    def __init__(self, lanes: int, flows: int = FLOWS, store_bytes: int = STORE_BYTES) -> None:
        self.lanes = lanes
        self.flows = flows
        self.store_bytes = store_bytes
        frames = FrameSignature(lanes)
        super().__init__(
            {
                "i_cluster": In(frames),
                "o_cluster": Out(frames),
                "i_world": In(frames),
                "o_world": Out(frames),
                "verdict_cluster": Out(JUDGED),
                "verdict_world": Out(JUDGED),
                "bus": In(bus_signature(DATAPATH_WORDS)),
                "busy": Out(1),
                "alarm": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.warden = warden = Warden(self.lanes, self.flows)
        m.submodules.retimer = retimer = Retimer(self.lanes, self.store_bytes)
        m.submodules.gate = gate = Gate(self.lanes)
        m.submodules.fingerprints = fingerprints = Fingerprints(self.lanes)
        m.submodules.coin = coin = Coin()
        for name in ("i_cluster", "i_world"):
            wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(warden, name))
        for name in ("verdict_cluster", "verdict_world"):
            wiring.connect(m, getattr(warden, name), wiring.flipped(getattr(self, name)))
        wiring.connect(m, coin.words_cluster, warden.words_cluster)
        wiring.connect(m, coin.words_world, warden.words_world)
        wiring.connect(m, warden.o_world, retimer.i)
        wiring.connect(m, retimer.o, wiring.flipped(self.o_world))
        wiring.connect(m, warden.o_cluster, gate.i)
        wiring.connect(m, gate.o, wiring.flipped(self.o_cluster))
        _tap(m, self.o_world, fingerprints.tap_world)
        _tap(m, self.o_cluster, fingerprints.tap_cluster)
        m.d.comb += [
            warden.live.eq(coin.live),
            retimer.key.eq(coin.retimer_key),
            fingerprints.ticks.eq(warden.ticks),
            gate.open.eq(fingerprints.room_cluster),
            fingerprints.entered_cluster.eq(_ends(self.i_cluster)),
            fingerprints.entered_world.eq(_ends(self.i_world)),
            fingerprints.epoch.eq(coin.epoch),
            fingerprints.words_cluster.eq(coin.used_cluster),
            fingerprints.words_world.eq(coin.used_world),
            self.busy.eq(warden.busy),
            self.alarm.eq(fingerprints.alarm | coin.fault | warden.fault),
        ]
        self._registers(m, warden, {RETIMER_BASE: retimer.bus, FINGERPRINT_BASE: fingerprints.bus, COIN_BASE: coin.bus})
        return m

    def _registers(self, m: Module, warden: Warden, pages: dict[int, BusInterface]) -> None:
        bus, own = self.bus, Signal(32)
        page = bus.address // PAGE_WORDS
        above = {base: len(unit.address) for base, unit in pages.items()}
        with m.Switch(bus.address):
            with m.Case(BORDER_BLOCK.address("BORDER_IDENTITY")):
                m.d.comb += own.eq(BORDER_IDENTITY_VALUE)
            with m.Case(BORDER_BLOCK.address("BORDER_MAP")):
                m.d.comb += own.eq(int.from_bytes(BORDER.digest[:4], "little"))
        m.d.comb += [
            warden.bus.address.eq(bus.address),
            warden.bus.write_data.eq(bus.write_data),
            warden.bus.write.eq(bus.write & (page < RETIMER_BASE // PAGE_WORDS)),
        ]
        with m.Switch(page):
            for base, unit in pages.items():
                m.d.comb += [
                    unit.address.eq(bus.address),
                    unit.write_data.eq(bus.write_data),
                    unit.write.eq(bus.write & (bus.address >> above[base] == base >> above[base])),
                ]
                with m.Case(base // PAGE_WORDS):
                    m.d.sync += bus.read_data.eq(unit.read_data)
            with m.Case(BORDER_BASE // PAGE_WORDS):
                m.d.sync += bus.read_data.eq(own)
            with m.Default():
                m.d.sync += bus.read_data.eq(warden.bus.read_data)


def _tap(m: Module, frames: stream.Interface, tap: TapInterface) -> None:
    m.d.comb += [tap.valid.eq(frames.valid & frames.ready), tap.payload.eq(frames.payload)]


def _ends(frames: stream.Interface) -> Signal:
    return frames.valid & frames.ready & frames.payload.last
