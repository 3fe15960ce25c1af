# SPDX-License-Identifier: Apache-2.0
"""Runs the cocotb benches of single units under Verilator."""

import contextlib
from pathlib import Path

import pytest
from cocotb_tools.check_results import get_results
from cocotb_tools.runner import get_runner

from tests.cocotb_benches.designs import DESIGN_VARIABLE, DESIGNS
from tests.cocotb_benches.verilate import TOPLEVEL, build, environment

SEED = 1


def complaints(log: str) -> str:
    """What a simulation said that is not mere information, tracebacks included."""
    found, wanted = [], False
    for line in log.splitlines():
        wanted = " INFO " not in line and (wanted or " WARNING " in line or " ERROR " in line)
        if wanted:
            found.append(line)
    return "\n".join(found) or log


@pytest.mark.parametrize("name", DESIGNS)
def test_unit_passes_its_bench(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in environment().items():
        monkeypatch.setenv(variable, value)
    design = DESIGNS[name]
    log = tmp_path / "simulation.log"
    results = tmp_path / "results.xml"
    # On a failure the runner ends the process, which is not for it to do here; what it would say is in the results.
    with contextlib.suppress(SystemExit):
        get_runner("verilator").test(
            test_module=f"tests.cocotb_benches.{design.bench}",
            hdl_toplevel=TOPLEVEL,
            hdl_toplevel_lang="verilog",
            build_dir=build(name, design.make(), design.models),
            test_dir=tmp_path,
            results_xml=str(results),
            seed=SEED,
            extra_env={DESIGN_VARIABLE: name, "PYTHONWARNINGS": "error::DeprecationWarning"},
            log_file=log,
        )
    assert results.exists(), log.read_text()
    tests, failures = get_results(results)
    assert tests > 0, log.read_text()
    assert failures == 0, complaints(log.read_text())
