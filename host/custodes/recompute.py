# SPDX-License-Identifier: Apache-2.0
"""Plug-ins of the recomputer: what says whether an output is what its input must have."""

from __future__ import annotations

import base64
import enum
import json
import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple, Protocol

from custodes.inference import answer, read_input
from custodes.transformer import Transformer

COMMAND_S = 60.0
MAX_ANSWER_BYTES = 1 << 16
MAX_REASON = 200


class Verdict(enum.Enum):
    """On a pair."""

    PASS = "PASS"
    FAIL = "FAIL"
    UNVERIFIABLE = "UNVERIFIABLE"


class Judgement(NamedTuple):
    """A verdict, and in a line why."""

    verdict: Verdict
    reason: str


class Plugin(Protocol):
    """Judges pairs."""

    def judge(self, input: bytes, output: bytes) -> Judgement:
        """Of what a server got, and what it answered."""
        ...


class TransformerPlugin:
    """Answers the requests again, with the weights that the server has, and compares every octet.

    Nothing may be answered but whole requests. An input that does not begin with a request may be the rest of one whose
    beginning is in another pair, and an output that ends as it must may begin with the rest of an answer: who asks again
    before the answer is acknowledged makes such pairs, and they are unverifiable.
    """

    def __init__(self, model: Transformer) -> None:
        self._model = model

    def judge(self, input: bytes, output: bytes) -> Judgement:
        asked = read_input(input)
        if asked.problem is not None and not asked.begun:
            return Judgement(Verdict.UNVERIFIABLE, str(asked.problem))
        expected = b"".join(answer(self._model, request) for request in asked.requests)
        if asked.problem is not None and expected.startswith(output):
            return Judgement(Verdict.UNVERIFIABLE, str(asked.problem))
        if output == expected:
            return Judgement(Verdict.PASS, "the same octets")
        if expected.startswith(output):
            return Judgement(Verdict.UNVERIFIABLE, f"the answer ends after {len(output)} of {len(expected)} octets")
        if output.endswith(expected) and not output.startswith(expected):
            return Judgement(Verdict.UNVERIFIABLE, "the output begins with what belongs to an earlier input")
        if asked.problem is not None and output.startswith(expected):
            return Judgement(Verdict.FAIL, f"something was answered before it was asked: {asked.problem}")
        differs = next(
            (i for i, (one, other) in enumerate(zip(expected, output, strict=False)) if one != other), len(expected)
        )
        return Judgement(Verdict.FAIL, f"the answer differs from octet {differs} on")


class CommandPlugin:
    """Asks a program, once for each pair.

    It gets a line of JSON on its standard input, ``{"input": ..., "output": ...}`` in base64 (RFC 4648, 4), and says
    ``{"verdict": "PASS" | "FAIL" | "UNVERIFIABLE", "reason": ...}`` on its standard output. What else happens, as that it
    fails or takes too long, makes a pair unverifiable.

    Args:
        command: the program and its arguments; no shell is asked.
        seconds: it may take. Then it and what it has started in its process group is killed.
    """

    def __init__(self, command: Sequence[str], seconds: float = COMMAND_S) -> None:
        self._command, self._seconds = [*command], seconds

    def judge(self, input: bytes, output: bytes) -> Judgement:
        asked = {"input": base64.b64encode(input).decode(), "output": base64.b64encode(output).decode()}
        try:
            said = self._ask(json.dumps(asked).encode() + b"\n")
        except OSError as error:
            return Judgement(Verdict.UNVERIFIABLE, f"the program cannot be started: {error.strerror}")
        except subprocess.TimeoutExpired:
            return Judgement(Verdict.UNVERIFIABLE, f"the program took longer than {self._seconds:g} s")
        except subprocess.CalledProcessError as error:
            return Judgement(Verdict.UNVERIFIABLE, f"the program ended with {error.returncode}")
        return _said(said)

    def _ask(self, asked: bytes) -> bytes:
        with subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            try:
                said, _ = process.communicate(asked, self._seconds)
            except BaseException:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, self._command)
        return said


def _said(octets: bytes) -> Judgement:
    try:
        if len(octets) > MAX_ANSWER_BYTES:
            raise ValueError
        found = json.loads(octets)
        verdict, reason = Verdict(found["verdict"]), found["reason"]
        if isinstance(reason, str):
            return Judgement(verdict, reason.partition("\n")[0][:MAX_REASON])
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    return Judgement(Verdict.UNVERIFIABLE, "the program said nothing that is a verdict")
