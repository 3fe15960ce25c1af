# SPDX-License-Identifier: Apache-2.0
"""Ways in which scrubbers of others leaked, and how they are shut. The first two, initial sequence numbers that are masked
and entropy that is ground, are those of the whole warden: `tests.gateware.warden`."""

from random import Random

from custodes.link import Ingress, Outcome
from custodes.table import RESIDUAL_NOTE, Port, Reason
from tests.compare import Pair
from tests.frames import Frame, Icmp, Ip4, Ip6, Tcp, Udp, icmp_error, neighbour_solicitation
from tests.traffic import KINDS, make

SYN, SYN_ACK, ACK, RST = 0x02, 0x12, 0x10, 0x04
TIMESTAMP = b"\x01\x01\x08\x0a"


def scrub(pair: Pair, *frames: Frame) -> list[Outcome]:
    ingress = [Ingress(Port.CLUSTER, frame.pack()) for frame in frames]
    outcomes = pair.link.exchange(ingress)
    assert outcomes == [pair.expected(frame) for frame in ingress]
    return outcomes


def tcp(**fields: int | bytes) -> Frame:
    return Frame(Ip4(Tcp(**fields)))  # pyright: ignore[reportArgumentType]


def body(outcome: Outcome) -> bytes:
    assert outcome.frame is not None
    return outcome.frame[34:]


def test_trap_03_timestamps_are_stripped_and_leave_no_difference(pair: Pair):
    values = [bytes(8), b"\xff" * 8, Random(3).randbytes(8)]
    syn = scrub(pair, *(tcp(flags=SYN, options=TIMESTAMP + value) for value in values))
    data = scrub(pair, *(tcp(payload=b"data", options=TIMESTAMP + value) for value in values))
    for outcomes in (syn, data):
        assert len(set(outcomes)) == 1
        assert body(outcomes[0])[12] >> 4 == 5


def test_trap_04_duplicate_and_malformed_options_are_dropped(pair: Pair):
    mss = b"\x02\x04\x05\xb4"
    regions = [
        mss + mss,
        b"\x04\x02\x04\x02",
        b"\x02\x03\x05\x01",
        b"\x02\x00\x00\x00",
        b"\x01\x01\x01\x02",
        b"\xfd\x28\0\0",
    ]
    outcomes = scrub(pair, *(tcp(flags=SYN, options=region) for region in regions))
    assert {outcome.reason for outcome in outcomes} == {Reason.TCP_OPTION}


def test_trap_05_options_are_rebuilt_and_the_offset_is_recomputed(pair: Pair):
    mss, unknown = b"\x02\x04\x05\xa0", b"\xfd\x04ab"
    (bare,) = scrub(pair, tcp(flags=SYN, options=mss))
    outcomes = scrub(
        pair,
        tcp(flags=SYN, options=unknown + mss),
        tcp(flags=SYN, options=mss + unknown),
        tcp(flags=SYN, options=b"\x01" * 8 + mss),
        tcp(flags=SYN, options=mss + b"\0covert\0"),
    )
    assert {outcome.frame for outcome in outcomes} == {bare.frame}
    assert body(bare)[12] >> 4 == 6


def test_trap_06_identification_is_zero_only_with_df_and_neighbour_discovery_keeps_its_hop_limit(pair: Pair):
    (outcome,) = scrub(pair, Frame(Ip4(Udp(b"x"), identification=0xC0DE, fragment=0)))
    assert outcome.frame is not None
    assert outcome.frame[18:22] == bytes.fromhex("00004000")
    near, far = neighbour_solicitation(), neighbour_solicitation()
    assert isinstance(far.packet, Ip6)
    far.packet.hop_limit = 254
    solicited, routed = scrub(pair, near, far)
    assert solicited.frame is not None
    assert solicited.frame[21] == 255
    assert routed.reason == Reason.ND_FIELDS


def test_trap_07_frames_leave_in_the_order_in_which_they_came(pair: Pair):
    sizes = [1400, 1, 700, 0, 1200, 3]
    outcomes = scrub(pair, *(Frame(Ip4(Udp(bytes((n,)) * size))) for n, size in enumerate(sizes)))
    assert [len(body(outcome)) >= 8 + size for outcome, size in zip(outcomes, sizes, strict=True)] == [True] * 6
    assert "order" in RESIDUAL_NOTE, "no batch is sorted yet, and the report says so"


def test_trap_08_the_scrubber_makes_no_frames_of_its_own(pair: Pair):
    frames = [make(kind, seed) for seed in range(40) for kind in sorted(KINDS)]
    outcomes = pair.link.exchange(frames)
    pair.link.step(5000)
    assert len(outcomes) == len(frames)
    assert pair.link.run(1) == 0
    for port in Port:
        assert not pair.link.has_outcome(port)


def test_trap_09_a_bad_checksum_is_a_drop_and_never_made_good(pair: Pair):
    good = [
        Frame(Ip4(Tcp(payload=b"payload"))),
        Frame(Ip4(Udp(b"payload"))),
        Frame(Ip6(Udp(b"payload"))),
        Frame(Ip4(Icmp(8, 0, b"idsqpayload"))),
        neighbour_solicitation(),
    ]
    for frame in good:
        whole = frame.pack()
        end = 14 + len(frame.packet.pack())
        bad = [
            Ingress(Port.CLUSTER, whole[: end - 1 - at] + bytes((whole[end - 1 - at] ^ 1,)) + whole[end - at :])
            for at in range(4)
        ]
        outcomes = pair.link.exchange(bad)
        assert all(outcome.frame is None for outcome in outcomes)
        assert outcomes == [pair.expected(frame) for frame in bad]
    unchecked, header = scrub(pair, Frame(Ip4(Udp(b"payload", checksum=0))), Frame(Ip4(Udp(b"payload"))))
    assert unchecked.reason == Reason.TRANSPORT_CHECKSUM
    assert header.reason == Reason.FORWARDED
    spoilt = bytearray(good[0].pack())
    spoilt[24] ^= 1
    (outcome,) = pair.link.exchange([Ingress(Port.CLUSTER, bytes(spoilt))])
    assert outcome.reason == Reason.IP_CHECKSUM


def test_trap_10_resets_and_icmp_errors_fail_closed(pair: Pair):
    own, theirs = Ip4(Tcp(payload=b"covert")), Ip4(Udp(b"covert"), Port.WORLD)
    (forged,) = scrub(pair, Frame(Ip4(Icmp(3, 3, bytes(4) + own.pack()[:28]))))
    assert forged.reason == Reason.ICMP_QUOTE, "the receiver has not sent what is quoted"
    (error,) = scrub(pair, icmp_error(theirs, 3, 3, b"code", more=6))
    assert body(error)[:2] + body(error)[4:] == bytes.fromhex("0303") + bytes(4) + theirs.pack()[:26] + bytes(2)
    (reset,) = scrub(pair, tcp(flags=RST, window=0x1234, acknowledgement=0xC0FFEE, payload=b"covert"))
    clean = body(reset)
    assert clean[8:12] == bytes(4)
    assert clean[14:16] == bytes(2)
    assert reset.frame is not None
    assert int.from_bytes(reset.frame[16:18]) == 40
