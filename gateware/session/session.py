# SPDX-License-Identifier: Apache-2.0
"""Sealing and opening, behind one set of registers."""

from collections.abc import Iterable
from functools import reduce
from operator import or_

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from custodes import processor_registers as registers
from custodes.macsec import AN_BITS, ASSOCIATIONS, CHANNELS, MAX_WINDOW, Suite
from custodes.processor_registers import Command
from custodes.registers import IDENTITY, LANES, VOCABULARY
from gateware.control.bus import BusInterface, bus_signature
from gateware.control.guarded import guarded
from gateware.reset import reset_by
from gateware.session.control import VERDICT, ControlInterface, ControlSignature, VerdictInterface
from gateware.session.lifetimes import Lifetimes
from gateware.session.opener import Opener
from gateware.session.sealer import Sealer
from gateware.stream import FrameSignature

NUMBER_BITS = (ASSOCIATIONS - 1).bit_length()
"""Of associations, in commands and addresses."""


WAITING_WORDS = {registers.SALT: registers.SALT_WORDS, registers.PN: 2, registers.ADDRESS: 2, registers.SCI: 2}
WAITING = (
    *(registers.SSCI, registers.LIFETIME, registers.WINDOW),
    *(base + at for base, count in WAITING_WORDS.items() for at in range(count)),
)
"""Registers that wait for a command, but for those of a key."""


class Tampering(enum.Enum, shape=3):
    """Whether somebody has tampered: any other value than the first means yes."""

    NEVER = 0b000
    ONCE = 0b111


