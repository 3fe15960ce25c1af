# SPDX-License-Identifier: Apache-2.0
"""Plug-ins of the recomputer: the built-in one, and a program that is asked."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from custodes.inference_server import wrong
from custodes.recompute import CommandPlugin, TransformerPlugin, Verdict
from tests.host.test_inference import MODEL, answered, asked

PLUGIN = TransformerPlugin(MODEL)
INPUT = asked({"prompt": "hello", "max_tokens": 6})
OUTPUT = answered(INPUT)
HEALTH = b"GET /health HTTP/1.1\r\n\r\n"


def test_the_right_answer_passes():
    assert PLUGIN.judge(INPUT, OUTPUT).verdict is Verdict.PASS
    assert PLUGIN.judge(INPUT + HEALTH + INPUT, OUTPUT + answered(HEALTH) + OUTPUT).verdict is Verdict.PASS
    refused = asked(b"nonsense")
    assert PLUGIN.judge(refused, answered(refused)).verdict is Verdict.PASS


def test_every_other_octet_fails():
    for at in range(len(OUTPUT)):
        changed = OUTPUT[:at] + bytes([OUTPUT[at] ^ 1]) + OUTPUT[at + 1 :]
        assert PLUGIN.judge(INPUT, changed) == (Verdict.FAIL, f"the answer differs from octet {at} on")
    assert PLUGIN.judge(INPUT, OUTPUT + b"x") == (Verdict.FAIL, f"the answer differs from octet {len(OUTPUT)} on")
    assert PLUGIN.judge(INPUT, wrong(OUTPUT)).verdict is Verdict.FAIL
    assert (
        PLUGIN.judge(INPUT, OUTPUT.replace(b"\r\nContent-Length", b"\r\nX: y\r\nContent-Length")).verdict
        is Verdict.FAIL
    )


@pytest.mark.parametrize(
    ("input", "output", "says"),
    [
        (INPUT, OUTPUT[:-1], f"ends after {len(OUTPUT) - 1} of {len(OUTPUT)} octets"),
        (INPUT, b"", "ends after 0 of"),
        (INPUT[:-1], b"", "ends in the body"),
        (INPUT + INPUT[:50], OUTPUT, "ends in the head"),
        (INPUT + b"\0", OUTPUT[:-1], "ends in the head"),
        (INPUT[50:], OUTPUT, "no HTTP request"),
        (b"\0", OUTPUT, "ends in the head"),
        (INPUT, OUTPUT[5:] + OUTPUT, "begins with what belongs to an earlier input"),
        (INPUT + HEALTH, OUTPUT[-1:] + OUTPUT + answered(HEALTH), "begins with what belongs to an earlier input"),
    ],
)
def test_what_cannot_be_judged_is_unverifiable(input: bytes, output: bytes, says: str):
    judgement = PLUGIN.judge(input, output)
    assert judgement.verdict is Verdict.UNVERIFIABLE and says in judgement.reason


@pytest.mark.parametrize(
    ("input", "output", "says"),
    [
        (HEALTH, b"something", "differs from octet 0"),
        (INPUT + HEALTH, OUTPUT + b"something", f"differs from octet {len(OUTPUT)}"),
        (INPUT + HEALTH, wrong(OUTPUT) + answered(HEALTH), "differs from octet"),
        (b"PUT /other HTTP/1.1\r\n\r\n", b"something", "differs from octet 0"),
    ],
)
def test_every_octet_counts_whatever_is_asked(input: bytes, output: bytes, says: str):
    judgement = PLUGIN.judge(input, output)
    assert judgement.verdict is Verdict.FAIL and says in judgement.reason


@pytest.mark.parametrize("size", range(1, len(INPUT)))
def test_nothing_is_answered_before_it_was_asked(size: int):
    for before, rest in ((b"", OUTPUT), (b"", b"x"), (INPUT, b"x"), (INPUT, OUTPUT)):
        output = (OUTPUT if before else b"") + rest
        judgement = PLUGIN.judge(before + INPUT[:size], output)
        assert judgement.verdict is Verdict.FAIL and "answered before it was asked" in judgement.reason


def test_a_wrong_answer_fails_whatever_follows_the_request():
    for rest in (INPUT[:50], INPUT[:-1], b"\0", b"nonsense\r\n\r\n"):
        assert PLUGIN.judge(INPUT + rest, wrong(OUTPUT)).verdict is Verdict.FAIL


def program(path: Path, text: str, seconds: float = 20) -> CommandPlugin:
    path.write_text("import base64, json, os, sys, time\n" + text)
    return CommandPlugin([sys.executable, str(path)], seconds)


def test_a_program_judges(tmp_path: Path):
    text = (
        "asked = json.loads(sys.stdin.readline())\n"
        "same = base64.b64decode(asked['input']) == base64.b64decode(asked['output'])\n"
        "print(json.dumps({'verdict': 'PASS' if same else 'FAIL', 'reason': 'compared\\nand more'}))\n"
    )
    plugin = program(tmp_path / "plugin.py", text)
    assert plugin.judge(b"\0\xff", b"\0\xff") == (Verdict.PASS, "compared")
    assert plugin.judge(b"\0\xff", b"\0") == (Verdict.FAIL, "compared")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sys.exit(3)", "ended with 3"),
        ("print('PASS')", "nothing that is a verdict"),
        ("print(json.dumps({'verdict': 'MAYBE', 'reason': ''}))", "nothing that is a verdict"),
        ("print(json.dumps({'verdict': 'PASS'}))", "nothing that is a verdict"),
        ("print(json.dumps({'verdict': ['PASS'], 'reason': 1}))", "nothing that is a verdict"),
        ("print('[' * 60000)", "nothing that is a verdict"),
        ("print(json.dumps({'verdict': 'PASS', 'reason': 'x' * 70000}))", "nothing that is a verdict"),
        ("", "nothing that is a verdict"),
    ],
)
def test_a_program_that_says_no_verdict_makes_a_pair_unverifiable(tmp_path: Path, text: str, says: str):
    judgement = program(tmp_path / "plugin.py", text).judge(b"", b"")
    assert judgement.verdict is Verdict.UNVERIFIABLE and says in judgement.reason


def test_a_program_that_takes_too_long_is_killed_with_what_it_started(tmp_path: Path):
    place = tmp_path / "pid"
    text = f"child = os.fork()\nif child: open({str(place)!r}, 'w').write(str(child))\ntime.sleep(60)\n"
    before = time.monotonic()
    judgement = program(tmp_path / "plugin.py", text, 1.5).judge(b"", b"")
    assert judgement == (Verdict.UNVERIFIABLE, "the program took longer than 1.5 s")
    assert time.monotonic() - before < 20
    child = int(place.read_text())
    deadline = time.monotonic() + 5
    while alive(child):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_program_that_is_not_there_makes_a_pair_unverifiable():
    assert "cannot be started" in CommandPlugin([os.devnull]).judge(b"", b"").reason
