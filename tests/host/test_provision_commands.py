# SPDX-License-Identifier: Apache-2.0
"""`custodes provision`: what is done, said, and resumed."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import cbor2
import pytest
from typer.testing import CliRunner, Result

from custodes import commands
from custodes.lifecycle import Alarm, Lifecycle
from custodes.mailbox import Item, Request, SelfTest, Status
from custodes.provisioning import load_provisioning
from tests.host.fake_nic import PROVISIONING_TOML, FakeNic, Flash, encoded, write_files
from tests.host.program import ROOT, python


def custodes(*arguments: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(
        commands.app, [str(argument) for argument in arguments], prog_name="custodes", input=stdin
    )


def fails(result: Result, code: int, message: str) -> None:
    """Nothing on stdout, and the last line on stderr says why."""
    assert (result.exit_code, result.stdout) == (code, ""), result.output
    assert result.stderr.splitlines()[-1].startswith("custodes: ")
    assert message in result.stderr.splitlines()[-1]


Install = Callable[[FakeNic], FakeNic]


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Make the device given be what every name opens."""

    def install(link: FakeNic) -> FakeNic:
        monkeypatch.setattr("custodes.device.open_link", lambda *_: link)
        return link

    return install


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With a provisioning file, and what it names."""
    write_files(tmp_path)
    return tmp_path


def signing(folder: Path, *numbers: int) -> list[object]:
    return [word for number in numbers or (0, 2) for word in ("--governor-key", folder / f"governor{number}.key")]


def provision(folder: Path, *options: object) -> Result:
    return custodes("provision", folder / "nic.toml", *options)


def activate(folder: Path) -> None:
    assert provision(folder, "--yes", "-q", *signing(folder)).exit_code == 0


def test_provisions_locks_and_activates(folder: Path, device: Install) -> None:
    link = device(FakeNic())
    result = provision(folder, "--yes", *signing(folder))
    assert result.exit_code == 0, result.stderr
    lines = result.stderr.splitlines()
    assert [line.split(":")[0] for line in lines[:5]] == [item.name.lower() for item in Item]
    assert all(line.endswith("bytes written and read back") for line in lines[:5])
    assert lines[5:] == ["locked", "activated"]
    assert "nic-7, 2026-0001" in result.stdout and "operational" in result.stdout
    assert link.flash.items == load_provisioning(folder / "nic.toml").items
    assert link.lifecycle is Lifecycle.OPERATIONAL and link.closed


def test_json_has_the_documented_keys(folder: Path, device: Install) -> None:
    device(FakeNic())
    found = json.loads(provision(folder, "--yes", "--json", *signing(folder)).stdout)
    sizes = {item: len(data) for item, data in load_provisioning(folder / "nic.toml").items.items()}
    identity = found.pop("identity")
    assert {name: len(bytes.fromhex(value)) for name, value in identity.items()} == {
        "identity_key": 32,
        "agreement_key": 32,
    }
    assert found == {
        "device": "sim:nic",
        "name": "nic-7",
        "serial": "2026-0001",
        "lifecycle": "OPERATIONAL",
        "provisioning_digest": load_provisioning(folder / "nic.toml").digest.hex(),
        "items": {item.name: {"bytes": sizes[item], "written": True} for item in Item},
        "locked": True,
        "activated": True,
        "order": None,
    }


def test_without_governors_it_prints_what_is_to_be_signed(folder: Path, device: Install) -> None:
    link = device(FakeNic())
    result = provision(folder, "--yes")
    assert result.exit_code == 0
    assert "2 of 3 governors must sign" in result.stderr and link.lifecycle is Lifecycle.PROVISIONED
    order = bytes.fromhex(result.stdout.splitlines()[-1])
    kind, *_, digest = cbor2.loads(order)
    assert (kind, digest) == ("custodes/activate/v1", load_provisioning(folder / "nic.toml").digest)
    assert json.loads(provision(folder, "--json").stdout)["order"] is not None


def test_activates_later(folder: Path, device: Install) -> None:
    link = device(FakeNic())
    provision(folder, "--yes")
    device(FakeNic(link.flash))
    found = json.loads(provision(folder, "--json", *signing(folder, 0, 1, 2)).stdout)
    assert (found["lifecycle"], found["locked"], found["activated"]) == ("OPERATIONAL", False, True)
    assert not any(item["written"] for item in found["items"].values())


def test_a_second_run_changes_nothing(folder: Path, device: Install) -> None:
    link = device(FakeNic())
    activate(folder)
    link.requests.clear()
    found = json.loads(provision(folder, "--json", *signing(folder)).stdout)
    assert (found["locked"], found["activated"]) == (False, False)
    assert set(link.requests) == {Request.DIGEST, Request.IDENTIFY}


def test_no_lock_leaves_it_blank(folder: Path, device: Install) -> None:
    link = device(FakeNic())
    assert json.loads(provision(folder, "--no-lock", "--json").stdout)["lifecycle"] == "BLANK"
    assert link.lifecycle is Lifecycle.BLANK and len(link.flash.items) == len(Item)
    fails(provision(folder, "--no-lock", *signing(folder)), 2, "cannot be activated")


def test_locking_is_asked_for(folder: Path, device: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    link = device(FakeNic())
    fails(provision(folder), 2, "nobody is there to ask: say --yes")

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def answers(text: str) -> None:
        console = SimpleNamespace(stdin=Terminal(text), stderr=sys.stderr)
        monkeypatch.setattr("custodes.command_line.sys", console)

    for refusal in ("\n", "n\n", ""):
        answers(refusal)
        fails(provision(folder), 2, "is not locked")
        assert link.lifecycle is Lifecycle.BLANK
    answers("y\n")
    assert provision(folder).exit_code == 0
    assert link.lifecycle is Lifecycle.PROVISIONED


def test_what_is_kept_is_not_written_again(folder: Path, device: Install) -> None:
    items = load_provisioning(folder / "nic.toml").items
    link = device(FakeNic(Flash({Item.GOVERNORS: items[Item.GOVERNORS], Item.POLICY: b"\x80"})))
    found = json.loads(provision(folder, "--no-lock", "--json").stdout)
    assert [name for name, item in found["items"].items() if not item["written"]] == ["GOVERNORS"]
    assert link.flash.items == items


CHANGING = (Request.STORE, Request.COMMIT, Request.LOCK, Request.IDENTIFY, Request.ORDER)


@pytest.mark.parametrize("carried_out", [False, True])
@pytest.mark.parametrize("request_number", range(13))
def test_goes_on_after_an_interruption_anywhere(
    folder: Path, device: Install, request_number: int, carried_out: bool
) -> None:
    """Ctrl-C with the n-th request that changes something or takes long, before or after the device has done it."""
    asked = 0

    def interrupt(done: bool) -> None:
        if done == carried_out and asked == request_number + 1:
            raise KeyboardInterrupt

    def before(request: Request) -> None:
        nonlocal asked
        asked += request in CHANGING
        interrupt(False)

    def after(reply: bytes) -> bytes:
        interrupt(True)
        return reply

    link = device(FakeNic(before=before, spoil=after))
    fails(provision(folder, "--yes", *signing(folder)), 130, "the same command goes on from there")
    written, blank = set(link.flash.items), link.lifecycle is Lifecycle.BLANK
    asked = 100
    found = json.loads(provision(folder, "--yes", "--json", *signing(folder)).stdout)
    assert written == {Item[name] for name, item in found["items"].items() if not item["written"]}
    assert found["locked"] is blank
    assert link.lifecycle is Lifecycle.OPERATIONAL
    assert link.flash.items == load_provisioning(folder / "nic.toml").items


INTERRUPTED = """
import time
from custodes import device
from custodes.cli import main
from tests.host.fake_nic import FakeNic
class Slow(FakeNic):
    def wait(self, seconds):
        print("waiting", flush=True)
        time.sleep(0.05)
