# SPDX-License-Identifier: Apache-2.0
"""The associations of one direction: which have a key, what goes with it, and when it is overwritten."""

from amaranth import Cat, Module, Signal
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from custodes.macsec import Suite
from gateware.control.guarded import guarded
from gateware.session.loader import order_layout
from gateware.session.memories import NO_BYPASS

CHOICE = 8
"""Associations that one is chosen from in a cycle, where there is time for two."""
PARAMETERS = data.StructLayout({"suite": Suite, "ssci": 32, "salt": 96})
"""Of an association. ``salt``: its first byte lowest."""


class Keeping(enum.Enum, shape=5):
    """What is being done. Any two differ in three bits; whatever is none of them goes on looking for keys to overwrite."""

    LOOK = 0b00000
    DRAIN = 0b00111
    WIPE = 0b11001
    LOAD = 0b11110


class Associations(wiring.Component):
    """Keeps associations, loads their keys, and sees to it that a key that is not used any more is overwritten.

    After reset no association has a key, and every place for one is overwritten, one after the other. An association whose
    key is taken away is neither ``usable`` nor ``alive`` from the next cycle on: it seals and opens nothing that comes in,
    and frames that are inside get no good verdict any more; once they are gone the key is overwritten. One that is
    exhausted still lets out what is inside.

    Args:
        count: of associations, a power of two, `CHOICE` at least.
        inside_max: how many frames are inside at most.

    Members:
        load_valid, load, number: load an association with the key in `KeyLoader`; only while ``ready``, and if ``number``
            was the same a cycle before.
        loading: a key is being loaded.
        ready: none is, nor was a cycle before, and what ``number`` was then has no key that has not been overwritten.
        zeroise_valid, zeroise: take the key away. ``exhaust_valid``, ``exhaust``: use it for no further frame.
        usable, alive: associations that seal or open what comes in, and that let out what is inside.
        read, parameters: of an association, 2 cycles later.
        order: to `KeyLoader`.
        inside, leaves: how many frames are inside; the oldest is gone.
        busy: some key is being loaded or is still to be overwritten.
        fault: the register of `Keeping` holds none of it, without delay.

    Time to overwrite a key: at most ``count`` + 1 cycles until it is found, until what was inside is gone, and
    `KeyLoader.wipe_cycles`.
    """

    load_valid: Signal
    number: Signal
    load: data.View
    ready: Signal
    loading: Signal
    zeroise_valid: Signal
    zeroise: Signal
    exhaust_valid: Signal
    exhaust: Signal
    usable: Signal
    alive: Signal
    read: Signal
    parameters: data.View
    order: stream.Interface
    inside: Signal
    leaves: Signal
    busy: Signal
    fault: Signal

    def __init__(self, count: int, inside_max: int) -> None:
        self.count = count
        self.inside_max = inside_max
        super().__init__(
            {
                "load_valid": In(1),
                "number": In(range(count)),
                "load": In(PARAMETERS),
                "ready": Out(1),
                "loading": Out(1),
                "zeroise_valid": In(1),
                "zeroise": In(range(count)),
                "exhaust_valid": In(1),
                "exhaust": In(range(count)),
                "usable": Out(count),
                "alive": Out(count),
                "read": In(range(count)),
                "parameters": Out(PARAMETERS),
                "order": Out(stream.Signature(order_layout(count))),
                "inside": In(range(inside_max + 1)),
                "leaves": In(1),
                "busy": Out(1),
                "fault": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._remember(m)
        # Places that may hold a key. After reset, all may.
        written = Signal(self.count, init=-1)
        # SEC_CM: ASSOCIATIONS.MODE.GUARDED
        state, fault = guarded(Keeping)
        place, short = Signal(range(self.count)), Signal()
        # Which is looked at next, and whether the one that ``place`` is, which was looked at last, is to be overwritten.
        following, found = Signal(range(self.count)), Signal()
        remaining, zeroised, lives = Signal(range(self.inside_max + 1)), Signal(), Signal()
        unused, free = written & ~self.usable, Signal()
        m.d.sync += free.eq(~written.bit_select(self.number, 1) & (state != Keeping.LOAD))
        m.d.comb += [
            self.fault.eq(fault),
            lives.eq(~zeroised),
            self.ready.eq((state == Keeping.LOOK) & free & ~found),
            self.loading.eq(state == Keeping.LOAD),
            self.order.payload.key.eq(place),
            self.order.payload.short.eq(short),
            self.order.payload.wipe.eq(state == Keeping.WIPE),
            self.order.valid.eq((state == Keeping.WIPE) | (state == Keeping.LOAD)),
        ]
        # It takes two cycles to see that there is one to be overwritten.
        some, changes, changed, busy = Signal(len(unused) // CHOICE, init=-1), Signal(), Signal(), Signal(init=1)
        m.d.comb += [changes.eq(self.load_valid | self.zeroise_valid | self.exhaust_valid), self.busy.eq(busy)]
        m.d.sync += [
            some.eq(Cat(unused[at : at + CHOICE].any() for at in range(0, len(unused), CHOICE))),
            changed.eq(changes),
            busy.eq(changes | changed | some.any() | (state != Keeping.LOOK)),
            found.eq(0),
        ]
        with m.Switch(state):
            with m.Case(Keeping.DRAIN):
                with m.If(self.leaves):
                    m.d.sync += remaining.eq(remaining - 1)
                with m.If((remaining == 0) | (self.inside == 0)):
                    m.d.sync += state.eq(Keeping.WIPE)
            # SEC_CM: KEY.OVERWRITTEN
            with m.Case(Keeping.WIPE), m.If(self.order.ready):
                m.d.sync += [
                    written.bit_select(place, 1).eq(0),
                    self.usable.bit_select(place, 1).eq(0),
                    self.alive.bit_select(place, 1).eq(0),
                    state.eq(Keeping.LOOK),
                ]
            # SEC_CM: KEY.ZEROISED_STAYS
            with m.Case(Keeping.LOAD):
                # A load begins late in its cycle: that the place is written can be remembered in the next.
                m.d.sync += written.bit_select(place, 1).eq(1)
                with m.If(self.order.ready):
                    m.d.sync += [
                        self.usable.bit_select(place, 1).eq(lives),
                        self.alive.bit_select(place, 1).eq(lives),
                        state.eq(Keeping.LOOK),
                    ]
            with m.Default():
                m.d.sync += [state.eq(Keeping.LOOK), remaining.eq(self.inside), zeroised.eq(0)]
                with m.If(found):
                    m.d.sync += state.eq(Keeping.DRAIN)
                with m.Else():
                    # Where a load begins it is forgotten, and that place is looked at again.
                    m.d.sync += found.eq(unused.bit_select(following, 1))
                    with m.If(self.load_valid):
                        m.d.sync += [place.eq(self.number), short.eq(~self.load.suite[0]), state.eq(Keeping.LOAD)]
                    with m.Else():
                        m.d.sync += [place.eq(following), following.eq(following + 1)]
        with m.If(self.exhaust_valid):
            m.d.sync += self.usable.bit_select(self.exhaust, 1).eq(0)
        with m.If(self.zeroise_valid):
            m.d.sync += [self.usable.bit_select(self.zeroise, 1).eq(0), self.alive.bit_select(self.zeroise, 1).eq(0)]
            with m.If((state == Keeping.LOAD) & (self.zeroise == place)):
                m.d.sync += zeroised.eq(1)
        return m

    def _remember(self, m: Module) -> None:
        """What goes with a key is in block RAM."""
        # What is read while it is written belongs to an association without a key, and does not matter.
        m.submodules.table = table = Memory(shape=PARAMETERS, depth=self.count, init=[], attrs=NO_BYPASS)
        write, read = table.write_port(), table.read_port(domain="comb")
        row = Signal(PARAMETERS, reset_less=True)
        m.d.comb += [
            write.en.eq(self.load_valid),
            write.addr.eq(self.number),
            write.data.eq(self.load),
            read.addr.eq(self.read),
        ]
        m.d.sync += [row.eq(read.data), self.parameters.eq(row)]
