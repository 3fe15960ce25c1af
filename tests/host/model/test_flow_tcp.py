# SPDX-License-Identifier: Apache-2.0
"""TCP through the warden: what each station hears of the other's ports and numbers, and what is not let through."""

from __future__ import annotations

import struct

import pytest

from custodes.flow_table import LEAP_SPAN, SEQUENCE_SPAN
from custodes.model.entropy import Word
from custodes.policy import Policy
from custodes.table import INDEX, Port, Reason
from tests.frames import POLICY, Tcp
from tests.host.model.passage import ACK, FIN, RST, SYN, C, OneWord, Passage, Talk, W, word_of

SCALE_9, SCALE_4, NO_SCALE = b"\x01\x03\x03\x09", b"\x01\x03\x03\x04", b"\x02\x04\x05\xb4"
M32 = 1 << 32


def sack(*edges: int) -> bytes:
    """NOPs and a SACK option with these edges."""
    values = [edge % M32 for edge in edges]
    return struct.pack(f"!BBBB{len(values)}I", 1, 1, 5, 2 + 4 * len(values), *values)


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("side", Port)
def test_both_initial_sequence_numbers_and_the_port_are_those_of_the_word(side: Port, version: int):
    talk, word = Talk(Passage(), side, version=version), word_of(side, 0)
    first = talk.syn()
    assert (first.sequence, first.acknowledgement, first.flags) == (word.isn_initiator, 0, SYN)
    assert (first.source, first.destination) == (0x8000 | word.port & 0x7FFF, 80)
    second = talk.syn_ack()
    assert (second.sequence, second.acknowledgement) == (word.isn_responder, talk.client_isn + 1)
    assert (second.source, second.destination) == (80, talk.client)
    third = talk.client_says(ACK, 1, 1)
    assert (third.sequence, third.acknowledgement) == (word.isn_initiator + 1, talk.server_isn + 1)
    assert (third.source, third.destination) == (talk.seen_port, 80)


@pytest.mark.parametrize("client_isn", [1000, M32 - 1, M32 - 600])
@pytest.mark.parametrize("server_isn", [5, M32 - 1, M32 - 1000])
def test_data_is_counted_on_past_the_end_of_the_numbers(client_isn: int, server_isn: int):
    talk = Talk(Passage(), client_isn=client_isn, server_isn=server_isn).open()
    sent = answered = 1
    for _ in range(20):
        found = talk.client_says(ACK, sent, answered, payload=bytes(1400))
        assert found.sequence == (talk.out[0] + sent) % M32
        assert found.acknowledgement == (server_isn + answered) % M32
        sent += 1400
        found = talk.server_says(ACK, answered, sent, payload=bytes(500))
        assert found.sequence == (talk.out[1] + answered) % M32
        assert found.acknowledgement == (client_isn + sent) % M32
        answered += 500


@pytest.mark.parametrize("before", [1, 2, 700, 1401])
def test_numbers_that_leave_are_counted_on_past_their_end(before: int):
    talk = Talk(Passage(words=OneWord(Word(M32 - before, M32 - before, 0, 0)))).open()
    for at in range(1, 5000, 1400):
        found = talk.client_says(ACK, at, 1, payload=bytes(1400))
        assert found.sequence == (at - before) % M32
        options = sack(talk.out[0] + at + 100, talk.out[0] + at + 1400)
        answer = talk.server_says(ACK, 1, at + 50, options=options)
        assert answer.acknowledgement == talk.client_isn + at + 50
        assert answer.options == sack(talk.client_isn + at + 100, talk.client_isn + at + 1400)


def test_a_low_port_stays():
    talk = Talk(Passage(), client=1023)
    assert talk.syn().source == 1023
    assert talk.syn_ack().destination == 1023
    assert talk.client_says(ACK, 1, 1).source == 1023


def test_the_policy_says_which_ports_are_ephemeral():
    policy = POLICY.model_copy(update={"flow": POLICY.flow.model_copy(update={"ephemeral_from": 1024})})
    passage = Passage(policy)
    assert Talk(passage, client=1023).syn().source == 1023
    assert Talk(passage, client=1024).syn().source >= 0x8000


