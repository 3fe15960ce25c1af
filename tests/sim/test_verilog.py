# SPDX-License-Identifier: Apache-2.0
"""Memories on their way into a simulated device."""

from __future__ import annotations

import pytest

from sim.verilog import merged


def memory(name: str, contents: str, writers: int) -> str:
    """RTLIL of a memory of two words of 4 bits."""
    bits = {"RD_CLK_ENABLE": "0", "RD_CLK_POLARITY": "0", "RD_WIDE_CONTINUATION": "0", "RD_CE_OVER_SRST": "0"}
    words = dict.fromkeys(("RD_ARST_VALUE", "RD_SRST_VALUE", "RD_INIT_VALUE"), "x")
    parameters = {
        "SIZE": "2", "WIDTH": "4", "ABITS": "1", "INIT": f"8'{contents}", "WR_PORTS": str(writers), "RD_PORTS": "1",
        **{key: f"1'{value}" for key, value in bits.items()},
        **{key: f"4'{value}" for key, value in words.items()},
    }  # fmt: skip
    signals = ("RD_CLK", "RD_EN", "RD_ARST", "RD_SRST", "RD_ADDR", "RD_DATA")
    lines = [f"    parameter \\{key} {value}" for key, value in parameters.items()]
    lines += [f"    connect \\{key} \\{name}_{key.lower()}" for key in signals]
    return "\n".join([f"  cell $mem_v2 \\{name}", *lines, "  end", ""])


def test_tables_of_the_same_contents_become_one() -> None:
    found = merged(memory("a", "01010101", 0) + memory("b", "01010101", 0) + memory("c", "01010111", 0))
    assert found.count("cell $mem_v2") == 2
    assert "connect \\RD_ADDR { \\a_rd_addr \\b_rd_addr }" in found


def test_zeros_of_a_memory_that_is_written_are_not_said() -> None:
    found = merged(memory("a", "00000000", 1))
    assert "parameter \\INIT 8'x\n" in found
    assert found.replace("8'x", "8'00000000") == memory("a", "00000000", 1)


@pytest.mark.parametrize(("contents", "writers"), [("00000001", 1), ("10000000", 1), ("00000000", 0)])
def test_other_contents_are_said(contents: str, writers: int) -> None:
    assert f"parameter \\INIT 8'{contents}\n" in merged(memory("a", contents, writers))
