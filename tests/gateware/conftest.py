# SPDX-License-Identifier: Apache-2.0
"""What tests of several units need: to look into memories."""

from __future__ import annotations

from typing import Any

import pytest
from amaranth.hdl import MemoryData
from amaranth.lib.memory import Memory


@pytest.fixture
def memories(monkeypatch: pytest.MonkeyPatch) -> list[MemoryData]:
    """Those that are made next, but tables."""
    found: list[MemoryData] = []
    original = Memory.__init__

    def noted(self: Memory, *arguments: Any, **options: Any) -> None:
        original(self, *arguments, **options)
        if not any(self.init):
            found.append(self.data)

    monkeypatch.setattr(Memory, "__init__", noted)
    return found