device.open_link = lambda *_: Slow(busy_reads=1 << 30)
main()
"""


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_device_works_is_one_line_and_130(folder: Path, sent: signal.Signals) -> None:
    with python(INTERRUPTED, "provision", folder / "nic.toml", "--yes", stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == "waiting\n"
        process.send_signal(sent)
        _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error == (
        "custodes: interrupted: the device keeps what has been written; the same command goes on from there\n"
    )


def test_a_device_that_is_provisioned_with_something_else_is_said(folder: Path, device: Install) -> None:
    device(FakeNic())
    activate(folder)
    text = PROVISIONING_TOML.replace("nic-7", "nic-8").replace("window = 4", "window = 5")
    (folder / "nic.toml").write_text(text)
    message = "the device is operational already, from another file: it differs in identity, sessions"
    fails(provision(folder, "--yes"), 5, message)


@pytest.mark.parametrize("pin", ["identity_key", "build_id", "rom_digest"])
def test_a_device_that_is_not_the_one_that_is_meant_is_left_alone(folder: Path, device: Install, pin: str) -> None:
    link = device(FakeNic())
    (folder / "nic.toml").write_text(PROVISIONING_TOML.replace("[device]", f'[device]\n{pin} = "{bytes(32).hex()}"'))
    fails(provision(folder, "--yes"), 5, f"not the device that is meant: its {pin} is ")
    assert link.flash.items == {}


def test_the_device_that_is_meant_is_provisioned(folder: Path, device: Install) -> None:
    device(FakeNic())
    key = json.loads(provision(folder, "--no-lock", "--json").stdout)["identity"]["identity_key"]
    (folder / "nic.toml").write_text(PROVISIONING_TOML.replace("[device]", f'[device]\nidentity_key = "{key}"'))
    assert provision(folder, "--yes").exit_code == 0


def tampered() -> FakeNic:
    link = FakeNic()
    link.alarm(Alarm.TAMPER)
    return link


@pytest.mark.parametrize(
    ("link", "message"),
    [
        (tampered(), "the tamper input"),
        (FakeNic(Flash(lifecycle=Lifecycle.BRICKED)), "bricked"),
        (FakeNic(failing=[SelfTest.ED25519_SIGN]), None),
    ],
)
def test_a_device_in_no_state_for_it_is_said(folder: Path, device: Install, link: FakeNic, message: str | None) -> None:
    device(link)
    if message is None:
        assert custodes("selftest", "ed25519_sign").exit_code == 6
        message = "a self-test has failed"
    fails(provision(folder, "--yes"), 5, message)


@pytest.mark.parametrize(
    ("status", "message"),
    [(Status.STORE_FAILED, "its flash does not answer"), (Status.FORBIDDEN, "not in this lifecycle state")],
)
def test_what_the_device_refuses_is_said(folder: Path, device: Install, status: Status, message: str) -> None:
    device(FakeNic(spoil=lambda reply: encoded([status])))
    fails(provision(folder, "--yes"), 5, message)


def test_the_wrong_governors_are_said(folder: Path, device: Install) -> None:
    link = device(FakeNic())
    fails(provision(folder, "--yes", *signing(folder, 0)), 4, "1 of 2 governors that must sign have given their key")
    fails(provision(folder, "--yes", *signing(folder, 0, 0)), 4, "governor 0 is given twice")
    (folder / "governor0.key").write_text("11" * 32)
    fails(provision(folder, "--yes", *signing(folder, 0, 1)), 4, "is the key of no governor")
    assert link.requests == []


def test_a_governors_key_may_come_from_standard_input(folder: Path, device: Install) -> None:
    link = device(FakeNic())
    options = ("--yes", "--governor-key", "-", *signing(folder, 1))
    text = (folder / "governor0.key").read_text()
    result = subprocess.run(
        [sys.executable, "-c", FAKED, "provision", str(folder / "nic.toml"), *map(str, options)],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "activated" in result.stderr
    fails(provision(folder, "--yes", "--governor-key", "-", "--governor-key", "-"), 2, "only one of these files")
    assert link.requests == []


FAKED = f"""
import sys
sys.path[:0] = [{str(ROOT)!r}]
from custodes import device
from custodes.cli import main
from tests.host.fake_nic import FakeNic
device.open_link = lambda *_: FakeNic()
main()
"""


def test_a_terminal_shows_the_question_and_waits_for_the_answer(folder: Path) -> None:
    ours, theirs = os.openpty()
    command = [sys.executable, "-c", FAKED, "provision", str(folder / "nic.toml")]
    with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, text=True) as process:
        os.close(theirs)
        shown = b""
        while not shown.endswith(b"go on? [y/N] "):
            shown += os.read(ours, 1)
        os.write(ours, b"y\n")
        shown = b""
        with suppress(OSError):  # the terminal is gone once nobody has it open any more
            while more := os.read(ours, 4096):
                shown += more
        output, _ = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == 0
    assert b"locked" in shown and "provisioned" in output
