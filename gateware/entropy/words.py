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
from gateware.session.memories import BLOCK, NO_BYPASS

WORD_BITS = STATE_BITS // 2
PIECES = WORD_BITS // HASH_BITS
"""Of a word, as it is kept; twice as many are in a digest."""
BYTE_BITS = 8
COUNT_BITS = 32
DIRECTIONS = ("cluster", "world")
WORD_MARK, KEY_MARK = ord("W"), ord("R")
MESSAGE_BITS = STATE_BITS + BYTE_BITS * (1 + 1 + 8)
"""Seed, mark, direction, number."""
KEY_MESSAGE_BITS = STATE_BITS + BYTE_BITS
"""Seed, mark."""
KEY_BITS = 64
DIGEST_CYCLES = 79
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


class DirectionQueue:
    """Of a direction: what it is known by.

    Members:
        o: where its words are taken. waits: one is there.
        level, newest, oldest: words in the memory, and the places of the next that comes and of the next that leaves.
        enters: a piece is written. leaves: a word has left.
        wants: there is room for a digest's words, and there are some. live: as in `Words`.
    """

    def __init__(self, name: str, depth: int, o: Any) -> None:
        self.o = o
        self.level = Signal(range(depth + 1), name=f"level_{name}")
        self.newest, self.oldest = (Signal(range(depth), name=f"{what}_{name}") for what in ("newest", "oldest"))
        self.waits, self.enters, self.leaves, self.wants, self.live = (
            Signal(name=f"{what}_{name}") for what in ("waits", "enters", "leaves", "wants", "live")
        )


