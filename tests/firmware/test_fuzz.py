# SPDX-License-Identifier: Apache-2.0
"""A short run of the fuzzer; ``python -m tests.firmware.fuzz`` is the long one."""

from custodes.mailbox import Status
from tests.firmware.fuzz import fuzz

CASES = 10_000


def test_mutated_requests_neither_crash_nor_hang_the_firmware():
    result = fuzz(CASES, seed=2)
    assert result.cases == CASES == sum(result.statuses.values()) + result.ended
    assert result.blocks > 0.8 * result.all_blocks
    assert {*Status} - {*result.statuses} <= {Status.NO_RANDOM, Status.STORE_FAILED, Status.REFUSED}
