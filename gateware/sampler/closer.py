# SPDX-License-Identifier: Apache-2.0
"""Works off pairs that are complete, and ends and begins epochs."""

from __future__ import annotations

from typing import Any

from amaranth import Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import enum, stream, wiring
from amaranth.lib.wiring import In, Out

from custodes.gateway_formats import WORD_BYTES
from gateware.control.guarded import guarded
from gateware.hash import EngineSignature
from gateware.sampler import program
from gateware.sampler.feeder import MESSAGE_WORD, Feeder
from gateware.sampler.keys import Keys
from gateware.sampler.layouts import WORD_BITS
from gateware.sampler.mover import LEVELS, PIECE_WORDS, Mover
from gateware.sampler.program import LEDGER_WORDS, Note
from gateware.sampler.registers import BUMPS, TURNS


class Task(enum.Enum, shape=7):
    """What goes on. SEC_CM: SAMPLER.MODE.GUARDED"""

    WIPE = 0b0000000
    """After reset: registers and keys, and then every slot."""
    IDLE = 0b0001111
    LEAF = 0b0010011
    """A pair is digested, and committed to."""
    NODE = 0b0011100
    """Two trees of the same size become one, or at the end any two."""
    DECIDE = 0b0100101
    KEEP = 0b0101010
    """A piece of the transcript leaves."""
    ERASE = 0b0110110
    END = 0b0111001
    BEGIN = 0b1000110


class Live(enum.Enum, shape=3):
    """Whether there is an epoch: whatever is not the second means no. SEC_CM: SAMPLER.MODE.GUARDED"""

    NO = 0b010
    YES = 0b101


_PROGRAMS = {
    Task.WIPE: program.WIPE,
    Task.LEAF: program.LEAF,
    Task.NODE: program.NODE,
    Task.DECIDE: program.DECIDE,
    Task.KEEP: program.KEEP,
    Task.END: program.END,
    Task.BEGIN: program.BEGIN,
}


