# SPDX-License-Identifier: Apache-2.0
"""Registers, most of which are words of one memory, and what counts in it."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from custodes.gateway_formats import DIGEST_WORDS, Record
from custodes.gateway_registers import SAMPLER_BLOCK
from gateware.control.bus import BusInterface, bus_signature
from gateware.flow.memory import Rows
from gateware.pick import among
from gateware.sampler.layouts import EVENT_BITS, WORD_BITS
from gateware.sampler.program import LEDGER_WORDS, REGISTER_WORDS, count, register

REGISTERS = 0x100
TURNS = 4
"""Cycles in which each who reads the memory has its turn."""
BUMPS = (count(Record.PAIRS), count(Record.KEPT), register("EPOCH"))
"""What the closer lets grow."""
MACS = range(register("RECOMPUTER_MAC"), register("SAMPLER_MAC", 2))
LOWER_MACS = range(register("RECOMPUTER_MAC", 1), MACS.stop, 2)
EVENTS_AT = count(Record.STORE_FULL)


class Registers(wiring.Component):
    """Those of the block ``sampler``, and the memory that has them: the ledger. In its lower half a word has the address of
    its register; what is above is not on the bus.

    Args:
        flows, slots: places, for what the state says.

    Members:
        bus: of the block, addresses from its base on.
        random: words of which the next key consists, that nobody can know. They are taken after an order, before ``busy``.
        key_write, key_at, key_word: a word of the key of the next epoch; never while ``busy``.
        tick: connections get older.
        live, flows, slots: for the state. While ``live`` addresses cannot be written: samples would not arrive.
        busy: an epoch has been ordered, until ``done``. ``wiping``: zeros are written, as after reset.
        turn: in the last of them ``word`` is what the closer reads from ``address`` as it was in turn 1.
        write, write_address, write_word: what it writes; ``written``, without delay, that this is done.
        bump: for one cycle: a word of `BUMPS` gets one more; ``bumping`` from the next cycle on until it is done.
        event, number: the same of an event, no sooner after another than 20 cycles.

    An order is taken unless BUSY, which is ``busy`` or ``wiping``, or that a key is drawn; then the threshold cannot be
    written, either. A read takes 4 cycles.
    """

    bus: BusInterface
    random: stream.Interface
    key_write: Signal
    key_at: Signal
    key_word: Signal
    tick: Signal
    live: Signal
    flows: Signal
    slots: Signal
    busy: Signal
    done: Signal
    wiping: Signal
    turn: Signal
    address: Signal
    word: Signal
    write: Signal
    write_address: Signal
    write_word: Signal
    written: Signal
    bump: Signal
    bumping: Signal
    event: Signal
    number: Signal

    def __init__(self) -> None:
        state = SAMPLER_BLOCK["SAMPLER_STATE"]
        super().__init__(
            {
                "bus": In(bus_signature(REGISTERS)),
                "random": In(stream.Signature(WORD_BITS)),
                "key_write": Out(1),
                "key_at": Out(range(DIGEST_WORDS)),
                "key_word": Out(WORD_BITS),
                "tick": Out(1),
                "live": In(1),
                "flows": In(state.field("FLOWS").width),
                "slots": In(state.field("SLOTS").width),
                "busy": Out(1),
                "done": In(1),
                "wiping": In(1),
                "turn": Out(range(TURNS)),
                "address": In(range(LEDGER_WORDS)),
                "word": Out(WORD_BITS),
                "write": In(1),
                "write_address": In(range(LEDGER_WORDS)),
                "write_word": In(WORD_BITS),
                "written": Out(1),
                "bump": In(len(BUMPS)),
                "bumping": Out(1),
                "event": In(1),
                "number": In(EVENT_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.ledger = ledger = Rows(WORD_BITS, LEDGER_WORDS)
        bus, turn = self.bus, Signal(range(TURNS))
        m.d.sync += turn.eq(turn + 1)
        # What the closer reads is there two turns after its address was; the bus has every other turn.
        m.d.comb += [self.turn.eq(turn + 1), self.word.eq(ledger.o)]
        grows, adds, sums, sum_ = Signal(range(LEDGER_WORDS)), Signal(), Signal(), Signal(WORD_BITS)
        with m.Switch(turn):
            with m.Case(0):
                m.d.comb += ledger.address.eq(self.address)
            with m.Case(2):
                m.d.comb += ledger.address.eq(grows)
            with m.Default():
                m.d.comb += ledger.address.eq(bus.address[: (REGISTER_WORDS - 1).bit_length()])
        period = self._tick(m)
        waits = self._orders(m)
        state = SAMPLER_BLOCK["SAMPLER_STATE"]
        shown = Signal(WORD_BITS)
        places = {"LIVE": self.live, "BUSY": waits, "FLOWS": self.flows, "SLOTS": self.slots}
        for name, value in places.items():
            field = state.field(name)
            m.d.comb += shown[field.lowest : field.lowest + field.width].eq(value)
        with m.If(turn[0]):
            m.d.sync += bus.read_data.eq(ledger.o)
            with m.If(bus.address == register("SAMPLER_STATE")):
                m.d.sync += bus.read_data.eq(shown)
            with m.If(bus.address == register("AGE_CYCLES")):
                m.d.sync += bus.read_data.eq(period)

        host, host_at, host_word = Signal(), Signal.like(bus.address), Signal(WORD_BITS)
        upper = Cat(Const(0, WORD_BITS // 2), bus.write_data[WORD_BITS // 2 :])
        threshold = range(register("THRESHOLD"), register("THRESHOLD", 2))
        m.d.sync += [
            host.eq(bus.write & (among(bus.address, MACS) & ~self.live | (among(bus.address, threshold) & ~waits))),
            host_at.eq(bus.address),
            host_word.eq(Mux(among(bus.address, LOWER_MACS), upper, bus.write_data)),
        ]
        m.d.comb += [
            self.written.eq(self.write & ~host & ~sums),
            ledger.write.eq(self.write | host | sums),
            ledger.write_address.eq(Mux(host, host_at, Mux(sums, grows, self.write_address))),
            ledger.write_row.eq(Mux(host, host_word, Mux(sums, sum_, self.write_word))),
        ]
        self._counts(m, turn, Value.cast(ledger.o), grows, adds, sums, sum_, host)
        return m

    def _counts(
        self,
        m: Module,
        turn: Signal,
        word: Value,
        grows: Signal,
        adds: Signal,
        sums: Signal,
        sum_: Signal,
        host: Signal,
    ) -> None:
        """One word at a time is read, and written again."""
        bumps, event, number = Signal(len(BUMPS)), Signal(), Signal(EVENT_BITS)
        m.d.comb += self.bumping.eq(bumps.any())
        m.d.sync += sum_.eq(word + 1)
        with m.If((turn == 1) & ~adds):
            with m.If(event):
                m.d.sync += [adds.eq(1), grows.eq(EVENTS_AT + number)]
            for at, address in enumerate(BUMPS):
                with m.Elif(bumps[at]):
                    m.d.sync += [adds.eq(1), grows.eq(address)]
        with m.If((turn == 0) & adds):
            m.d.sync += sums.eq(1)
        with m.If(sums & ~host):
            m.d.sync += [sums.eq(0), adds.eq(0), event.eq(event & (grows != EVENTS_AT + number))]
            m.d.sync += bumps.eq(bumps & Cat(grows != address for address in BUMPS))
        for at in range(len(BUMPS)):
            with m.If(self.bump[at]):
                m.d.sync += bumps[at].eq(1)
        with m.If(self.event):
            m.d.sync += [event.eq(1), number.eq(self.number)]

    def _orders(self, m: Module) -> Value:
        """Whether an order has to wait."""
        bus, drawing, drawn = self.bus, Signal(), Signal(range(DIGEST_WORDS))
        ordered = bus.write & (bus.address == register("SAMPLER_COMMAND"))
        epoch = bus.write_data[SAMPLER_BLOCK["SAMPLER_COMMAND"].field("EPOCH").lowest]
        waits = self.busy | self.wiping | drawing
        # SEC_CM: SAMPLER.KEY.UNREADABLE
        m.d.comb += [
            self.random.ready.eq(drawing),
            self.key_write.eq(drawing & self.random.valid),
            self.key_at.eq(drawn),
            self.key_word.eq(self.random.payload),
        ]
        with m.If(self.done):
            m.d.sync += self.busy.eq(0)
        with m.If(ordered & epoch & ~waits):
            m.d.sync += drawing.eq(1)
        with m.If(self.key_write):
            m.d.sync += drawn.eq(drawn + 1)
            with m.If(drawn == DIGEST_WORDS - 1):
                m.d.sync += [drawing.eq(0), self.busy.eq(1)]
        return waits

    def _tick(self, m: Module) -> Signal:
        reset = SAMPLER_BLOCK["AGE_CYCLES"].reset or 0
        period, left, last = Signal(WORD_BITS, init=reset), Signal(WORD_BITS, init=reset), Signal()
        m.d.sync += [last.eq(left == 2), left.eq(left - 1), self.tick.eq(last & period.any())]
        with m.If(last):
            m.d.sync += left.eq(period)
        with m.If(self.bus.write & (self.bus.address == register("AGE_CYCLES"))):
            m.d.sync += [period.eq(self.bus.write_data), left.eq(self.bus.write_data), last.eq(0)]
        return period
