# SPDX-License-Identifier: Apache-2.0
"""What a seed makes: the words for the flows of each direction, and the key of the retimer."""

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import enum, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from gateware.control.guarded import guarded
from gateware.hash import block_word
from gateware.hash.sha256 import BLOCK_WORDS, STATE_BITS, STATE_WORDS
from gateware.hash.sha256 import WORD_BITS as HASH_BITS
from gateware.session.memories import DISTRIBUTED

WORD_BITS = STATE_BITS // 2
BYTE_BITS = 8
COUNT_BITS = 32
DIRECTIONS = ("cluster", "world")
WORD_MARK, KEY_MARK = ord("W"), ord("R")
MESSAGE_BITS = STATE_BITS + BYTE_BITS * (1 + 1 + 8)
"""Seed, mark, direction, number."""
KEY_MESSAGE_BITS = STATE_BITS + BYTE_BITS
"""Seed, mark."""
KEY_BITS = 64
DIGEST_CYCLES = 70
"""From one digest to the next, each of two words."""


class Step(enum.Enum, shape=5):
    """What is done for the next digest. SEC_CM: COIN.MODE.GUARDED"""

    REST = 0b00000
    SEND = 0b00111
    DIGEST = 0b11001
    KEEP = 0b11110


def turned(value: Value) -> Value:
    """A number whose first byte is the most significant as one whose first byte is the lowest, or the other way round."""
    octets = [value[at : at + BYTE_BITS] for at in range(0, len(value), BYTE_BITS)]
    return Cat(reversed(octets))


