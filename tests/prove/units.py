# SPDX-License-Identifier: Apache-2.0
"""One harness per unit. Only ports of the device are observed."""

from collections.abc import Callable
from typing import Any

from amaranth import Cat, Mux, Signal
from amaranth.hdl import Value

from custodes.gateway_registers import GATEWAY_CHANNELS
from gateware.stream import ClockCrossing, FrameFIFO, Queue, SkidBuffer, StreamChecker, StreamRule, WidthConverter

from .associations import associations_for_ever, few_associations
from .coin import drawn
from .flow import dropped_beats, dropped_words, words_once
from .gate import gate
from .harness import Harness, counter
from .keys import key_loader
from .nonces import nonces
from .plaintext import gate_for_ever
from .registers import cleared, unreadable
from .store import stored_frames
from .upload import serves
from .verdicts import verdicts

PAUSE_CYCLES = 1
OUTPUT_WAIT_CYCLES = 5  # of the output clock, from a beat written to a beat offered
INPUT_WAIT_CYCLES = 3  # of the input clock, from a store read empty to a place offered


def follow(h: Harness, dut: Any, bits: int) -> tuple[Value, Value, Signal, Value, Signal, Signal]:
    """Counts what goes in and out modulo ``2 ** bits`` and keeps the payload with the solver's tag.

    Returns the transfers in and out, how many were given, how many are inside, the tag, and the tagged payload.
    """
    h.drive(dut.i, dut.o)
    i_moves = dut.i.valid & dut.i.ready
    o_moves = dut.o.valid & dut.o.ready
    taken = counter(h, i_moves, "taken", bits)
    given = counter(h, o_moves, "given", bits)
    tag = h.constant(bits, "tag")
    seen = Signal(4)
    with h.m.If(i_moves & (taken == tag)):
        h.m.d.sync += seen.eq(dut.i.payload)
    return i_moves, o_moves, given, (taken - given)[:bits], tag, seen


def skid_buffer(h: Harness, paced: bool = False) -> None:
    """Counts modulo 8 and follows the payload with the solver's tag; what is inside says exactly what valid and ready are.

    ``paced`` bounds the stalls: a payload in the second place is not to be seen until the stall ends, so that without a
    bound the induction could start from a wrong one and never meet it.
    """
    dut = h.device(lambda: SkidBuffer(4))
    i_moves, o_moves, given, inside, tag, seen = follow(h, dut, bits=3)

    h.check(h.held(dut.o))
    h.check(inside <= 2)
    h.check(dut.o.valid == (inside != 0))
    h.check(dut.i.ready == (inside < 2))
    h.check(~(dut.o.valid & (given == tag)) | (dut.o.payload == seen))
    if paced:
        h.never_pauses_long(~dut.o.ready, PAUSE_CYCLES)

    h.cover(inside == 2)
    h.cover((given == 5) & (inside == 1) & o_moves & i_moves)
    stalled = counter(h, ~dut.i.ready, "stalled")
    h.cover((stalled == 3) & (given == 6) & (tag == 5))


