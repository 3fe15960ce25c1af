# SPDX-License-Identifier: Apache-2.0
"""README.md of this folder says what is measured."""

from pathlib import Path

from tests.redteam.table import markdown

README = Path(__file__).with_name("README.md")


def test_readme_has_the_results() -> None:
    _, results = README.read_text().split("## Results\n\n")
    assert results == "\n".join(markdown()) + "\n"
