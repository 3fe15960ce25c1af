# SPDX-License-Identifier: Apache-2.0
"""Stations that talk through a warden, with random and damaged frames between: it does, bit for bit, what the specification
says."""

from collections import Counter

import pytest

from custodes.seed_registers import WORDS_USED
from custodes.table import INDEX, SCRUBBED, Port, Reason
from tests.compare import SEED, WholePair
from tests.gateware.warden.conversation import Conversation

FRAMES = 600


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("idle", "stall"), [(0.0, 0.0), (0.5, 0.3)])
def test_conversations_pass_as_the_specification_says(pair: WholePair, seed: int, idle: float, stall: float):
    conversation = Conversation(seed)
    conversation.talk(FRAMES)
    pair.link.pause(idle, stall, seed=seed + 1)
    assert conversation.differences(pair) == []
    assert [pair.link.read(WORDS_USED + port) for port in Port] == pair.specification.words.used
    reasons = Counter(outcome.reason for outcome in conversation.expected)
    assert reasons[Reason.FORWARDED] > FRAMES // 3
    assert {Reason.FLOW_UNKNOWN, Reason.FLOW_STATE} <= set(reasons)
    altered = {
        row.key for row in SCRUBBED for outcome in conversation.expected if outcome.altered >> INDEX[row.key] & 1
    }
    assert {"tcp_isn", "tcp_source_port", "icmp_id_seq"} <= altered


def test_flows_begin_while_there_are_words(pair: WholePair):
    limit = 5
    conversation = Conversation(99, limit)
    conversation.talk(200)
    pair.give_words(SEED, limit)
    assert conversation.differences(pair) == []
    assert [pair.link.read(WORDS_USED + port) for port in Port] == [limit, limit]
    assert Reason.ENTROPY_EMPTY in {outcome.reason for outcome in conversation.expected}