def width_converter(h: Harness, i_lanes: int, o_lanes: int, paced: bool = False) -> None:
    """Counts bytes, not beats, and follows the tagged one with whether its frame ends there, and with error.

    ``paced`` bounds the pauses of both sides, for the induction's sake as in :func:`skid_buffer`.
    """
    dut = h.device(lambda: WidthConverter(i_lanes, o_lanes))
    h.drive(dut.i, dut.o)
    h.assume(h.held(dut.i))
    h.assume(h.well_formed(dut.i))
    bits = 4  # at most 4 bytes are inside
    tag = h.constant(bits, "tag")

    def bytes_of(port: Any, lanes: int) -> Any:
        return sum((port.payload.keep[lane] for lane in range(1, lanes)), start=port.payload.keep[0])

    def tagged(port: Any, lanes: int, position: Signal) -> tuple[Signal, Signal]:
        """Whether the tagged byte is in this beat; the byte, whether its frame ends there, and with error."""
        hit, record = Signal(), Signal(10)
        for lane in range(lanes):
            keep = port.payload.keep
            top = ~keep[lane + 1] if lane + 1 < lanes else 1
            ends = port.payload.last & top
            with h.m.If(keep[lane] & ((position + lane)[:bits] == tag)):
                h.m.d.comb += [hit.eq(1), record.eq(Cat(port.payload.data[lane], ends, ends & port.payload.error))]
        return hit, record

    i_moves = dut.i.valid & dut.i.ready
    o_moves = dut.o.valid & dut.o.ready
    taken = counter(h, Mux(i_moves, bytes_of(dut.i, i_lanes), 0), "taken", bits)
    given = counter(h, Mux(o_moves, bytes_of(dut.o, o_lanes), 0), "given", bits)
    inside = Signal(bits)
    h.m.d.comb += inside.eq(taken - given)
    i_hit, i_record = tagged(dut.i, i_lanes, taken)
    o_hit, o_record = tagged(dut.o, o_lanes, given)
    seen = Signal(10)
    with h.m.If(i_moves & i_hit):
        h.m.d.sync += seen.eq(i_record)
    end_inside = Signal()
    with h.m.If(i_moves):
        h.m.d.sync += end_inside.eq(dut.i.payload.last)
    with h.m.Elif(o_moves & dut.o.payload.last):
        h.m.d.sync += end_inside.eq(0)

    h.check(h.held(dut.o))
    h.check(h.well_formed(dut.o))
    h.check(~dut.o.valid | (bytes_of(dut.o, o_lanes) <= inside))
    h.check(~(dut.o.valid & dut.o.payload.last) | (bytes_of(dut.o, o_lanes) == inside))
    h.check(~(dut.o.valid & o_hit) | (o_record == seen))
    h.check(~(dut.o.valid & ~dut.o.payload.last) | ~dut.o.payload.error)
    h.check(inside <= max(i_lanes, o_lanes))
    if o_lanes > i_lanes:
        h.check(dut.o.valid == ((inside == o_lanes) | end_inside))
        h.check(dut.i.ready == (~dut.o.valid | dut.o.ready))
        h.check(~dut.o.valid | (bytes_of(dut.o, o_lanes) == inside))
    else:
        h.check(dut.o.valid == (inside != 0))
        h.check(dut.i.ready == (~dut.o.valid | (dut.o.ready & (inside == bytes_of(dut.o, o_lanes)))))
    if paced:
        h.never_pauses_long(~dut.o.ready, PAUSE_CYCLES)
        h.never_pauses_long(~dut.i.valid, PAUSE_CYCLES)

    frames = counter(h, o_moves & dut.o.payload.last, "frames")
    errors = counter(h, o_moves & dut.o.payload.error, "errors")
    h.cover((frames == 2) & (errors == 1))
    h.cover(o_moves & dut.o.payload.last & (given >= 4) & (given < 8) & (frames == 0))
    h.cover(o_moves & o_hit & (tag == 6) & (seen != 0))
    h.cover(dut.o.valid & ~dut.o.ready & (given >= 4) & (given < 8))


def frame_fifo(h: Harness, lanes: int = 2, depth: int = 4) -> None:
    dut = h.device(lambda: FrameFIFO(lanes, depth))
    h.drive(dut.i, dut.o)
    h.assume(h.well_formed(dut.i))
    store = stored_frames(h, dut.i.valid, dut.i.payload, dut.dropped_overflow, dut.o, depth)
    ends, beat, before, given = store.ends, store.beat, store.before, store.given

    h.check(dut.i.ready)
    h.check(dut.dropped_error == (ends & beat.error & ~dut.dropped_overflow))

    single = Signal(3)
    with h.m.If(store.o_moves & dut.o.payload.last):
        h.m.d.sync += single.eq(single + (single != 7))
    with h.m.Else():
        h.m.d.sync += single.eq(0)
    errors = counter(h, dut.dropped_error, "errors")
    overflows = counter(h, dut.dropped_overflow, "overflows")
    h.cover((errors == 1) & (overflows == 0) & (given == 2))
    h.cover((overflows == 1) & store.o_moves & (given == 4) & (before == 0))
    h.cover(dut.dropped_overflow & (before > depth))  # a frame longer than the store
    h.cover(given == 2 * depth + 1)  # every pointer has wrapped
    h.cover(single == 4)  # single-beat frames, one per cycle
    h.cover(
        dut.o.valid & dut.o.payload.last & (given == store.tag) & (store.tag == depth - 1) & (store.committed == depth)
    )


