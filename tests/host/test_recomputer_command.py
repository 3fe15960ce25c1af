# SPDX-License-Identifier: Apache-2.0
"""`custodes recomputer`: captures and interfaces, sealed and not, verdicts, orders, and whatever is wrong with the input."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from custodes.capture import CaptureWriter, Format
from custodes.gateway_formats import Kind
from custodes.model.session import Sealer
from custodes.sample_tree import included
from tests.host import wires
from tests.host.fake_processor import KEY_A, keys
from tests.host.live_run import MAIN
from tests.host.program import python
from tests.host.recomputer_scene import GATEWAY, HALF, MODEL, SIGNER, WEIGHTS, epochs
from tests.host.sampler_traffic import KEY, MACS
from tests.host.test_interface import raw
from tests.host.test_provision_commands import custodes, fails

SCI = "0200000000f1/1"
KEYS_TOML = f"""
[[receive]]
sci = "{":".join(SCI[at : at + 2] for at in range(0, 12, 2))}/1"
association = [{{ an = 0, suite = "GCM-AES-256", key = "{KEY_A.hex()}" }}]
"""
SEALING_TOML = f"""
[[transmit]]
peer = "{MACS.recomputer.hex(":")}"
sci = "{MACS.sampler.hex(":")}/1"
association = [{{ an = 0, suite = "GCM-AES-256", key = "{KEY_A.hex()}" }}]
"""


def write(path: Path, frames: list[bytes]) -> Path:
    with path.open("wb") as file:
        writer = CaptureWriter(file, Format.of_name(path, Format.PCAP))
        for i, frame in enumerate(frames):
            writer.write(i, frame.ljust(60, b"\0"))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With all that a recomputer needs."""
    (tmp_path / "weights").write_bytes(WEIGHTS)
    (tmp_path / "key").write_text(SIGNER.private_bytes_raw().hex())
    (tmp_path / "public.pem").write_text("-----BEGIN PUBLIC KEY-----")
    (tmp_path / "public").write_text(SIGNER.public_key().public_bytes_raw().hex())
    write(tmp_path / "honest.pcap", epochs(pairs=20, threshold=HALF))
    write(tmp_path / "lies.pcap", epochs(cheat=lambda number: number == 4))
    return tmp_path


def arguments(folder: Path, *more: object) -> list[object]:
    return [
        "recomputer",
        "run",
        "--state",
        folder / "state",
        "--gateway",
        GATEWAY.hex(),
        "--key",
        folder / "key",
        *more,
    ]


def found(folder: Path, *more: object, code: int = 0) -> dict[str, Any]:
    result = custodes(*arguments(folder, *more, "--json"))
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def test_an_honest_gateway_passes(folder: Path):
    told = found(folder, "--capture", folder / "honest.pcap", "--weights", folder / "weights")
    kept = told["verdicts"]["PASS"]
    assert 10 < kept < 30 and told["verdicts"] == {"PASS": kept, "FAIL": 0, "UNVERIFIABLE": 0}
    assert (told["alarms"], told["orders"], told["strays"], told["unopened"]) == ([], [], 0, 0)
    (share,) = told["sampling"]
    assert (share["epsilon"], share["pairs"], share["kept"], share["agrees"]) == (0.5, 40, kept, True)
    text = custodes("recomputer", "status", "--state", folder / "state").stdout
    assert f"{kept} of 40 kept" in text and ": as set" in text and f"{kept} PASS, 0 FAIL, 0 UNVERIFIABLE" in text


def test_a_capture_is_read_once(folder: Path):
    capture = ("--capture", folder / "honest.pcap")
    first = found(folder, *capture, "--weights", folder / "weights")
    again = found(folder, *capture)
    assert (first["frames"] > 0, again["frames"]) == (True, 0) and again["verdicts"] == first["verdicts"]


def test_a_least_epsilon_is_kept_in_the_state(folder: Path):
    status = ("recomputer", "status", "--state", folder / "state")
    told = found(folder, "--capture", folder / "honest.pcap", "--weights", folder / "weights")
    assert told["least_epsilon"] is None and "none is set" in custodes(*status).stdout
    write(folder / "more.pcap", epochs(count=1, threshold=HALF, boot=1)[:-1])
    told = found(folder, "--capture", folder / "more.pcap", "--epsilon", 0.75, code=6)
    assert told["least_epsilon"] == 0.75 and "least epsilon" in custodes(*status).stdout
    assert told["alarms"][-1] == "selection: epoch 1 begins with epsilon 0.5, less than 0.75"


