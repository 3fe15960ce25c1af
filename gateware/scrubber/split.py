# SPDX-License-Identifier: Apache-2.0
"""Takes one header off the front of every frame and aligns what follows to lane 0."""

from collections.abc import Iterable, Sequence

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Value, ValueLike
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from gateware.scrubber.beat import LayerInterface, LayerSignature, SectionInterface, begins, layer_beat, section_entry

Edits = dict[int, tuple[ValueLike, ValueLike]]
"""Position in a header -> (whether to replace the byte there, by which)."""
EDIT = data.StructLayout({"set": 1, "byte": 8})


class HeaderSplit(wiring.Component):
    """Splits frames into a header of ``length`` bytes and the rest.

    The beat that was taken in the cycle before is *held*: its bytes are in ``captured`` along with those of the beats
    before it, so that ``length``, which the parent drives from ``captured`` and ``meta``, is right by the time it matters.

    Args:
        lanes: bytes per beat, a power of two.
        meta: layout of what comes with a frame.
        capture: how many of the first bytes are captured.
        lengths: every value that ``length`` takes, in bytes.
        apart: two cycles or more are between frames, in which ``i.meta`` stays, so that ``meta`` and ``found`` need no
            registers of their own.

    Members:
        i: frames from this header on.
        o_valid, o_payload: the rest, registered; every frame has at least one beat of it, empty where nothing is left.
        held, meta, new, index: the held beat, the ``meta`` of its frame, whether this is the beat's first cycle, and its
            number in the frame (which stops at the highest number that matters).
        coming: the number of the beat that comes next.
        captured: the first bytes of the frame; those past the held beat are left over from an earlier frame.
        first: the rest's first beat is on its way.
        found_valid, found: one cycle after ``first``, for one cycle: ``captured``, ``meta`` and ``length`` as they were, and
            whether the frame ends before the header does. What the parent registers now is in step with ``o_payload``.

    Latency 3 cycles and, while the held beat waits for bytes of the next, until that comes; throughput one beat per cycle;
    never waits. Reset forgets the frame inside.
    """

    i: LayerInterface
    o_valid: Signal
    o_payload: data.View
    length: Signal
    held: data.View
    meta: data.View
    new: Signal
    index: Signal
    coming: Signal
    captured: data.View
    first: Signal
    found_valid: Signal
    found: data.View

    def __init__(
        self, lanes: int, meta: data.StructLayout, capture: int, lengths: Iterable[int], apart: bool = False
    ) -> None:
        self.lanes = lanes
        self.apart = apart
        self.lengths = sorted(set(lengths))
        self.top = max(self.lengths[-1], capture) // lanes + 1
        super().__init__(
            {
                "i": In(LayerSignature(lanes, meta)),
                "o_valid": Out(1),
                "o_payload": Out(layer_beat(lanes)),
                "length": In(range(self.lengths[-1] + 1)),
                "held": Out(layer_beat(lanes)),
                "meta": Out(meta),
                "new": Out(1),
                "index": Out(range(self.top + 1)),
                "coming": Out(range(self.top + 1)),
                "captured": Out(data.ArrayLayout(8, max(1, capture))),
                "first": Out(1),
                "found_valid": Out(1),
                "found": Out(
                    data.StructLayout(
                        {
                            "captured": data.ArrayLayout(8, max(1, capture)),
                            "meta": meta,
                            "length": range(self.lengths[-1] + 1),
                            "short": 1,
                        }
                    )
                ),
            }
        )
        self.capture = capture

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes, i = self.lanes, self.i.payload
        first = begins(m, self.i)
        m.d.sync += self.new.eq(self.i.valid)
        with m.If(self.i.valid):
            m.d.sync += [
                self.held.eq(i),
                self.index.eq(self.coming),
                self.coming.eq(Mux(i.last, 0, self.coming + (self.coming != self.top))),
            ]
            if not self.apart:
                with m.If(first):
                    m.d.sync += self.meta.eq(self.i.meta)
            for at in range(self.capture):
                with m.If(self.coming == at // lanes):
                    m.d.sync += self.captured[at].eq(i.data[at % lanes])

        shift = self.length[: (lanes - 1).bit_length()] if lanes > 1 else Value.cast(0)
        whole = self.length >> (lanes - 1).bit_length()
        reached = Signal()
        waiting = Signal()
        absorbed = Signal()
        started = Signal()
        emit = Signal()
        m.d.comb += [
            reached.eq(self.index >= whole),
            emit.eq(~absorbed & (self.new & self.held.last | waiting & self.i.valid & reached & ~self.held.last)),
            self.first.eq(emit & ~started),
        ]
        # A held beat that is not the last is waiting until the next comes, be it in the very next cycle.
        pending = Signal()
        m.d.comb += waiting.eq(self.new | pending)
        m.d.sync += pending.eq(waiting & ~self.i.valid & ~self.held.last)
        with m.If(self.i.valid & first):
            m.d.sync += started.eq(0)
        with m.Elif(emit):
            m.d.sync += started.eq(1)

        follows = Signal(layer_beat(lanes))
        m.d.comb += follows.eq(Mux(self.held.last, 0, i.as_value()))
        shifted = Signal(layer_beat(lanes))
        left = Signal(lanes)
        window = Cat(self.held.data.as_value(), follows.data.as_value())
        keeps = Cat(self.held.keep, follows.keep)
        with m.Switch(shift):
            for residue in sorted({length % lanes for length in self.lengths}):
                with m.Case(residue):
                    m.d.comb += [
                        shifted.data.eq(window[8 * residue : 8 * (residue + lanes)]),
                        shifted.keep.eq(keeps[residue : residue + lanes]),
                        left.eq(i.keep >> residue),
                    ]
        ends = Signal()
        m.d.comb += ends.eq(~self.held.last & i.last & (left == 0))
        rest, rest_valid = Signal(layer_beat(lanes)), Signal()
        found = [
            self.found.captured.eq(self.captured),
            self.found.meta.eq(self.meta),
            self.found.length.eq(self.length),
        ]
        if self.apart:
            m.d.comb += [self.meta.eq(self.i.meta), *found]
        # Nothing new is found once the rest is on its way; that it starts in this very cycle would be known too late.
        with m.If(~started):
            m.d.sync += [
                *([] if self.apart else found),
                self.found.short.eq(self.held.last & self._shorter(shift, whole)),
            ]
        m.d.sync += [
            self.found_valid.eq(self.first),
            rest_valid.eq(emit),
            absorbed.eq((absorbed & ~self.new) | (emit & ends)),
            self.o_valid.eq(rest_valid),
        ]
        with m.If(emit):
            m.d.sync += [
                rest.eq(shifted),
                rest.last.eq(self.held.last | ends),
                rest.error.eq(Mux(self.held.last, self.held.error, i.error)),
                rest.oversize.eq(Mux(self.held.last, self.held.oversize, i.oversize)),
            ]
            with m.If(~reached):
                m.d.sync += rest.keep.eq(0)
        with m.If(rest_valid):
            m.d.sync += self.o_payload.eq(rest)
        return m

    def _shorter(self, shift: ValueLike, whole: ValueLike) -> Value:
        """The held beat is the last, and the frame ends inside the header."""
        shift, whole = Value.cast(shift), Value.cast(whole)
        full = self.held.keep[self.lanes - 1]
        inside = Value.cast(0)
        for residue in sorted({length % self.lanes for length in self.lengths} - {0}):
            inside = inside | ((shift == residue) & ~self.held.keep[residue - 1])
        exact = (self.index + 1 == whole) & (shift == 0) & full
        return Mux(self.index < whole, ~exact, (self.index == whole) & inside)


def write_section(
    m: Module, split: HeaderSplit, port: SectionInterface, length: ValueLike, edits: Edits, own: Edits
) -> None:
    """Write the first ``length`` bytes of every frame into a store, one cycle after they are held.

    ``edits`` may depend on captured bytes before the one that they change, and ``own`` on that, too; no two are to be made
    at the same position of one header. A frame that ends early, or whose length is 0, still writes one last entry.
    """
    lanes = split.lanes
    length = Value.cast(length)
    entry = Signal(section_entry(lanes))
    write = Signal()
    done = Signal()
    for lane in range(lanes):
        if lanes == 1:
            # What a byte is replaced by is chosen as it comes in, where it does not depend on it.
            coming, ahead = _chosen(m, split.coming, lanes, lane, edits, "edit_coming"), Signal(EDIT)
            with m.If(split.i.valid):
                m.d.sync += ahead.eq(coming)
            edit = EDIT(ahead.as_value() | _chosen(m, split.index, lanes, lane, own, "edit_own").as_value())
        else:
            edit = _chosen(m, split.index, lanes, lane, either(edits, own), f"edit_{lane}")
        m.d.comb += entry.data[lane].eq(Mux(edit.set, edit.byte, split.held.data[lane]))
    last = Signal()
    m.d.comb += [
        last.eq((((split.index + 1) << (lanes - 1).bit_length()) >= length) | split.held.last),
        write.eq(split.new & ((split.index == 0) | ~done)),
        entry.last.eq(last),
    ]
    m.d.sync += port.valid.eq(write)
    with m.If(write):
        m.d.sync += [port.payload.eq(entry), done.eq(last)]


def _chosen(m: Module, beat: Value, lanes: int, lane: int, edits: Edits, name: str) -> data.View:
    """The edit of a lane in a beat; zero where there is none."""
    chosen = Signal(EDIT, name=name)
    with m.Switch(beat):
        for at, (replace, byte) in edits.items():
            if at % lanes == lane:
                with m.Case(at // lanes):
                    m.d.comb += [chosen.set.eq(replace), chosen.byte.eq(Mux(replace, byte, 0))]
    return chosen


def either(edits: Edits, others: Edits) -> Edits:
    """``edits`` and ``others``, of which no two are to be made at the same position of one header."""
    never: tuple[ValueLike, ValueLike] = (0, 0)
    made: Edits = {}
    for at in sorted({*edits, *others}):
        (replace, byte), (other, other_byte) = edits.get(at, never), others.get(at, never)
        other = Value.cast(other)
        made[at] = (Value.cast(replace) | other, Mux(other, other_byte, byte))
    return made


def captured_value(captured: data.View, positions: Sequence[int]) -> Value:
    """Captured bytes as one number, the first the most significant."""
    return Cat(*(captured[at] for at in reversed(positions)))
