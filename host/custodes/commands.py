# SPDX-License-Identifier: Apache-2.0
"""The commands.

Results go to stdout, everything else to stderr. Exit codes: 0 done; 1 internal error; 2 wrong usage; 3 the capture or the
bitstream is bad or the output cannot be written; 4 the policy is bad; 5 the device does not answer or contradicts itself;
6 the device disagrees with the specification; 130 interrupted. Whatever goes wrong is one line on stderr;
wrong usage says above it where to find help.
"""

from __future__ import annotations

import functools
import importlib.metadata
import ipaddress
import logging
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn, ParamSpec

import typer

from custodes.admission import Admission, admit_capture, admit_file
from custodes.capture import Capture
from custodes.device import open_warden
from custodes.errors import INTERRUPTED, CaptureError, CustodesError, DeviceError, MismatchError, UsageError
from custodes.flash import TARGETS, Loader, plan
from custodes.policy import MAX_ADDRESSES, Policy
from custodes.registers import IDENTITY
from custodes.report import Report
from custodes.scrub import scrub_capture
from custodes.simlink import LANES, built_lanes
from custodes.table import PASSED, SCRUBBED
from custodes.terminal import Screen, error_line, policy_line, shown

EXIT_CODES = """\b
Exit codes:
  0    done
  1    internal error
  2    wrong usage
  3    the capture or the bitstream is bad, or the output cannot be written
  4    the policy is bad
  5    the device does not answer, or contradicts itself
  6    the device disagrees with the specification
  130  interrupted
"""
P = ParamSpec("P")
SIMULATED = ("warden",)
INSTALLED_CAPTURE = Path(sys.prefix) / "share" / "custodes" / "demo.pcap"

app = typer.Typer(
    name="custodes",
    help="Scrub network captures through a warden, and check it against its specification.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _lanes(lanes: int) -> int:
    if lanes not in LANES:
        raise typer.BadParameter(f"{lanes} is not one of {', '.join(map(str, LANES))}")
    return lanes


DeviceOption = Annotated[str, typer.Option("--device", metavar="NAME", help="The device: sim:warden is simulated.")]
LanesOption = Annotated[
    int, typer.Option("--lanes", metavar="N", callback=_lanes, help="Bytes per beat of a simulated device: 1, 8 or 64.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Nothing on stderr but errors.")]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="More detail on stderr.")]


def _fail(text: str, code: int) -> NoReturn:
    error_line(text)
    raise typer.Exit(code)


def _command(function: Callable[P, None]) -> Callable[P, None]:
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


def _run(
    screen: Screen,
    source: Path,
    output: Path,
    policy: Path | None,
    device: str,
    lanes: int,
    check: bool,
    waveform: Path | None = None,
) -> Report:
    """Scrub ``source`` into ``output``, with a progress bar."""
    _apart(output, policy)
    _apart(waveform, policy, source, output)
    capture = Capture(source)
    admission = admit_file(policy) if policy else admit_capture(capture)
    report = Report(shown(source), shown(output), device, lanes, check, admission)
    if policy is None:
        screen.note(f"policy: {policy_line(report)}")
    screen.detail("\n".join(_admitted(admission)))
    with open_warden(device, lanes, waveform) as warden, screen.progress(capture.size) as progress:
        scrub_capture(capture, output, admission, warden, report, progress)
    return report


def _apart(written: Path | None, *others: Path | None) -> None:
    """Raise where a file to be written is one of the others."""
    if written and os.path.realpath(written) in [os.path.realpath(other) for other in others if other]:
        raise CaptureError(f"{shown(written)}: needs a file of its own")


def _admitted(admission: Admission) -> list[str]:
    """The stations of each side, a line each."""
    policy = admission.policy
    return [
        f"admitted on {side}: {station.mac.hex(':')} {' '.join(str(ipaddress.ip_address(ip)) for ip in station.ip)}"
        for side, stations in (("cluster", policy.cluster), ("world", policy.world))
        for station in stations
    ]


def _judge(report: Report) -> None:
    """Raise what a report that does not agree deserves."""
    if report.agrees:
        return
    if report.checked:
        raise MismatchError(f"{report.verdict}; {report.output} is not written")
    raise DeviceError(f"the device contradicts its own counters: {report.counters[0]}; {report.output} is not written")


