# SPDX-License-Identifier: Apache-2.0
"""Requests to a recomputer: who may ask, that nobody asks twice, what is refused, and that all of it is in the log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custodes.admin import AdminError, Answer, Office, Request, bundle, new_request, read_answer, read_request
from custodes.cose import sign1
from custodes.deterministic import encode
from custodes.errors import KeysError
from custodes.recomputer_check import Finding
from custodes.recomputer_orders import read_shutdown
from custodes.roster import Roster, load_roster
from tests.host.recomputer_scene import GATEWAY, HALF, MEMORY, MODEL, SIGNER, Scene, epochs

KEYS = [Ed25519PrivateKey.from_private_bytes(bytes([i]) * 32) for i in range(1, 5)]
PUBLIC = [key.public_key().public_bytes_raw() for key in KEYS]
ME = SIGNER.public_key().public_bytes_raw()
ROSTER_TOML = f"""
[[role]]
name = "operator"
keys = ["{PUBLIC[0].hex()}", "{PUBLIC[1].hex()}", "{PUBLIC[2].hex()}"]
threshold = 2
actions = ["plugin", "budget", "epsilon", "shutdown", "gateway"]

[[role]]
name = "user"
keys = ["{PUBLIC[3].hex()}"]
actions = ["model"]
"""


@pytest.fixture
def roster(tmp_path: Path) -> Roster:
    (tmp_path / "roster.toml").write_text(ROSTER_TOML)
    return load_roster(tmp_path / "roster.toml")


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path, plugin=False, name=MEMORY)
    yield made
    made.store.close()


@pytest.fixture
def office(scene: Scene, roster: Roster) -> Office:
    return Office(scene.store, roster, SIGNER)


def given(request: Request, *signers: int) -> bytes:
    return bundle(request.payload, [sign1(request.payload, KEYS[i], detached=True) for i in signers])


def asked(
    office: Office, action: str, arguments: dict[str, Any], role: str = "operator", by: tuple[int, ...] = (0, 1)
) -> Answer:
    return read_answer(office.handle(given(new_request(ME, role, action, arguments), *by)), ME)


def log(scene: Scene) -> list[tuple[object, ...]]:
    return scene.store.rows("SELECT role, action, done, reason FROM requests ORDER BY id")


def test_what_is_asked_for_is_done_and_logged(scene: Scene, office: Office, tmp_path: Path):
    (tmp_path / "w").write_bytes((tmp_path / "weights").read_bytes())
    plugin = {"kind": "transformer", "weights": str(tmp_path / "w"), "model": MODEL.digest.hex()}
    assert asked(office, "plugin", plugin).done
    assert asked(office, "budget", {"share": 1000, "floor": 3}, by=(2, 0)).done
    assert (scene.store.value("plugin"), scene.store.value("share"), scene.store.value("floor")) == (plugin, 1000, 3)
    scene.feed(epochs(count=1))
    assert scene.verdicts == ["PASS"] * 6
    assert log(scene) == [("operator", "plugin", 1, "done"), ("operator", "budget", 1, "done")]


def test_the_least_epsilon_is_set(scene: Scene, office: Office):
    assert asked(office, "epsilon", {"epsilon": 250_000}).done and scene.store.value("epsilon") == 0.25
    for arguments in ({"epsilon": 1_000_001}, {"epsilon": -1}, {"epsilon": 0.5}, {}):
        assert not asked(office, "epsilon", arguments).done
    assert scene.store.value("epsilon") == 0.25
    scene.feed(epochs(count=1, threshold=HALF >> 2)[:1])
    assert scene.findings == [Finding.SELECTION]


def test_a_shutdown_is_ordered_and_given(scene: Scene, office: Office):
    answer = asked(office, "shutdown", {"gateway": GATEWAY, "reason": "maintenance"})
    other = asked(office, "shutdown", {"gateway": bytes(32), "reason": "maintenance"})
    assert answer.done and other.done and read_shutdown(answer.value, ME, GATEWAY).reason == "maintenance"
    assert read_shutdown(other.value, ME, bytes(32)).serial > read_shutdown(answer.value, ME, GATEWAY).serial
    scene.recomputer.work()
    scene.recomputer.work()
    assert scene.orders == [answer.value], "that of another gateway is not for this one"


def test_a_model_that_no_gateway_serves_is_refused_and_signed(scene: Scene, office: Office):
    wanted = {"model": MODEL.digest}
    refusal = asked(office, "model", wanted, "user", (3,))
    assert (refusal.done, refusal.reason) == (False, f"no gateway serves the model {MODEL.digest.hex()}")
    assert asked(office, "gateway", {"gateway": GATEWAY, "models": [MODEL.digest, bytes(32)]}).done
    assert asked(office, "model", wanted, "user", (3,)).value == [GATEWAY]
    assert asked(office, "gateway", {"gateway": GATEWAY, "models": []}).done
    assert not asked(office, "model", wanted, "user", (3,)).done
    assert [done for *_, done, _ in log(scene)] == [0, 1, 1, 1, 0]


BUDGET = {"share": 1, "floor": 1}


@pytest.mark.parametrize(
    ("request_", "signers", "says"),
    [
        (new_request(ME, "operator", "budget", BUDGET), (0,), "1 of 2 keys of the role operator have signed"),
        (new_request(ME, "operator", "budget", BUDGET), (0, 0), "1 of 2 keys of the role operator have signed"),
        (new_request(ME, "operator", "budget", BUDGET), (), "0 of 2 keys"),
        (new_request(ME, "operator", "budget", BUDGET), (0, 3), "is signed by somebody else"),
        (new_request(ME, "user", "budget", BUDGET), (3,), "the role user may not ask for 'budget'"),
        (new_request(ME, "nobody", "budget", BUDGET), (0, 1), "there is no role 'nobody'"),
        (new_request(ME, "operator", "other", BUDGET), (0, 1), "may not ask for 'other'"),
        (new_request(bytes(32), "operator", "budget", BUDGET), (0, 1), "for another recomputer"),
        (Request(ME, b"short", "operator", "budget", BUDGET), (0, 1), "a nonce has 16 bytes"),
        (new_request(ME, "operator", "budget", {"share": 1}), (0, 1), "takes share (int), floor (int)"),
        (new_request(ME, "operator", "budget", BUDGET | {"more": 1}), (0, 1), "takes share (int), floor (int)"),
        (new_request(ME, "operator", "budget", {"share": True, "floor": 1}), (0, 1), "takes share (int), floor (int)"),
        (new_request(ME, "operator", "budget", {"share": 1_000_001, "floor": 1}), (0, 1), "up to 1000000"),
        (new_request(ME, "operator", "plugin", {"kind": "none"}), (0, 1), "no such plug-in"),
        (
            new_request(ME, "operator", "plugin", {"kind": "command", "command": ["a"], "x": b""}),
            (0, 1),
            "no settings but",
        ),
        (new_request(ME, "operator", "plugin", {"kind": "command", "command": [1]}), (0, 1), "no such plug-in"),
        (new_request(ME, "operator", "plugin", {"kind": "transformer", "weights": 1}), (0, 1), "incomplete"),
        *(
            (new_request(ME, "operator", "plugin", setting), (0, 1), "are numbers, text and lists")
            for setting in (
                {"kind": "command", "command": ["a"], "model": b"a"},
                {"kind": "command", "command": ["a"], "weights": {b"a": 1}},
                {"kind": "command", "command": ["a"], "model": 1 << 20000},
                {"kind": "transformer", "weights": b"a"},
            )
        ),
        (new_request(ME, "operator", "shutdown", {"gateway": b"", "reason": ""}), (0, 1), "a gateway has 32 bytes"),
        (new_request(ME, "operator", "gateway", {"gateway": GATEWAY, "models": [1]}), (0, 1), "have 32 bytes"),
    ],
)
def test_what_is_refused_says_why_and_changes_nothing(
    scene: Scene, office: Office, request_: Request, signers: tuple[int, ...], says: str
):
    answer = read_answer(office.handle(given(request_, *signers)), ME)
    assert not answer.done and says in answer.reason
    assert scene.store.value("share") is None and scene.store.value("plugin") is None
    assert log(scene) == [(request_.role, request_.action, 0, answer.reason)]


def test_nobody_asks_twice(scene: Scene, office: Office):
    message = given(new_request(ME, "operator", "budget", BUDGET), 0, 1)
    assert read_answer(office.handle(message), ME).done
    assert read_answer(office.handle(message), ME).reason == "the request has been given before"


def test_a_nonce_is_used_up_only_by_who_may_ask(office: Office):
    request = new_request(ME, "operator", "budget", BUDGET)
    assert not read_answer(office.handle(given(request, 0)), ME).done
    assert read_answer(office.handle(given(request, 0, 1)), ME).done


def test_a_signature_is_of_one_request_only(office: Office):
    one, other = (new_request(ME, "operator", "budget", BUDGET) for _ in range(2))
    signatures = [sign1(one.payload, KEYS[i], detached=True) for i in (0, 1)]
    assert "has a signature that is not by" in read_answer(office.handle(bundle(other.payload, signatures)), ME).reason


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xff" * 40,
        encode([]),
        encode([1, 2]),
        encode([b"", [1]]),
        encode([b"", []]),
        encode([encode(["custodes/admin/v1", 1, 2, 3, 4, 5]), []]),
        encode([encode(["custodes/admin/v1", b""]), []]),
        encode([encode(["custodes/other/v1", b"", b"", "", "", {}]), []]),
        bytes(1 << 17),
    ],
)
def test_nonsense_is_refused_and_logged(scene: Scene, office: Office, message: bytes):
    assert read_answer(office.handle(message), ME).reason == "this is no request to a recomputer"
    assert log(scene) == [(None, None, 0, "this is no request to a recomputer")]


def test_an_answer_is_of_its_recomputer(office: Office):
    answer = office.handle(b"")
    with pytest.raises(AdminError):
        read_answer(answer, bytes(32))
    with pytest.raises(AdminError):
        read_answer(answer[:-1] + bytes([answer[-1] ^ 1]), ME)
    with pytest.raises(AdminError):
        read_request(b"")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[role]", "not TOML"),
        ("", "role: is missing"),
        (ROSTER_TOML + "more = 1", "no such key"),
        (ROSTER_TOML.replace("threshold = 2", "threshold = 4"), "there are only 3 keys"),
        (ROSTER_TOML.replace("threshold = 2", "threshold = 0"), "threshold"),
        (ROSTER_TOML.replace(PUBLIC[1].hex(), PUBLIC[0].hex()), "is listed twice"),
        (ROSTER_TOML.replace('"user"', '"operator"'), "operator is listed twice"),
        (ROSTER_TOML.replace(PUBLIC[1].hex(), "ab"), "is no public key"),
        (ROSTER_TOML.replace('"budget"', '"everything"'), "is none of plugin, budget"),
    ],
)
def test_a_roster_that_is_wrong_says_where(tmp_path: Path, text: str, says: str):
    (tmp_path / "roster.toml").write_text(text)
    with pytest.raises(KeysError, match=r"roster\.toml: ") as caught:
        load_roster(tmp_path / "roster.toml")
    assert says in str(caught.value)
    with pytest.raises(KeysError, match="No such file"):
        load_roster(tmp_path / "nowhere")
