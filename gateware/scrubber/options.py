# SPDX-License-Identifier: Apache-2.0
"""TCP options: RFC 9293 section 3.1, RFC 2018 (SACK), RFC 7323 (window scale, timestamps)."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Value, ValueLike
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from gateware.scrubber.beat import LayerInterface, LayerSignature, SectionInterface, SectionSignature
from gateware.scrubber.layouts import OPTIONS, POLICY, TRANSPORT
from gateware.scrubber.split import HeaderSplit, write_section

MAX_OPTIONS = 40


class Phase(enum.Enum, shape=2):
    """Which byte of an option comes next; DONE after the end of the list and after a malformed option."""

    KIND = 0
    LENGTH = 1
    VALUE = 2
    DONE = 3


class Kind(enum.Enum, shape=3):
    """Options by what becomes of them."""

    OTHER = 0
    MSS = 1
    WINDOW_SCALE = 2
    SACK_PERMITTED = 3
    SACK = 4
    TIMESTAMPS = 5
    AUTHENTICATED = 6


NUMBERS = {
    2: Kind.MSS,
    3: Kind.WINDOW_SCALE,
    4: Kind.SACK_PERMITTED,
    5: Kind.SACK,
    8: Kind.TIMESTAMPS,
    19: Kind.AUTHENTICATED,
    29: Kind.AUTHENTICATED,
}
LENGTHS = {
    Kind.MSS: (4,),
    Kind.WINDOW_SCALE: (3,),
    Kind.SACK_PERMITTED: (2,),
    Kind.SACK: (10, 18, 26, 34),
    Kind.TIMESTAMPS: (10,),
}

WALK = data.StructLayout(
    {"phase": Phase, "kind": Kind, "remaining": 8, "seen": data.ArrayLayout(1, 4), "syn": 1, "rst": 1, "found": OPTIONS}
)
"""Where the walk stands between two bytes."""


def step(m: Module, before: data.View, byte: Value, position: ValueLike) -> data.View:
    """The walk after one more byte, at ``position`` in the options."""
    after = Signal(WALK)
    found, was = after.found, before.found
    m.d.comb += after.eq(before)
    with m.Switch(before.phase):
        with m.Case(Phase.KIND):
            with m.If(byte == 0):
                m.d.comb += after.phase.eq(Phase.DONE)
            with m.Elif(byte != 1):
                m.d.comb += [after.phase.eq(Phase.LENGTH), after.kind.eq(Kind.OTHER)]
                with m.Switch(byte):
                    for number, kind in NUMBERS.items():
                        with m.Case(number):
                            m.d.comb += after.kind.eq(kind)
        with m.Case(Phase.LENGTH):
            _length(m, before, after, byte, position)
        with m.Case(Phase.VALUE):
            m.d.comb += after.remaining.eq(before.remaining - 1)
            with m.If(before.remaining == 1):
                m.d.comb += after.phase.eq(Phase.KIND)
                with m.If(before.kind == Kind.AUTHENTICATED):
                    m.d.comb += found.authenticated.eq(1)
            with m.Switch(before.kind):
                with m.Case(Kind.MSS):
                    m.d.comb += found.mss.eq(Cat(byte, was.mss[:8]))
                with m.Case(Kind.WINDOW_SCALE):
                    m.d.comb += found.window_scale.eq(byte)
                    with m.If(byte > 14):
                        m.d.comb += [after.phase.eq(Phase.DONE), found.malformed.eq(1)]
                with m.Case(Kind.SACK):
                    # Edges are a whole number of words, so that an even number of bytes left is a word's high half.
                    with m.If(before.remaining[0]):
                        m.d.comb += found.sack_low.eq(was.sack_low + byte)
                    with m.Else():
                        m.d.comb += found.sack_high.eq(was.sack_high + byte)
    return after


def _length(m: Module, before: data.View, after: data.View, byte: Value, position: ValueLike) -> None:
    found = after.found
    valid = Signal()
    edges = ~before.syn & ~before.rst
    m.d.comb += valid.eq(byte >= 2)
    with m.Switch(before.kind):
        for kind, lengths in LENGTHS.items():
            with m.Case(kind):
                fits = Cat(byte == length for length in lengths).any()
                again = before.seen[kind.value - 1] if kind is not Kind.TIMESTAMPS else 0
                m.d.comb += valid.eq(fits & ~Value.cast(again)[0])
    with m.If(~valid):
        m.d.comb += [after.phase.eq(Phase.DONE), found.malformed.eq(1)]
    with m.Else():
        m.d.comb += [
            after.phase.eq(Mux(byte == 2, Phase.KIND, Phase.VALUE)),
            after.remaining.eq(byte - 2),
        ]
        with m.Switch(before.kind):
            for kind, flag in (
                (Kind.MSS, found.has_mss),
                (Kind.WINDOW_SCALE, found.has_window_scale),
                (Kind.SACK_PERMITTED, found.has_sack_permitted),
            ):
                with m.Case(kind):
                    m.d.comb += [
                        after.seen[kind.value - 1].eq(1),
                        flag.eq(before.syn),
                        found.other.eq(before.found.other | ~before.syn),
                    ]
            with m.Case(Kind.SACK):
                m.d.comb += [after.seen[Kind.SACK.value - 1].eq(1), found.other.eq(before.found.other | ~edges)]
                with m.If(edges):
                    m.d.comb += [found.sack_blocks.eq((byte - 2)[3:]), found.sack_start.eq(Value.cast(position) + 1)]
            with m.Case(Kind.TIMESTAMPS):
                m.d.comb += found.timestamps.eq(1)
            with m.Case(Kind.AUTHENTICATED):
                m.d.comb += found.authenticated.eq(before.found.authenticated | (byte == 2))
            with m.Default():
                m.d.comb += found.other.eq(1)


def conclude(m: Module, walk: data.View, policy: data.View) -> data.View:
    """What was found, once the last byte is read: an option that is still open was cut short."""
    found, was = Signal(OPTIONS), walk.found
    words = was.has_mss + was.has_sack_permitted + was.has_window_scale + (was.sack_blocks != 0)
    m.d.comb += [
        found.eq(was),
        found.clamped.eq(was.has_mss & (was.mss > policy.mss)),
        found.words.eq((words << 2) + (was.sack_blocks << 3)),
        found.malformed.eq(walk.found.malformed | (walk.phase == Phase.LENGTH) | (walk.phase == Phase.VALUE)),
    ]
    return found


class OptionsLayer(wiring.Component):
    """Takes the options off a TCP segment and reads them.

    With one lane the walk goes along with the bytes; with more it is a pipeline of one stage per byte, so that a
    segment can follow every cycle.

    Members:
        i: frames from the options on, with the `TRANSPORT` found.
        section: the options as they came.
        o: the payload.
        found_valid, found: one `OPTIONS` per frame.

    Latency 3 cycles; of ``found``, 42 more with several lanes. One beat per cycle.
    """

    i: LayerInterface
    policy: data.View
    section: SectionInterface
    o: LayerInterface
    found_valid: Signal
    found: data.View

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(
            {
                "i": In(LayerSignature(lanes, TRANSPORT)),
                "policy": In(POLICY),
                "section": Out(SectionSignature(lanes)),
                "o": Out(LayerSignature(lanes, TRANSPORT)),
                "found_valid": Out(1),
                "found": Out(OPTIONS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        capture = 0 if self.lanes == 1 else MAX_OPTIONS
        m.submodules.split = split = HeaderSplit(self.lanes, TRANSPORT, capture, range(0, MAX_OPTIONS + 1, 4))
        wiring.connect(m, wiring.flipped(self.i), split.i)
        m.d.comb += split.length.eq(split.meta.options)
        write_section(m, split, self.section, split.length, {})
        m.d.comb += [self.o.valid.eq(split.o_valid), self.o.payload.eq(split.o_payload)]
        with m.If(split.found_valid):
            m.d.sync += self.o.meta.eq(split.found.meta)
        if self.lanes == 1:
            self._serial(m, split)
        else:
            self._pipeline(m, split)
        return m

    def _serial(self, m: Module, split: HeaderSplit) -> None:
        walk, before = Signal(WALK), Signal(WALK)
        begins, starts = Signal(init=1), Signal()
        done = Signal()
        with m.If(split.i.valid):
            m.d.sync += [begins.eq(split.i.payload.last), starts.eq(begins)]
        m.d.comb += [
            before.eq(Mux(starts, 0, walk.as_value())),
            before.syn.eq(split.meta.syn),
            before.rst.eq(split.meta.rst),
        ]
        after = step(m, before, split.held.data[0], split.index)
        with m.If(split.new):
            m.d.sync += walk.eq(before)
            with m.If((split.index < split.length) & split.held.keep[0]):
                m.d.sync += walk.eq(after)
        m.d.sync += [done.eq(split.first), self.found_valid.eq(done), self.found.eq(conclude(m, walk, self.policy))]

    def _pipeline(self, m: Module, split: HeaderSplit) -> None:
        walk = Signal(WALK, name="walk_start")
        window = Signal(8 * MAX_OPTIONS, name="window_start")
        length = Signal(6, name="length_start")
        valid = Signal(name="valid_start")
        m.d.sync += [
            walk.eq(0),
            walk.syn.eq(split.found.meta.syn),
            walk.rst.eq(split.found.meta.rst),
            window.eq(split.found.captured),
            length.eq(split.found.length),
            valid.eq(split.found_valid),
        ]
        for position in range(MAX_OPTIONS):
            after = step(m, walk, window[:8], position)
            next_walk = Signal(WALK, name=f"walk_{position}")
            next_window = Signal(len(window) - 8, name=f"window_{position}")
            next_length, next_valid = Signal(6, name=f"length_{position}"), Signal(name=f"valid_{position}")
            m.d.sync += [
                next_walk.eq(Mux(position < length, after.as_value(), walk.as_value())),
                next_window.eq(window[8:]),
                next_length.eq(length),
                next_valid.eq(valid),
            ]
            walk, window, length, valid = next_walk, next_window, next_length, next_valid
        m.d.sync += [self.found_valid.eq(valid), self.found.eq(conclude(m, walk, self.policy))]