def test_what_is_altered_is_told_of_segments_that_carry_it():
    talk = Talk(Passage(), options=(SCALE_9, SCALE_4))
    rows = {"tcp_source_port", "tcp_isn", "tcp_window_scale"}

    def altered(side: Port, segment: Tcp) -> set[str]:
        mask = talk.passage.result(side, segment).altered
        return {key for key, row in INDEX.items() if mask >> row & 1}

    assert altered(C, talk.from_client(SYN, options=SCALE_9)) >= rows
    talk.syn()
    assert altered(W, talk.from_server(SYN | ACK, 0, 1, options=SCALE_4)) >= rows
    talk.syn_ack()
    assert altered(C, talk.from_client(ACK, 1, 1)) == {"tcp_window"}
    assert altered(C, talk.from_client(ACK, 1, 1, window=0)) == set()
    talk.client_says(ACK, 1, 1, payload=bytes(100))
    assert altered(W, talk.from_server(ACK, 1, 1, window=0, options=sack(talk.out[0] + 11, talk.out[0] + 20))) == {
        "tcp_sack"
    }


def test_sack_edges_are_translated():
    talk = Talk(Passage(), client_isn=M32 - 50).open()
    talk.client_says(ACK, 1, 1, payload=bytes(1000))
    out, own = talk.out[0], talk.client_isn
    found = talk.server_says(ACK, 1, 101, options=sack(out + 201, out + 301, out + 401, out + 1001))
    assert found.options == sack(own + 201, own + 301, own + 401, own + 1001)


@pytest.mark.parametrize(
    ("left", "right"),
    [(1, 1), (300, 200), (900, 1002), (1001, 1002), (1 - SEQUENCE_SPAN, 1), (1002 - SEQUENCE_SPAN, 1002)],
)
def test_sack_edges_must_enclose_what_was_sent(left: int, right: int):
    talk = Talk(Passage()).open()
    talk.client_says(ACK, 1, 1, payload=bytes(1000))
    options = sack(talk.out[0] + left, talk.out[0] + right)
    assert talk.passage.refuses(W, talk.from_server(ACK, 1, 1, options=options)) is Reason.FLOW_STATE
    good = talk.server_says(ACK, 1, 1, options=sack(talk.out[0] + 900, talk.out[0] + 1001))
    assert good.options == sack(talk.client_isn + 900, talk.client_isn + 1001)


def test_a_duplicate_may_be_told_of_below_what_is_acknowledged():
    """RFC 2883: Linux answers a retransmission so; were it dropped, a lost last ACK would hang the connection."""
    talk = Talk(Passage()).open()
    talk.client_says(ACK, 1, 1, payload=bytes(1000))
    found = talk.server_says(ACK, 1, 1001, options=sack(talk.out[0] + 1, talk.out[0] + 501))
    assert found.options == sack(talk.client_isn + 1, talk.client_isn + 501)


@pytest.mark.parametrize(("ack", "good"), [(1002, False), (1001, True), (1001 - SEQUENCE_SPAN, False)])
def test_only_what_was_sent_is_acknowledged(ack: int, good: bool):
    talk = Talk(Passage()).open()
    talk.client_says(ACK, 1, 1, payload=bytes(1000))
    segment = talk.from_server(ACK, 1, ack)
    if good:
        assert talk.passage.says(W, segment).acknowledgement == talk.client_isn + ack
    else:
        assert talk.passage.refuses(W, segment) is Reason.FLOW_STATE


@pytest.mark.parametrize("jump", [1, SEQUENCE_SPAN, -SEQUENCE_SPAN, 1 << 31])
@pytest.mark.parametrize("flags", [ACK, FIN | ACK, RST, RST | ACK])
def test_what_is_empty_begins_no_later_than_the_highest_sent(jump: int, flags: int):
    talk = Talk(Passage()).open()
    assert talk.passage.refuses(C, talk.from_client(flags, 1 + jump, 1)) is Reason.FLOW_STATE
    assert talk.client_says(flags, 1, 1).sequence == (talk.out[0] + 1) % M32


@pytest.mark.parametrize(
    ("jump", "good"), [(LEAP_SPAN - 1, True), (LEAP_SPAN, False), (1 - SEQUENCE_SPAN, True), (-SEQUENCE_SPAN, False)]
)
def test_data_may_leap_over_what_was_lost_before_it(jump: int, good: bool):
    talk = Talk(Passage()).open()
    segment = talk.from_client(ACK, 1 + jump, 1, payload=b"data")
    if good:
        assert talk.passage.says(C, segment).sequence == (talk.out[0] + 1 + jump) % M32
        talk.server_says(ACK, 1, max(1, 1 + jump + 4))
    else:
        assert talk.passage.refuses(C, segment) is Reason.FLOW_STATE


def test_a_segment_that_is_refused_changes_nothing():
    talk = Talk(Passage()).open()
    talk.passage.refuses(C, talk.from_client(FIN | ACK, 1, 2, payload=bytes(1000)))
    assert talk.passage.refuses(W, talk.from_server(ACK, 1, 2)) is Reason.FLOW_STATE


