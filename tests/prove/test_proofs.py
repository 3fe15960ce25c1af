# SPDX-License-Identifier: Apache-2.0
"""One cheap proof under pytest, and that a proof can fail. All of them: ``python -m tests.prove``."""

from pathlib import Path

import pytest
from amaranth import Module, Signal

from gateware.stream import SkidBuffer

from . import units
from .sby import Task, run


class NoSecondPlace(SkidBuffer):
    """Takes a payload that it has no place for."""

    def elaborate(self, platform: object) -> Module:
        m = Module()
        o_valid = Signal()
        o_payload = Signal.like(self.o.payload)
        m.d.comb += [self.i.ready.eq(1), self.o.valid.eq(o_valid), self.o.payload.eq(o_payload)]
        with m.If(self.o.ready | ~o_valid):
            m.d.sync += [o_valid.eq(self.i.valid), o_payload.eq(self.i.payload)]
        return m


class PayloadNotHeld(SkidBuffer):
    """Breaks the stream rule: an input under way shows at the output that waits."""

    def elaborate(self, platform: object) -> Module:
        m = Module()
        waiting = Signal()
        m.d.comb += [
            self.i.ready.eq(~waiting | self.o.ready),
            self.o.valid.eq(waiting),
            self.o.payload.eq(self.i.payload),
        ]
        with m.If(self.i.ready):
            m.d.sync += waiting.eq(self.i.valid)
        return m


def test_skid_buffer_keeps_its_contract(tmp_path: Path):
    for mode in ("bmc", "cover"):
        outcome = run(units.harness("SkidBuffer"), Task(f"skid-{mode}", mode, 12, "yices"), tmp_path)
        assert outcome.passed, (tmp_path / f"skid-{mode}.log").read_text()
        assert outcome.covers == outcome.reached


@pytest.mark.parametrize("broken", [NoSecondPlace, PayloadNotHeld])
def test_proof_fails_for_broken_unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: type[SkidBuffer]):
    monkeypatch.setattr(units, "SkidBuffer", broken)
    outcome = run(units.harness("SkidBuffer"), Task("broken", "bmc", 12, "yices"), tmp_path)
    assert (outcome.passed, outcome.status) == (False, "FAIL")


def test_cover_that_is_not_reached_is_a_failure(tmp_path: Path):
    outcome = run(units.harness("SkidBuffer"), Task("shallow", "cover", 4, "yices"), tmp_path)
    assert not outcome.passed
    assert 0 < outcome.reached < outcome.covers


def test_unchanged_proof_is_given_from_the_cache_and_a_changed_one_is_not(tmp_path: Path):
    task = Task("skid", "bmc", 3, "yices")
    assert not run(units.harness("SkidBuffer"), task, tmp_path).cached
    assert run(units.harness("SkidBuffer"), task, tmp_path).cached
    assert not run(units.harness("SkidBuffer paced"), task, tmp_path).cached