def test_a_wrong_answer_is_exit_6_and_an_order_that_is_carried_out(folder: Path, monkeypatch: pytest.MonkeyPatch):
    more = ("--capture", folder / "lies.pcap", "--weights", folder / "weights", "--orders", folder / "orders")
    result = custodes(*arguments(folder, *more))
    assert result.exit_code == 6 and result.stderr.splitlines()[-1].startswith(
        "custodes: 1 alarms: FAIL: pair 5 of epoch 1"
    )
    (order,) = (folder / "orders").iterdir()
    stopped: list[str] = []

    class Device:
        def stop(self) -> None:
            stopped.append("stopped")

    @contextmanager
    def opened(name: str) -> Iterator[Device]:
        stopped.append(name)
        yield Device()

    monkeypatch.setattr("custodes.recomputer_command.open_gateway", opened)
    given = ("recomputer", "obey", order, "--recomputer", folder / "public", "--device", "serial:/dev/x", "--json")
    done = custodes(*given, "--gateway", GATEWAY.hex())
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["reason"].startswith("pair 5: the answer differs") and stopped == ["serial:/dev/x", "stopped"]
    fails(custodes(*given, "--gateway", GATEWAY.hex(), "--after", told["serial"]), 4, "has been carried out")
    fails(custodes(*given, "--gateway", "00" * 32), 4, "for another gateway")
    assert len(stopped) == 2
    kept = ("--gateway", GATEWAY.hex(), "--serials", folder / "serials")
    assert custodes(*given, *kept).exit_code == 0 and len(stopped) == 4
    assert json.loads((folder / "serials").read_text()) == {GATEWAY.hex(): told["serial"]}
    fails(custodes(*given, *kept), 4, "has been carried out")
    for nonsense in ("", "[]", '{"a": "b"}'):
        (folder / "serials").write_text(nonsense)
        fails(custodes(*given, *kept), 4, "has no serials of orders")
    assert len(stopped) == 4


def test_verdicts_are_listed_with_proofs_that_hold(folder: Path):
    found(folder, "--capture", folder / "lies.pcap", "--weights", folder / "weights", code=6)
    listing = ("recomputer", "verdicts", "--state", folder / "state")
    (line,) = custodes(*listing, "--only", "FAIL").stdout.splitlines()
    assert re.match(r"FAIL +epoch 1  pair 5  the answer differs", line)
    assert len(custodes(*listing, "--epoch", 2).stdout.splitlines()) == 6
    told = json.loads(custodes(*listing, "--json", "--proof").stdout)["verdicts"]
    roots = [frame[60:92] for frame in epochs(cheat=lambda number: number == 4) if frame[14] == Kind.END]
    assert len(told) == 12
    for one in told:
        path = [bytes.fromhex(step) for step in one["path"]]
        assert included(bytes.fromhex(one["leaf"]), one["index"], one["leaves"], path, roots[one["epoch"] - 1])
    fails(custodes(*listing, "--proof"), 2, "is for --json")


def test_sealed_samples_are_opened_and_nothing_else_counts(folder: Path):
    sealer = Sealer.of(keys(SEALING_TOML))
    (folder / "keys.toml").write_text(KEYS_TOML)
    frames: list[bytes] = []
    for plain in epochs(count=1):
        sealed = sealer.seal(plain.ljust(60, b"\0")).frame
        assert sealed is not None
        frames += [sealed, plain]
    write(folder / "sealed.pcap", frames)
    more = ("--capture", folder / "sealed.pcap", "--weights", folder / "weights", "--keys", folder / "keys.toml")
    told = found(folder, *more)
    assert told["verdicts"]["PASS"] == 6 and told["unopened"] == len(frames) // 2 and not told["alarms"]


def test_a_program_recomputes(folder: Path):
    words = (sys.executable, "-c", 'print(\'{"verdict": "UNVERIFIABLE", "reason": "dice"}\')')
    more = [word for one in words for word in ("--program", one)]
    told = found(folder, "--capture", folder / "lies.pcap", *more, "--budget-floor", 6)
    assert told["verdicts"]["UNVERIFIABLE"] == 12 and told["budget"] == {"share": 0, "floor": 6} and not told["alarms"]


