# SPDX-License-Identifier: Apache-2.0
"""A capture through a device: what is sent, what is written, and every number of the report."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from custodes.capture import Capture, CaptureWriter, Format
from custodes.device import TICK_UNIT_NS, Warden
from custodes.errors import CaptureError
from custodes.flow_table import UNUSED_TICKS
from custodes.link import Outcome
from custodes.model.entropy import fields, word
from custodes.passage import BATCH_FRAMES
from custodes.report import Report
from custodes.scrub import scrub_capture
from custodes.seed_registers import WORDS_USED
from custodes.seeds import KNOWN_SEED
from custodes.table import PASSED, SCRUBBED, Port, Reason
from tests.frames import Frame, Ip4, Udp, neighbour_advertisement
from tests.host.fake import ADMISSION, HAND, PING, POLICY, START_NS, WORLD, FakeLink, read_capture, run, write_capture


def test_writes_what_leaves_with_the_times_of_the_input(tmp_path: Path) -> None:
    report = run(tmp_path, HAND)
    written = read_capture(tmp_path / "out.pcap")
    assert [time for time, _ in written] == [START_NS + i * 1001 for i in (0, 1, 3, 4, 5)]
    left = written[0][1]
    assert left[:24] + left[26:36] == PING[:18] + bytes(2) + PING[20:24] + PING[26:36]
    assert int.from_bytes(left[40:42]) == fields(word(KNOWN_SEED, Port.CLUSTER, 0)).echo_sequence
    assert (report.frames_in, report.frames_out, report.frames_dropped, report.frames_altered) == (7, 5, 2, 5)
    assert report.bytes_in == sum(map(len, HAND))
    assert report.bytes_out == sum(len(frame) for _, frame in written)


def test_sends_each_frame_in_at_its_port_in_order(tmp_path: Path) -> None:
    link = FakeLink(flows=0)
    run(tmp_path, HAND, link)
    assert [(frame.port, frame.frame) for frame in link.sent] == [
        (Port.WORLD if frame[6:12] == WORLD else Port.CLUSTER, frame) for frame in HAND
    ]


def test_a_station_answers_what_it_has_heard_of_a_warden_with_flows(tmp_path: Path) -> None:
    link = FakeLink()
    run(tmp_path, HAND, link)
    ping, answer = link.sent[0].frame, link.sent[1].frame
    asked = read_capture(tmp_path / "out.pcap")[0][1]
    assert ping == PING
    assert [frame.frame for frame in link.sent[2:]] == HAND[2:]
    assert answer[38:42] == asked[38:42] != PING[38:42]
    assert answer[:36] + answer[42:] == HAND[1][:36] + HAND[1][42:]


def test_the_same_capture_and_seed_give_the_same_output(tmp_path: Path) -> None:
    seeds = (KNOWN_SEED, KNOWN_SEED, bytes(range(32)))
    first, again, other = (run(tmp_path, HAND, seed=seed) and read_capture(tmp_path / "out.pcap") for seed in seeds)
    assert first == again != other


def test_flows_grow_old_by_the_times_of_the_capture(tmp_path: Path) -> None:
    """After two ticks there is one more use of the flow, after three more it is gone."""
    tick_ns = POLICY.flow.tick * TICK_UNIT_NS
    datagram = Frame(Ip4(Udp(b"there", source=40000))).pack()
    source = tmp_path / "in.pcap"
    with source.open("wb") as file:
        writer = CaptureWriter(file, Format.PCAP)
        for ticks in (0, 2, 4, 7, 6, 1000):
            writer.write(START_NS + ticks * tick_ns, datagram)
    link, report = FakeLink(), Report("in", "out", "fake", 1, True, ADMISSION)
    scrub_capture(Capture(source), tmp_path / "out.pcap", ADMISSION, Warden(link), report)
    assert report.agrees and report.frames_out == 6
    assert [link.read(WORDS_USED + port) for port in Port] == [3, 0]
    assert link.ticks == 2 + 2 + 3 + UNUSED_TICKS


def test_counts_drops_by_reason(tmp_path: Path) -> None:
    assert run(tmp_path, HAND).drops == {Reason.UDP_PORT: 1, Reason.OVERSIZE: 1}


def test_counts_the_bits_of_every_field_that_frames_carry(tmp_path: Path) -> None:
    report = run(tmp_path, HAND)
    found = {entry.row.key: (entry.frames, entry.altered, entry.before, entry.after) for entry in report.erased}
    assert found["ipv4_id"] == (3, 1, 48, 0)
    assert found["ipv4_ttl"] == (3, 1, 24, 0)
    assert found["ipv6_flow_label"] == (1, 1, 20, 0)
    assert found["icmp_code"] == (2, 0, 16, 0)
    assert found["arp_target_ha"] == (1, 1, 48, 0)
    assert found["tcp_window"] == (2, 1, 32, pytest.approx(8.18))
    assert found["tcp_mss"] == (2, 1, 32, 32)
    assert found["tcp_isn"] == (2, 2, 64, 0)
    assert found["tcp_source_port"] == (2, 2, 32, 0)
    assert found["icmp_id_seq"] == (2, 2, 64, 8)
    assert found["vlan_priority"] == (0, 0, 0, 0)
    assert found["tcp_payload"] == (2, 1, 8 * len("hidden"), 0)
    assert found["tcp_timestamps"] == (2, 2, 8 * 20, 0)
    assert found["tcp_layout"] == (2, 2, 8 * 4, 0)
    assert list(found) == [row.key for row in SCRUBBED]
    assert report.bits_before == sum(before for _, _, before, _ in found.values())
    assert report.bits_after == pytest.approx(8.18 + 32 + 8 + 2 * 2)


def test_states_the_fields_that_pass(tmp_path: Path) -> None:
    report = run(tmp_path, [*HAND, neighbour_advertisement().pack()])
    found = {entry.row.key: (entry.frames, entry.before, entry.after) for entry in report.passed}
    assert found["nd_flags"] == (1, 3, 3)
    assert list(found) == [row.key for row in PASSED]


def test_without_a_flow_table_the_fields_that_need_one_pass(tmp_path: Path) -> None:
    report = run(tmp_path, HAND, FakeLink(flows=0))
    assert report.agrees and report.frames_out == 5
    found = {entry.row.key: (entry.frames, entry.before, entry.after) for entry in report.passed}
    assert found["tcp_isn"] == (2, 64, 64)
    assert found["icmp_id_seq"] == (2, 64, 64)
    assert list(found) == [row.key for row in (*SCRUBBED, *PASSED) if row.stateful or row in PASSED]
    assert not found.keys() & {entry.row.key for entry in report.erased}


def test_never_sends_frames_that_were_not_captured_whole(tmp_path: Path) -> None:
    source = tmp_path / "in.pcap"
    write_capture(source, [PING])
    with source.open("ab") as file:
        file.write(struct.pack("<IIII", 1, 0, 60, 1500) + PING + struct.pack("<IIII", 2, 0, 0, 0))
    link, report = FakeLink(), Report("in", "out", "fake", 1, True, ADMISSION)
    scrub_capture(Capture(source), tmp_path / "out.pcap", ADMISSION, Warden(link), report)
    assert [frame.frame for frame in link.sent] == [PING]
    assert (report.frames_in, report.not_whole, report.frames_dropped) == (3, 2, 2)
    assert report.drop_titles == [("not captured whole", 2)]


def test_sends_batches_and_says_how_far_it_is(tmp_path: Path) -> None:
    source = write_capture(tmp_path / "in.pcap", [PING] * (2 * BATCH_FRAMES + 1))
    seen: list[int] = []
    report = Report("in", "out", "fake", 1, True, ADMISSION)
    scrub_capture(Capture(source), tmp_path / "out.pcap", ADMISSION, Warden(FakeLink()), report, seen.append)
    assert len(seen) == 3 and seen == sorted(seen) and seen[-1] == source.stat().st_size
    assert report.frames_out == 2 * BATCH_FRAMES + 1


@pytest.mark.parametrize(
    ("name", "format"), [("o.pcap", Format.PCAP), ("o.pcapng", Format.PCAPNG), ("o.out", Format.PCAP)]
)
def test_writes_the_format_that_the_name_asks_for(tmp_path: Path, name: str, format: Format) -> None:
    run(tmp_path, HAND, output=name)
    assert Capture(tmp_path / name).format is format


def test_says_that_all_agree(tmp_path: Path) -> None:
    report = run(tmp_path, HAND)
    assert report.agrees
    assert report.verdict == "0 mismatches against the specification"


def test_says_that_nothing_was_checked(tmp_path: Path) -> None:
    assert run(tmp_path, HAND, check=False).verdict == "not checked against the specification"


def spoil_frame(outcome: Outcome) -> Outcome:
    if outcome.frame is None:
        return outcome
    return outcome._replace(frame=outcome.frame[:20] + b"!" + outcome.frame[21:])


def launder(outcome: Outcome) -> Outcome:
    return Outcome(PING, Reason.FORWARDED, 0) if outcome.reason is Reason.UDP_PORT else outcome


def hide_alteration(outcome: Outcome) -> Outcome:
    return outcome._replace(altered=outcome.altered & ~(1 << 6))


def lengthen(outcome: Outcome) -> Outcome:
    return outcome if outcome.frame is None else outcome._replace(frame=outcome.frame + b"\0")


@pytest.mark.parametrize(
    ("spoil", "count", "first"),
    [
        (spoil_frame, 4, "frame 1 from cluster: differs from byte 20 on: 21 00 40 01"),
        (launder, 1, "frame 3 from cluster: device says FORWARDED, specification UDP_PORT"),
        (hide_alteration, 1, "frame 1 from cluster: altered fields differ in ipv4_id"),
        (lengthen, 5, "frame 1 from cluster: differs from byte 60 on: 00, not the end (61 bytes, not 60)"),
    ],
)
def test_shows_where_a_device_differs_and_writes_nothing(
    tmp_path: Path, spoil: Callable[[Outcome], Outcome], count: int, first: str
) -> None:
    report = run(tmp_path, HAND, FakeLink(spoil=spoil))
    assert not report.agrees
    assert report.verdict == f"{count} mismatch{'es' if count > 1 else ''} against the specification"
    assert report.shown[0].describe().startswith(first)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.pcap"]


@pytest.mark.parametrize("check", [True, False])
def test_finds_counters_that_contradict_the_outcomes(tmp_path: Path, check: bool) -> None:
    class Miscounting(FakeLink):
        def _one(self, frame):
            outcome = super()._one(frame)
            self._counters[0x100 + outcome.reason] += 1
            return outcome

    report = run(tmp_path, [PING], Miscounting(), check)
    assert report.counters == ["counter 'cluster FORWARDED' rose by 2, not 1"]
    assert not report.agrees and not (tmp_path / "out.pcap").exists()


def test_refuses_to_write_over_its_input(tmp_path: Path) -> None:
    (tmp_path / "link.pcap").symlink_to(tmp_path / "in.pcap")
    for name in ("in.pcap", "link.pcap"):
        with pytest.raises(CaptureError, match="is the input"):
            run(tmp_path, HAND, output=name)
    assert len(read_capture(tmp_path / "in.pcap")) == len(HAND)


def test_a_capture_without_frames_gives_one_without_frames(tmp_path: Path) -> None:
    report = run(tmp_path, [])
    assert read_capture(tmp_path / "out.pcap") == []
    assert (report.frames_in, report.frames_per_s, report.agrees) == (0, 0, True)
