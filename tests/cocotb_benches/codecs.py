# SPDX-License-Identifier: Apache-2.0
"""What travels on a stream: how an item becomes beats, beats become items, and which beats are against the rules."""

from __future__ import annotations

import abc
import random
from typing import Any, Generic, TypeVar

from tests.gateware.stream.bench import Frame

Item = TypeVar("Item")
Beat = tuple[int, ...]


class Codec(abc.ABC, Generic[Item]):
    """One per port, for it remembers the item that is under way.

    ``fields`` are the members of the payload in the order of a beat; empty where the payload is one number.
    """

    fields: tuple[str, ...] = ()

    @abc.abstractmethod
    def beats(self, item: Item) -> list[Beat]:
        """The beats to send for one item."""

    @abc.abstractmethod
    def take(self, beat: Beat) -> Item | None:
        """Add a beat that was transferred; returns the item that it completes."""

    def broken_rule(self, beat: Beat) -> str:
        """Which rule the beat breaks by itself; empty for none."""
        return ""

    @property
    def under_way(self) -> bool:
        """An item has begun and not ended."""
        return False

    def restart(self) -> None:
        """Forget the item that is under way."""


class WordCodec(Codec[int]):
    """Every beat is an item."""

    def beats(self, item: int) -> list[Beat]:
        return [(item,)]

    def take(self, beat: Beat) -> int:
        return beat[0]


class _BytesCodec(Codec[Item]):
    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        self.collected: bytearray | None = None

    @property
    def under_way(self) -> bool:
        return self.collected is not None

    def restart(self) -> None:
        self.collected = None

    def _collect(self, value: int, count: int, last: int) -> bytes | None:
        """Add ``count`` bytes from lane 0 on; returns all of them when they are the last."""
        collected = (self.collected or bytearray()) + value.to_bytes(self.lanes, "little")[:count]
        self.collected = None if last else collected
        return bytes(collected) if last else None


class FrameCodec(_BytesCodec[Frame]):
    """`gateware.stream.beat_layout`. What has no meaning is sent at random: lanes not kept, and error before the last."""

    fields = ("data", "keep", "last", "error")

    def __init__(self, lanes: int, seed: int) -> None:
        super().__init__(lanes)
        self.random = random.Random(seed)

    def beats(self, item: Frame) -> list[Beat]:
        beats = []
        for start in range(0, len(item.data), self.lanes):
            part = item.data[start : start + self.lanes]
            last = start + self.lanes >= len(item.data)
            filled = part + self.random.randbytes(self.lanes - len(part))
            error = item.error if last else self.random.getrandbits(1)
            beats.append((int.from_bytes(filled, "little"), (1 << len(part)) - 1, int(last), int(error)))
        return beats

    def broken_rule(self, beat: Beat) -> str:
        _, keep, last, _ = beat
        if not keep:
            return "keep is zero"
        if keep & (keep + 1):
            return f"keep {keep:#x} is not contiguous from lane 0"
        if not last and keep.bit_count() != self.lanes:
            return f"keep {keep:#x} is not full before the last beat"
        return ""

    def take(self, beat: Beat) -> Frame | None:
        value, keep, last, error = beat
        data = self._collect(value, keep.bit_count(), last)
        return None if data is None else Frame(data, bool(error))


class PieceCodec(_BytesCodec[bytes]):
    """`gateware.stream.join.piece_beat`."""

    fields = ("data", "count", "last")

    def beats(self, item: bytes) -> list[Beat]:
        starts = range(0, max(len(item), 1), self.lanes)
        parts = [item[start : start + self.lanes] for start in starts]
        lasts = [0] * (len(parts) - 1) + [1]
        return [(int.from_bytes(part, "little"), len(part), last) for part, last in zip(parts, lasts, strict=True)]

    def broken_rule(self, beat: Beat) -> str:
        value, count, last = beat
        if count > self.lanes:
            return f"{count} bytes in {self.lanes} lanes"
        if not last and count != self.lanes:
            return f"{count} bytes do not fill a beat before the last"
        if not count and self.under_way:
            return "an empty beat ends a piece that is not empty"
        if value >> 8 * count:
            return "bytes above count are not zero"
        return ""

    def take(self, beat: Beat) -> bytes | None:
        return self._collect(*beat)


def lanes_of(payload_data: Any) -> int:
    """Bytes per beat of a port, from the handle of its ``data``."""
    return len(payload_data) // 8
