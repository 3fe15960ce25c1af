# SPDX-License-Identifier: Apache-2.0
"""Flows begin, are found, grow old and make room: UDP and echo, ageing, a full table, and words that run out."""

from __future__ import annotations

from random import Random

import pytest

from custodes.flow_table import (
    FLOW_WAYS,
    PROBES,
    FlowKind,
    flow_key,
    flow_set,
    flow_sets,
    flow_slot,
    mapped_port,
)
from custodes.model.entropy import Word, Words
from custodes.model.flow import Ends, FlowTable
from custodes.model.frame import Drop
from custodes.table import INDEX, Port, Reason
from tests.frames import ICMP, ICMPV6, Icmp
from tests.host.model.passage import ACK, FIN, RST, SEED, SYN, C, OneWord, Passage, Talk, W, udp, word_of


def echo(kind: int, identifier: int, sequence: int, version: int = 4, data: bytes = b"") -> Icmp:
    """A request (``kind`` 1) or reply (0)."""
    number, protocol = (8 * kind, ICMP) if version == 4 else (129 - kind, ICMPV6)
    return Icmp(number, 0, identifier.to_bytes(2) + sequence.to_bytes(2) + data, protocol)


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("side", Port)
def test_a_datagram_begins_a_flow_that_its_answers_find(side: Port, version: int):
    passage, word = Passage(), word_of(side, 0)
    asked = passage.says(side, udp(51000, 53), version)
    assert (asked.source, asked.destination, asked.payload) == (0x8000 | word.port & 0x7FFF, 53, b"query")
    answer = passage.says(side.other, udp(53, asked.source), version)
    assert (answer.source, answer.destination) == (53, 51000)
    assert passage.says(side, udp(51000, 53), version) == asked
    used = [0, 0]
    used[side] = 1
    assert passage.warden.words.used == used


def test_a_datagram_from_a_low_port_is_answered_there():
    passage = Passage()
    assert passage.says(C, udp(123, 124)).source == 123
    answer = passage.says(W, udp(124, 123))
    assert (answer.source, answer.destination) == (124, 123)
    assert passage.warden.flows == 1


def test_a_datagram_that_answers_nothing_begins_its_own_flow():
    passage = Passage()
    first = passage.says(C, udp(51000, 53))
    passage.says(W, udp(54, first.source))
    passage.says(W, udp(53, 51000))
    assert passage.warden.words.used == [1, 2]


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("identifier", [0, 7, 0xFFFF])
def test_echo_is_mapped_and_its_reply_turned_back(version: int, identifier: int):
    passage, word = Passage(), word_of(C, 0)
    for at in range(3):
        sequence = (0xFFFE + at) % 0x10000
        asked = passage.says(C, echo(1, identifier, sequence, version), version)
        port, shown = int.from_bytes(asked.body[4:6]), int.from_bytes(asked.body[6:8])
        assert (port, shown) == (0x8000 | word.port & 0x7FFF, (word.echo_sequence + at) % 0x10000)
        answer = passage.says(W, echo(0, port, shown, version), version)
        assert answer.body[4:8] == identifier.to_bytes(2) + sequence.to_bytes(2)
    assert passage.warden.words.used == [1, 0]


def test_echo_tells_what_is_altered():
    result = Passage().result(C, echo(1, 7, 1))
    assert result.altered == 1 << INDEX["icmp_id_seq"]


def test_a_reply_without_request_is_dropped():
    passage = Passage()
    asked = passage.says(C, echo(1, 7, 1))
    port, shown = int.from_bytes(asked.body[4:6]), int.from_bytes(asked.body[6:8])
    assert passage.refuses(W, echo(0, 7, 1)) is Reason.FLOW_UNKNOWN
    assert passage.refuses(W, echo(0, port ^ 1, shown)) is Reason.FLOW_UNKNOWN
    assert passage.refuses(W, echo(0, port, shown, 6), 6) is Reason.FLOW_UNKNOWN
    assert passage.refuses(C, echo(0, port, shown)) is Reason.FLOW_UNKNOWN
    assert passage.refuses(C, echo(0, 7, shown)) is Reason.FLOW_UNKNOWN


