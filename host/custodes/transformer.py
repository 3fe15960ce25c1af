# SPDX-License-Identifier: Apache-2.0
"""A small transformer whose answers are the same on every machine, so that one can be recomputed on another.

All arithmetic is on 64-bit integers that cannot overflow: floating point would add in an order that the machine, the number
of processors and the version of a library choose, and one octet of an answer would depend on it. Weights are in 1/4096,
everything else in 1/65536; a division rounds down.

It is byte-level and causal, with learnt positions; a block has attention and a layer of rectifiers, each after a
normalisation by the root of the mean square, each added to what was before. It answers in printable ASCII only.

A file of weights is the words of `MAGIC`, then layers, width, heads, hidden width and context in 32 bits each, then numbers
of 16 bits with sign, the matrices of `shapes` one after another, row by row. All is big-endian.
"""

from __future__ import annotations

import struct
from dataclasses import astuple, dataclass
from decimal import Decimal, localcontext
from hashlib import sha256, shake_256
from math import isqrt, prod

import numpy as np
from numpy.typing import NDArray

from custodes.errors import CustodesError

MAGIC = b"custodes/transformer/v1\0"
TOKENS = 256
WEIGHT_BITS, VALUE_BITS = 12, 16
ONE = 1 << VALUE_BITS
PRINTABLE = slice(0x20, 0x7F)
LARGEST = 1 << 23
"""Of what is added up from layer to layer, in 1/65536."""
SMALLEST = -(1 << 30)
"""What is less has the same exponential: 0."""
EXP_BITS = 8
MAX_SHAPE = (32, 256, 32, 1024, 4096)
"""What is normalised is less than 2^20, its product with a matrix less than 2^27, and so a score less than 2^62."""
_HEADER = struct.Struct(">5I")
Integers = NDArray[np.int64]


class WeightsError(CustodesError):
    """A file holds no weights of a transformer."""

    exit_code = 4


@dataclass(frozen=True)
class Shape:
    """Of a transformer; ``context`` is how many octets of prompt and answer it can take."""

    layers: int = 2
    width: int = 32
    heads: int = 4
    hidden: int = 128
    context: int = 256

    def __post_init__(self) -> None:
        if not all(0 < value <= most for value, most in zip(astuple(self), MAX_SHAPE, strict=True)):
            raise WeightsError(f"no transformer of this kind has the shape {astuple(self)}")
        if self.width % self.heads:
            raise WeightsError(f"a width of {self.width} cannot be divided among {self.heads} heads")

    @property
    def matrices(self) -> list[tuple[int, int]]:
        """Rows and columns: embedding, positions; of each layer attention in, attention out, rectifiers in, rectifiers out;
        what makes tokens of the last layer."""
        block = [
            (self.width, 3 * self.width),
            (self.width, self.width),
            (self.width, self.hidden),
            (self.hidden, self.width),
        ]
        return [(TOKENS, self.width), (self.context, self.width), *block * self.layers, (self.width, TOKENS)]


