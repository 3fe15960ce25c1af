# SPDX-License-Identifier: Apache-2.0
"""Ways in which wardens of others leaked that have to do with flows; the others are with the tests of the scrubber."""

from custodes.flow_table import FLOWS
from custodes.link import Ingress, Outcome
from custodes.model.entropy import fields, word
from custodes.registers import FLOW_ALARM, FLOW_TICKS, FLOWS_IN_USE, FLOWS_REGISTER
from custodes.seed_registers import WORDS_USED
from custodes.table import Port, Reason
from tests.compare import SEED, WholePair
from tests.frames import Frame, Icmp, Ip4, Tcp, Udp, icmp_error

SYN, SYN_ACK, ACK, RST = 0x02, 0x12, 0x10, 0x04


def passes(pair: WholePair, *frames: Frame, port: Port = Port.CLUSTER) -> list[Outcome]:
    ingress = [Ingress(port, frame.pack()) for frame in frames]
    outcomes = pair.exchange(ingress)
    assert outcomes == [pair.expected(frame) for frame in ingress]
    return outcomes


def segment(outcome: Outcome) -> bytes:
    assert outcome.frame is not None
    return outcome.frame[34:]


def test_trap_01_initial_sequence_number_is_overwritten_and_not_masked(pair: WholePair):
    sent = [0, 1, 0xDEADBEEF]
    opened = passes(pair, *(Frame(Ip4(Tcp(SYN, source=50000 + k, sequence=isn))) for k, isn in enumerate(sent)))
    left = [int.from_bytes(segment(outcome)[4:8]) for outcome in opened]
    assert left == [fields(word(SEED, Port.CLUSTER, index)).isn_initiator for index in range(len(sent))]


def test_trap_02_a_dropped_syn_has_used_its_word(pair: WholePair):
    half = FLOWS // 2
    crowd = [Frame(Ip4(Udp(b"", 1024 + k % 30000, 7 + k // 30000))) for k in range(half)]
    outcomes = passes(pair, *crowd)
    full = [outcome for outcome in outcomes if outcome.reason is Reason.FLOW_FULL]
    assert full
    assert pair.link.read(WORDS_USED + Port.CLUSTER) == half
    assert pair.link.read(FLOW_ALARM) & 1
    pair.link.write(FLOW_ALARM, 1)
    assert not pair.link.read(FLOW_ALARM) & 1
    assert pair.link.read(FLOWS_IN_USE) == half - len(full)


def test_trap_10_what_belongs_to_no_flow_is_dropped(pair: WholePair):
    strangers = [
        Frame(Ip4(Tcp(RST))),
        Frame(Ip4(Tcp(ACK, payload=b"covert"))),
        Frame(Ip4(Tcp(SYN_ACK))),
        Frame(Ip4(Icmp(0, 0, b"idsqpayload"))),
        icmp_error(Ip4(Tcp(ACK), Port.WORLD)),
    ]
    assert {outcome.reason for outcome in passes(pair, *strangers)} == {Reason.FLOW_UNKNOWN}
    assert pair.link.read(FLOWS_IN_USE) == 0


def test_flows_grow_old_by_ticks_which_are_counted(pair: WholePair):
    datagram, reply = Ip4(Udp(b"there")), Udp(b"back", 53, 0)
    (opened,) = passes(pair, Frame(datagram))
    reply.destination = int.from_bytes(segment(opened)[:2])
    before = pair.link.read(FLOW_TICKS)
    for _ in range(2):
        pair.tick()
    (answered,) = passes(pair, Frame(Ip4(reply, Port.WORLD)), port=Port.WORLD)
    for _ in range(3):
        pair.tick()
    used = [pair.link.read(WORDS_USED + port) for port in Port]
    (late,) = passes(pair, Frame(Ip4(reply, Port.WORLD)), port=Port.WORLD)
    assert (answered.reason, late.reason) == (Reason.FORWARDED, Reason.FORWARDED)
    assert (used, pair.link.read(WORDS_USED + Port.WORLD)) == ([1, 0], 1), "what comes late begins a flow of its own"
    assert pair.link.read(FLOW_TICKS) - before == 5
    assert pair.link.read(FLOWS_REGISTER) == FLOWS


def test_reset_forgets_flows_and_words(pair: WholePair):
    passes(pair, Frame(Ip4(Udp(b"there"))))
    pair.reset()
    assert pair.link.read(FLOWS_IN_USE) == 0
    (again,) = passes(pair, Frame(Ip4(Udp(b"there"))))
    assert again.reason is Reason.FORWARDED
    pair.give_words(SEED, 0)
    (nothing,) = passes(pair, Frame(Ip4(Udp(b"there"))))
    assert nothing.reason is Reason.ENTROPY_EMPTY
    assert pair.link.read(FLOW_ALARM) >> 1 & 1