@pytest.mark.parametrize(("back", "good"), [(0, True), (15, True), (16, False), (-1, False)])
def test_only_the_last_sixteen_requests_are_answered(back: int, good: bool):
    passage = Passage()
    for sequence in range(29):
        passage.says(C, echo(1, 7, sequence))
    asked = passage.says(C, echo(1, 7, 29))
    port, shown = int.from_bytes(asked.body[4:6]), (int.from_bytes(asked.body[6:8]) - back) % 0x10000
    if good:
        assert passage.says(W, echo(0, port, shown)).body[6:8] == (29 - back).to_bytes(2)
    else:
        assert passage.refuses(W, echo(0, port, shown)) is Reason.FLOW_STATE


@pytest.mark.parametrize(("step", "words"), [(0, 1), (1, 1), (2, 2), (-1, 2), (0x8000, 2)])
def test_a_ping_that_jumps_begins_anew(step: int, words: int):
    passage = Passage()
    first = passage.says(C, echo(1, 7, 100))
    second = passage.says(C, echo(1, 7, 100 + step))
    assert passage.warden.words.used == [words, 0]
    assert passage.warden.flows == 1
    word = word_of(C, 1)
    if words == 1:
        expected = first.body[4:6] + ((word_of(C, 0).echo_sequence + step) % 0x10000).to_bytes(2)
    else:
        expected = (0x8000 | word.port & 0x7FFF).to_bytes(2) + word.echo_sequence.to_bytes(2)
    assert second.body[4:8] == expected


@pytest.mark.parametrize(("ticks", "known"), [(2, True), (3, False)])
def test_a_flow_is_gone_at_the_third_tick_without_use(ticks: int, known: bool):
    passage = Passage()
    asked = passage.says(C, udp(51000, 53))
    for _ in range(ticks):
        passage.warden.tick()
    assert passage.warden.flows == known
    passage.says(W, udp(53, asked.source))
    assert passage.warden.words.used == [1, int(not known)]


def test_use_by_either_station_keeps_a_flow_young():
    talk = Talk(Passage()).open()
    for at in range(6):
        talk.passage.warden.tick()
        talk.passage.warden.tick()
        (talk.client_says if at % 2 else talk.server_says)(ACK, 1, 1)
    for _ in range(3):
        talk.passage.warden.tick()
    assert talk.passage.refuses(C, talk.from_client(ACK, 1, 1)) is Reason.FLOW_UNKNOWN


def test_what_is_dropped_does_not_keep_a_flow_young():
    talk = Talk(Passage()).open()
    for _ in range(3):
        assert talk.passage.refuses(C, talk.from_client(ACK, 1, 2)) is Reason.FLOW_STATE
        talk.passage.warden.tick()
    assert talk.passage.warden.flows == 0


@pytest.mark.parametrize("how", ["reset", "closed"])
def test_a_closed_connection_is_gone_at_the_second_tick(how: str):
    talk = Talk(Passage()).open()
    if how == "reset":
        talk.client_says(RST, 1)
    else:
        talk.client_says(FIN | ACK, 1, 1)
        talk.server_says(FIN | ACK, 1, 2)
        talk.client_says(ACK, 2, 2)
    talk.passage.warden.tick()
    talk.server_says(ACK, 1, 1)
    talk.passage.warden.tick()
    talk.server_says(ACK, 1, 1)
    talk.passage.warden.tick()
    talk.passage.warden.tick()
    assert talk.passage.refuses(W, talk.from_server(ACK, 1, 1)) is Reason.FLOW_UNKNOWN


@pytest.mark.parametrize("words", [None, Words(None), Words(SEED, 0)])
def test_without_words_nothing_begins(words: Words | None):
    passage = Passage()
    talk = Talk(passage).open()
    passage.warden.words = words or Words(None)
    for transport in (Talk(passage, client=50001).from_client(SYN), udp(51000, 53), echo(1, 7, 1)):
        assert passage.refuses(C, transport) is Reason.ENTROPY_EMPTY
    talk.client_says(ACK, 1, 1)


def test_words_run_out_on_one_side_only():
    passage = Passage(words=Words(SEED, 2))
    for port in (50000, 50001):
        passage.says(C, udp(port, 53))
    assert passage.refuses(C, udp(50002, 53)) is Reason.ENTROPY_EMPTY
    assert passage.says(W, udp(50002, 53)).source >= 0x8000


def test_a_half_open_flow_stays_where_there_is_no_word_to_replace_it():
    talk = Talk(Passage(words=Words(SEED, 1)))
    talk.syn()
    assert talk.passage.refuses(C, talk.from_client(SYN, 99)) is Reason.ENTROPY_EMPTY
    talk.syn_ack()
    talk.client_says(ACK, 1, 1)