@pytest.mark.parametrize(
    ("more", "code", "says"),
    [
        ((), 2, "one of --interface and --capture"),
        (("--capture", "a", "--interface", "b"), 2, "one of --interface and --capture"),
        (("--capture", "honest.pcap", "--weights", "weights", "--program", "a"), 2, "one of --weights and --program"),
        (("--capture", "honest.pcap", "--weights", "key"), 4, "no weights"),
        (("--capture", "honest.pcap", "--weights", "nowhere"), 4, "nowhere: No such file"),
        (("--capture", "nowhere"), 3, "nowhere: No such file"),
        (("--capture", "key"), 3, "not a pcap"),
        (("--capture", "honest.pcap", "--keys", "key"), 4, "key: not TOML"),
        (("--capture", "honest.pcap", "--key", "public.pem"), 4, "neither a private key"),
        (("--capture", "honest.pcap", "--gateway", "12"), 2, "64 hexadecimal digits"),
        (("--capture", "honest.pcap", "--state", "weights"), 3, "not a database"),
        (("--capture", "honest.pcap", "--state", "nowhere/state"), 3, "No such file"),
        (("--capture", "honest.pcap", "--orders", "key"), 3, "cannot be created"),
        (("--interface", "no such thing"), 2, "no such interface"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[object, ...], code: int, says: str
):
    monkeypatch.chdir(folder)
    fails(custodes(*arguments(folder, *more)), code, says)


@pytest.mark.parametrize("command", ["status", "verdicts"])
def test_there_is_no_state_to_look_at(tmp_path: Path, command: str):
    fails(custodes("recomputer", command, "--state", tmp_path / "state"), 3, "there is no state of a recomputer")
    assert not (tmp_path / "state").exists()


def test_a_state_is_of_one_gateway(folder: Path):
    found(folder, "--capture", folder / "honest.pcap", "--weights", folder / "weights")
    other = arguments(folder, "--capture", folder / "honest.pcap", "--gateway", "00" * 32)
    fails(custodes(*other), 2, f"is of the gateway {GATEWAY.hex()}")


def test_nonsense_in_a_capture_is_found_and_ends_nothing(folder: Path):
    good = epochs(count=1)
    head = good[0][:14]
    nonsense = [head + bytes([kind, 0]) + bytes(size) for kind in range(7) for size in (0, 44, 200, 1400)]
    write(folder / "mixed.pcap", [*nonsense, bytes(60), *good])
    told = found(folder, "--capture", folder / "mixed.pcap", "--weights", folder / "weights", code=6)
    assert told["verdicts"]["PASS"] == 6 and told["strays"] == 1 and len(told["alarms"]) == len(nonsense)


def request(folder: Path, *words: object) -> Path:
    made = custodes("recomputer", "admin", "make", *words, "--recomputer", folder / "public")
    assert made.exit_code == 0, made.output
    (folder / "request").write_text(made.stdout)
    return folder / "request"


def test_requests_are_made_signed_given_and_logged(folder: Path):
    found(folder, "--capture", folder / "honest.pcap", "--weights", folder / "weights")
    (folder / "role.key").write_text(KEY.hex())
    role = ("--state", folder / "state", "--roster", folder / "roster.toml", "--key", folder / "key")
    (folder / "roster.toml").write_text(
        f'[[role]]\nname = "user"\nkeys = ["{public(KEY)}"]\nactions = ["gateway", "model", "budget"]\n'
    )

    def give(*words: object, code: int = 0) -> dict[str, Any]:
        asked = request(folder, *words, "--role", "user")
        signed = custodes("recomputer", "admin", "sign", asked, "--key", folder / "role.key", "--yes")
        (folder / "signature").write_text(signed.stdout)
        given = custodes("recomputer", "admin", "give", asked, *role, "--signature", folder / "signature", "--json")
        assert given.exit_code == code, given.output
        return json.loads(given.stdout)

    model = ("--set", f"model={MODEL.digest.hex()}")
    assert "no gateway serves" in give("model", *model, code=4)["reason"]
    give("gateway", "--set", f"gateway={GATEWAY.hex()}", "--set", f"models={MODEL.digest.hex()}")
    assert give("model", *model)["value"] == [GATEWAY.hex()]
    give("budget", "--set", "share=5", "--set", "floor=7")
    assert json.loads(custodes("recomputer", "status", "--state", folder / "state", "--json").stdout)["budget"] == {
        "share": 5,
        "floor": 7,
    }
    fails(custodes("recomputer", "admin", "give", folder / "request", *role), 4, "refused: 0 of 1 keys")
    log = custodes("recomputer", "admin", "log", "--state", folder / "state")
    assert [line.split()[0] for line in log.stdout.splitlines()] == ["refused", "done", "done", "done", "refused"]
    shown = json.loads(custodes("recomputer", "admin", "show", folder / "request", "--json").stdout)
    assert (shown["action"], shown["arguments"]) == ("budget", {"share": 5, "floor": 7})


def public(key: bytes) -> str:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(key).public_key().public_bytes_raw().hex()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("other",), "no action"),
        (("budget", "--set", "share"), "budget takes share, floor"),
        (("budget", "--set", "share=x"), "invalid literal"),
        (("budget", "--set", "share=1", "--set", "share=2"), "each once"),
        (("model", "--set", "model=xyz"), "non-hexadecimal"),
        (("plugin", "--set", "command='a"), "No closing quotation"),
    ],
)
def test_requests_that_cannot_be_made_say_why(folder: Path, words: tuple[object, ...], says: str):
    made = custodes("recomputer", "admin", "make", *words, "--role", "a", "--recomputer", folder / "public")
    fails(made, 2, says)


