# SPDX-License-Identifier: Apache-2.0
"""Every countermeasure of the control is missed by its test when it is not there."""

import pytest

from tests.gateware.control.removed import COPIES, Removed


@pytest.mark.parametrize("copy", COPIES, ids=lambda copy: copy.label)
def test_without_it_its_test_fails(copy: Removed):
    assert not copy.goes_unnoticed()
