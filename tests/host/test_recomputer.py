# SPDX-License-Identifier: Apache-2.0
"""The recomputer: verdicts, and every way in which samples can be missing, repeated, in another order, or forged."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from custodes.errors import UsageError
from custodes.gateway_formats import ALWAYS, Kind
from custodes.recomputer import PluginError, alarms, make_plugin
from custodes.recomputer_check import Finding
from custodes.recomputer_orders import OrderError, read_shutdown
from custodes.recomputer_store import Store, StoreError
from custodes.sample_tree import selected
from custodes.samples import Leaf, Piece, read_sample
from tests.host.recomputer_scene import GATEWAY, HALF, MEMORY, MODEL, SIGNER, Scene, epochs, exchange
from tests.host.sampler_traffic import ACK, KEY, RST, Talk, sampler

RECOMPUTER = SIGNER.public_key().public_bytes_raw()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.store.close()


def places(frames: list[bytes], kind: Kind) -> list[int]:
    return [i for i, frame in enumerate(frames) if frame[14] == kind]


@pytest.mark.parametrize("threshold", [0, HALF, ALWAYS])
def test_an_honest_gateway_passes(scene: Scene, threshold: int):
    frames = epochs(pairs=20, threshold=threshold)
    kept = len({read_sample(frames[i]).tag for i in places(frames, Kind.PAIR)})  # pyright: ignore[reportAttributeAccessIssue]
    assert kept == {0: 0, ALWAYS: 40}.get(threshold, kept) and (threshold != HALF or 5 < kept < 35)
    scene.feed([frame.ljust(60, b"\0") for frame in frames])
    assert scene.verdicts == ["PASS"] * kept
    assert (scene.findings, scene.orders, scene.told, alarms(scene.store)) == ([], [], [], [])


def test_other_frames_of_the_port_are_left_out(scene: Scene):
    scene.feed([frame for sample in epochs() for frame in (bytes(60), sample)])
    assert scene.verdicts == ["PASS"] * 12 and scene.findings == []


def test_a_wrong_answer_is_an_alarm_and_an_order(scene: Scene):
    scene.feed(epochs(cheat=lambda number: number == 4))
    assert Counter(scene.verdicts) == {"PASS": 11, "FAIL": 1} and scene.findings == []
    (alarm,) = alarms(scene.store)
    assert alarm.startswith("FAIL: pair 5 of epoch 1: the answer differs from octet ")
    (order,) = scene.orders
    serial, reason = read_shutdown(order, RECOMPUTER, GATEWAY)
    assert reason.startswith("pair 5: the answer differs")
    with pytest.raises(OrderError, match="has been carried out"):
        read_shutdown(order, RECOMPUTER, GATEWAY, serial)


def test_orders_are_only_for_whom_they_name_by_whom_they_are(scene: Scene):
    scene.feed(epochs(cheat=lambda number: number == 0))
    (order,) = scene.orders
    with pytest.raises(OrderError, match="for another gateway"):
        read_shutdown(order, RECOMPUTER, bytes(32))
    with pytest.raises(OrderError, match="signed by somebody else"):
        read_shutdown(order, bytes(32), GATEWAY)
    for at in range(len(order)):
        with pytest.raises(OrderError):
            read_shutdown(order[:at] + bytes([order[at] ^ 1]) + order[at + 1 :], RECOMPUTER, GATEWAY)
    with pytest.raises(OrderError, match="no signed message"):
        read_shutdown(b"", RECOMPUTER, GATEWAY)


def test_a_server_is_ordered_off_once_in_an_epoch_while_it_goes_on(scene: Scene):
    scene.feed(epochs(count=1, cheat=lambda number: True))
    assert len(scene.orders) == 1 and scene.verdicts == ["FAIL"] * 6
    scene.feed(epochs(cheat=lambda number: True, boot=1))
    assert len(scene.orders) == 3 and scene.findings == [Finding.RESTARTED]
    serials = [read_shutdown(order, RECOMPUTER, GATEWAY).serial for order in scene.orders]
    assert serials == sorted({*serials})


def test_no_order_follows_one_that_could_not_be_given(scene: Scene):
    given: list[bytes] = []

    def fails(order: bytes) -> None:
        given.append(order)
        raise OSError("no way there")

    scene.recomputer._deliver = fails
    scene.feed(epochs(cheat=lambda number: True))
    assert len({*given}) == 1 and len(scene.store.rows("SELECT serial FROM orders")) == 1


def test_a_boot_whose_first_epoch_did_not_begin_is_ordered_off_too(scene: Scene):
    first, second = epochs(cheat=lambda number: number == 11), epochs(boot=1)
    scene.feed(first[:-1])
    assert len(scene.orders) == 1 and scene.findings == []
    scene.feed(second[1:])
    assert {*scene.findings} >= {Finding.MISSING} and 2 <= len(scene.orders) <= 4


def test_the_epoch_of_an_order_is_not_that_of_a_boot_after_it(scene: Scene):
    scene.feed(epochs(count=1, cheat=lambda number: number == 0)[:-1])
    scene.feed(epochs(count=1, boot=1)[1:-2])
    assert len(scene.orders) == 2 and {*scene.findings} == {Finding.MISSING}


def test_samples_while_there_is_no_epoch_are_an_alarm_and_an_order(scene: Scene):
    frames = epochs(count=1)
    scene.feed(frames[1:-1])
    assert {*scene.findings} == {Finding.MISSING} and len(scene.orders) == 1
    assert scene.told[0] == "missing: pair 1 came while there was no epoch"


def test_whatever_epochs_samples_say_there_is_an_order_for_each_that_can_be(scene: Scene):
    frames = epochs(count=1)
    leaves = [frames[i] for i in places(frames, Kind.LEAF)]
    scene.feed([leaf[:16] + number.to_bytes(4) + leaf[20:] for leaf in leaves for number in range(50)])
    assert {read_shutdown(order, RECOMPUTER, GATEWAY).reason for order in scene.orders} and len(scene.orders) <= 2


@pytest.mark.parametrize(
    ("least", "set_to", "alarm"), [(None, 0, 0), (0.5, HALF, 0), (0.5, HALF - 1, 1), (1, ALWAYS - 1, 1)]
)
def test_an_epoch_that_keeps_less_than_it_must_is_an_alarm_and_an_order(
    scene: Scene, least: float | None, set_to: int, alarm: int
):
    with scene.store.transaction():
        scene.store.set_value("epsilon", least or 0)
    scene.feed(epochs(count=1, threshold=set_to)[:-1])
    assert scene.findings == [Finding.SELECTION] * alarm and len(scene.orders) == alarm
    if alarm:
        assert f"less than {least:g}" in scene.told[0]


def test_an_order_that_could_not_be_given_is_given_later(tmp_path: Path):
    scene = Scene(tmp_path)

    def fails(order: bytes) -> None:
        raise OSError("no way there")

    scene.recomputer._deliver = fails
    scene.feed(epochs(cheat=lambda number: True))
    assert any("could not be given: no way there" in line for line in scene.told)
    scene.store.close()
    scene = Scene(tmp_path)
    scene.recomputer.work()
    assert len(scene.orders) == 1
    scene.recomputer.work()
    assert len(scene.orders) == 1
    scene.store.close()


def test_every_frame_that_is_missing_is_noticed(tmp_path: Path):
    frames = epochs(pairs=3)
    for missing in range(len(frames) - 1):
        scene = Scene(tmp_path, name=MEMORY)
        scene.feed(frames[:missing] + frames[missing + 1 :])
        kind = Kind(frames[missing][14])
        assert scene.findings and scene.orders, (missing, kind)
        wanted = {Finding.MISSING, Finding.SELECTION, Finding.REORDERED}
        assert wanted & {*scene.findings}, (missing, kind, scene.told)
        scene.store.close()


def test_every_frame_that_comes_twice_is_noticed(tmp_path: Path):
    frames = epochs(pairs=3)
    for twice in range(len(frames)):
        for later in {twice + 1, len(frames)}:
            scene = Scene(tmp_path, name=MEMORY)
            scene.feed([*frames[:later], frames[twice], *frames[later:]])
            assert scene.findings and scene.orders, (twice, later)
            assert scene.verdicts == ["PASS"] * 6 or Finding.FORGED in scene.findings, (twice, later, scene.told)
            scene.store.close()


def test_every_two_frames_in_another_order_are_noticed(tmp_path: Path):
    frames = epochs(count=1, pairs=3)
    for first in range(len(frames)):
        for second in range(first + 1, len(frames)):
            swapped = [*frames]
            swapped[first], swapped[second] = frames[second], frames[first]
            scene = Scene(tmp_path, name=MEMORY)
            scene.feed(swapped)
            assert scene.findings and scene.orders, (first, second)
            scene.store.close()


def whole_pair(frames: list[bytes], place: int) -> range:
    """The frames of the pair whose leaf is at a place."""
    end = place + 1
    while frames[end][14] == Kind.PAIR:
        end += 1
    return range(place, end)


@pytest.mark.parametrize("which", range(6))
def test_a_whole_pair_that_is_missing_is_noticed(scene: Scene, which: int):
    frames = epochs(count=1)
    gone = whole_pair(frames, places(frames, Kind.LEAF)[which])
    scene.feed([frame for i, frame in enumerate(frames) if i not in gone])
    assert scene.findings[0] is Finding.MISSING and scene.verdicts == ["PASS"] * 5


def test_pairs_in_another_order_are_noticed(scene: Scene):
    frames = epochs(count=1)
    first, second = (whole_pair(frames, place) for place in places(frames, Kind.LEAF)[2:4])
    scene.feed(frames[: first.start] + [frames[i] for i in (*second, *first)] + frames[second.stop :])
    assert scene.findings == [Finding.MISSING, Finding.REORDERED]


def test_every_octet_that_was_forged_is_noticed(tmp_path: Path):
    """With every pair kept. What the record says of events is the gateway's word, and so are the addresses of frames."""
    frames = epochs(count=1, pairs=1)[:-1]
    undecided = {(len(frames) - 1, 16 + 4 * word + octet) for word in range(5, 11) for octet in range(4)}
    for i, frame in enumerate(frames):
        for at in range(12, len(frame), 1 if len(frame) < 140 else 7):
            if (i, at) in undecided:
                continue
            scene = Scene(tmp_path, name=MEMORY)
            scene.feed([*frames[:i], frame[:at] + bytes([frame[at] ^ 4]) + frame[at + 1 :], *frames[i + 1 :]])
            noticed = bool(scene.findings or scene.recomputer.checker.epoch)
            scene.store.close()
            assert noticed, (i, at)