class Words(wiring.Component):
    """Two streams of words from one seed, and a queue of them ahead of who needs them; before them the key of the retimer.

    Args:
        depth: words of the queue of each direction, an even number.

    Members:
        enable: there is a seed. While this is 0 nothing is offered, from the same cycle on, and what waits is overwritten.
        limit: words that each direction gets; holds while ``enable``.
        restart: counts begin at 0.
        row, seed: a word of the seed, the first at 0, and in the same cycle what it is, big-endian.
        i, busy, state: of a `Sha256` that is this unit's alone while ``enable``.
        o_cluster, o_world: words for the flows that stations of that side begin, the first byte in the lowest bits. Each
            comes once, in order.
        key: of the retimer, as `custodes.model.entropy.retimer_key`; 0 while it is not made yet, and from the cycle after
            ``enable`` on.
        live: per direction, whether there will be another word; who needs one waits for it then, and does without it else.
        used_cluster, used_world: words that had been taken a cycle ago since ``restart``.
        wiped: nothing is left of words.
        fault: a mode that does not exist; the digest under way is forgotten. ``enable`` is to fall a cycle later.

    Latency: the key in `DIGEST_CYCLES`, the first two words in as many after it. Throughput: two words in `DIGEST_CYCLES`,
    for the directions in turns where both need some; what waits in a queue, in every other cycle. A word is withdrawn,
    against the rules of streams, when ``enable`` falls. ``depth`` cycles later everything has been overwritten. Reset does
    what that does. The specification is `custodes.model.entropy.word`.
    """

    enable: Signal
    limit: Signal
    restart: Signal
    row: Signal
    seed: Signal
    i: stream.Interface
    busy: Signal
    state: Signal
    o_cluster: stream.Interface
    o_world: stream.Interface
    key: Signal
    live: Signal
    used_cluster: Signal
    used_world: Signal
    wiped: Signal
    fault: Signal

    def __init__(self, depth: int = 16) -> None:
        if depth < 2 or depth % 2:
            raise ValueError(f"a queue has an even number of words, not {depth}")
        self.depth = depth
        super().__init__(
            {
                "enable": In(1),
                "limit": In(COUNT_BITS),
                "restart": In(1),
                "row": Out(range(STATE_WORDS)),
                "seed": In(HASH_BITS),
                "i": Out(stream.Signature(block_word())),
                "busy": In(1),
                "state": In(STATE_BITS),
                "o_cluster": Out(stream.Signature(WORD_BITS)),
                "o_world": Out(stream.Signature(WORD_BITS)),
                "key": Out(KEY_BITS),
                "live": Out(len(DIRECTIONS)),
                "used_cluster": Out(COUNT_BITS),
                "used_world": Out(COUNT_BITS),
                "wiped": Out(1),
                "fault": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        step, fault = guarded(Step)
        at, second, direction = Signal(range(BLOCK_WORDS)), Signal(), Signal()
        keyed, number = Signal(), Signal(COUNT_BITS)
        wipe = Signal(range(self.depth + 1), init=self.depth)
        m.d.comb += [
            self.fault.eq(fault),
            self.wiped.eq(wipe == 0),
            self.row.eq(at),
            self.i.valid.eq((step == Step.SEND) & self.enable),
            self.i.payload.first.eq(at == 0),
            self.i.payload.word.eq(self._message(m, at, keyed, direction, number)),
        ]
        # What is pushed while there is no seed is zero, and forgotten in the same cycle.
        keeps, word = Signal(), Signal(WORD_BITS)
        m.d.comb += [
            keeps.eq((step == Step.KEEP) & keyed),
            word.eq(Mux(keeps & self.enable, turned(Mux(second, self.state[:WORD_BITS], self.state[WORD_BITS:])), 0)),
        ]
        numbers, wants = Signal(2 * len(number), name="numbers"), Signal(len(DIRECTIONS))
        for side, name in enumerate(DIRECTIONS):
            mine = numbers.word_select(side, len(number))
            push = keeps & (direction == side)
            self._direction(m, name, mine, push, second, word, wipe, wants[side], self.live[side])
        m.d.comb += number.eq(numbers.word_select(direction, len(number)))

        with m.Switch(step):
            with m.Case(Step.REST), m.If(wants.any() | ~keyed):
                m.d.sync += [direction.eq(Mux(wants.all(), ~direction, wants[1])), step.eq(Step.SEND)]
            with m.Case(Step.SEND), m.If(self.i.ready):
                m.d.sync += at.eq(at + 1)
                with m.If(at == BLOCK_WORDS - 1):
                    m.d.sync += step.eq(Step.DIGEST)
            with m.Case(Step.DIGEST), m.If(~self.busy):
                m.d.sync += step.eq(Step.KEEP)
            with m.Case(Step.KEEP):
                with m.If(keyed):
                    m.d.sync += second.eq(~second)
                with m.Else():
                    m.d.sync += [keyed.eq(1), self.key.eq(turned(self.state[-KEY_BITS:]))]
                with m.If(second | ~keyed):
                    m.d.sync += step.eq(Step.REST)
        with m.If(wipe != 0):
            m.d.sync += wipe.eq(wipe - 1)
        # SEC_CM: COIN.FORGOTTEN
        with m.If(~self.enable | fault):
            m.d.sync += [step.eq(Step.REST), at.eq(0), second.eq(0)]
        with m.If(self.enable):
            m.d.sync += wipe.eq(self.depth)
        with m.Else():
            m.d.sync += [keyed.eq(0), self.key.eq(0)]
        return m

    def _message(self, m: Module, at: Signal, keyed: Signal, direction: Signal, number: Signal) -> Signal:
        """A word of the block that is digested."""
        word, wide = Signal(HASH_BITS), Signal(8 * BYTE_BITS)
        of_words = Cat(wide[48:], direction, Const(0, BYTE_BITS - 1), Const(WORD_MARK, BYTE_BITS))
        of_key = Const(KEY_MARK << 3 * BYTE_BITS | 0x80 << 2 * BYTE_BITS, HASH_BITS)
        m.d.comb += wide.eq(Mux(keyed, number, 0))
        with m.Switch(at):
            with m.Case(*range(STATE_WORDS)):
                m.d.comb += word.eq(self.seed)
            with m.Case(STATE_WORDS):
                m.d.comb += word.eq(Mux(keyed, of_words, of_key))
            with m.Case(STATE_WORDS + 1):
                m.d.comb += word.eq(wide[16:48])
            with m.Case(STATE_WORDS + 2):
                m.d.comb += word.eq(Cat(Const(0, 15), keyed, wide[:16]))
            with m.Case(BLOCK_WORDS - 1):
                m.d.comb += word.eq(Mux(keyed, MESSAGE_BITS, KEY_MESSAGE_BITS))
        return word

    def _direction(
        self,
        m: Module,
        name: str,
        number: Value,
        push: Value,
        second: Signal,
        word: Value,
        wipe: Signal,
        wants: Value,
        live: Value,
    ) -> None:
        """The queue of a direction; ``number`` is that of the next digest."""
        o: Any = getattr(self, f"o_{name}")
        used: Signal = getattr(self, f"used_{name}")
        memory = Memory(shape=WORD_BITS, depth=self.depth, init=[], attrs=DISTRIBUTED)
        m.submodules[f"queue_{name}"] = memory
        write, read = memory.write_port(), memory.read_port(domain="comb")
        level = Signal(range(self.depth + 1), name=f"level_{name}")
        more, both = Signal(name=f"more_{name}"), Signal(name=f"both_{name}")
        waits, taken = Signal(name=f"waits_{name}"), Signal(name=f"taken_{name}")
        enters, leaves = Signal(name=f"enters_{name}"), Signal(name=f"leaves_{name}")
        m.d.sync += [more.eq(Cat(Const(0, 1), number) < self.limit), both.eq(Cat(Const(1, 1), number) < self.limit)]
        m.d.comb += [
            enters.eq(push & Mux(second, both, more)),
            leaves.eq(~waits & (level != 0)),
            wants.eq(more & (level <= self.depth - 2)),
            live.eq(self.enable & (more | (level != 0) | waits)),
            o.valid.eq(waits & self.enable),
            write.en.eq(enters | (wipe != 0) & ~self.enable),
            write.data.eq(word),
        ]
        oldest, newest = Signal(range(self.depth)), Signal(range(self.depth))
        m.d.comb += [write.addr.eq(Mux(self.enable, newest, wipe - 1)), read.addr.eq(oldest)]
        last = self.depth - 1
        with m.If(enters):
            m.d.sync += newest.eq(Mux(newest == last, 0, newest + 1))
        with m.If(leaves):
            m.d.sync += [oldest.eq(Mux(oldest == last, 0, oldest + 1)), o.payload.eq(read.data), waits.eq(1)]
        with m.Elif(o.ready):
            m.d.sync += waits.eq(0)
        m.d.sync += level.eq(level + enters - leaves)
        # Before the second word: `both` still means the same number then, and `more` the next one when it is asked for.
        with m.If(push & ~second):
            m.d.sync += number.eq(number + 1)
        m.d.sync += taken.eq(o.valid & o.ready)
        with m.If(taken):
            m.d.sync += used.eq(used + 1)
        with m.If(self.restart):
            m.d.sync += used.eq(0)
        with m.If(~self.enable):
            m.d.sync += [value.eq(0) for value in (newest, oldest, level, waits, o.payload, number)]
