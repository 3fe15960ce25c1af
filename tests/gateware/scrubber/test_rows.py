# SPDX-License-Identifier: Apache-2.0
"""Each row of the scrub table: what the field says does not come out."""

from random import Random

import pytest

from custodes.link import Ingress
from custodes.table import INDEX, SCRUBBED, Port, Reason
from tests.compare import Pair
from tests.gateware.scrubber.covert import COVERT

FRAMES = 24


def test_every_row_that_needs_no_flow_has_covert_frames():
    assert {name.split()[0] for name in COVERT} == {row.key for row in SCRUBBED if not row.stateful}


@pytest.mark.parametrize("name", COVERT)
def test_frames_that_differ_in_one_field_come_out_identical(pair: Pair, name: str):
    random, key = Random(name), name.split()[0]
    frames = [Ingress(Port.CLUSTER, COVERT[name](random).pack()) for _ in range(FRAMES)]
    outcomes = pair.link.exchange(frames)
    assert len({frame.frame for frame in frames}) > 1
    assert {outcome.reason for outcome in outcomes} == {Reason.FORWARDED}
    assert len({outcome.frame for outcome in outcomes}) == 1
    assert any(outcome.altered >> INDEX[key] & 1 for outcome in outcomes)
    assert outcomes == [pair.expected(frame) for frame in frames]
