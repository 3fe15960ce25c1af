# SPDX-License-Identifier: Apache-2.0
"""Whether bytes of a header are those that are wanted there."""

from collections.abc import Sequence

from amaranth import Cat, Module, Signal
from amaranth.hdl import Value, ValueLike

from gateware.pick import batched
from gateware.scrubber.split import HeaderSplit

PIECE = 2
"""So many bytes are compared in one cycle, and whole addresses put together from that in the next."""


def same_bytes(m: Module, split: HeaderSplit, start: int, wanted: Sequence[ValueLike]) -> Value:
    """Whether the bytes from ``start`` on are the ``wanted`` ones; right when ``split.found`` is.

    With one lane, all bytes share one comparison: each is compared with what was wanted of byte ``split.coming`` while it
    came in.
    """
    return _in_turn(m, split, start, wanted) if split.lanes == 1 else _at_once(m, split, start, wanted)


def _at_once(m: Module, split: HeaderSplit, start: int, wanted: Sequence[ValueLike]) -> Value:
    same = Signal(-(-len(wanted) // PIECE), name=f"same_{start}")
    pairs = [(split.captured[start + k], Value.cast(byte)) for k, byte in enumerate(wanted)]
    pieces = batched(pairs, PIECE)
    m.d.sync += same.eq(Cat(Cat(*(byte == want for byte, want in piece)).all() for piece in pieces))
    return same.all()


def _in_turn(m: Module, split: HeaderSplit, start: int, wanted: Sequence[ValueLike]) -> Value:
    place = split.coming[: (len(wanted) - 1).bit_length()]
    want, next_want, here = Signal(8), Signal(8), Signal()
    differs, differed = Signal(name=f"differs_{start}"), Signal(name=f"differed_{start}")
    # The places of bytes that are compared with nothing are free to be any of those that are.
    with m.Switch(place):
        for k, byte in enumerate(wanted):
            with m.Case((start + k) % (1 << len(place))):
                m.d.comb += next_want.eq(byte)
    m.d.sync += [
        want.eq(next_want),
        here.eq((split.coming >= start) & (split.coming < start + len(wanted))),
        differs.eq(split.new & here & (split.held.data[0] != want)),
        differed.eq((differed | differs) & ~(split.new & (split.index == 0))),
    ]
    return ~(differs | differed)
