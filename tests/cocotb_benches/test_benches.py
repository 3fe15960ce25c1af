# SPDX-License-Identifier: Apache-2.0
"""Runs the cocotb benches of single units under Verilator."""

from pathlib import Path

import pytest
from cocotb_tools.check_results import get_results
from cocotb_tools.runner import get_runner

from tests.cocotb_benches.designs import DESIGN_VARIABLE, DESIGNS
from tests.cocotb_benches.verilate import TOPLEVEL, build, environment

SEED = 1
LOG_TAIL = 6000


@pytest.mark.parametrize("name", DESIGNS)
def test_unit_passes_its_bench(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in environment().items():
        monkeypatch.setenv(variable, value)
    design = DESIGNS[name]
    log = tmp_path / "simulation.log"
    results = tmp_path / "results.xml"
    try:
        get_runner("verilator").test(
            test_module=f"tests.cocotb_benches.{design.bench}",
            hdl_toplevel=TOPLEVEL,
            hdl_toplevel_lang="verilog",
            build_dir=build(name, design.make()),
            test_dir=tmp_path,
            results_xml=str(results),
            seed=SEED,
            extra_env={DESIGN_VARIABLE: name, "PYTHONWARNINGS": "error::DeprecationWarning"},
            log_file=log,
        )
    except SystemExit:
        pytest.fail(log.read_text()[-LOG_TAIL:], pytrace=False)
    tests, failures = get_results(results)
    assert tests > 0
    assert failures == 0
