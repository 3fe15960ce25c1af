# SPDX-License-Identifier: Apache-2.0
"""How soon a server that lies is found: wrong answers among good ones, sampled and recomputed, against the formula."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custodes.planted import WEIGHTS, PlantedSampler, Said
from custodes.recompute import Verdict
from custodes.recomputer import Done, Recomputer
from custodes.recomputer_check import MILLION
from custodes.recomputer_store import Store
from custodes.sample_tree import DIGEST_BYTES
from custodes.sampling_statistics import Interval, detection, observed, threshold

EPSILONS = (0.05, 0.25)
DISCERNIBLE = (1.0, 0.5)
COUNTS = (1, 4, 16)
RIGHT = 4
"""Good answers in each epoch."""
TRIALS = 200
CONFIDENCE = 0.999
"""Of each interval; there are twelve."""
SEED = 1


class Detected(NamedTuple):
    """Wrong answers among those of an epoch: in ``found`` of ``trials`` epochs one at least had the verdict FAIL.

    Attributes:
        discernible: the probability d with which a wrong answer is one of which recomputation can tell that it is.
        planted: wrong answers in each epoch.
        kept, told: wrong answers in all epochs that were kept, and of those the ones with the verdict FAIL.
        passed: good answers in all epochs that were kept, with the verdict PASS.
        amiss: what must not be, in lines: another verdict on a good answer, and whatever the recomputer finds of samples.
    """

    epsilon: float
    discernible: float
    planted: int
    trials: int
    found: int
    kept: int
    told: int
    passed: int
    amiss: tuple[str, ...]

    @property
    def expected(self) -> float:
        return detection(self.epsilon, self.discernible, self.planted)

    @property
    def share(self) -> float:
        return self.found / self.trials

    @property
    def interval(self) -> Interval:
        """In which the probability is."""
        return observed(self.found, self.trials, CONFIDENCE)

    @property
    def follows(self) -> bool:
        """The formula's value is in the interval."""
        return self.expected in self.interval

    @property
    def agrees(self) -> bool:
        """It follows the formula, and nothing is amiss."""
        return self.follows and not self.amiss

    def to_json(self) -> dict[str, Any]:
        more = {"expected": self.expected, "interval": [*self.interval], "agrees": self.agrees}
        return self._asdict() | {"amiss": [*self.amiss]} | more


def measure_detection(
    epsilons: Sequence[float] = EPSILONS,
    discernible: Sequence[float] = DISCERNIBLE,
    counts: Sequence[int] = COUNTS,
    trials: int = TRIALS,
    seed: int = SEED,
) -> list[Detected]:
    """Frames of real requests and answers go through `custodes.model.Sampler`, with a key of its own for each epoch, and
    what it samples to a `Recomputer` whose plug-in is the transformer that the server has, with a model as small as can be.

    Where wrong answers are among good ones is drawn, and of each whether recomputation can tell that it is wrong; of others
    it can only say that they are unverifiable. The same seed gives the same.
    """
    source = random.Random(seed)
    with TemporaryDirectory() as folder:
        weights = Path(folder) / "weights"
        weights.write_bytes(WEIGHTS)
        return [
            _Trials(source, weights, epsilon, share).measure(count, trials)
            for epsilon in epsilons
            for share in discernible
            for count in counts
        ]


class _Trials:
    """One gateway and its recomputer, both new."""

    def __init__(self, source: random.Random, weights: Path, epsilon: float, discernible: float) -> None:
        self._source, self._weights = source, weights
        self._epsilon, self._discernible = epsilon, discernible
        self._sampler = PlantedSampler()
        self._said: list[Said] = []  # of all pairs, by their numbers from 1

    def measure(self, count: int, trials: int) -> Detected:
        """So many epochs, each with so many wrong answers."""
        key = Ed25519PrivateKey.from_private_bytes(self._source.randbytes(32))
        gateway = self._source.randbytes(DIGEST_BYTES)
        done: list[Done] = []
        with Store(Path(":memory:")) as store:
            with store.transaction():
                store.set_value("plugin", {"kind": "transformer", "weights": str(self._weights)})
                store.set_value("share", MILLION)  # all pairs may be unverifiable: how many are is not what is measured
            recomputer = Recomputer(store, gateway, key, lambda order: None)
            for _ in range(trials):
                done += recomputer.feed(self._begun())
                said = self._drawn(count)
                self._said += said
                self._sampler.talk(said, self._source)
            done += recomputer.feed(self._begun())
        return self._detected(count, trials, done)

    def _begun(self) -> list[bytes]:
        """What is sampled until another epoch has begun."""
        return self._sampler.epoch(self._source.randbytes(DIGEST_BYTES), threshold(self._epsilon))

    def _drawn(self, count: int) -> list[Said]:
        """The answers of an epoch."""
        said = [Said.WRONG if self._source.random() < self._discernible else Said.HIDDEN for _ in range(count)]
        said += [Said.RIGHT] * RIGHT
        self._source.shuffle(said)
        return said

    def _detected(self, count: int, trials: int, done: list[Done]) -> Detected:
        epochs: set[int] = set()
        kept = told = passed = 0
        amiss: list[str] = []
        for completed, judgement, found in done:
            amiss += [f"{finding.value}: {text}" for finding, text in found]
            if completed is None or judgement is None:
                continue
            verdict, number = judgement.verdict, completed.tag.number
            if verdict is Verdict.FAIL:
                epochs.add(completed.tag.epoch)
            if self._said[number - 1] is not Said.RIGHT:
                kept += 1
                told += verdict is Verdict.FAIL
            elif verdict is Verdict.PASS:
                passed += 1
            else:
                amiss.append(f"pair {number} is good, and has the verdict {verdict.value}: {judgement.reason}")
        return Detected(self._epsilon, self._discernible, count, trials, len(epochs), kept, told, passed, tuple(amiss))