def test_nobody_signs_or_gives_nonsense(folder: Path):
    (folder / "nonsense").write_text("0011")
    for command in ("show", "sign"):
        more = ("--key", folder / "key", "--yes") if command == "sign" else ()
        fails(custodes("recomputer", "admin", command, folder / "nonsense", *more), 4, "no request")
    fails(
        custodes("recomputer", "admin", "sign", request(folder, "budget", "--role", "a"), "--key", folder / "key"),
        2,
        "--yes",
    )


def test_weights_are_made_and_served(tmp_path: Path):
    made = custodes("recomputer", "weights", "--out", tmp_path / "weights", "--seed", 1)
    assert made.stdout.startswith("6b77fd2e")
    with python(
        MAIN, "recomputer", "serve", tmp_path / "weights", "--listen", "127.0.0.1:0", stdout=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        port = int(re.search(r"127\.0\.0\.1:(\d+)", line)[1])  # pyright: ignore[reportOptionalSubscript]
        body = json.dumps({"prompt": "hello", "max_tokens": 4}).encode()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/generate", body, 10) as reply:
            assert len(json.load(reply)["text"]) == 4
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=20)
    assert (process.returncode, said) == (0, "1 answers\n")


@pytest.mark.parametrize(("listen", "says"), [("nowhere", "a port number"), ("127.0.0.1:99999", "a port number")])
def test_nobody_serves_at_nonsense(folder: Path, listen: str, says: str):
    fails(custodes("recomputer", "serve", folder / "weights", "--listen", listen), 2, says)
    fails(custodes("recomputer", "serve", folder / "key"), 4, "no weights")


@pytest.mark.skipif(bool(wires.missing()), reason=wires.missing() or "")
def test_a_cable_that_is_cut_is_an_alarm_and_an_order_each_time(folder: Path):
    with wires.Cables() as cables:
        more = ("--interface", "inner", "--silence", 0.5, "--weights", folder / "weights", "--json")
        with cables.between.inside():
            process = python(MAIN, *arguments(folder, *more), stdout=subprocess.PIPE)
        with process, raw(cables.client) as sender:
            errors = process.stderr
            assert errors is not None

            def until(text: str) -> None:
                while text not in (line := errors.readline()):
                    assert line

            until("ordered to shut down: silent: no sample has come for 0.5 s")
            for frame in epochs(pairs=2):
                sender.send(frame.ljust(60, b"\0"))
            until("silent: no sample has come for 0.5 s")
            until("ordered to shut down: silent: no sample has come for 0.5 s")
            process.send_signal(signal.SIGINT)
            said, rest = process.communicate(timeout=30)
    told = json.loads(said)
    assert process.returncode == 6, rest
    assert [alarm.split(":")[0] for alarm in told["alarms"]] == ["silent"] * 2 and len(told["orders"]) == 2
    assert told["verdicts"]["PASS"] == 4 and told["longest_silence"] == 0.5
    assert "longest silence" in custodes("recomputer", "status", "--state", folder / "state").stdout


@pytest.mark.skipif(bool(wires.missing()), reason=wires.missing() or "")
def test_samples_are_taken_from_an_interface(folder: Path):
    frames = epochs(cheat=lambda number: number == 7)
    with wires.Cables() as cables:
        more = ("--interface", "inner", "--weights", folder / "weights", "--json")
        with cables.between.inside():
            process = python(MAIN, *arguments(folder, *more), stdout=subprocess.PIPE)
        with process, raw(cables.client) as sender:
            assert process.stderr is not None
            while "listening at inner" not in (line := process.stderr.readline()):
                assert line
            deadline = time.monotonic() + 30
            for frame in frames:
                sender.send(frame.ljust(60, b"\0"))
            while (
                json.loads(custodes("recomputer", "status", "--state", folder / "state", "--json").stdout)["epoch"] != 3
            ):
                assert time.monotonic() < deadline
                time.sleep(0.1)
            process.send_signal(signal.SIGINT)
            said, errors = process.communicate(timeout=30)
    told = json.loads(said)
    assert process.returncode == 6, errors
    assert told["verdicts"] == {"PASS": 11, "FAIL": 1, "UNVERIFIABLE": 0} and len(told["orders"]) == 1
    assert "order: " in errors and told["orders"][0]["order"] in errors
