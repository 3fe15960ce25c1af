# SPDX-License-Identifier: Apache-2.0
"""Every countermeasure of the firmware is missed by its test when it is not there."""

import pytest

from tests.firmware.removed import COPIES, Removed


@pytest.mark.parametrize("copy", COPIES, ids=lambda copy: copy.label)
def test_without_it_its_test_fails(copy: Removed):
    assert not copy.goes_unnoticed()
