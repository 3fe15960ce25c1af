# SPDX-License-Identifier: Apache-2.0
"""The walk along TCP options, a byte at a time: RFC 9293 section 3.1, RFC 2018 (SACK), RFC 7323 (window scale, timestamps).

What depends on a byte alone is worked out one cycle before the walk comes to it, so that a step takes a few bits of it.
"""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value, ValueLike
from amaranth.lib import data

from gateware.pick import among

NUMBERS = {
    "mss": (2,),
    "window_scale": (3,),
    "sack_permitted": (4,),
    "sack": (5,),
    "timestamps": (8,),
    "authenticated": (19, 29),
}
LENGTHS = {
    "mss": (4,),
    "window_scale": (3,),
    "sack_permitted": (2,),
    "sack": (10, 18, 26, 34),
    "timestamps": (10,),
}
ONCE = ("mss", "window_scale", "sack_permitted", "sack")

KINDS = data.StructLayout(dict.fromkeys((*NUMBERS, "other"), 1))
"""A bit per kind of option."""

BYTE = data.StructLayout(
    {
        "value": 8,
        "outside": 1,
        "end": 1,
        "nop": 1,
        "kind": KINDS,
        "fits": KINDS,
        "two": 1,
        "large": 1,
        "following": 6,
    }
)
"""A byte, and what it is should it be a kind (``end``, ``nop`` or the bit of a ``kind``), a length (that ``fits`` these
kinds, and is ``two``) or a window shift (too ``large``); ``following`` is the position after it."""

OUTSIDE = BYTE.const({"outside": 1, "end": 1})
"""A byte after the options: it ends a list, is no length, and cuts a value short."""

STATE = data.StructLayout(
    {
        "at_kind": 1,
        "at_length": 1,
        "at_value": 1,
        "malformed": 1,
        "authenticated": 1,
        "timestamps": 1,
        "other": 1,
        "seen": data.StructLayout(dict.fromkeys(ONCE, 1)),
    }
)
"""``at_kind``, ``at_length`` or ``at_value`` say which byte of an option comes next; none of them after the end of the list
and after a malformed option. ``seen`` are the options that come once."""

WALK = data.StructLayout(
    {
        "state": STATE,
        "kind": KINDS,
        "remaining": 6,
        "mss": 16,
        "window_scale": 4,
        "sack_blocks": 3,
        "sack_start": 6,
        "sack_sums": data.ArrayLayout(12, 2),
    }
)
"""Where the walk stands between two bytes. ``remaining`` starts as the option's length and is 3 at the last byte of its
value. ``sack_sums`` change places with every byte of the edges, which are whole words: the first is that of the low
halves."""

START = STATE.const({"at_kind": 1})
"""Before the first byte. Of the rest of `WALK`, ``sack_sums`` start at zero."""


def decode(m: Module, value: Value, inside: ValueLike, following: ValueLike, name: str = "byte") -> data.View:
    """A `BYTE`, one cycle later."""
    byte = Signal(BYTE, name=name)
    kinds = {kind: among(value, numbers) for kind, numbers in NUMBERS.items()}
    # An option longer than the rest runs into the end, so that only what `remaining` cannot hold is told here.
    plausible = value[1:6].any() & ~value[6:].any()
    with m.If(~Value.cast(inside)):
        m.d.sync += byte.eq(OUTSIDE)
    with m.Else():
        m.d.sync += [
            byte.value.eq(value),
            byte.outside.eq(0),
            byte.end.eq(value == 0),
            byte.nop.eq(value == 1),
            byte.kind.other.eq(value[1:].any() & ~Cat(*kinds.values()).any()),
            byte.two.eq(value == 2),
            byte.large.eq(value[4:].any() | value[:4].all()),
            byte.following.eq(following),
        ]
        for kind in KINDS.members:
            if kind in kinds:
                m.d.sync += byte.kind[kind].eq(kinds[kind])
            m.d.sync += byte.fits[kind].eq(among(value, LENGTHS[kind]) if kind in LENGTHS else plausible)
    return byte


