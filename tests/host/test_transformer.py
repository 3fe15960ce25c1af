# SPDX-License-Identifier: Apache-2.0
"""The small transformer: the same octets everywhere, and close to what real numbers would say."""

from __future__ import annotations

from collections import Counter
from hashlib import sha256

import numpy as np
import pytest

from custodes import transformer
from custodes.transformer import MAGIC, ONE, Shape, Transformer, WeightsError, exponential, make_weights

WIDE = Shape(layers=2, width=256, heads=1, hidden=1024, context=16)
SMALL = Shape(layers=1, width=8, heads=2, hidden=16, context=32)
WEIGHTS = make_weights(1)
PROMPT = b"Hello, who are you?"
ANSWER = b"/,H&(&(/&/,dm/s*i&m&m<Db"
DRAWN = b"uD]/YfD6AA~hCt`>E%yaDkC+"


@pytest.fixture(scope="module")
def model() -> Transformer:
    return Transformer(WEIGHTS)


def test_weights_are_those_of_their_seed():
    assert sha256(WEIGHTS).hexdigest() == "6b77fd2ec60661d8f0353d905f7f9050117f2fe86847757b72abaafb38b951c6"
    assert len(WEIGHTS) == 98348 and make_weights(2) != WEIGHTS
    assert WEIGHTS.startswith(MAGIC + b"\0\0\0\2\0\0\0\x20\0\0\0\4\0\0\0\x80\0\0\1\0")


def test_answers_are_known(model: Transformer):
    assert model.digest == sha256(WEIGHTS).digest()
    assert model.generate(PROMPT, 24) == ANSWER
    assert model.generate(PROMPT, 24, ONE, 7) == DRAWN


def test_a_longer_answer_begins_as_a_shorter_one(model: Transformer):
    assert model.generate(PROMPT, 40)[:24] == ANSWER
    assert model.generate(PROMPT + ANSWER[:10], 14) == ANSWER[10:]


def test_a_seed_says_what_is_drawn(model: Transformer):
    drawn = {model.generate(PROMPT, 24, ONE, seed) for seed in range(5)}
    assert len(drawn) == 5 and all(0x20 <= octet < 0x7F for answer in drawn for octet in answer)


def test_draws_have_their_probabilities(model: Transformer):
    first = Counter(model.generate(b"a", 1, 2 * ONE, seed)[0] for seed in range(2000))
    likeliest = model.generate(b"a", 1)[0]
    assert first.most_common(1)[0][0] == likeliest and len(first) > 20


def test_it_computes_what_real_numbers_would(model: Transformer):
    """Teacher-forced through the same weights in floating point: the same octets wherever two are not nearly as likely."""
    answer = model.generate(PROMPT, 60)
    assert real_answer(WEIGHTS, PROMPT, 60) == answer


def real_answer(weights: bytes, prompt: bytes, count: int) -> bytes:
    numbers = np.frombuffer(weights[len(MAGIC) + 20 :], ">i2").astype(float) / 4096
    shape, parts, at = Shape(), [], 0
    for rows, columns in shape.matrices:
        parts.append(numbers[at : at + rows * columns].reshape(rows, columns))
        at += rows * columns
    embedding, positions, *blocks, last = parts
    octets = [*prompt]
    for _ in range(count):
        x = embedding[octets] + positions[: len(octets)]
        for a, b, c, d in zip(*[iter(blocks)] * 4, strict=True):
            q, k, v = (m.reshape(-1, 4, 8).swapaxes(0, 1) for m in np.split(normal(x) @ a, 3, axis=1))
            scores = q @ k.swapaxes(1, 2) / np.sqrt(8) + np.triu(np.full((len(x), len(x)), -1e9), 1)
            e = np.exp(scores - scores.max(2, keepdims=True))
            x = x + ((e / e.sum(2, keepdims=True)) @ v).swapaxes(0, 1).reshape(-1, 32) @ b
            x = x + np.maximum(normal(x) @ c, 0) @ d
        octets.append(int((normal(x[-1:]) @ last)[0, 0x20:0x7F].argmax()) + 0x20)
    return bytes(octets[len(prompt) :])


def normal(x: np.ndarray) -> np.ndarray:
    return x / np.sqrt((x * x).mean(1, keepdims=True))


def test_the_exponential_is_close_to_the_real_one():
    values = -np.arange(0, 30 * ONE, 997)
    assert np.abs(exponential(values) / ONE - np.exp(values / ONE)).max() < 3 / ONE
    assert not exponential(np.array([-(1 << bits) for bits in range(31, 63)])).any()
    wraps = (1 << 64) // transformer._LOG2_E + 1
    assert exponential(np.array([-wraps])) == 0, "as its product with log2(e) is a little more than 2^64"


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        (b"", "no weights"),
        (WEIGHTS[1:], "no weights"),
        (WEIGHTS[:-1], "take 98348 bytes, not 98347"),
        (WEIGHTS + b"\0", "take 98348 bytes, not 98349"),
        (MAGIC + bytes(20), "shape"),
        (MAGIC + b"\xff" * 20, "shape"),
        (MAGIC + b"".join(value.to_bytes(4) for value in (1, 6, 4, 8, 8)), "cannot be divided"),
    ],
)
def test_what_holds_no_weights_is_refused(weights: bytes, says: str):
    with pytest.raises(WeightsError, match=says):
        Transformer(weights)


class Unbounded(transformer._Memory):
    """Of Python's own integers, which do not overflow."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self.layers = [layer.astype(object) for layer in self.layers]


def unbounded(values: np.ndarray) -> np.ndarray:
    small = np.array([max(value, -(1 << 40)) for value in values.reshape(-1)], np.int64)
    return exponential(small).astype(object).reshape(values.shape)


@pytest.mark.parametrize("temperature", [0, 1])
def test_the_largest_weights_do_not_overflow(monkeypatch: pytest.MonkeyPatch, temperature: int):
    """With every weight the most or the least there is, 64 bits say what integers without end say."""
    weights = make_weights(3, WIDE)
    drawn = np.frombuffer(weights[len(MAGIC) + 20 :], ">i2")
    extreme = np.where(drawn < 0, -(1 << 15), (1 << 15) - 1).astype(">i2")
    extreme[: (256 + WIDE.context) * WIDE.width] = (1 << 15) - 1
    model = Transformer(weights[: len(MAGIC) + 20] + extreme.tobytes())
    said = model.generate(b"abc", 5, temperature, 1)
    monkeypatch.setattr(transformer, "_Memory", Unbounded)
    monkeypatch.setattr(transformer, "exponential", unbounded)
    for name in ("_embedding", "_positions", "_last"):
        setattr(model, name, getattr(model, name).astype(object))
    model._blocks = [[part.astype(object) for part in block] for block in model._blocks]
    assert model.generate(b"abc", 5, temperature, 1) == said


@pytest.mark.parametrize(("prompt", "count"), [(b"", 1), (b"a" * 30, 3)])
def test_more_than_the_context_is_refused(prompt: bytes, count: int):
    with pytest.raises(ValueError, match="from 1 to 32 octets"):
        Transformer(make_weights(1, SMALL)).generate(prompt, count)
