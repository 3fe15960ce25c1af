# SPDX-License-Identifier: Apache-2.0
"""What the retimer leaves of timing channels: the estimator, the codes, and the bounds of the scrub table."""

from math import log2
from random import Random
from xml.etree import ElementTree

import pytest

from custodes.leak import (
    ARRIVAL_ORDER,
    BATCH,
    CASES,
    CONSTANT_RATE,
    DUMMIES_KNOWN,
    NO_RETIMER,
    NO_RETIMER_WINDOWS,
    SLOT,
    Leak,
    Way,
    entropy,
    measure,
    measure_all,
    mutual_information,
)
from custodes.leak_page import leak_section
from custodes.timing_channels import Code, Count, CountInWindow, Jitter, OnOff, Order, Position

NOISE = 0.02
"""Bits per symbol by which an estimate from so many symbols is off at most."""


def test_information_of_a_binary_symmetric_channel_is_its_capacity():
    random, flips = Random(1), 0.11
    sent = [random.randrange(2) for _ in range(20_000)]
    seen = [symbol ^ (random.random() < flips) for symbol in sent]
    capacity = 1 + flips * log2(flips) + (1 - flips) * log2(1 - flips)
    assert mutual_information(sent, seen) == pytest.approx(capacity, abs=0.01)


def test_correction_takes_the_bias_out_of_an_estimate_of_nothing():
    random = Random(2)
    estimates = []
    for _ in range(50):
        sent, seen = ([random.randrange(8) for _ in range(500)] for _ in range(2))
        estimates.append(mutual_information(sent, seen))
    plain = (8 - 1) * (8 - 1) / (2 * 500) * log2(2.718281828)
    assert abs(sum(estimates) / 50) < plain / 10


def test_entropy_of_few_samples_is_closer_to_the_truth_for_its_correction():
    random = Random(3)
    estimates = [entropy(random.randrange(64) for _ in range(400)) for _ in range(50)]
    assert sum(estimates) / 50 == pytest.approx(6, abs=0.01)


@pytest.mark.parametrize("code", [OnOff, Jitter, Position, Count])
def test_every_code_comes_through_where_there_is_no_retimer(code: type[Code]):
    assert measure(code, NO_RETIMER, 1000).bits_per_symbol == pytest.approx(log2(code.alphabet), abs=NOISE)


@pytest.mark.parametrize("code", [OnOff, Jitter, Position, Count])
def test_constant_rate_leaves_nothing(code: type[Code]):
    leak = measure(code, CONSTANT_RATE, 1000)
    assert (leak.bits_per_symbol, leak.bound_bits_per_s) == (0, 0)


@pytest.mark.parametrize(("code", "left"), [(OnOff, 1), (Jitter, 1), (Count, 4)])
def test_slots_let_a_bit_each_through_at_most(code: type[Code], left: float):
    leak = measure(code, SLOT, 1000)
    assert leak.bits_per_symbol == pytest.approx(left, abs=NOISE)
    assert leak.bound_per_period == pytest.approx(1)
    assert leak.within_bound


@pytest.mark.parametrize("way", [SLOT, BATCH, CONSTANT_RATE, DUMMIES_KNOWN])
def test_where_in_its_slot_or_window_a_frame_came_is_not_seen(way: Way):
    assert not measure(Position, way, 500).significant


def test_dummies_that_are_told_apart_bring_the_count_back():
    assert measure(Count, DUMMIES_KNOWN, 1000).bits_per_symbol == pytest.approx(4, abs=NOISE)


def test_a_batch_lets_no_more_through_than_how_many_frames_there_are():
    leak = measure(CountInWindow, BATCH, 1000)
    assert leak.bound_bits_per_s == pytest.approx(967, abs=1)
    assert leak.bits_per_s == pytest.approx(400, abs=4)
    assert leak.within_bound


def test_sorting_removes_what_the_order_of_flows_says():
    kept, unsorted, batch = (measure(Order, way, 1000) for way in (NO_RETIMER_WINDOWS, ARRIVAL_ORDER, BATCH))
    assert kept.bits_per_symbol == pytest.approx(log2(24), abs=2 * NOISE)
    assert unsorted.bits_per_symbol == pytest.approx(log2(24), abs=2 * NOISE)
    assert unsorted.within_bound
    assert batch.bits_per_symbol == 0


def test_all_cases_stay_within_their_bounds_and_the_page_shows_them():
    leaks = measure_all(200)
    assert len(leaks) == len(CASES)
    assert all(leak.within_bound for leak in leaks)
    section = ElementTree.fromstring(f"<div>{leak_section(leaks)}</div>")
    rows = [[cell.text for cell in row] for row in section.iter("tr")][1:]
    assert [row[:2] for row in rows] == [[leak.code, leak.policy] for leak in leaks]
    assert section.find(".//figure/svg") is not None


def test_a_leak_above_its_bound_is_told():
    leak = Leak("code", "policy", 100, 1.0, 0.1, "slot", 1e-5, 1e5, 8.0e4)
    assert not leak.within_bound
    assert leak.to_json()["bits_per_s"] == pytest.approx(1e5)