def step(m: Module, before: data.View, byte: data.View, name: str = "after") -> data.View:
    """The walk after one more byte."""
    after = Signal(WALK, name=name)
    was, state, kind = before.state, after.state, before.kind
    once = byte.kind.as_value()[: len(ONCE)]
    again = (was.seen.as_value() & once).any()
    opens = ~byte.end & ~byte.nop & ~again
    fits = (byte.fits.as_value() & kind.as_value()).any()
    last = before.remaining == 3
    fails = byte.outside | kind.window_scale & byte.large
    closes = was.at_length & byte.two | was.at_value & last & ~byte.outside
    m.d.comb += [
        after.eq(before),
        state.at_kind.eq(was.at_kind & byte.nop | was.at_length & fits & byte.two | was.at_value & last & ~fails),
        state.at_length.eq(was.at_kind & opens),
        state.at_value.eq(was.at_length & fits & ~byte.two | was.at_value & ~last & ~fails),
        state.malformed.eq(was.malformed | was.at_kind & again | was.at_length & ~fits | was.at_value & fails),
        state.authenticated.eq(was.authenticated | closes & kind.authenticated),
        after.remaining.eq(Mux(was.at_length, byte.value, before.remaining - 1)),
    ]
    with m.If(was.at_kind):
        m.d.comb += [
            after.kind.eq(byte.kind),
            state.seen.eq(was.seen.as_value() | once),
            state.timestamps.eq(was.timestamps | byte.kind.timestamps),
            state.other.eq(was.other | byte.kind.other),
        ]
    with m.If(was.at_length & kind.sack):
        m.d.comb += [after.sack_blocks.eq(byte.value[3:]), after.sack_start.eq(byte.following)]
    with m.If(was.at_value & kind.mss):
        m.d.comb += after.mss.eq(Cat(byte.value, before.mss[:8]))
    with m.If(was.at_value & kind.window_scale):
        m.d.comb += after.window_scale.eq(byte.value)
    with m.If(was.at_value & kind.sack):
        m.d.comb += [
            after.sack_sums[0].eq(before.sack_sums[1] + byte.value),
            after.sack_sums[1].eq(before.sack_sums[0]),
        ]
    return after


def conclude(walk: data.View, syn: Value, rst: Value, mss_limit: Value) -> dict[str, ValueLike]:
    """The members of `OPTIONS`, once the last byte is read: an option that is still open was cut short.

    Which options a segment may have depends on its SYN and RST flags.
    """
    state, seen = walk.state, walk.state.seen
    has_mss, has_window_scale, has_permitted = seen.mss & syn, seen.window_scale & syn, seen.sack_permitted & syn
    has_sack = seen.sack & ~syn & ~rst
    blocks = Mux(has_sack, walk.sack_blocks, 0)
    return {
        "authenticated": state.authenticated,
        "malformed": state.malformed | state.at_length | state.at_value,
        "timestamps": state.timestamps,
        "other": state.other | (seen.mss | seen.window_scale | seen.sack_permitted) & ~syn | seen.sack & (syn | rst),
        "has_mss": has_mss,
        "has_window_scale": has_window_scale,
        "has_sack_permitted": has_permitted,
        "mss": walk.mss,
        "window_scale": walk.window_scale,
        "clamped": has_mss & (walk.mss > mss_limit),
        # A word each, two for every pair of edges; a segment has either edges or some of the others.
        "words": Cat(Const(0, 2), Mux(has_sack, Cat(Const(1, 1), blocks), has_mss + has_window_scale + has_permitted)),
        "sack_blocks": blocks,
        "sack_start": walk.sack_start,
        "sack_high": walk.sack_sums[1],
        "sack_low": walk.sack_sums[0],
    }