@app.command(epilog=EXIT_CODES)
@_command
def scrub(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A pcap or pcapng capture of Ethernet frames.")],
    output: Annotated[Path, typer.Argument(metavar="OUT", help="Written when all is done: .pcap or .pcapng.")],
    policy: Annotated[
        Path | None,
        typer.Option("--policy", metavar="FILE", help="What is admitted (TOML). Without: the addresses in IN."),
    ] = None,
    device: DeviceOption = "sim:warden",
    lanes: LanesOption = 1,
    check: Annotated[bool, typer.Option("--check", help="Compare every frame with the specification.")] = False,
    as_json: JsonOption = False,
    waveform: Annotated[
        Path | None, typer.Option("--waveform", metavar="FILE", help="Record every signal of a simulated device (VCD).")
    ] = None,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Send a capture through a warden and write what comes out of it.

    Times, to the nanosecond, and order stay. Frames that the capture holds only in part are dropped. With --policy a
    frame enters at the world port if its source MAC address is only among the policy's world stations; without, the
    first station to send is the cluster. OUT is not written where the device disagrees with the specification.

    In the report, what became of each frame is the device's word; which fields it carries, and so the bits per field,
    is what the specification says of the same frame.
    """
    screen = Screen(-1 if quiet else int(verbose))
    report = _run(screen, source, output, policy, device, lanes, check, waveform)
    if as_json:
        screen.json(report.to_json())
    else:
        screen.report(report)
    _judge(report)


@app.command(epilog=EXIT_CODES)
@_command
def demo(
    capture: Annotated[
        Path | None, typer.Option("--capture", metavar="FILE", help="The capture; without, the one that is installed.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where to write.")] = Path("custodes-demo"),
    device: DeviceOption = "sim:warden",
    lanes: LanesOption = 1,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Scrub a recorded capture, check every frame, and write a report as one HTML page."""
    # Whatever this environment says of matplotlib: it shows no window, and where it caches fonts is nobody's concern.
    os.environ["MPLBACKEND"] = "svg"
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    from custodes.page import write_page  # matplotlib is slow to import

    screen = Screen(-1 if quiet else int(verbose))
    source = capture or INSTALLED_CAPTURE
    if capture is None and not source.exists():
        raise CaptureError(f"no capture is installed at {shown(source)}; give one with --capture FILE")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CaptureError(f"{shown(out)}: cannot be created: {error.strerror}") from None
    suffix = source.suffix if source.suffix in (".pcap", ".pcapng") else ".pcap"
    page = out / "warden.html"
    _apart(page, source)
    report = _run(screen, source, out / f"{source.stem}-scrubbed{suffix}", None, device, lanes, check=True)
    write_page(page, report)
    if as_json:
        screen.json(report.to_json() | {"page": shown(page)})
    else:
        screen.report(report)
        screen.result(f"report: {shown(page)}")
    _judge(report)


@app.command("list", epilog=EXIT_CODES)
@_command
def list_devices(as_json: JsonOption = False, quiet: QuietOption = False) -> None:
    """Show the devices that can be opened now."""
    screen = Screen(-1 if quiet else 0)
    found = [{"name": f"sim:{which}", "lanes": lanes} for which in SIMULATED if (lanes := built_lanes(which))]
    if as_json:
        screen.json({"devices": found})
        return
    for device in found:
        screen.result(f"{device['name']}  lanes {', '.join(map(str, device['lanes']))}")
    if not found:
        screen.note("no device: build the simulated ones with `make sim`")


@app.command(epilog=EXIT_CODES)
@_command
def info(
    device: DeviceOption = "sim:warden",
    lanes: LanesOption = 1,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Show the version, the device's identity, the policy's defaults and the rows of the scrub table."""
    screen = Screen(-1 if quiet else int(verbose))
    with open_warden(device, lanes) as warden:
        identity = warden.link.read(IDENTITY)
    policy = Policy()
    facts: dict[str, Any] = {
        "version": _version(),
        "device": {"name": device, "identity": f"{identity:#010x}", "lanes": lanes},
        "policy_defaults": {
            "ethertypes": sorted(policy.ethertypes),
            "protocols": sorted(policy.protocols),
            "vlans": [str(vlan) for vlan in policy.vlans],
            "ttl": policy.ttl,
            "tcp_mss": policy.tcp.mss,
            "udp_deny_ports": list(policy.udp.deny_ports),
            "addresses": f"at most {MAX_ADDRESSES}",
        },
        "table": [
            {
                "key": row.key,
                "title": row.title,
                "action": "passes" if row.stateful else row.action.name.lower(),
                "bits": row.bits,
                "after": row.after,
                "breaks": row.breaks,
            }
            for row in (*SCRUBBED, *PASSED)
        ],
    }
    if as_json:
        screen.json(facts)
    else:
        screen.info(facts)


@app.command(epilog=EXIT_CODES)
@_command
def flash(
    bitstream: Annotated[Path, typer.Argument(metavar="FILE", help="A bitstream: .bit for ECP5, .bin for iCE40.")],
    board: Annotated[str, typer.Option("--board", metavar="B", help=f"One of {', '.join(TARGETS)}.")],
    verify: Annotated[bool, typer.Option("--verify", help="Read the flash back and compare.")] = False,
    sram: Annotated[bool, typer.Option("--sram", help="Until power goes, and not into the flash.")] = False,
    probe: Annotated[
        str | None, typer.Option("--probe", metavar="BUS:DEVICE", help="Which programmer, where there are several.")
    ] = None,
    cable: Annotated[
        str | None, typer.Option("--cable", metavar="KIND", help="Its kind, for a board that has none of its own.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    quiet: QuietOption = False,
) -> None:
    """Write a bitstream into a board, through openFPGALoader.

    It says what it will do and asks first. Of several programmers it takes none unless told which.
    """
    screen = Screen(-1 if quiet else 0)
    loader = Loader()
    writing = plan(loader, board, bitstream, probe, cable, sram, verify)
    screen.note(f"about to {writing}")
    if not yes and not _agreed():
        raise UsageError("nothing is written")
    loader.write(writing)
    screen.result(f"{writing.sha256}  {shown(bitstream)}")


def _agreed() -> bool:
    """Whether the user at the terminal says yes."""
    if not sys.stdin.isatty():
        raise UsageError("nobody is there to ask: say --yes")
    print("go on? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _version() -> str:
    try:
        return importlib.metadata.version("custodes")
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _print_version(wanted: bool) -> None:
    if wanted:
        Screen().result(f"custodes {_version()}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Scrub network captures through a warden, and check it against its specification."""
