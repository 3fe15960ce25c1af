# SPDX-License-Identifier: Apache-2.0
"""The coin flip of two parties, as far as the device has a hand in it."""

from functools import reduce
from operator import or_
from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from custodes.coin_registers import COIN_BLOCK, COIN_WORDS, CoinFault, CoinOrder, CoinState, Party
from gateware.control.bus import BusInterface, bus_signature
from gateware.control.guarded import guarded
from gateware.entropy.message import EPOCH_BITS, ROWS, Message, MessageSender
from gateware.entropy.modes import (
    BUSY,
    COMPARE_CYCLES,
    DECIDED,
    SALTS,
    USE_CYCLES,
    WIPE_CYCLES,
    Flag,
    Phase,
    digest_word,
    flags,
    offset,
)
from gateware.entropy.words import COUNT_BITS, KEY_BITS, WORD_BITS, Words, turned
from gateware.hash import Sha256
from gateware.hash.sha256 import STATE_WORDS
from gateware.hash.sha256 import WORD_BITS as HASH_BITS
from gateware.session.memories import DISTRIBUTED


class Coin(wiring.Component):
    """Latches commitments, checks shares against them, and gives the words that they make.

    Args:
        depth: words of the queue of each direction.

    Members:
        bus: registers of `custodes.coin_registers.COIN_BLOCK`, by their offsets; what is read is right 3 cycles after the
            address rests.
        clear: forgets everything, as the order END.
        words_cluster, words_world, live, used_cluster, used_world: see `Words`.
        retimer_key: see `Words`; 0 while there is no seed, and from the cycle after it.
        epoch: its number. seeded: there is a seed.
        fault: a mode that does not exist. Words are withdrawn in the next cycle at the latest, and the epoch is void in the
            one after it.

    Words come only after both commitments of the epoch were latched, in any order, are not the same, and both shares were
    given afterwards and are what was committed to. Anything else makes the epoch void, and only a later one begins. Secrets
    are overwritten: a salt when it has been checked, shares when the seed has been made, the seed when the epoch ends, in at
    most 35 cycles. A share takes 165 cycles, the seed too, the key 75 more, the first words 90 after it. Reset forgets
    everything, the number of the epoch too.
    """

    bus: BusInterface
    clear: Signal
    words_cluster: stream.Interface
    words_world: stream.Interface
    live: Signal
    used_cluster: Signal
    used_world: Signal
    retimer_key: Signal
    epoch: Signal
    seeded: Signal
    fault: Signal

    def __init__(self, depth: int = 4) -> None:
        self.depth = depth
        words = stream.Signature(WORD_BITS)
        super().__init__(
            {
                "bus": In(bus_signature(COIN_WORDS)),
                "clear": In(1),
                "words_cluster": Out(words),
                "words_world": Out(words),
                "live": Out(2),
                "used_cluster": Out(COUNT_BITS),
                "used_world": Out(COUNT_BITS),
                "retimer_key": Out(KEY_BITS),
                "epoch": Out(EPOCH_BITS),
                "seeded": Out(1),
                "fault": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # SEC_CM: COIN.MODE.GUARDED
        self._state, state_fault = guarded(CoinState, name="state")
        self._following, following_fault = guarded(CoinState, init=CoinState.IDLE, name="following")
        self._phase, phase_fault = guarded(Phase)
        self._match, match_fault = guarded(Flag, name="match")
        latched, latched_faults = flags("latched")
        revealed, revealed_faults = flags("revealed")
        self._reason, self._index = Signal(CoinFault), Signal(range(ROWS))
        self._works, self._decided = Signal(), Signal()
        # Words that are compared, or of the seed, are two cycles behind the index that finds them.
        self._place, self._behind = Signal(range(STATE_WORDS)), Signal(range(STATE_WORDS))
        self._words = [Signal(HASH_BITS, name=f"word_{party.name.lower()}", reset_less=True) for party in Party]
        self._digest = Signal(HASH_BITS)
        self._digested, self._uses = Signal(HASH_BITS), Signal(USE_CYCLES - STATE_WORDS + 1)
        party = Signal()
        m.submodules.words = words = Words(self.depth)
        m.submodules.sha256 = sha256 = Sha256()
        m.submodules.sender = sender = MessageSender()
        faults = [
            state_fault,
            following_fault,
            phase_fault,
            match_fault,
            *latched_faults,
            *revealed_faults,
            words.fault,
        ]
        # A fault comes from every mode and goes to every mode, so it has a cycle for that. What does not exist takes no step
        # meanwhile: to whoever looks, it is none of the modes. Words need store and engine a cycle after there is a seed.
        self._broken, drawn, feeds = Signal(), Signal(), Signal()
        m.d.sync += [
            self._broken.eq(self.fault & ~self._broken),
            feeds.eq(drawn),
            sender.message.eq(Mux(self._state == CoinState.DERIVE, Message.SEED, Message.COMMITMENT)),
        ]
        m.d.comb += [
            self.fault.eq(reduce(or_, faults)),
            self._works.eq(reduce(or_, (self._state == busy for busy in BUSY))),
            self._decided.eq(reduce(or_, (self._state == decided for decided in DECIDED))),
            drawn.eq(self._state == CoinState.DRAWN),
            self.seeded.eq(drawn & ~self._broken),
            words.enable.eq(self.seeded & feeds),
            words.busy.eq(sha256.busy),
            words.digest.eq(self._digested),
            words.head.eq(sha256.state[-KEY_BITS:]),
            # No word of a digest is compared, nor of the seed, while words are made.
            self._digest.eq(digest_word(sha256.state, Mux(feeds, words.place, self._place))),
            self.live.eq(words.live),
            self.used_cluster.eq(words.used_cluster),
            self.used_world.eq(words.used_world),
            self.retimer_key.eq(words.key),
            sender.epoch.eq(self.epoch),
            sender.party.eq(party),
        ]
        wiring.connect(m, words.o_cluster, wiring.flipped(self.words_cluster))
        wiring.connect(m, words.o_world, wiring.flipped(self.words_world))
        write, address, data = self._written(m)
        self._feed(m, feeds, sender.o, words.i, sha256)
        commitments = self._commitments(m, write, address, data, latched)
        moves = ~sha256.i.valid | sha256.i.ready
        found = self._store(m, write, address, data, revealed, party, feeds, sender.row, words.row, moves)
        m.d.comb += sender.data.eq(found)
        m.d.comb += words.seed.eq(found)
        self._work(m, sender, sha256, party, revealed)
        refused = self._orders(m, write, address, data, words, party, latched, revealed)
        with m.If(self._broken):
            self._void(m, CoinFault.INTEGRITY)
            m.d.sync += [self._phase.eq(Phase.SEND), self._match.eq(Flag.NO)]
            m.d.sync += [flag.eq(Flag.NO) for flag in (*latched, *revealed)]
        self._read(m, address, commitments, refused, latched, revealed)
        return m

    def _written(self, m: Module) -> tuple[Signal, Signal, Signal]:
        """What the bus writes, a cycle later; what was no secret stays no longer than what was."""
        write, address, data = Signal(), Signal.like(self.bus.address), Signal(HASH_BITS)
        m.d.sync += [write.eq(self.bus.write), address.eq(self.bus.address)]
        m.d.sync += data.eq(Mux(self.bus.write, self.bus.write_data, 0))
        return write, address, data

    def _feed(self, m: Module, of_words: Value, message: Any, words: Any, sha256: Sha256) -> None:
        """What the engine digests. It forgets a cycle after it is to: that is far from the modes, and everywhere in it."""
        # SEC_CM: COIN.FORGOTTEN
        m.d.sync += sha256.clear.eq((self._state == CoinState.WIPE) | (self._phase == Phase.FORGET))
        m.d.comb += [
            sha256.i.valid.eq(Mux(of_words, words.valid, message.valid)),
            sha256.i.payload.eq(Mux(of_words, words.payload, message.payload)),
            message.ready.eq(sha256.i.ready & ~of_words),
            words.ready.eq(sha256.i.ready & of_words),
        ]

    def _commitments(self, m: Module, write: Value, address: Value, data: Value, latched: list[Any]) -> list[Value]:
        """A word of each: the one that is next where there is work, else the one that the bus reads."""
        shown: list[Value] = []
        m.d.sync += self._place.eq(Mux(self._works, self._index, address))
        for party, flag in zip(Party, latched, strict=True):
            memory = Memory(shape=HASH_BITS, depth=STATE_WORDS, init=[], attrs=DISTRIBUTED)
            m.submodules[f"commitment_{party.name.lower()}"] = memory
            writes, reads = memory.write_port(), memory.read_port(domain="comb")
            mine = address >> 3 == (offset("COIN_COMMITMENT") >> 3) + party
            m.d.comb += [
                # SEC_CM: COIN.LATCHED
                writes.en.eq(write & mine & (self._state == CoinState.COMMIT) & (flag == Flag.NO)),
                writes.addr.eq(address),
                writes.data.eq(turned(data)),
                reads.addr.eq(self._place),
            ]
            m.d.sync += self._words[party].eq(reads.data)
            shown.append(reads.data)
        return shown

    def _store(
        self,
        m: Module,
        write: Value,
        address: Value,
        data: Value,
        revealed: list[Any],
        party: Value,
        of_words: Value,
        row: Value,
        seed_row: Value,
        moves: Value,
    ) -> Value:
        """Shares and salts, which the bus writes while they are waited for; the seed; zeros over all of them."""
        m.submodules.store = store = Memory(shape=HASH_BITS, depth=ROWS, init=[], attrs=DISTRIBUTED)
        writes, reads = store.write_port(), store.read_port(domain="comb")
        index, mine = self._index, address >> 5 == offset("COIN_SHARE") >> 5
        derives, whose = self._state == CoinState.DERIVE, address[3]
        waited = Mux(whose, revealed[1] == Flag.NO, revealed[0] == Flag.NO)
        # All of it is written a cycle later, in order; nothing stays on the way.
        m.d.sync += [writes.en.eq(0), writes.addr.eq(index), writes.data.eq(0)]
        with m.Switch(self._state):
            with m.Case(CoinState.REVEAL):
                m.d.sync += [
                    writes.en.eq(write & mine & waited),
                    writes.addr.eq(address),
                    writes.data.eq(turned(data)),
                ]
            with m.Case(CoinState.CHECK, CoinState.DERIVE), m.Switch(self._phase):
                with m.Case(Phase.USE):
                    m.d.sync += [
                        writes.en.eq(derives & self._uses[1]),
                        writes.addr.eq(SALTS + self._behind),
                        writes.data.eq(self._digested),
                    ]
                # SEC_CM: COIN.FORGOTTEN
                with m.Case(Phase.FORGET):
                    m.d.sync += [
                        writes.en.eq(1),
                        writes.addr.eq(Mux(derives, index[:4], Cat(index[:3], party, Const(1, 1)))),
                    ]
            # SEC_CM: COIN.FORGOTTEN
            with m.Case(CoinState.WIPE):
                m.d.sync += writes.en.eq(1)
        m.d.comb += reads.addr.eq(Mux(of_words, SALTS + seed_row, row))
        # A register and no block RAM's, which is late. It is read whenever no word waits for the engine, so that what has
        # been overwritten is here for a cycle more at most.
        found = Signal(HASH_BITS)
        with m.If(moves):
            m.d.sync += found.eq(reads.data)
        return found

    def _void(self, m: Module, reason: CoinFault) -> None:
        """The epoch comes to nothing."""
        m.d.sync += [self._reason.eq(reason), self._index.eq(0)]
        m.d.sync += [self._state.eq(CoinState.WIPE), self._following.eq(CoinState.FAULT)]

    def _work(
        self,
        m: Module,
        sender: MessageSender,
        sha256: Sha256,
        party: Value,
        revealed: list[Any],
    ) -> None:
        """What goes on between two orders."""
        state, phase, match, index = self._state, self._phase, self._match, self._index
        checks = state == CoinState.CHECK

        def after(count: int) -> Any:
            """Whether so many cycles are over."""
            m.d.sync += index.eq(index + 1)
            last = index == count - 1
            with m.If(last):
                m.d.sync += index.eq(0)
            return last

        uses, both, differs = Signal(), Signal(), Signal()
        m.d.sync += [
            self._uses.eq(Cat(uses, self._uses)),
            self._behind.eq(self._place),
            self._digested.eq(self._digest),
            both.eq(state == CoinState.COMPARE),
            differs.eq(Mux(both | party, self._words[1], self._words[0]) != Mux(both, self._words[0], self._digested)),
        ]
        with m.If(self._uses[-1] & differs):
            m.d.sync += match.eq(Flag.NO)
        with m.Switch(state):
            with m.Case(CoinState.WIPE), m.If(after(WIPE_CYCLES)):
                m.d.sync += state.eq(self._following)
            # SEC_CM: COIN.COPIED
            with m.Case(CoinState.COMPARE):
                with m.If(index == COMPARE_CYCLES):
                    m.d.sync += [index.eq(0), state.eq(CoinState.REVEAL)]
                    with m.If(match != Flag.NO):
                        self._void(m, CoinFault.COPIED)
                with m.Else():
                    m.d.sync += index.eq(index + 1)
                    m.d.comb += uses.eq(index < STATE_WORDS)
            with m.Case(CoinState.CHECK, CoinState.DERIVE), m.Switch(phase):
                with m.Case(Phase.SEND):
                    m.d.comb += sender.run.eq(1)
                    with m.If(sender.done):
                        m.d.sync += phase.eq(Phase.DIGEST)
                with m.Case(Phase.DIGEST), m.If(~sha256.busy):
                    m.d.sync += [phase.eq(Phase.USE), match.eq(Flag.YES)]
                with m.Case(Phase.USE):
                    m.d.comb += uses.eq(index < STATE_WORDS)
                    with m.If(after(USE_CYCLES)):
                        m.d.sync += phase.eq(Phase.FORGET)
                with m.Case(Phase.FORGET), m.If(after(2 * STATE_WORDS)):
                    m.d.sync += [phase.eq(Phase.SEND), state.eq(CoinState.DRAWN)]
                    with m.If(checks):
                        m.d.sync += state.eq(CoinState.REVEAL)
                        # SEC_CM: COIN.CHECKED
                        with m.If(match != Flag.YES):
                            self._void(m, CoinFault.MISMATCH)
                        for mine, other in ((0, 1), (1, 0)):
                            with m.Elif(party == mine):
                                m.d.sync += revealed[mine].eq(Flag.YES)
                                with m.If(revealed[other] == Flag.YES):
                                    m.d.sync += state.eq(CoinState.DERIVE)

    def _orders(
        self,
        m: Module,
        write: Value,
        address: Value,
        data: Value,
        words: Words,
        party: Value,
        latched: list[Any],
        revealed: list[Any],
    ) -> Signal:
        """What the bus asks for; returns whether the last order was refused."""
        state, match = self._state, self._match
        following, later = Signal(EPOCH_BITS), Signal()
        limit, taken = Signal(COUNT_BITS, init=(1 << COUNT_BITS) - 1), Signal(COUNT_BITS, reset_less=True)
        asked, whose, refused = Signal(), Signal(), Signal()
        orders = {order: Signal(name=f"order_{order.name.lower()}") for order in CoinOrder}
        commands = write & (address == offset("COIN_COMMAND"))
        first = offset("COIN_NEXT")
        with m.If(write), m.Switch(address):
            for word in range(2):
                with m.Case(first + word):
                    m.d.sync += following.word_select(word, HASH_BITS).eq(data)
            with m.Case(offset("COIN_LIMIT")):
                m.d.sync += limit.eq(data)
        self._limit = limit
        m.d.sync += [
            later.eq(following > self.epoch),
            asked.eq(commands),
            *(given.eq(commands & (data[4:7] == order)) for order, given in orders.items()),
            whose.eq(data[0]),
            words.restart.eq(0),
        ]
        m.d.comb += words.limit.eq(taken)
        with m.If(words.restart):
            m.d.sync += taken.eq(limit)

        def says_no(of: list[Any]) -> Value:
            """Whether the party's flag does."""
            return Mux(whose, of[1] == Flag.NO, of[0] == Flag.NO)

        with m.If(asked):
            m.d.sync += refused.eq(1)
        with m.If(~self._works):
            with m.If(orders[CoinOrder.BEGIN]):
                m.d.sync += refused.eq(0)
                # SEC_CM: COIN.EPOCH_GROWS
                with m.If(later):
                    m.d.sync += [self.epoch.eq(following), words.restart.eq(1)]
                    m.d.sync += [flag.eq(Flag.NO) for flag in (*latched, *revealed)]
                    m.d.sync += [state.eq(CoinState.WIPE), self._following.eq(CoinState.COMMIT)]
                    m.d.sync += self._reason.eq(CoinFault.NONE)
                with m.Else():
                    self._void(m, CoinFault.EPOCH)
            with m.If(orders[CoinOrder.LATCH] & ~self._decided):
                m.d.sync += refused.eq(0)
                with m.If((state != CoinState.COMMIT) | ~says_no(latched)):
                    self._void(m, CoinFault.REPEATED)
                for mine, other in ((0, 1), (1, 0)):
                    with m.Elif(whose == mine):
                        m.d.sync += latched[mine].eq(Flag.YES)
                        with m.If(latched[other] == Flag.YES):
                            m.d.sync += [state.eq(CoinState.COMPARE), match.eq(Flag.YES)]
            with m.If(orders[CoinOrder.REVEAL] & ~self._decided):
                m.d.sync += [refused.eq(0), party.eq(whose)]
                # SEC_CM: COIN.EARLY
                with m.If(state == CoinState.COMMIT):
                    self._void(m, CoinFault.EARLY)
                with m.Elif((state != CoinState.REVEAL) | ~says_no(revealed)):
                    self._void(m, CoinFault.REPEATED)
                with m.Else():
                    m.d.sync += state.eq(CoinState.CHECK)
        ends = orders[CoinOrder.END]
        void = (state == CoinState.FAULT) | ((state == CoinState.WIPE) & (self._following == CoinState.FAULT))
        with m.If((ends | self.clear) & ~void):
            m.d.sync += [self._index.eq(0), self._phase.eq(Phase.SEND)]
            m.d.sync += [state.eq(CoinState.WIPE), self._following.eq(CoinState.IDLE)]
        with m.If(ends & ~self._decided):
            m.d.sync += refused.eq(0)
        return refused

    def _read(
        self,
        m: Module,
        address: Value,
        commitments: list[Value],
        refused: Value,
        latched: list[Any],
        revealed: list[Any],
    ) -> None:
        """What the bus reads."""
        status: dict[str, Value] = {
            "STATE": Value.cast(self._state),
            "FAULT": Value.cast(self._reason),
            "BUSY": self._works,
            "REFUSED": refused,
            "LIVE_CLUSTER": self.live[0],
            "LIVE_WORLD": self.live[1],
        }
        for what, done in (("LATCHED", latched), ("REVEALED", revealed)):
            status |= {f"{what}_{party.name}": flag == Flag.YES for party, flag in zip(Party, done, strict=True)}
        word = Signal(HASH_BITS)
        for field in COIN_BLOCK["COIN_STATUS"].fields:
            m.d.comb += word[field.lowest : field.lowest + field.width].eq(status[field.name])
        answer = Signal(HASH_BITS)
        epoch, used, first = (offset(f"COIN_{name}") for name in ("EPOCH", "USED", "COMMITMENT"))
        with m.Switch(address):
            with m.Case(offset("COIN_STATUS")):
                m.d.comb += answer.eq(word)
            with m.Case(offset("COIN_LIMIT")):
                m.d.comb += answer.eq(self._limit)
            for at in range(2):
                with m.Case(epoch + at):
                    m.d.comb += answer.eq(self.epoch.word_select(at, HASH_BITS))
                with m.Case(used + at):
                    m.d.comb += answer.eq((self.used_cluster, self.used_world)[at])
            with m.Case(*range(first, first + 2 * STATE_WORDS)), m.If(~self._works):
                m.d.comb += answer.eq(turned(Mux(address[3], commitments[1], commitments[0])))
        m.d.sync += self.bus.read_data.eq(answer)
