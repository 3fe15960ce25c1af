# SPDX-License-Identifier: Apache-2.0
"""The committed captures hold what other tests and the demo count on."""

from __future__ import annotations

from tests.captures.record import REQUIRED, faults
from tests.captures.world import HERE


def test_captures_contain_every_required_kind_and_no_bad_checksum() -> None:
    assert faults() == []


def test_captures_stay_small() -> None:
    assert sum((HERE / name).stat().st_size for name in REQUIRED) < 1_000_000
