# SPDX-License-Identifier: Apache-2.0
"""``python -m tests.redteam``: every covert channel, and what the warden leaves of it."""

from tests.redteam.table import markdown

for line in markdown():
    print(line)
