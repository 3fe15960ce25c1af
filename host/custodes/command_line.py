# SPDX-License-Identifier: Apache-2.0
"""What commands share: exit codes, options, and how an error ends one.

Results go to stdout, everything else to stderr. Whatever goes wrong is one line on stderr; wrong usage says above it where
to find help.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn, ParamSpec, TextIO

import typer

from custodes.errors import INTERRUPTED, CaptureError, CustodesError, DeviceError, MismatchError, UsageError
from custodes.passage import Passage
from custodes.simlink import LANES
from custodes.terminal import Screen, error_line, shown

EXIT_CODES = """\b
Exit codes:
  0    done
  1    internal error
  2    wrong usage
  3    the capture or the bitstream is bad, the output cannot be written, or an interface cannot be used
  4    the policy or the provisioning file is bad, or keys, weights, a request or an order are
  5    the device does not answer, refuses, or contradicts itself
  6    the device disagrees with the specification, or a self-test of it fails
  7    an epoch of a coin flip is void
  130  interrupted
"""
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
P = ParamSpec("P")


def _lanes(lanes: int) -> int:
    if lanes not in LANES:
        raise typer.BadParameter(f"{lanes} is not one of {', '.join(map(str, LANES))}")
    return lanes


CaptureArgument = Annotated[Path, typer.Argument(metavar="IN", help="A pcap or pcapng capture of Ethernet frames.")]
OutputArgument = Annotated[Path, typer.Argument(metavar="OUT", help="Written when all is done: .pcap or .pcapng.")]
LanesOption = Annotated[
    int, typer.Option("--lanes", metavar="N", callback=_lanes, help="Bytes per beat of a simulated device: 1, 8 or 64.")
]
CheckOption = Annotated[bool, typer.Option("--check", help="Compare every frame with the specification.")]
WaveformOption = Annotated[
    Path | None, typer.Option("--waveform", metavar="FILE", help="Record every signal of a simulated device (VCD).")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Nothing on stderr but errors.")]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="More detail on stderr.")]


def _fail(text: str, code: int) -> NoReturn:
    error_line(text)
    raise typer.Exit(code)


def command(function: Callable[P, None]) -> Callable[P, None]:
    """Turn what a command raises into one line on stderr and its exit code."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except CustodesError as error:
            _fail(str(error), error.exit_code)
        except KeyboardInterrupt:
            _fail("interrupted", INTERRUPTED)
        except (typer.Exit, typer.BadParameter):
            raise
        except Exception as error:
            if kwargs.get("verbose"):
                traceback.print_exc()
            _fail(f"internal error: {type(error).__name__}: {error}", CustodesError.exit_code)

    return run


def screen(quiet: bool, verbose: bool = False) -> Screen:
    """Where a command with these options prints."""
    return Screen(-1 if quiet else int(verbose))


@contextmanager
def ended() -> Iterator[list[int]]:
    """Signals that have asked for the end, in place of what they do otherwise."""
    came: list[int] = []
    before = {number: signal.signal(number, lambda number, _: came.append(number)) for number in ENDING}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def apart(written: Path | None, *others: Path | None) -> None:
    """Raise where a file to be written is one of the others."""
    if written and os.path.realpath(written) in [os.path.realpath(other) for other in others if other]:
        raise CaptureError(f"{shown(written)}: needs a file of its own")


def appended(path: Path) -> TextIO:
    """A file that text is added to; raises `CaptureError`."""
    try:
        return path.open("a", encoding="utf-8")
    except OSError as error:
        raise CaptureError(f"{shown(path)}: cannot be written: {error.strerror}") from None


def judge(report: Passage) -> None:
    """Raise what a report that does not agree deserves."""
    if report.agrees:
        return
    if report.checked:
        raise MismatchError(f"{report.verdict}; {report.output} is not written")
    raise DeviceError(f"the device contradicts its own counters: {report.counters[0]}; {report.output} is not written")


def agreed(question: str = "") -> bool:
    """Whether the user at the terminal says yes."""
    if not sys.stdin.isatty():
        raise UsageError("nobody is there to ask: say --yes")
    if question:
        print(question, file=sys.stderr)
    print("go on? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