def test_a_flow_without_room_has_used_its_word():
    """With one word, and so one first slot, there is room for as many flows as there are probes."""
    passage = Passage(words=OneWord(Word(1, 2, 0x1FFF, 4)))
    seen = [passage.says(C, udp(50000 + at, 53)).source for at in range(PROBES)]
    assert seen == [0x9FFF, *(0x9800 + at for at in range(PROBES - 1))]
    assert passage.refuses(C, udp(50100, 53)) is Reason.FLOW_FULL
    assert passage.warden.words.used == [PROBES + 1, 0]
    assert passage.says(W, udp(50100, 53)).source == seen[0], "the halves are apart"
    for _ in range(3):
        passage.warden.tick()
    assert passage.says(C, udp(50100, 53)).source == seen[0]


def test_the_place_of_a_flow_that_is_replaced_is_free():
    passage = Passage(words=OneWord(Word(1, 2, 0, 4)))
    talks = [Talk(passage, client=50000 + at) for at in range(PROBES)]
    for talk in talks:
        talk.syn()
    talks[5].client_isn += 1
    assert talks[5].syn().source == 0x8005
    assert passage.refuses(C, Talk(passage, client=51000).from_client(SYN)) is Reason.FLOW_FULL


def test_a_set_takes_as_many_flows_as_it_has_ways():
    """All these names are of one set; the next is refused wherever its slot is."""
    table, random = FlowTable(64), Random(1)
    names: list[Ends] = []
    while len(names) <= FLOW_WAYS:
        ends = Ends(C, 1, 2, random.randrange(1 << 16), 80)
        if flow_set(flow_key(FlowKind.TCP, *ends[1:]), 64) == 0:
            names.append(ends)
    words = [Word(0, 0, 3 * at, 0) for at in range(FLOW_WAYS + 1)]
    for ends, word in zip(names[:-1], words[:-1], strict=True):
        table.begin(FlowKind.TCP, ends, word)
    with pytest.raises(Drop) as caught:
        table.begin(FlowKind.TCP, names[-1], words[-1])
    assert caught.value.reason is Reason.FLOW_FULL
    old = table.find_begun(FlowKind.TCP, names[3])
    assert table.begin(FlowKind.TCP, names[3], words[-1], old).slot == words[-1].port
    other = names[-1]._replace(side=W, sender=2, receiver=1)
    assert flow_set(flow_key(FlowKind.TCP, *other[1:]), 64) != 0
    table.begin(FlowKind.TCP, other, words[-1])


@pytest.mark.parametrize("flows", [64, 256, 4096, 16384])
def test_a_port_says_its_slot_and_no_two_flows_of_a_side_have_one(flows: int):
    random = Random(flows)
    for side in Port:
        taken: dict[int, int] = {}
        for _ in range(500):
            field, probe = random.randrange(1 << 16), random.randrange(PROBES)
            slot = flow_slot(side, field, probe, flows)
            port = mapped_port(field, slot, flows)
            assert slot // (flows // 2) == side
            assert 0x8000 <= port < 1 << 16
            assert flow_slot(side, port, 0, flows) == slot
            assert taken.setdefault(port, slot) == slot
            assert (slot - flow_slot(side, field, 0, flows)) % (flows // 2) == probe


@pytest.mark.parametrize("flows", [64, 1024, 4096, 16384])
def test_flows_in_sequence_fall_into_sets_of_their_own(flows: int):
    sets = [flow_set(flow_key(FlowKind.TCP, 5, 9, 50000 + at, 443), flows) for at in range(128)]
    assert max(map(sets.count, sets)) <= max(1, 128 // flow_sets(flows)) * 2
    for first, second in ((3, 70000), (1 << 53, 12345)):
        assert flow_set(first ^ second, flows) == flow_set(first, flows) ^ flow_set(second, flows)


def test_a_table_half_full_has_room_for_nearly_every_flow():
    table, random = FlowTable(1024), Random(3)
    refused = 0
    for _ in range(256):
        for side in Port:
            ends = Ends(side, random.randrange(4), 4 + random.randrange(4), random.randrange(1 << 16), 443)
            try:
                table.begin(FlowKind.TCP, ends, Word(0, 0, random.randrange(1 << 16), 0))
            except Drop:
                refused += 1
    assert len(table) == 512 - refused
    assert refused < 10


@pytest.mark.parametrize("flows", [0, 32, 96, 32768])
def test_a_table_of_another_size_is_refused(flows: int):
    with pytest.raises(ValueError, match=f"not {flows}"):
        FlowTable(flows)
