# SPDX-License-Identifier: Apache-2.0
"""The whole gateway: what it does with a server, and the control that its keys come through."""

from typing import Any

from amaranth import Module, Signal
from amaranth.lib import stream, wiring

from custodes.maps import SNG
from gateware.control.crossing import READ_CYCLES
from gateware.devices.controlled import CLOCK_HZ, Controlled
from gateware.devices.gateway import ANSWER_CYCLES, OFF_CYCLES, Gateway, outer_members
from gateware.scrubber.scrubber import JudgedInterface
from gateware.stream import Ending


class Sng(Controlled):
    """A `Gateway`, whose weights may come sealed, as `Controlled`.

    Once it is not blank any more, its host cannot write keys, nor say which weights are to come: firmware does, of those on
    its whitelist. What the host may still do is what it may without a CPU: give and take power, have weights come sealed or
    not, write the policy, begin epochs. None of this opens what is sealed.

    Args:
        lanes: of the frame streams.
        rom, secret, build_id, clock_hz, hash_domain: see `Controlled`.
        off_cycles: see `Gateway`.

    Members:
        i_server, o_server; i_world, o_world; o_recomputer; verdict_server, verdict_world; random, random_alarm;
            engine; power, serving, alarm: see `Gateway`, in ``sync``.

    An alarm of the device zeroises the keys of sessions and takes the power. So does leaving the state blank, in which
    anybody may have loaded keys; a frame that is under way then ends with ``error`` at every port.
    """

    i_server: stream.Interface
    o_server: stream.Interface
    i_world: stream.Interface
    o_world: stream.Interface
    o_recomputer: stream.Interface
    verdict_server: JudgedInterface
    verdict_world: JudgedInterface
    random: stream.Interface
    random_alarm: Signal
    engine: Any
    power: Signal
    serving: Signal
    alarm: Signal

    def __init__(
        self,
        lanes: int,
        rom: bytes,
        secret: bytes,
        build_id: bytes,
        clock_hz: int = CLOCK_HZ,
        hash_domain: str = "sync",
        off_cycles: int = OFF_CYCLES,
    ) -> None:
        self.lanes = lanes
        self.off_cycles = off_cycles
        super().__init__(outer_members(lanes), SNG, rom, secret, build_id, clock_hz, hash_domain)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        gateway = Gateway(self.lanes, off_cycles=self.off_cycles, registers=SNG)
        # SEC_CM: GATEWAY.ALARM_TAKES_POWER
        renew = self._join(m, "gateway", gateway, gateway.tamper, gateway.fault)
        for name in ("i_server", "i_world", "random", "engine"):
            wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(gateway, name))
        for name in ("o_server", "o_world", "o_recomputer"):
            m.submodules[f"ending_{name}"] = ending = Ending(self.lanes)
            wiring.connect(m, getattr(gateway, name), ending.i)
            wiring.connect(m, ending.o, wiring.flipped(getattr(self, name)))
            m.d.comb += ending.cut.eq(renew)
        for name in ("verdict_server", "verdict_world"):
            wiring.connect(m, getattr(gateway, name), wiring.flipped(getattr(self, name)))
        m.d.comb += [
            gateway.random_alarm.eq(self.random_alarm),
            self.power.eq(gateway.power),
            self.serving.eq(gateway.serving),
            self.alarm.eq(gateway.alarm),
        ]
        # The gateway has registers on the way to its units', and on the way back.
        wiring.connect(m, self._bus(m, ANSWER_CYCLES - READ_CYCLES), gateway.bus)
        return m
