# SPDX-License-Identifier: Apache-2.0
"""Files for a command."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.frames import Arp, Frame, Ip4, Udp
from tests.host.fake import PING, POLICY_TOML, write_capture

FRAMES = [PING, Frame(Ip4(Udp(destination=443))).pack(), Frame(Arp()).pack()]
"""The first leaves altered, the second is dropped as QUIC, the third leaves as it is."""
Files = tuple[Path, Path, Path]


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    """A capture, where to write, and a policy. Afterwards nothing else is in their directory."""
    source, output, policy = tmp_path / "in.pcap", tmp_path / "out.pcap", tmp_path / "policy.toml"
    policy.write_text(POLICY_TOML)
    yield write_capture(source, FRAMES), output, policy
    assert {path.name for path in tmp_path.iterdir()} <= {"in.pcap", "out.pcap", "policy.toml"}
