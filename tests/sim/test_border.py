# SPDX-License-Identifier: Apache-2.0
"""The whole border: verdicts of the specification with the words of the coin, egress on the grid of the schedule, and
records of exactly what left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from custodes.border import Border
from custodes.coin_registers import Party
from custodes.errors import DeviceError
from custodes.fingerprint import MIN_BEAT_CYCLES, Record, digest_cycles
from custodes.link import Ingress, open_link
from custodes.model import Warden
from custodes.model.entropy import Words, commitment, fields, retimer_key, seed, word
from custodes.model.retimer import sort_key
from custodes.recognition import recognised
from custodes.records import Verdict, check_records
from custodes.retimer import DUMMY_ETHERTYPE, Event, Policy, Schedule
from custodes.simborder import Departure, SimBorder
from custodes.table import MIN_FRAME_BYTES, Port, Reason
from tests.frames import POLICY, Arp, Frame, Ip4, Udp
from tests.host.fake import write_capture
from tests.host.test_provision_commands import custodes

LANES = (1, 8)
EPOCH = 7
SHARES = {party: bytes([party + 1]) * 32 for party in Party}
SEED = seed(EPOCH, *SHARES.values())
SALT = bytes(32)
LIMIT = 1000
SLOT = Schedule(slot_cycles=1650)
"""The default but for its slots, in which a longest frame can be digested with the shortest beats, too."""
BATCHES = Schedule(Policy.BATCH, window_cycles=60_000)
LONG_BEAT_CYCLES = 110_000
"""With the default schedule."""


class Run:
    """A simulated border with a policy, and the specification beside it.

    Members:
        left: what has left at each port.
        sent: how many frames have entered at each.
    """

    def __init__(self, lanes: int) -> None:
        self.link = SimBorder(lanes)
        self.border = Border(self.link)
        self.begin()

    def begin(self) -> None:
        """After a reset."""
        self.border.load(POLICY)
        self.border.retime(SLOT)
        self.border.beat_cycles = MIN_BEAT_CYCLES
        self.specification = Warden(POLICY)
        self.left: dict[Port, list[Departure]] = {port: [] for port in Port}
        self.sent = dict.fromkeys(Port, 0)
        self.records: list[Record] = []

    def flip(self, epoch: int = EPOCH) -> None:
        """Have words drawn."""
        coin = self.border.coin
        coin.begin(epoch, LIMIT)
        for party in Party:
            coin.commit(party, commitment(party, epoch, SHARES[party], SALT))
        for party in Party:
            coin.reveal(party, SHARES[party], SALT)
        assert coin.drawn()
        self.specification.words = Words(seed(epoch, *SHARES.values()), LIMIT)

    def send(self, port: Port, frames: Sequence[bytes]) -> list[bytes]:
        """Send frames; returns what the specification says has to leave, after the verdicts were found to be the same."""
        for frame in frames:
            self.link.send(Ingress(port, frame))
        self.sent[port] += len(frames)
        self.link.settle()
        wanted = [self.specification.pass_frame(frame, port) for frame in frames]
        got = self.link.verdicts(port)
        assert [(one.reason, one.altered) for one in got] == [(one.reason, one.altered) for one in wanted]
        return [one.frame for one in wanted if one.frame is not None]

    def collect(self) -> None:
        """Take the records there are, and what has left, of which there may be more."""
        self.records += self.border.records()
        for port in Port:
            self.left[port] += self.link.left(port)

    def drain(self) -> None:
        """Run until nothing waits for its slot, and a slot more."""
        while self.border.waiting:
            self.link.step(self.border.schedule.period)
        self.link.step(2 * self.border.schedule.period)
        self.collect()

    def until_batch(self) -> None:
        """Run until a batch of one frame has begun to leave: what is sent now leaves in the next one."""
        self.send(Port.CLUSTER, arp(Port.CLUSTER, 1))
        self.collect()
        self.left[Port.WORLD].clear()
        while all(dummy(frame) for _, frame in self.left[Port.WORLD]):
            self.link.step(1000)
            self.collect()
        self.left[Port.WORLD].clear()

    def beats(self, count: int) -> None:
        """Run for so many beats."""
        for _ in range(count):
            self.link.step(MIN_BEAT_CYCLES)
            self.collect()


@pytest.fixture(scope="module", params=LANES, ids=[f"lanes{lanes}" for lanes in LANES])
def shared(request: pytest.FixtureRequest) -> Iterator[Run]:
    run = Run(request.param)
    yield run
    run.link.close()


@pytest.fixture
def run(shared: Run) -> Run:
    """A border that has been reset."""
    shared.link.reset()
    shared.begin()
    return shared


def arp(port: Port, count: int) -> list[bytes]:
    return [Frame(Arp(port)).pack() for _ in range(count)]


def datagrams(port: Port, sizes: Sequence[int]) -> list[bytes]:
    return [Frame(Ip4(Udp(bytes(size), source=40000 + at), port)).pack() for at, size in enumerate(sizes)]


def dummy(frame: bytes) -> bool:
    return frame[12:14] == DUMMY_ETHERTYPE.to_bytes(2)


def test_says_who_it_is(run: Run):
    assert isinstance(recognised(run.link), Border)
    with open_link("sim:border", run.link.lanes) as link:
        assert isinstance(link, SimBorder)
    with pytest.raises(DeviceError, match="no such device"):
        open_link("sim:border", 64)


def test_what_leaves_for_the_world_is_padded_and_on_the_grid_with_dummies_between(run: Run):
    period = run.border.schedule.period
    run.link.step(period)  # What has begun by the default schedule has left.
    run.collect()
    run.left[Port.WORLD].clear()
    wanted = run.send(Port.CLUSTER, arp(Port.CLUSTER, 5))
    assert len(wanted) == 5
    run.drain()
    left = run.left[Port.WORLD]
    assert all(len(frame) == run.border.schedule.slot_bytes for _, frame in left)
    assert {later.cycle - earlier.cycle for earlier, later in pairwise(left)} == {period}
    assert [frame for _, frame in left if not dummy(frame)] == [frame.ljust(1518, b"\0") for frame in wanted]
    assert sum(dummy(frame) for _, frame in left) > 0


def test_flows_begin_with_words_of_the_coin_and_answers_come_back(run: Run):
    run.border.retime(Schedule(Policy.SLOT, slot_cycles=1650))
    (asked,) = datagrams(Port.CLUSTER, [10])
    assert run.send(Port.CLUSTER, [asked]) == []
    assert run.specification.pass_frame(asked, Port.CLUSTER).reason is Reason.ENTROPY_EMPTY
    run.flip()
    run.collect()
    run.left = {port: [] for port in Port}
    (wanted,) = run.send(Port.CLUSTER, [asked])
    run.drain()
    ((_, left),) = run.left[Port.WORLD]
    assert left == wanted.ljust(1518, b"\0")
    port = int.from_bytes(left[34:36])
    assert port == 0x8000 | fields(word(SEED, Port.CLUSTER, 0)).port
    answer = Frame(Ip4(Udp(b"back", 53, port), Port.WORLD)).pack()
    assert len(run.send(Port.WORLD, [answer])) == 1
    run.collect()
    assert [frame[36:38] for _, frame in run.left[Port.CLUSTER]] == [asked[34:36]]
    assert [*run.border.coin.used()] == run.specification.words.used == [1, 0]


def test_what_leaves_for_the_cluster_leaves_at_once_and_as_it_is(run: Run):
    before = run.link.cycles
    wanted = run.send(Port.WORLD, arp(Port.WORLD, 3))
    run.collect()
    assert [frame for _, frame in run.left[Port.CLUSTER]] == wanted
    assert len(wanted) == 3
    assert all(before < cycle < run.link.cycles for cycle, _ in run.left[Port.CLUSTER])


def test_egress_times_do_not_depend_on_what_enters(run: Run):
    """Two runs with one public schedule: nothing enters in the one, a lot in the other."""
    found = []
    for busy in (False, True):
        run.link.reset()
        run.begin()
        start = run.link.cycles
        run.flip()
        if busy:
            for number in range(6):
                run.send(Port.CLUSTER, arp(Port.CLUSTER, number) + datagrams(Port.CLUSTER, [number * 100, 1400]))
                run.link.step(777 * number)
            run.send(Port.WORLD, arp(Port.WORLD, 9))
        run.link.step(40 * SLOT.period - (run.link.cycles - start))
        run.collect()
        found.append([cycle - start for cycle, _ in run.left[Port.WORLD]])
    idle, loaded = ([cycle for cycle in cycles if cycle < 39 * SLOT.period] for cycles in found)
    assert idle == loaded
    assert len(idle) >= 38


def test_records_are_of_exactly_what_left(run: Run):
    run.flip()
    for number in range(4):
        run.send(Port.CLUSTER, arp(Port.CLUSTER, 2) + datagrams(Port.CLUSTER, [0, 300 * number]))
        run.send(Port.WORLD, arp(Port.WORLD, 3) + datagrams(Port.WORLD, [1000]))
        run.beats(2)
    run.drain()
    run.beats(2)
    for port in Port:
        records = [record for record in run.records if record.direction is port]
        frames = [frame for _, frame in run.left[port.other]]
        findings = list(check_records(records, iter(frames)))
        assert {finding.verdict for finding in findings} == {Verdict.AGREES}
        assert [record.beat for record in records] == [*range(len(records))] and len(records) > 9
        assert sum(record.frames_in for record in records) == run.sent[port]
        assert records[-1].epoch == EPOCH
        assert records[-1].words == run.border.coin.used()[port]
        covered = sum(record.frames_out for record in records)
        assert len(frames) - 8 <= covered <= len(frames)
    assert [*run.border.coin.used()] == run.specification.words.used
    assert run.border.alarms() == []


def test_a_frame_that_is_longer_than_the_slot_is_dropped_after_its_verdict_and_counted(run: Run):
    run.flip()
    run.border.retime(Schedule(Policy.SLOT, slot_cycles=1000, slot_bytes=200))
    before = run.border.retimed()
    run.collect()
    run.left[Port.WORLD].clear()
    wanted = run.send(Port.CLUSTER, [*datagrams(Port.CLUSTER, [400]), *arp(Port.CLUSTER, 1)])
    assert len(wanted) == 2
    run.drain()
    assert [frame for _, frame in run.left[Port.WORLD]] == [wanted[1].ljust(200, b"\0")]
    after = run.border.retimed()
    assert {event for event in Event if after[event] != before[event]} == {Event.RELEASED, Event.OVER_SLOT}


def test_the_schedule_changes_at_a_slot(run: Run):
    run.collect()
    run.border.retime(Schedule(slot_cycles=700, slot_bytes=100, dummy=bytes(range(12))))
    run.link.step(5000)
    run.collect()
    left = run.left[Port.WORLD]
    sizes = [len(frame) for _, frame in left]
    first = sizes.index(100)
    assert set(sizes[:first]) == {1518} and set(sizes[first:]) == {100}
    changes = [later.cycle - earlier.cycle for earlier, later in pairwise(left[first:])]
    assert set(changes) == {700}
    assert left[-1].frame == bytes(range(12)) + DUMMY_ETHERTYPE.to_bytes(2) + bytes(86)


@pytest.mark.parametrize("shared", [1], indirect=True, ids=["lanes1"])
def test_a_batch_leaves_in_the_order_that_the_key_of_the_epoch_gives(run: Run):
    run.border.beat_cycles = LONG_BEAT_CYCLES
    run.border.retime(BATCHES)
    sizes = range(100, 112)
    orders: list[list[bytes]] = []
    for epoch in (EPOCH, EPOCH + 1):
        run.flip(epoch)
        run.until_batch()
        run.send(Port.CLUSTER, datagrams(Port.CLUSTER, sizes))
        run.drain()
        left = run.left[Port.WORLD]
        assert left[-1].cycle - left[0].cycle < BATCHES.window_cycles
        key = retimer_key(seed(epoch, *(SHARES[party] for party in Party)))
        keys = [sort_key(frame, key) for _, frame in left]
        assert keys == sorted(keys)
        assert len(set(keys)) == len(sizes)
        orders.append([frame for _, frame in left])
    came = sorted(orders[0], key=len)
    assert orders[0] != came
    assert orders[1] not in (came, orders[0])
    assert sorted(orders[1], key=len) == came


def test_the_cluster_waits_until_what_leaves_to_it_is_digested(run: Run):
    sizes = [1400] * 12
    run.flip()
    start = run.link.cycles
    wanted = run.send(Port.WORLD, datagrams(Port.WORLD, sizes))
    run.beats(3)
    left = run.left[Port.CLUSTER]
    assert [frame for _, frame in left] == wanted and len(wanted) == len(sizes)
    assert run.border.alarms() == []
    # What fits into the store may leave at once; what is left of that takes the time of the digest.
    if run.link.lanes > 1:
        assert left[-1].cycle - start > (len(sizes) - 3) * digest_cycles(1442)
    records = [record for record in run.records if record.direction is Port.WORLD]
    assert {finding.verdict for finding in check_records(records, iter(frame for _, frame in left))} == {Verdict.AGREES}


def test_a_reset_begins_new_chains(run: Run):
    run.send(Port.WORLD, arp(Port.WORLD, 1))
    run.beats(2)
    before = [record for record in run.records if record.direction is Port.WORLD]
    run.link.reset()
    run.begin()
    run.send(Port.WORLD, arp(Port.WORLD, 1))
    run.beats(2)
    after = [record for record in run.records if record.direction is Port.WORLD]
    assert before[0].beat == after[0].beat == 0
    frames = iter(frame for _, frame in run.left[Port.CLUSTER])
    assert {finding.verdict for finding in check_records(after, frames)} == {Verdict.AGREES}


def test_frames_are_not_exchanged_one_by_one(run: Run):
    with pytest.raises(DeviceError, match="by its schedule"):
        run.link.exchange([Ingress(Port.CLUSTER, bytes(MIN_FRAME_BYTES))])


def test_the_commands_take_records_and_make_them_again(tmp_path: Path):
    out = tmp_path / "records.jsonl"
    result = custodes("records", "--out", out, "--count", 6, "--beat", LONG_BEAT_CYCLES)
    assert (result.exit_code, result.stdout) == (0, f"6 records in {out}\n"), result.output
    nothing = write_capture(tmp_path / "nothing.pcap", [])
    result = custodes("fingerprint", out, "--to", "cluster", "--capture", nothing)
    assert (result.exit_code, result.stdout) == (0, "3 of 3 records agree\n"), result.output
    # Dummies have left to the world, which are not in this capture.
    assert custodes("fingerprint", out, "--to", "world", "--capture", nothing).exit_code == 6