def test_a_pair_that_was_exchanged_with_its_leaf_is_not_in_the_root(scene: Scene):
    """A gateway that sends another pair for one that it has committed to, leaf and all, must change the root."""
    true, false = epochs(count=1), epochs(count=1, cheat=lambda number: number == 2)
    place = next(i for i in places(true, Kind.LEAF) if true[i] != false[i])
    pairs = [whole_pair(frames, place) for frames in (true, false)]
    scene.feed(false[: pairs[1].start] + [true[i] for i in pairs[0]] + false[pairs[1].stop :])
    assert scene.findings == [Finding.FORGED]
    assert "the root of epoch 1 is not that of its leaves" in scene.told[0]


def test_the_selection_is_checked_for_every_pair(tmp_path: Path):
    frames = epochs(count=1, pairs=20, threshold=HALF)
    every = epochs(count=1, pairs=20)
    leaves = {i: read_sample(frames[i]) for i in places(frames, Kind.LEAF)}
    for i, leaf in leaves.items():
        assert isinstance(leaf, Leaf)
        scene = Scene(tmp_path, name=MEMORY)
        pieces = whole_pair(frames, i)[1:]
        if pieces:
            scene.feed([frame for j, frame in enumerate(frames) if j not in pieces])
        else:
            all_of_it = [frame for frame in every if frame[14] == Kind.PAIR and frame[16:40] == frames[i][16:40]]
            scene.feed(frames[: i + 1] + all_of_it + frames[i + 1 :])
        assert scene.findings[0] is Finding.SELECTION
        assert f"pair {leaf.tag.number} of epoch 1" in scene.told[0]
        assert ("was to be kept" in scene.told[0]) == bool(pieces) == selected(b"\0\0" + KEY[2:], HALF, leaf.tag.data)
        scene.store.close()