class Session(wiring.Component):
    """Frames from one side leave the other sealed, and the other way round opened.

    Args:
        lanes: 1, 8 or 64.
        tick_cycles: of the lifetimes of associations.
        opens: whether anything is opened. If not, keys to open with are refused, and what comes sealed is thrown away.
        channels: of each direction, 4 to `CHANNELS`, a power of two. Those above have no associations: nothing loads or
            selects one, and their registers read 0.

    Members:
        i_plain, o_sealed; i_sealed, o_plain: frames, see `Direction`.
        verdict_plain, verdict_sealed: on the frames that come in there.
        bus: registers of `custodes.processor_registers`. What has been written for a command is cleared by it.
        tamper: somebody tampers.
        busy: frames are inside.
        fault: a mode register held what it cannot; 2 cycles later, until a reset.

    Within 2 cycles of ``tamper`` nothing leaves any more, frames inside are forgotten, and no key is used again; every place
    for keys is overwritten within 64 * (`KeyLoader.wipe_cycles` + 8) cycles, as after every reset. It takes a reset before
    keys are loaded again. A reset lasts at least 2 cycles.
    """

    i_plain: stream.Interface
    o_sealed: stream.Interface
    i_sealed: stream.Interface
    o_plain: stream.Interface
    verdict_plain: VerdictInterface
    verdict_sealed: VerdictInterface
    bus: BusInterface
    tamper: Signal
    busy: Signal
    fault: Signal

    def __init__(
        self,
        lanes: int,
        tick_cycles: int = registers.TICK_CYCLES,
        opens: bool = True,
        channels: int = CHANNELS,
    ) -> None:
        self.lanes = lanes
        self.channels = channels
        self.tick_cycles = tick_cycles
        self.opens = opens
        frames = FrameSignature(lanes)
        super().__init__(
            {
                "i_plain": In(frames),
                "o_sealed": Out(frames),
                "i_sealed": In(frames),
                "o_plain": Out(frames),
                "verdict_plain": Out(VERDICT),
                "verdict_sealed": Out(VERDICT),
                "bus": In(bus_signature(registers.REGISTERS)),
                "tamper": In(1),
                "busy": Out(1),
                "fault": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        sealer = Sealer(self.lanes, self.channels)
        opener = Opener(self.lanes, self.channels) if self.opens else None
        # SEC_CM: SESSION.MODE.GUARDED
        tampering, fault = guarded(Tampering)
        wipes = Signal(init=1)
        tampered, ordered = Signal(), Signal()
        m.d.comb += tampered.eq(tampering != Tampering.NEVER)
        with m.If(self.tamper | ordered | tampered):
            m.d.sync += tampering.eq(Tampering.ONCE)
        m.d.sync += wipes.eq((self.tamper | ordered) & ~tampered)
        reset_by(m, "sealer", sealer, wipes)
        ways: list[tuple[Sealer | Opener, stream.Interface, stream.Interface, VerdictInterface]]
        ways = [(sealer, self.i_plain, self.o_sealed, self.verdict_plain)]
        if opener is None:
            m.d.comb += self.i_sealed.ready.eq(1)
        else:
            reset_by(m, "opener", opener, wipes)
            ways.append((opener, self.i_sealed, self.o_plain, self.verdict_sealed))
        for direction, i, o, verdict in ways:
            wiring.connect(m, wiring.flipped(i), direction.i)
            wiring.connect(m, direction.verdict, wiring.flipped(verdict))
            m.d.comb += [
                o.payload.eq(direction.o.payload),
                # SEC_CM: SESSION.TAMPER_STOPS
                o.valid.eq(direction.o.valid & ~tampered),
                direction.o.ready.eq(o.ready | tampered),
            ]
        directions = [direction for direction, *_ in ways]
        m.d.comb += self.busy.eq(_any(direction.busy for direction in directions))
        m.d.sync += self.fault.eq(_any([self.fault, fault, *(direction.fault for direction in directions)]))
        # Of what there is not nothing is ever ready, and everything reads 0.
        controls = [sealer.control, ControlSignature(self.channels).create() if opener is None else opener.control]
        self._read(m, controls, self._write(m, controls, tampered, wipes, ordered))
        return m

    def _write(
        self, m: Module, controls: list[ControlInterface], tampered: Signal, wipes: Signal, ordered: Signal
    ) -> Value:
        """Registers that wait for a command, and commands; returns the status."""
        # A write is decoded a cycle before it counts: what it sets off may be far away.
        bus, pushes, command, value = self.bus, Signal(), Signal(), Signal(32)
        chosen = Signal(len(WAITING))
        # A bit per command.
        orders = Signal(max(Command) + 1)
        commanded = bus.write & (bus.address == registers.COMMAND)
        m.d.sync += [
            chosen.eq(Cat(bus.write & (bus.address == register) for register in WAITING)),
            value.eq(Mux(bus.write, bus.write_data, 0)),
            pushes.eq(bus.write & (bus.address >= registers.KEY) & (bus.address < registers.KEY + registers.KEY_WORDS)),
            command.eq(commanded),
            orders.eq(
                Cat(commanded & (bus.write_data[registers.COMMAND_SHIFT :] == order) for order in range(len(orders)))
            ),
        ]
        waiting = Signal(
            data.StructLayout(
                {
                    "salt": data.ArrayLayout(32, registers.SALT_WORDS),
                    "ssci": 32,
                    "pn": data.ArrayLayout(32, 2),
                    "lifetime": 32,
                    "address": data.ArrayLayout(32, 2),
                    "sci": data.ArrayLayout(32, 2),
                    "window": range(MAX_WINDOW + 1),
                }
            )
        )
        words = {
            registers.SALT: waiting.salt,
            registers.PN: waiting.pn,
            registers.ADDRESS: waiting.address,
            registers.SCI: waiting.sci,
        }
        places = [
            *(waiting.ssci, waiting.lifetime, waiting.window),
            *(words[base][at] for base, count in WAITING_WORDS.items() for at in range(count)),
        ]
        # A load goes on for some hundred cycles; what it needs stays until it is done.
        loading, started, refused = Signal(), Signal(), Signal()
        associations = self.channels << AN_BITS
        side, number, suite, lifetime = Signal(), Signal(range(associations)), Signal(Suite), Signal(32)
        # It begins once its association can say that it is free.
        fits, asks, asked, unfit, dismissed = Signal(), Signal(), Signal(), Signal(), Signal()
        # A key is loaded only if all of it has been pushed since the last command, and nothing else.
        pushed = Signal(range(registers.KEY_WORDS + 2))
        with m.If(wipes | (command & ~loading)):
            m.d.sync += pushed.eq(0)
        with m.Elif(pushes & ~loading & (pushed <= registers.KEY_WORDS)):
            m.d.sync += pushed.eq(pushed + 1)
        # SEC_CM: KEY.NOT_KEPT
        with m.If(dismissed):
            m.d.sync += waiting.eq(0)
        with m.If(~loading):
            for here, place in zip(chosen, places, strict=True):
                with m.If(here):
                    m.d.sync += place.eq(value)
        to_side = value[_bit(registers.RECEIVE)]
        to_suite, to_number = value[registers.SUITE_SHIFT : registers.SUITE_SHIFT + 2], value[: len(number)]
        # Of what there is not every key is overwritten, and every channel out of use.
        exists = value[len(number) : NUMBER_BITS] == 0

        m.submodules.lifetimes = lifetimes = Lifetimes(2 * associations, self.tick_cycles)
        expired_number, expired_side = Signal(range(associations)), Signal()
        in_use, setting, expires = value[_bit(registers.CHANNEL_IN_USE)], Signal(), Signal()
        m.d.comb += [
            lifetimes.valid.eq(setting),
            lifetimes.number.eq(Cat(number, side)),
            lifetimes.ticks.eq(lifetime),
            lifetimes.pause.eq(bus.write | command | asks | asked),
        ]
        m.d.sync += [
            # The time of the key that was here before is nobody's concern.
            expires.eq(lifetimes.over & ~(setting & (lifetimes.expired == lifetimes.number))),
            Cat(expired_number, expired_side).eq(lifetimes.expired),
        ]
        with m.If(lifetimes.taken):
            m.d.sync += setting.eq(0)

        starts, selects, sets, zeroises = Signal(), Signal(), Signal(), Signal()
        with m.If(command):
            m.d.comb += [
                fits.eq(
                    orders[Command.LOAD]
                    # SEC_CM: KEY.WHOLE
                    & (pushed == registers.KEY_WORDS)
                    & exists
                    & ~(tampered | setting | loading)
                ),
                zeroises.eq(orders[Command.ZEROISE]),
                selects.eq(orders[Command.SELECT] & exists & ~tampered & ~to_side),
                sets.eq(orders[Command.CHANNEL] & (exists | ~in_use) & ~tampered & ~loading),
                ordered.eq(orders[Command.TAMPER]),
            ]
            m.d.sync += refused.eq(~(fits | zeroises | selects | sets | ordered))
        m.d.comb += starts.eq(asked & Mux(side, controls[1].ready, controls[0].ready) & ~(unfit | tampered))
        m.d.sync += [
            # Of the packet number, all of which is looked at while the association answers.
            unfit.eq((waiting.pn[1] != 0) & ~suite[1] | (waiting.pn.as_value() == 0) & ~side),
            asks.eq(fits),
            asked.eq(asks),
            started.eq(starts),
            dismissed.eq((command & ~loading & ~fits) | (asked & ~starts)),
        ]
        with m.If(fits):
            m.d.sync += [
                loading.eq(1),
                side.eq(to_side),
                number.eq(to_number),
                suite.eq(to_suite),
                lifetime.eq(waiting.lifetime),
            ]
        with m.If(starts):
            m.d.sync += setting.eq(1)
        with m.If(asked & ~starts):
            m.d.sync += [loading.eq(0), refused.eq(1)]
        ends = loading & ~(asks | asked | started | setting) & ~controls[0].loading & ~controls[1].loading
        with m.If(ends):
            m.d.sync += loading.eq(0)
        with m.If(ends | wipes):
            m.d.sync += waiting.eq(0)
        pushing, word = Signal(), Signal(32)
        m.d.sync += [pushing.eq(pushes & ~(loading | wipes)), word.eq(Mux(pushes, value, 0))]

        for at, control in enumerate(controls):
            mine = to_side == at
            m.d.comb += [
                control.word_valid.eq(pushing),
                control.word.eq(word),
                control.forget.eq((started & (side != at)) | dismissed),
                control.number.eq(number),
                control.load_valid.eq(starts & (side == at)),
                control.suite.eq(suite),
                control.ssci.eq(waiting.ssci),
                control.salt.eq(waiting.salt),
                control.pn.eq(waiting.pn),
                control.target.eq(Mux(expires, expired_number, to_number)),
                control.zeroise_valid.eq((zeroises & exists & mine) | (expires & (expired_side == at))),
                control.select_valid.eq(selects & mine),
                control.channel_valid.eq(sets & exists & mine),
                control.channel.channel.eq(to_number[AN_BITS:]),
                control.channel.in_use.eq(in_use),
                control.channel.address.eq(waiting.address),
                control.channel.sci.eq(waiting.sci),
                control.channel.window.eq(waiting.window),
            ]

        m.submodules.suites = suites = Memory(shape=Suite, depth=2 * associations, init=[])
        write, self._suite = suites.write_port(), suites.read_port(domain="comb")
        m.d.comb += [write.en.eq(starts), write.addr.eq(Cat(number, side)), write.data.eq(suite)]
        busy = loading | controls[0].busy | controls[1].busy
        return Cat(busy, refused, tampered)

    def _read(self, m: Module, controls: list[ControlInterface], status: Value) -> None:
        """What can be read: no key, and nothing else that waits for a command."""
        address, answer = self.bus.address, Signal(32)
        # Where the number of an association is in an address, and above it the side.
        lowest = {
            registers.PN_STATE: 1,
            registers.ASSOCIATION_STATE: 0,
            registers.OCTETS: 1,
            registers.COUNTERS: _bit(registers.COUNTERS_PER_ASSOCIATION),
        }
        mine = len(controls[0].read)

        def of_side(base: int, values: list[Value]) -> Value:
            return Mux(address[lowest[base] + NUMBER_BITS], values[1], values[0])

        def existing(base: int) -> tuple[str, ...]:
            """Patterns of the addresses of associations that there are, of either side."""
            free, fixed = mine + lowest[base], NUMBER_BITS - mine
            above = f"{base >> free + fixed + 1:0{len(address) - free - fixed - 1}b}"
            return tuple(f"{above}{side}{'0' * fixed}{'-' * free}" for side in (0, 1))

        by_word = address[8:] == registers.ASSOCIATION_STATE >> 8
        number = Mux(by_word, address[:mine], address[1 : 1 + mine])
        for control in controls:
            m.d.comb += [control.read.eq(number), control.counter.eq(address[: len(control.counter)])]
        m.d.comb += self._suite.addr.eq(Cat(address[:mine], address[NUMBER_BITS]))
        pn = of_side(registers.PN_STATE, [control.pn_now for control in controls])
        octets = of_side(registers.OCTETS, [control.octets for control in controls])
        usable = of_side(registers.ASSOCIATION_STATE, [control.usable_now for control in controls])
        count = of_side(registers.COUNTERS, [control.count for control in controls])
        with m.Switch(address):
            with m.Case(IDENTITY):
                m.d.comb += answer.eq(registers.IDENTITY_VALUE)
            with m.Case(LANES):
                m.d.comb += answer.eq(self.lanes)
            with m.Case(VOCABULARY):
                m.d.comb += answer.eq(registers.VOCABULARY_VALUE)
            with m.Case(registers.STATUS):
                m.d.comb += answer.eq(status)
            with m.Case(*existing(registers.PN_STATE)):
                m.d.comb += answer.eq(pn.word_select(address[0], 32))
            with m.Case(*existing(registers.ASSOCIATION_STATE)):
                m.d.comb += answer.eq(Cat(self._suite.data, Const(0, _bit(registers.IN_USE) - 2), usable))
            with m.Case(*existing(registers.OCTETS)):
                m.d.comb += answer.eq(octets.word_select(address[0], 32))
            with m.Case(*existing(registers.COUNTERS)):
                m.d.comb += answer.eq(count)
        # SEC_CM: KEY.SW_UNREADABLE
        m.d.sync += self.bus.read_data.eq(answer)


def _any(values: Iterable[Value]) -> Value:
    return reduce(or_, values)


def _bit(mask: int) -> int:
    """The number of the only bit in a mask."""
    return mask.bit_length() - 1
