# SPDX-License-Identifier: Apache-2.0
"""A sampler of the specification with a served model behind it, and a recomputer that watches it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custodes.gateway_formats import ALWAYS
from custodes.inference import answer, read_requests
from custodes.inference_server import wrong
from custodes.recomputer import Recomputer
from custodes.recomputer_check import Finding
from custodes.recomputer_store import Store
from custodes.transformer import Shape, Transformer, make_weights
from tests.host.sampler_traffic import KEY, Talk, sampler
from tests.host.test_inference import asked

WEIGHTS = make_weights(5, Shape(layers=1, width=16, heads=2, hidden=32, context=64))
MODEL = Transformer(WEIGHTS)
GATEWAY = bytes(range(32))
SIGNER = Ed25519PrivateKey.from_private_bytes(bytes([9] * 32))
HALF = 1 << 63
MEMORY = ":memory:"
"""A store in no file, where it is not to be opened again."""
Cheat = Callable[[int], bool]


def honest(number: int) -> bool:
    return False


def exchange(talk: Talk, number: int, lie: bool = False) -> None:
    """A request, in two segments, and its answer, in several."""
    question = asked({"prompt": f"question {number}", "max_tokens": 6, "seed": number, "temperature": 0.5})
    said = b"".join(answer(MODEL, request) for request in read_requests(question))
    said = wrong(said) if lie else said
    assert talk.ask(question[:50]) and talk.ask(question[50:])
    for at in range(0, len(said), 60):
        assert talk.answer(said[at : at + 60])


def epochs(
    count: int = 2, pairs: int = 6, threshold: int = ALWAYS, cheat: Cheat = honest, boot: int = 0
) -> list[bytes]:
    """The sample frames of whole epochs, and of the beginning of another; keys differ from boot to boot."""
    made = sampler(threshold=None, slots=8)
    for epoch in range(count):
        made.epoch(bytes([epoch, boot]) + KEY[2:], threshold)
        talks = [Talk(made, 50000 + 10 * epoch + i) for i in range(2)]
        for number in range(pairs):
            exchange(talks[number % 2], number, cheat(epoch * pairs + number))
        for talk in talks:
            talk.close()
    made.epoch(bytes(32), 0)
    return made.emitted


class Scene:
    """A recomputer with a file, and what it says and orders."""

    def __init__(self, folder: Path, plugin: bool = True, name: str = "state.db") -> None:
        (folder / "weights").write_bytes(WEIGHTS)
        memory = name == MEMORY
        self.store = Store(Path(MEMORY) if memory else folder / name, owned=not memory)
        self.orders: list[bytes] = []
        self.told: list[str] = []
        self.recomputer = Recomputer(self.store, GATEWAY, SIGNER, self.orders.append, self.told.append)
        if plugin:
            with self.store.transaction():
                self.store.set_value("plugin", {"kind": "transformer", "weights": str(folder / "weights")})

    def feed(self, frames: list[bytes]) -> None:
        self.recomputer.feed(frames)

    @property
    def verdicts(self) -> list[str]:
        return [verdict for (verdict,) in self.store.rows("SELECT verdict FROM verdicts ORDER BY id")]

    @property
    def findings(self) -> list[Finding]:
        return [Finding(kind) for (kind,) in self.store.rows("SELECT kind FROM findings ORDER BY id")]