def test_a_gateway_says_what_it_dropped(scene: Scene):
    made = sampler(flows=1, slots=8, threshold=None)
    made.epoch(KEY, ALWAYS)
    exchange(Talk(made), 1)
    assert not Talk(made, 50001).ask(b"a") and not Talk(made, 50002).ask(b"a")
    made.epoch(KEY, ALWAYS)
    made.epoch(KEY, ALWAYS)
    scene.feed(made.emitted)
    assert scene.findings == [Finding.LOST] and scene.orders == []
    assert scene.told == ["lost: frames were dropped in epoch 1, 2 times: there was no room for a connection"]


def test_a_gateway_that_was_switched_on_again_is_taken_as_another(scene: Scene):
    first, second = epochs(), epochs(boot=1)
    scene.feed(first[: len(first) // 2] + second)
    assert scene.findings == [Finding.RESTARTED] and not scene.orders
    assert scene.recomputer.checker.boot == 2


def test_a_gateway_is_watched_from_its_first_epoch_on(scene: Scene):
    frames = epochs(count=3)
    scene.feed(frames[places(frames, Kind.BEGIN)[1] :])
    assert scene.findings == [Finding.MISSING] and scene.verdicts == ["PASS"] * 12
    assert scene.told[0] == "missing: the first epoch that begins is 2"


def budget(scene: Scene, share: int, floor: int, bad: int) -> list[Finding]:
    with scene.store.transaction():
        scene.store.set_value("share", share)
        scene.store.set_value("floor", floor)
    made = sampler(threshold=None, slots=8)
    made.epoch(KEY, ALWAYS)
    for number in range(20):
        talk = Talk(made, 50000 + number)
        if number < bad:
            assert talk.ask(b"GET /health HTTP/1.1\r\n\r\n") and talk.answer(b"HTTP/1.1")
        else:
            exchange(talk, number)
        talk.close()
    made.epoch(KEY, ALWAYS)
    scene.feed(made.emitted)
    assert Counter(scene.verdicts)["UNVERIFIABLE"] == bad and scene.orders == []
    return scene.findings


@pytest.mark.parametrize(
    ("share", "floor", "bad", "over"),
    [
        (0, 0, 0, False),
        (0, 0, 1, True),
        (0, 2, 2, False),
        (0, 2, 3, True),
        (150_000, 1, 3, False),
        (150_000, 1, 4, True),
    ],
)
def test_what_cannot_be_verified_has_a_budget(scene: Scene, share: int, floor: int, bad: int, over: bool):
    assert budget(scene, share, floor, bad) == ([Finding.BUDGET] if over else [])


def test_what_a_server_leaves_out_is_unverifiable_and_what_it_says_twice_fails(scene: Scene):
    made = sampler(threshold=None, slots=8)
    made.epoch(KEY, ALWAYS)
    short, silent, double = (Talk(made, 50000 + i) for i in range(3))
    exchange(double, 2)
    assert (
        short.ask(b"GET /health HTTP/1.1\r\n\r\n")
        and short.answer(b"HTTP/1.1")
        and short.at(True, short.next[1] + 1, b"x")
    )
    assert silent.ask(b"GET /health HTTP/1.1\r\n\r\n")
    assert double.at(True, double.next[1] - 3, b"zzz")
    for talk in (short, silent, double):
        assert talk.at(False, talk.next[0], b"", ACK | RST)
    scene.feed(made.emitted)
    assert scene.verdicts == ["UNVERIFIABLE", "UNVERIFIABLE", "FAIL"]
    reasons = [reason for (reason,) in scene.store.rows("SELECT reason FROM verdicts ORDER BY id")]
    assert reasons[0] == "octets of the output are missing" and "ends after 0 of" in reasons[1]
    assert "sent again, and were others" in reasons[2]


def test_without_a_plugin_nothing_is_verifiable(tmp_path: Path):
    scene = Scene(tmp_path, plugin=False)
    scene.feed(epochs(count=1))
    assert scene.verdicts == ["UNVERIFIABLE"] * 6 and scene.findings == [Finding.BUDGET]
    scene.store.close()


def test_a_plugin_that_fails_makes_a_pair_unverifiable(scene: Scene, tmp_path: Path):
    (tmp_path / "weights").unlink()
    scene.feed(epochs(count=1, pairs=1))
    assert scene.verdicts == ["UNVERIFIABLE"]
    assert any("the plug-in failed: PluginError" in line for line in scene.told)


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ({}, "incomplete"),
        ({"kind": "other"}, "no such plug-in"),
        ({"kind": "command"}, "incomplete"),
        ({"kind": "command", "command": []}, "no such plug-in"),
        ({"kind": "command", "command": ["a"], "seconds": 0}, "up to 86400 seconds"),
        ({"kind": "command", "command": ["a"], "seconds": 1 << 2000}, "incomplete"),
        ({"kind": "transformer"}, "incomplete"),
        ({"kind": "transformer", "weights": "nowhere"}, "nowhere: No such file"),
        ({"kind": "transformer", "weights": "\0"}, "incomplete"),
    ],
)
def test_a_plugin_that_cannot_be_used_says_why(setting: dict[str, object], says: str):
    with pytest.raises(PluginError, match=says):
        make_plugin(setting)


