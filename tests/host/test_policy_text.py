# SPDX-License-Identifier: Apache-2.0
"""A policy that is written as text is read back as the same one."""

from __future__ import annotations

from pathlib import Path

import pytest

from custodes.policy import Policy, load_policy
from custodes.policy_text import policy_text
from tests.frames import POLICY as FRAMES
from tests.host.fake import POLICY

PLAIN = Policy()
ODD = Policy.model_validate(
    {"vlans": [7, "untagged", 0], "ethertypes": [], "udp": {"deny_ports": []}, "flow": {"tick": 0}}
)


@pytest.mark.parametrize("policy", [POLICY, FRAMES, PLAIN, ODD])
def test_what_is_written_is_read_back(tmp_path: Path, policy: Policy):
    path = tmp_path / "policy.toml"
    path.write_text(policy_text(policy))
    assert load_policy(path) == policy