class Closer(wiring.Component):
    """One thing after the other, of which the mover does the most.

    Args:
        slots, slot_bytes: see `Sampler`.

    Members:
        complete, waiting; source, source_at, transcript, tag; erase, erase_at, erased, gives: see `Store`.
        booting: what is given was not taken before.
        turn, address, ledger; write, write_address, word, written; bump, bumping; busy, done: see `Registers`.
        key_write, key_at, key_word: of the key of the next epoch.
        frame: words of frames to the recomputer.
        wiping: registers and keys are overwritten with zeros.
        live: there is an epoch.
        fault: a mode is none.
        engine: see `Feeder`.

    A pair whose transcript has n words takes some (n / 16 + 4) blocks of SHA-256, two more for each two trees that become
    one, 100 cycles for the frame with its leaf, and n to erase it; if it is kept, 4 n and 60 for each piece more.
    """

    complete: stream.Interface
    waiting: Signal
    source: Signal
    source_at: Signal
    transcript: Signal
    tag: Signal
    erase: Signal
    erase_at: Signal
    erased: Signal
    gives: Signal
    booting: Signal
    turn: Signal
    address: Signal
    ledger: Signal
    write: Signal
    write_address: Signal
    word: Signal
    written: Signal
    bump: Signal
    bumping: Signal
    busy: Signal
    done: Signal
    key_write: Signal
    key_at: Signal
    key_word: Signal
    frame: stream.Interface
    wiping: Signal
    live: Signal
    fault: Signal
    engine: Any

    def __init__(self, slots: int, slot_bytes: int) -> None:
        self.slot_words = slot_bytes // WORD_BYTES
        super().__init__(
            {
                "complete": In(stream.Signature((slots - 1).bit_length())),
                "waiting": In(range(slots + 1)),
                "source": Out(range(slots)),
                "source_at": Out(range(self.slot_words)),
                "transcript": In(WORD_BITS),
                "tag": In(WORD_BITS),
                "erase": Out(1),
                "erase_at": Out(range(self.slot_words)),
                "erased": In(1),
                "gives": Out(1),
                "booting": Out(1),
                "turn": In(range(TURNS)),
                "address": Out(range(LEDGER_WORDS)),
                "ledger": In(WORD_BITS),
                "write": Out(1),
                "write_address": Out(range(LEDGER_WORDS)),
                "word": Out(WORD_BITS),
                "written": In(1),
                "bump": Out(len(BUMPS)),
                "bumping": In(1),
                "busy": In(1),
                "done": Out(1),
                "key_write": In(1),
                "key_at": In(3),
                "key_word": In(WORD_BITS),
                "frame": Out(stream.Signature(MESSAGE_WORD)),
                "wiping": Out(1),
                "live": Out(1),
                "fault": Out(1),
                "engine": Out(EngineSignature()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        rows = [row for part in _PROGRAMS.values() for row in part]
        m.submodules.mover = mover = Mover(rows, self.slot_words)
        m.submodules.feeder = feeder = Feeder()
        m.submodules.keys = keys = Keys()
        wiring.connect(m, mover.frame, wiring.flipped(self.frame))
        wiring.connect(m, mover.hash, feeder.i)
        wiring.connect(m, feeder.engine, wiring.flipped(self.engine))
        (task, task_fault), (live, live_fault) = guarded(Task), guarded(Live)
        top, path, ending, booting = Signal(range(LEVELS + 1)), Signal(WORD_BITS), Signal(), Signal(init=1)
        m.d.comb += [
            self.fault.eq(task_fault | live_fault),
            self.booting.eq(booting),
            self.wiping.eq(task == Task.WIPE),
            # Where there is nothing to digest, it is another's.
            feeder.needed.eq((task != Task.WIPE) & (task != Task.ERASE) & (task != Task.IDLE)),
            self.live.eq(live == Live.YES),
            *(mover.turn.eq(self.turn), self.address.eq(mover.address), mover.ledger.eq(self.ledger)),
            *(self.write.eq(mover.write), self.write_address.eq(mover.write_address), self.word.eq(mover.word)),
            *(mover.written.eq(self.written), mover.tag.eq(self.tag), mover.transcript.eq(self.transcript)),
            *(mover.digest.eq(feeder.digest), mover.ready.eq(feeder.ready), mover.key.eq(keys.key)),
            *(keys.at.eq(mover.source_at), keys.write.eq(mover.key_write), keys.to.eq(mover.key_to)),
            *(keys.word.eq(mover.word), keys.host_write.eq(self.key_write)),
            *(keys.host_at.eq(self.key_at), keys.host_word.eq(self.key_word)),
        ]
        words, erased = (Signal(range(self.slot_words + 1), name=name) for name in ("words", "erased_words"))
        place, piece, left = (Signal(range(self.slot_words + 1), name=name) for name in ("place", "piece", "left"))
        m.d.comb += [
            mover.top.eq(top),
            mover.place.eq(place),
            # All of it is digested at once.
            mover.piece.eq(Mux(task == Task.LEAF, words, piece)),
        ]
        m.d.comb += [self.source_at.eq(mover.source_at), self.erase_at.eq(erased)]
        m.d.sync += [left.eq(words - place), piece.eq(Mux(left > PIECE_WORDS, PIECE_WORDS, left))]
        with m.If(mover.noted == Note.TRAITS):
            m.d.sync += words.eq(mover.word[2:])
        with m.If(mover.noted == Note.INDEX):
            m.d.sync += path.eq(mover.word)

        # What begins: the mover has its rows a cycle later, when what they need is known.
        begins, settles, wakes = Signal(), Signal(3), Signal(init=1)
        first = 0
        m.d.comb += mover.go.eq(settles[-1])
        m.d.sync += [settles.eq((settles << 1) | begins), wakes.eq(0)]
        with m.Switch(task):
            for its, part in _PROGRAMS.items():
                with m.Case(its):
                    m.d.sync += [mover.first.eq(first), mover.count.eq(len(part))]
                first += len(part)
        # Of pairs that are complete as an epoch is ordered, so many have to be worked off before.
        counted, due = Signal(), Signal.like(self.waiting)
        with m.Switch(task):
            with m.Case(Task.WIPE):
                # SEC_CM: SAMPLER.FORGOTTEN
                m.d.comb += begins.eq(wakes)
                with m.If(mover.done):
                    m.d.sync += [words.eq(self.slot_words), task.eq(Task.ERASE)]
            with m.Case(Task.IDLE), m.If(~self.bumping):
                with m.If(self.busy & ~counted):
                    m.d.sync += [counted.eq(1), due.eq(self.waiting)]
                with m.Elif(self.busy & ~due.any()):
                    m.d.sync += counted.eq(0)
                    with m.If(live == Live.YES):
                        m.d.sync += ending.eq(1)
                        self._end(m, task, top, begins)
                    with m.Else():
                        self._begin(m, task, begins)
                with m.Elif(self.complete.valid):
                    m.d.comb += [self.complete.ready.eq(1), begins.eq(1)]
                    m.d.sync += [due.eq(due - counted), self.source.eq(self.complete.payload), place.eq(0)]
                    m.d.sync += [erased.eq(0), task.eq(Task.LEAF)]
            with m.Case(Task.LEAF), m.If(mover.done):
                # SEC_CM: SAMPLER.COMMITTED_FIRST
                m.d.sync += top.eq(top + 1)
                m.d.comb += begins.eq(1)
                with m.If(path[0]):
                    m.d.sync += task.eq(Task.NODE)
                with m.Else():
                    m.d.sync += task.eq(Task.DECIDE)
            with m.Case(Task.NODE), m.If(mover.done):
                m.d.sync += [top.eq(top - 1), path.eq(path >> 1)]
                with m.If(ending):
                    self._end(m, task, top - 1, begins)
                with m.Else():
                    m.d.comb += begins.eq(1)
                    with m.If(~path[1]):
                        m.d.sync += task.eq(Task.DECIDE)
            with m.Case(Task.DECIDE), m.If(mover.done):
                with m.If(mover.kept):
                    m.d.comb += begins.eq(1)
                    m.d.sync += task.eq(Task.KEEP)
                with m.Else():
                    m.d.comb += self.bump.eq(0b01)
                    m.d.sync += task.eq(Task.ERASE)
            with m.Case(Task.KEEP), m.If(mover.done):
                m.d.sync += place.eq(place + piece)
                with m.If(left == piece):
                    m.d.comb += self.bump.eq(0b11)
                    m.d.sync += task.eq(Task.ERASE)
                with m.Else():
                    m.d.comb += begins.eq(1)
            with m.Case(Task.ERASE):
                # SEC_CM: SAMPLER.ERASED
                m.d.comb += self.erase.eq(erased != words)
                with m.If(self.erased):
                    m.d.sync += erased.eq(erased + 1)
                with m.If((erased == words) & ~self.bumping):
                    m.d.comb += self.gives.eq(1)
                    m.d.sync += erased.eq(0)
                    with m.If(booting):
                        m.d.sync += self.source.eq(self.source + 1)
                    with m.If(~booting | self.source.all()):
                        m.d.sync += [booting.eq(0), task.eq(Task.IDLE)]
            with m.Case(Task.END), m.If(mover.done):
                m.d.sync += [top.eq(0), ending.eq(0)]
                self._begin(m, task, begins)
            with m.Case(Task.BEGIN), m.If(mover.done):
                m.d.comb += self.done.eq(1)
                m.d.sync += [live.eq(Live.YES), task.eq(Task.IDLE)]
        return m

    def _end(self, m: Module, task: Signal, top: Value, begins: Signal) -> None:
        """Trees become one from the smallest on; then the epoch ends."""
        m.d.comb += begins.eq(1)
        with m.If(top > 1):
            m.d.sync += task.eq(Task.NODE)
        with m.Else():
            m.d.sync += task.eq(Task.END)

    def _begin(self, m: Module, task: Signal, begins: Signal) -> None:
        m.d.comb += [begins.eq(1), self.bump.eq(0b100)]
        m.d.sync += task.eq(Task.BEGIN)
