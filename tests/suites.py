# SPDX-License-Identifier: Apache-2.0
"""Tests that are run with several cipher suites."""

import pytest

from custodes.macsec import Suite

SUITES = pytest.mark.parametrize("suite", Suite, ids=lambda suite: suite.title)
EXTENDED = pytest.mark.parametrize("suite", [suite for suite in Suite if suite.extended], ids=lambda suite: suite.title)
"""Those with packet numbers of 64 bits."""