def test_a_retransmitted_syn_keeps_its_word():
    talk = Talk(Passage())
    first = talk.syn()
    assert talk.client_says(SYN) == first
    second = talk.syn_ack()
    assert talk.client_says(SYN) == first
    assert talk.server_says(SYN | ACK, 0, 1) == second
    assert talk.passage.warden.words.used == [1, 0]


def test_a_syn_with_another_isn_while_half_open_takes_another_word():
    talk = Talk(Passage())
    first = talk.syn()
    talk.client_isn += 5
    second = talk.syn()
    assert (second.sequence, second.source) != (first.sequence, first.source)
    assert second.sequence == word_of(C, 1).isn_initiator
    talk.syn_ack()
    assert talk.client_says(ACK, 1, 1).acknowledgement == talk.server_isn + 1
    assert talk.passage.warden.flows == 1


def test_a_syn_with_another_isn_on_an_established_connection_is_refused():
    talk = Talk(Passage()).open()
    assert talk.passage.refuses(C, talk.from_client(SYN, 5)) is Reason.FLOW_STATE
    talk.client_says(ACK, 1, 1, payload=b"data")
    assert talk.passage.refuses(C, talk.from_client(SYN)) is Reason.FLOW_STATE
    assert talk.passage.refuses(W, talk.from_server(SYN, 5)) is Reason.FLOW_STATE
    assert talk.passage.refuses(W, talk.from_server(SYN | ACK, 5, 1)) is Reason.FLOW_STATE
    assert talk.passage.warden.words.used == [1, 0]


def test_a_port_is_used_again_once_its_connection_is_closed():
    talk = Talk(Passage()).open()
    talk.client_says(RST | ACK, 1, 1)
    talk.client_isn += 1 << 20
    assert talk.syn().sequence == word_of(C, 1).isn_initiator
    talk.syn_ack()
    talk.client_says(ACK, 1, 1)


@pytest.mark.parametrize("version", [4, 6])
def test_simultaneous_open(version: int):
    passage, word = Passage(), word_of(C, 0)

    def tcp(flags: int, sequence: int, acknowledgement: int = 0) -> Tcp:
        return Tcp(flags, source=5000, destination=5000, sequence=sequence, acknowledgement=acknowledgement)

    first = passage.says(C, tcp(SYN, 100), version)
    second = passage.says(W, tcp(SYN, 900), version)
    assert (first.sequence, second.sequence) == (word.isn_initiator, word.isn_responder)
    third = passage.says(C, tcp(SYN | ACK, 100, second.sequence + 1), version)
    fourth = passage.says(W, tcp(SYN | ACK, 900, first.sequence + 1), version)
    assert (third.sequence, third.acknowledgement) == (first.sequence, 901)
    assert (fourth.sequence, fourth.acknowledgement) == (second.sequence, 101)
    assert passage.warden.words.used == [1, 0]


def test_simultaneous_close():
    talk = Talk(Passage()).open()
    talk.client_says(FIN | ACK, 1, 1)
    talk.server_says(FIN | ACK, 1, 1)
    assert talk.client_says(ACK, 2, 2).acknowledgement == talk.server_isn + 2
    assert talk.server_says(ACK, 2, 2).acknowledgement == talk.client_isn + 2
    talk.client_isn += 7777
    assert talk.syn().sequence == word_of(C, 1).isn_initiator, "not closed"


def test_half_a_close_is_none():
    talk = Talk(Passage()).open()
    talk.client_says(FIN | ACK, 1, 1)
    talk.server_says(ACK, 1, 2, payload=b"still here")
    talk.client_says(ACK, 2, 11)
    talk.server_says(FIN | ACK, 11, 2)
    assert talk.passage.refuses(C, talk.from_client(SYN, 1 << 20)) is Reason.FLOW_STATE
    talk.client_says(ACK, 2, 12)
    talk.passage.says(C, talk.from_client(SYN, 1 << 20))


def test_a_refused_connection_says_nothing_of_who_refuses():
    talk = Talk(Passage())
    talk.syn()
    found = talk.server_says(RST | ACK, 0, 1)
    assert (found.sequence, found.acknowledgement, found.flags) == (0, talk.client_isn + 1, RST | ACK)
    talk.client_isn += 1
    assert talk.syn().sequence == word_of(C, 1).isn_initiator


