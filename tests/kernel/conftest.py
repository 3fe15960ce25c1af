# SPDX-License-Identifier: Apache-2.0
"""A Linux kernel for the tests of a file, where this machine can run one."""

from collections.abc import Iterator

import pytest

from tests.kernel import peer
from tests.kernel.peer import KernelPeer


@pytest.fixture(scope="module")
def kernel() -> Iterator[KernelPeer]:
    if reason := peer.missing():
        pytest.skip(reason)
    with KernelPeer() as booted:
        yield booted