def test_a_plugin_for_one_model_takes_no_other(scene: Scene, tmp_path: Path):
    setting = {"kind": "transformer", "weights": str(tmp_path / "weights")}
    make_plugin(setting | {"model": MODEL.digest.hex()})
    with pytest.raises(PluginError, match="is the model"):
        make_plugin(setting | {"model": "00" * 32})


def test_evidence_of_a_wrong_answer_is_kept_and_only_that(scene: Scene):
    frames = epochs(count=1, cheat=lambda number: number == 0)
    scene.feed(frames)
    kept = scene.store.rows("SELECT place, transcript FROM verdicts WHERE transcript IS NOT NULL")
    pieces = [read_sample(frames[i]) for i in places(frames, Kind.PAIR)]
    octets = b"".join(piece.octets for piece in pieces if isinstance(piece, Piece) and piece.tag.number == 1)
    assert [transcript for _, transcript in kept] == [octets]


def test_only_one_works_on_a_file(scene: Scene):
    with pytest.raises(UsageError, match="works on it already"):
        Store(scene.store.path, owned=True)
    Store(scene.store.path).close()


def test_what_is_no_state_says_so(tmp_path: Path):
    (tmp_path / "text").write_text("no database at all, but a text that is long enough for a page\n" * 100)
    with pytest.raises(StoreError, match="file is not a database"):
        Store(tmp_path / "text")
    base = sqlite3.connect(tmp_path / "other")
    base.execute("CREATE TABLE other (a)")
    base.close()
    with pytest.raises(StoreError, match="no state of a recomputer"):
        Store(tmp_path / "other")
    with pytest.raises(StoreError, match="no state of a recomputer"):
        Store(tmp_path / "nothing", new=False)
    with pytest.raises(StoreError):
        Store(tmp_path / "folder" / "state", owned=True)