def clock_crossing(h: Harness, depth: int = 2) -> None:
    """Every interleaving of the edges of two clocks, one step per edge or pair of edges.

    Both domains get the solver's clock, and each its own enable that the solver drives: any relation of frequency and
    phase, edges at the same time included, in half the steps that two clocks of their own would need. A bit caught
    while it changes is read as its old or its new value, whichever edge the solver puts first. Neither domain is ever
    reset: what a reset does to this unit is not part of the proof.
    """
    m = h.m
    h.edges("a")
    h.edges("b", "async_ff")
    h.assume(h.edge["a"] | h.edge["b"])  # a step without an edge changes nothing
    dut = h.device(lambda: ClockCrossing(1, depth, i_domain="a", o_domain="b"))
    h.drive(dut.i, dut.o)
    h.assume(h.well_formed(dut.i))
    bits = 3  # counts are modulo 8, which is enough to tell apart what is inside
    tag = h.constant(bits, "tag")
    i_moves = dut.i.valid & dut.i.ready
    o_moves = dut.o.valid & dut.o.ready
    taken = counter(h, i_moves, "taken", bits, domain="a")
    given = counter(h, o_moves, "given", bits, domain="b")
    seen = Signal(len(dut.i.payload.as_value()))
    with m.If(i_moves & (taken == tag)):
        m.d.a += seen.eq(dut.i.payload)
    inside = Signal(bits)
    m.d.comb += inside.eq(taken - given)
    # Nothing stays behind: valid and ready come back after a few of their own clocks, whatever the other clock does.
    waits, refuses = Signal(3), Signal(3)
    with m.If(dut.o.valid | (inside == 0)):
        m.d.b += waits.eq(0)
    with m.Elif(waits != 7):
        m.d.b += waits.eq(waits + 1)
    with m.If(dut.i.ready | (inside != 0)):
        m.d.a += refuses.eq(0)
    with m.Elif(refuses != 7):
        m.d.a += refuses.eq(refuses + 1)

    h.check(h.held(dut.o, "b"))
    h.check(h.well_formed(dut.o))
    h.check(inside <= depth + 2)
    h.check(~dut.o.valid | (inside != 0))
    h.check(~(dut.o.valid & (given == tag)) | (dut.o.payload.as_value() == seen))
    h.check(waits <= OUTPUT_WAIT_CYCLES)
    h.check(refuses <= INPUT_WAIT_CYCLES)

    h.cover(given == 2 * depth)  # every pointer has wrapped
    h.cover(inside == depth + 2)
    h.cover(~dut.i.ready & (given == 2))
    h.cover(o_moves & (given == tag) & (tag == 3) & (seen == (0x5A | 0x700)))


def stream_checker(h: Harness, lanes: int = 3) -> None:
    """Any input at all, well formed or not, against the rules written down a second time."""
    m = h.m
    dut = h.device(lambda: StreamChecker(lanes))
    i: Any = dut.i
    payload = h.free(i.payload.shape(), "i_p")
    valid, ready = h.free(1, "i_valid"), h.free(1, "i_ready")
    m.d.comb += [i.payload.eq(payload), i.valid.eq(valid), i.ready.eq(ready)]

    stalled, earlier = Signal(), Signal(len(payload.as_value()))
    m.d.sync += [stalled.eq(valid & ~ready), earlier.eq(payload)]
    keep, last = payload.keep, payload.last
    prefix = Signal()
    m.d.comb += prefix.eq((keep == 1) | (keep == 3) | (keep == 7))
    rules = [
        (StreamRule.VALID_DROPPED, stalled & ~valid),
        (StreamRule.PAYLOAD_CHANGED, stalled & valid & (earlier != payload.as_value())),
        (StreamRule.KEEP_ZERO, valid & ~keep[0] & ~keep[1] & ~keep[2]),
        (StreamRule.KEEP_NOT_CONTIGUOUS, valid & ~prefix & keep.any()),
        (StreamRule.KEEP_NOT_FULL, valid & prefix & ~last & (keep != 7)),
    ]
    expected = Signal(StreamRule)
    broken = Signal(StreamRule)
    for rule, found in reversed(rules):
        with m.If(found):
            m.d.comb += broken.eq(rule)
    with m.If(expected == StreamRule.NONE):
        m.d.sync += expected.eq(broken)

    h.check(dut.violation == (expected != StreamRule.NONE))
    h.check(dut.code == expected)
    for rule, _ in rules:
        h.cover(dut.violation & (dut.code == rule))
    transfers = counter(h, valid & ready, "transfers")
    h.cover((transfers == 4) & ~dut.violation & stalled)