@pytest.mark.parametrize("flags", [ACK, FIN | ACK, RST])
def test_a_responder_begins_with_a_syn(flags: int):
    talk = Talk(Passage())
    talk.syn()
    assert talk.passage.refuses(W, talk.from_server(flags, 0, 1)) is Reason.FLOW_STATE


@pytest.mark.parametrize("flags", [ACK, SYN | ACK, FIN | ACK, RST | ACK])
def test_nothing_is_acknowledged_before_it_was_heard(flags: int):
    talk = Talk(Passage())
    talk.syn()
    at = 0 if flags & SYN else 1
    assert talk.passage.refuses(C, talk.from_client(flags, at, 0)) is Reason.FLOW_STATE


def test_a_reset_before_the_answer_passes():
    talk = Talk(Passage())
    talk.syn()
    assert talk.client_says(RST, 1).sequence == talk.out[0] + 1


@pytest.mark.parametrize("flags", [ACK, SYN | ACK, FIN | ACK, RST, RST | ACK])
@pytest.mark.parametrize("side", Port)
def test_segments_without_a_flow_are_dropped(side: Port, flags: int):
    passage = Passage()
    for source, destination in ((50000, 80), (80, 0x8123), (80, 80)):
        segment = Tcp(flags, source=source, destination=destination)
        assert passage.refuses(side, segment) is Reason.FLOW_UNKNOWN
    assert passage.warden.words.used == [0, 0]


def test_flows_of_other_stations_ports_and_protocols_are_others():
    talk = Talk(Passage()).open()
    passage, segment = talk.passage, talk.from_server(ACK, 1, 1)
    other = bytes((192, 0, 2, 3))
    assert passage.result(W, segment, source=other).reason is Reason.FLOW_UNKNOWN
    assert passage.result(W, segment, 6).reason is Reason.FLOW_UNKNOWN
    for source, destination in ((81, talk.seen_port), (80, talk.seen_port ^ 0x800), (80, talk.client)):
        segment = Tcp(ACK, source=source, destination=destination)
        assert passage.refuses(W, segment) is Reason.FLOW_UNKNOWN
    assert passage.refuses(C, Tcp(ACK, source=talk.seen_port, destination=80)) is Reason.FLOW_UNKNOWN
    talk.server_says(ACK, 1, 1)


@pytest.mark.parametrize(
    ("own", "window", "seen"),
    [(9, 512, 2048), (4, 512, 64), (4, 4, 1), (9, 1 << 15, 1 << 15), (7, 1024, 1024), (9, 0, 0)],
)
def test_windows_are_told_in_the_scale_that_left(own: int, window: int, seen: int):
    scale = bytes((1, 3, 3, own))
    talk = Talk(Passage(), options=(scale, SCALE_4))
    assert talk.syn().options == b"\x01\x03\x03\x07"
    assert talk.syn_ack().options == b"\x01\x03\x03\x07"
    assert talk.client_says(ACK, 1, 1, window=window).window == seen
    assert talk.server_says(ACK, 1, 1, window=512).window == 64


def test_windows_of_syns_are_never_scaled():
    talk = Talk(Passage(), options=(SCALE_9, SCALE_4))
    talk.syn()
    talk.syn_ack()
    assert talk.client_says(SYN, window=1 << 12, options=SCALE_9).window == 1 << 12
    assert talk.server_says(SYN | ACK, 0, 1, window=1 << 12, options=SCALE_4).window == 1 << 12


@pytest.mark.parametrize("options", [(SCALE_9, NO_SCALE), (NO_SCALE, NO_SCALE)])
def test_windows_are_not_scaled_where_one_end_does_not_offer_it(options: tuple[bytes, bytes]):
    talk = Talk(Passage(), options=options).open()
    assert talk.client_says(ACK, 1, 1, window=512).window == 512
    assert talk.server_says(ACK, 1, 1, window=512).window == 512


def test_a_scale_that_was_not_offered_is_not_answered():
    talk = Talk(Passage(), options=(NO_SCALE, SCALE_4))
    talk.syn()
    assert talk.passage.refuses(W, talk.from_server(SYN | ACK, 0, 1, options=SCALE_4)) is Reason.FLOW_STATE
    assert talk.server_says(SYN | ACK, 0, 1).flags == SYN | ACK


def test_the_policy_says_the_scale_that_leaves():
    policy = Policy.model_validate(POLICY.model_dump() | {"flow": {"window_scale": 2}})
    talk = Talk(Passage(policy), options=(SCALE_9, SCALE_4)).open()
    assert talk.client_says(SYN, options=SCALE_9).options == b"\x01\x03\x03\x02"
    assert talk.client_says(ACK, 1, 1, window=64).window == 64 << 7
