# SPDX-License-Identifier: Apache-2.0
"""`custodes coin`: what its commands say of transcripts, keys and addresses, and their exit codes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from custodes.coin_commands import app
from tests.host.coin_scene import Scene
from tests.host.fake_coin import write_keys


def coin(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def fails(result: Result, code: int, words: str) -> None:
    assert (result.exit_code, result.stdout) == (code, ""), result.output
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_keys(tmp_path)
    return tmp_path


def public(folder: Path, **others: str) -> list[object]:
    names = {name: name for name in ("prover", "verifier", "warden")} | others
    return [word for name, whose in names.items() for word in (f"--{name}", folder / f"{whose}.pub")]


def test_check_shows_what_a_transcript_shows(folder: Path):
    scene = Scene(folder / "log")
    assert asyncio.run(scene.play()) == [None, None, None]
    (played,) = scene.results
    for name in ("prover", "verifier", "warden"):
        result = coin("check", folder / "log" / f"{name}-1.jsonl", *public(folder), "--json")
        assert result.exit_code == 0
        assert json.loads(result.stdout) == played.to_json()
    result = coin("check", folder / "log" / "prover-1.jsonl", *public(folder))
    used = "words used: 3 by the cluster, 4 by the world"
    assert result.stdout.split() == f"epoch 1: seed {played.seed.hex()}, {used}".split()


def test_check_says_who_has_not_signed(folder: Path):
    asyncio.run(Scene(folder / "log").play())
    exchanged = public(folder, prover="verifier", verifier="prover")
    result = coin("check", folder / "log" / "prover-1.jsonl", *exchanged)
    fails(result, 7, "is not signed by the prover")
    result = coin("check", folder / "log" / "prover-1.jsonl", *exchanged, "--json")
    assert result.exit_code == 7
    assert json.loads(result.stdout)["fault"] == "bad message"


@pytest.mark.parametrize(
    "content", ["{}\n", "[]\n", "\n", '{"message": 7}\n', '{"message": "zz", "speaker": "prover"}\n']
)
def test_check_tells_what_is_no_transcript(folder: Path, content: str):
    path = folder / "log" / "prover-1.jsonl"
    path.write_text(content)
    fails(coin("check", path, *public(folder)), 3, "prover-1.jsonl")
    fails(coin("check", folder / "none", *public(folder)), 3, "No such file")


def party(folder: Path, **changed: object) -> Result:
    options: dict[str, object] = {
        "connect": "127.0.0.1:1",
        "key": folder / "prover.key",
        "peer": folder / "verifier.pub",
        "warden": folder / "warden.pub",
        "transcripts": folder / "log",
    }
    words = [word for name, value in (options | changed).items() for word in (f"--{name}", value)]
    return coin("prover", *words)


def test_what_a_party_cannot_begin_with_is_said(folder: Path):
    fails(party(folder), 2, "127.0.0.1:1: nobody is there")
    for address in ("127.0.0.1", ":7", "host:x", "host:65536"):
        fails(party(folder, connect=address), 2, "is not HOST:PORT")
    fails(party(folder, key=folder / "none"), 4, "No such file")
    fails(party(folder, key=folder / "log"), 4, "Is a directory")
    fails(party(folder, peer=folder / "prover.pub"), 2, "need keys of their own")
    fails(party(folder, transcripts=folder / "none"), 3, "No such file")
    (folder / "bad.key").write_text("77" * 31)
    fails(party(folder, key=folder / "bad.key"), 4, "neither a private key")


def test_a_device_without_a_coin_is_said(folder: Path):
    keys = ("--key", folder / "warden.key", "--prover", folder / "prover.pub", "--verifier", folder / "verifier.pub")
    result = coin("warden", *keys, "--transcripts", folder / "log", "--device", "sim:nothing")
    fails(result, 5, "sim:nothing")