def queue(h: Harness, depth: int = 2) -> None:
    """Counts entries and follows the tagged one. What is inside comes out within three cycles of being offered a place."""
    dut = h.device(lambda: Queue(4, depth))
    i_moves, o_moves, given, inside, tag, seen = follow(h, dut, bits=4)
    waits = Signal(3)
    with h.m.If(dut.o.valid | (inside == 0)):
        h.m.d.sync += waits.eq(0)
    with h.m.Elif(waits != 7):
        h.m.d.sync += waits.eq(waits + 1)
    # All three places behind the memory fill up while the output stalls.
    stalls = Signal(3)
    with h.m.If(o_moves | (dut.level == 0)):
        h.m.d.sync += stalls.eq(0)
    with h.m.Elif(stalls != 7):
        h.m.d.sync += stalls.eq(stalls + 1)

    h.check(h.held(dut.o))
    h.check(inside <= depth + 3)
    h.check(~dut.o.valid | (inside != 0))
    h.check(dut.i.ready == (dut.level != depth))
    h.check(dut.level <= inside)
    h.check(inside <= dut.level + 3)
    h.check(~((stalls >= 3) & (dut.level != 0)) | (inside == dut.level + 3))
    h.check(waits <= 3)
    h.check(~(dut.o.valid & (given == tag)) | (dut.o.payload == seen))

    h.cover(inside == depth + 3)
    h.cover(given == 2 * depth + 1)  # every pointer has wrapped
    h.cover((inside == 3) & i_moves & o_moves & (given == 5))
    h.cover(o_moves & (given == tag) & (tag == 3) & (seen == 0xA))


HARNESSES: dict[str, Callable[[Harness], None]] = {
    "SkidBuffer": skid_buffer,
    "SkidBuffer paced": lambda h: skid_buffer(h, paced=True),
    "WidthConverter 1-2": lambda h: width_converter(h, 1, 2),
    "WidthConverter 1-2 paced": lambda h: width_converter(h, 1, 2, paced=True),
    "WidthConverter 1-3": lambda h: width_converter(h, 1, 3),
    "WidthConverter 2-1": lambda h: width_converter(h, 2, 1),
    "WidthConverter 2-1 paced": lambda h: width_converter(h, 2, 1, paced=True),
    "WidthConverter 4-2": lambda h: width_converter(h, 4, 2),
    "FrameFIFO": frame_fifo,
    "ClockCrossing": clock_crossing,
    "Queue": queue,
    "StreamChecker": stream_checker,
    "Gate": gate,
    "Gate 1": lambda h: gate_for_ever(h, 1),
    "Gate 8": lambda h: gate_for_ever(h, 8),
    "Associations few": few_associations,
    "Sealer 1": lambda h: nonces(h, 1),
    "Sealer 8": lambda h: nonces(h, 8),
    "Sealer 64": lambda h: nonces(h, 64),
    "Sealer gateway": lambda h: nonces(h, 1, GATEWAY_CHANNELS),
    "Opener 1": lambda h: verdicts(h, 1),
    "Opener 8": lambda h: verdicts(h, 8),
    "Opener 64": lambda h: verdicts(h, 64),
    "Opener gateway": lambda h: verdicts(h, 1, GATEWAY_CHANNELS),
    "Session": unreadable,
    "Session cleared": cleared,
    "KeyLoader 1": lambda h: key_loader(h, 1),
    "KeyLoader 8": lambda h: key_loader(h, 8),
    "KeyLoader 64": lambda h: key_loader(h, 64),
    "Associations": associations_for_ever,
    "Coin": drawn,
    "Allocator": words_once,
    "WordRewriter": dropped_words,
    "BeatRewriter": dropped_beats,
    "Upload": serves,
}


def harness(name: str, *, lemmas: bool = True) -> Harness:
    """The harness ``name`` of :data:`HARNESSES`, ready to be proven."""
    h = Harness(lemmas=lemmas)
    HARNESSES[name](h)
    return h