class Words(wiring.Component):
    """Two streams of words from one seed, and a queue of them ahead of who needs them; before them the key of the retimer.

    Args:
        depth: words of the queue of each direction, a power of two above 1.

    Members:
        enable: there is a seed. While this is 0 nothing is offered, from the same cycle on, and what waits is overwritten.
        limit: words that each direction gets; holds while ``enable``.
        restart: counts begin at 0.
        row, seed: the next word of the seed, the first at 0, and what it is, big-endian, in the cycle after one in which
            a word of ``i`` moves or none is offered.
        i, busy: of a `Sha256` that is this unit's alone while ``enable``, and is cleared when that falls: a block that was
            begun is not ended.
        place, digest: a word of its state, the first at 0, and a cycle later what it is; head: the first of its state.
        o_cluster, o_world: words for the flows that stations of that side begin, the first byte in the lowest bits. Each
            comes once, in order.
        key: of the retimer, as `custodes.model.entropy.retimer_key`; 0 while it is not made yet, and from the cycle after
            ``enable`` on.
        live: per direction, whether there will be another word; who needs one waits for it then, and does without it else.
        used_cluster, used_world: words that had been taken a cycle ago since ``restart``.
        wiped: nothing is left of words.
        fault: a mode that does not exist; the digest under way is forgotten. ``enable`` is to fall a cycle later.

    Latency: the key in `DIGEST_CYCLES`, the first two words in as many after it. Throughput: two words in `DIGEST_CYCLES`,
    for the directions in turns where both need some; what waits in the queues, one in 6 cycles, likewise. A word is
    withdrawn, against the rules of streams, when ``enable`` falls. 8 * ``depth`` + 1 cycles later everything has been
    overwritten. Reset does what that does. The specification is `custodes.model.entropy.word`.
    """

    enable: Signal
    limit: Signal
    restart: Signal
    row: Signal
    seed: Signal
    i: stream.Interface
    busy: Signal
    place: Signal
    digest: Signal
    head: Signal
    o_cluster: stream.Interface
    o_world: stream.Interface
    key: Signal
    live: Signal
    used_cluster: Signal
    used_world: Signal
    wiped: Signal
    fault: Signal

    def __init__(self, depth: int = 4) -> None:
        if depth < 2 or depth & (depth - 1):
            raise ValueError(f"the words of a queue are a power of two, not {depth}")
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
                "place": Out(range(STATE_WORDS)),
                "digest": In(HASH_BITS),
                "head": In(KEY_BITS),
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
        at, direction = Signal(range(BLOCK_WORDS)), Signal()
        keyed, number = Signal(), Signal(COUNT_BITS)
        rows = len(DIRECTIONS) * PIECES * self.depth
        wipe, wipes = Signal(range(rows + 1), init=rows), Signal(init=1)
        m.d.comb += [
            self.fault.eq(fault),
            self.wiped.eq(wipe == 0),
            self.row.eq(Mux(self.i.valid, at + 1, at)),
            self.place.eq(at),
            self.i.valid.eq(step == Step.SEND),
            self.i.payload.first.eq(at == 0),
            self.i.payload.word.eq(self._message(m, at, keyed, direction, number)),
        ]
        keeps, ends = Signal(), Signal()
        m.d.comb += [keeps.eq((step == Step.KEEP) & keyed), ends.eq(at == 2 * PIECES - 1)]
        numbers, queues = Signal(2 * len(number), name="numbers"), []
        for side, name in enumerate(DIRECTIONS):
            mine = numbers.word_select(side, len(number))
            queues.append(self._direction(m, name, mine, keeps & (direction == side), at))
        m.d.comb += [
            number.eq(numbers.word_select(direction, len(number))),
            self.live.eq(Cat(one.live for one in queues)),
        ]
        wants = Cat(one.wants for one in queues)

        # A piece is written when it is there, a cycle after its place was known. It is not read before its word is there, so
        # never while it is written. What is written a cycle after there is no seed is zero, first where reading rests.
        m.submodules.queue = memory = Memory(shape=HASH_BITS, depth=rows, init=[], attrs=NO_BYPASS | BLOCK)
        write, read = memory.write_port(), memory.read_port(domain="comb")
        enters = Mux(direction, queues[1].enters, queues[0].enters)
        newest = Mux(direction, queues[1].newest, queues[0].newest)
        entered, entry = Signal(), Signal.like(write.addr, reset_less=True)
        m.d.comb += [
            write.en.eq(entered | (wipe != 0) & wipes),
            write.addr.eq(Mux(wipes, -wipe, entry)),
            write.data.eq(Mux(wipes, 0, turned(self.digest))),
        ]
        m.d.sync += [entered.eq(enters), entry.eq(Cat(at[:2], newest, direction)), wipes.eq(~self.enable)]
        self._fetch(m, read, queues, wipes)

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
                    m.d.sync += at.eq(at + 1)
                with m.Else():
                    m.d.sync += [keyed.eq(1), self.key.eq(turned(self.head))]
                with m.If(ends | ~keyed):
                    m.d.sync += [step.eq(Step.REST), at.eq(0)]
        with m.If(~wipes):
            m.d.sync += wipe.eq(rows)
        with m.Elif(wipe != 0):
            m.d.sync += wipe.eq(wipe - 1)
        # SEC_CM: COIN.FORGOTTEN
        with m.If(~self.enable | fault):
            m.d.sync += [step.eq(Step.REST), at.eq(0)]
        with m.If(~self.enable):
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

    def _direction(self, m: Module, name: str, number: Value, keeps: Value, at: Value) -> DirectionQueue:
        """The queue of a direction; ``number`` is that of the next digest, of which the piece ``at`` is kept."""
        o: Any = getattr(self, f"o_{name}")
        used: Signal = getattr(self, f"used_{name}")
        queue = DirectionQueue(name, self.depth, o)
        level, last = queue.level, at[:2].all()
        more, both, taken = (Signal(name=f"{what}_{name}") for what in ("more", "both", "taken"))
        m.d.sync += [more.eq(Cat(Const(0, 1), number) < self.limit), both.eq(Cat(Const(1, 1), number) < self.limit)]
        m.d.comb += [
            queue.enters.eq(keeps & Mux(at[2], both, more)),
            queue.wants.eq(more & (level <= self.depth - 2)),
            queue.live.eq(self.enable & (more | (level != 0) | queue.waits)),
            o.valid.eq(queue.waits & self.enable),
        ]
        with m.If(queue.enters & last):
            m.d.sync += queue.newest.eq(queue.newest + 1)
        with m.If(queue.leaves):
            m.d.sync += [queue.oldest.eq(queue.oldest + 1), queue.waits.eq(1)]
        with m.Elif(o.ready):
            m.d.sync += queue.waits.eq(0)
        m.d.sync += level.eq(level + (queue.enters & last) - queue.leaves)
        # Before the last piece: `both` still means the same number then, and `more` the next one when it is asked for.
        with m.If(keeps & (at == 2 * PIECES - 2)):
            m.d.sync += number.eq(number + 1)
        m.d.sync += taken.eq(o.valid & o.ready)
        with m.If(taken):
            m.d.sync += used.eq(used + 1)
        with m.If(self.restart):
            m.d.sync += used.eq(0)
        with m.If(~self.enable):
            m.d.sync += [value.eq(0) for value in (queue.newest, queue.oldest, level, queue.waits, number)]
        return queue

    def _fetch(self, m: Module, read: Any, queues: list[DirectionQueue], wipes: Value) -> None:
        """Words to where they are taken, piece by piece, the directions in turns where both need one."""
        needs = Cat(~queue.waits & (queue.level != 0) for queue in queues)
        side, piece, reads, shifts = Signal(), Signal(range(PIECES)), Signal(), Signal()
        row = Signal(HASH_BITS)
        m.d.comb += read.addr.eq(Cat(piece, Mux(side, queues[1].oldest, queues[0].oldest), side))
        m.d.sync += [row.eq(read.data), shifts.eq(reads)]
        with m.If(reads):
            m.d.sync += [piece.eq(piece + 1), reads.eq(~piece.all())]
        with m.Elif(~shifts & needs.any()):
            m.d.sync += [reads.eq(1), side.eq(Mux(needs.all(), ~side, needs[1]))]
        for own, queue in enumerate(queues):
            m.d.comb += queue.leaves.eq(shifts & ~reads & (side == own))
            with m.If(shifts & (side == own)):
                m.d.sync += queue.o.payload.eq(Cat(queue.o.payload[HASH_BITS:], row))
        with m.If(~self.enable):
            m.d.sync += [value.eq(0) for value in (piece, reads, shifts)]
        with m.If(wipes):
            m.d.sync += [queue.o.payload.eq(0) for queue in queues]