def make_weights(seed: int, shape: Shape | None = None) -> bytes:
    """A file of random weights, the same for a seed everywhere: uniform, as wide as keeps values in proportion."""
    shape = shape or Shape()
    sizes = shape.matrices
    draws = np.frombuffer(shake_256(MAGIC + seed.to_bytes(8)).digest(2 * sum(map(prod, sizes))), ">u2").astype(np.int64)
    made, at = [MAGIC, _HEADER.pack(*astuple(shape))], 0
    for number, (rows, columns) in enumerate(sizes):
        bound = (1 << WEIGHT_BITS) if number < 2 else isqrt(3 * (1 << 2 * WEIGHT_BITS) // rows)
        drawn = draws[at : at + rows * columns]
        at += rows * columns
        made.append(((drawn * (2 * bound + 1) >> 16) - bound).astype(">i2").tobytes())
    return b"".join(made)


class Transformer:
    """A transformer with the weights of a file.

    Attributes:
        digest: SHA-256 of the file: who the model is.

    Raises:
        WeightsError: it is no such file.
    """

    def __init__(self, weights: bytes) -> None:
        head = len(MAGIC) + _HEADER.size
        if len(weights) < head or not weights.startswith(MAGIC):
            raise WeightsError("no weights of a transformer of this kind")
        self.shape = Shape(*_HEADER.unpack(weights[len(MAGIC) : head]))
        sizes = self.shape.matrices
        if len(weights) != head + 2 * sum(map(prod, sizes)):
            raise WeightsError(
                f"weights of this shape take {head + 2 * sum(map(prod, sizes))} bytes, not {len(weights)}"
            )
        self.digest = sha256(weights).digest()
        numbers = np.frombuffer(weights, ">i2", offset=head).astype(np.int64)
        ends = np.cumsum([prod(size) for size in sizes])
        parts = [part.reshape(size) for part, size in zip(np.split(numbers, ends[:-1]), sizes, strict=True)]
        self._embedding, self._positions, *blocks, self._last = parts
        self._blocks = [blocks[at : at + 4] for at in range(0, len(blocks), 4)]

    def generate(self, prompt: bytes, count: int, temperature: int = 0, seed: int = 0) -> bytes:
        """The octets that follow a prompt.

        Args:
            prompt: one octet at least.
            count: how many; with those of the prompt no more than `Shape.context`.
            temperature: in 1/65536. With 0 the likeliest octet follows, of several the lowest; else one that is drawn with
                the 64 bits that SHA-256 makes of the seed and the place, each of 64 bits.
        """
        if not prompt or len(prompt) + count > self.shape.context:
            raise ValueError(f"from 1 to {self.shape.context} octets, not {len(prompt)} and {count}")
        memory = _Memory(self.shape)
        scores = np.zeros(0, np.int64)
        for octet in prompt:
            scores = self._step(octet, memory)
        answer = bytearray()
        while len(answer) < count:
            draw = sha256(seed.to_bytes(8) + len(answer).to_bytes(8)).digest()[:8]
            answer.append(_chosen(scores[PRINTABLE], temperature, int.from_bytes(draw)) + PRINTABLE.start)
            if len(answer) < count:
                scores = self._step(answer[-1], memory)
        return bytes(answer)

    def _step(self, octet: int, memory: _Memory) -> Integers:
        """The scores of what may follow this octet."""
        place = memory.count
        memory.count += 1
        shift = VALUE_BITS - WEIGHT_BITS
        values = (self._embedding[octet] + self._positions[place]) << shift
        for (into, out, widen, narrow), (keys, contents) in zip(self._blocks, memory.layers, strict=True):
            query, keys[place], contents[place] = np.split(_times(_normal(values), into), 3)
            values = _sum(values, _times(self._attend(query, keys[: place + 1], contents[: place + 1]), out))
            values = _sum(values, _times(np.maximum(_times(_normal(values), widen), 0), narrow))
        return _times(_normal(values), self._last)

    def _attend(self, query: Integers, keys: Integers, contents: Integers) -> Integers:
        """What each head takes from the places up to now."""
        heads = self.shape.heads, self.shape.width // self.shape.heads
        by_head = keys.reshape(-1, *heads)
        scale = isqrt(ONE * ONE // heads[1])
        scores = (((by_head * query.reshape(heads)).sum(2) >> VALUE_BITS) * scale) >> VALUE_BITS
        weights = exponential(scores - scores.max(0))
        taken = (contents.reshape(-1, *heads) * weights[:, :, None]).sum(0) // weights.sum(0)[:, None]
        return taken.reshape(-1)


class _Memory:
    """Keys and contents of the places up to now, of each layer."""

    def __init__(self, shape: Shape) -> None:
        self.count = 0
        self.layers = [np.zeros((2, shape.context, shape.width), np.int64) for _ in range(shape.layers)]


def exponential(values: Integers) -> Integers:
    """e to the power of values that are not positive, by a table and a straight line; all in 1/65536."""
    doublings = -np.maximum(values, SMALLEST) * _LOG2_E >> VALUE_BITS
    whole, part = doublings >> VALUE_BITS, doublings & (ONE - 1)
    at, rest = part >> (VALUE_BITS - EXP_BITS), part & ((1 << VALUE_BITS - EXP_BITS) - 1)
    between = _POWERS[at] + ((_POWERS[at + 1] - _POWERS[at]) * rest >> (VALUE_BITS - EXP_BITS))
    return between >> np.minimum(whole, VALUE_BITS + 1)


def _table() -> tuple[int, Integers]:
    """log2(e), and the powers of 1/2 from 0 to 1. Decimal arithmetic is the same everywhere, where that of C is not."""
    with localcontext() as context:
        context.prec = 40
        log = Decimal(2).ln()
        steps = 1 << EXP_BITS
        return int(ONE / log), np.array([int((-log * i / steps).exp() * ONE) for i in range(steps + 1)], np.int64)


_LOG2_E, _POWERS = _table()


def _times(values: Integers, weights: Integers) -> Integers:
    return (values @ weights) >> WEIGHT_BITS


def _sum(values: Integers, more: Integers) -> Integers:
    return np.clip(values + more, -LARGEST, LARGEST)


def _normal(values: Integers) -> Integers:
    """Divided by the root of their mean square."""
    root = isqrt(int((values * values).sum()) // len(values)) + 1
    return (values << VALUE_BITS) // root


def _chosen(scores: Integers, temperature: int, draw: int) -> int:
    if not temperature:
        return int(scores.argmax())
    weights = exponential(((scores - scores.max()) << VALUE_BITS) // temperature)
    sums = [int(total) for total in weights.cumsum()]
    return next(i for i, total in enumerate(sums) if draw * sums[-1] < total << 64)
