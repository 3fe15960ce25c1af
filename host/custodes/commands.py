# SPDX-License-Identifier: Apache-2.0
"""The commands; what they share is in `custodes.command_line`, the exit codes too."""

from __future__ import annotations

import ipaddress
import json
import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from custodes import coin_commands, order_commands, recomputer_command, register_commands
from custodes.admission import Admission, admit_capture, admit_file
from custodes.border_leg import cross_border
from custodes.capture import Capture
from custodes.command_line import (
    EXIT_CODES,
    CaptureArgument,
    CheckOption,
    JsonOption,
    LanesOption,
    OutputArgument,
    QuietOption,
    VerboseOption,
    WaveformOption,
    agreed,
    apart,
    command,
    judge,
    screen,
)
from custodes.control_commands import log, selftest, status
from custodes.counter_commands import counters
from custodes.device import open_warden
from custodes.errors import CaptureError, UsageError
from custodes.fingerprint_command import fingerprint
from custodes.flash import TARGETS, Loader, plan
from custodes.gateway_demo import demo_gateway
from custodes.info_command import info, version
from custodes.leak import judge_leaks, measure_all
from custodes.link import DIALECTS
from custodes.live_command import live
from custodes.output import output_file
from custodes.provision_commands import key, provision
from custodes.records_command import records
from custodes.report import Report
from custodes.sample_command import sample
from custodes.scrub import scrub_capture
from custodes.sealed_leg import need_scapy, seal_scrubbed
from custodes.seeds import KNOWN_SEED, load_seed
from custodes.serve_command import serve
from custodes.session_commands import open_frames, seal
from custodes.simlink import built_lanes
from custodes.terminal import Screen, policy_line, shown
from custodes.upload_command import GATEWAY_DEVICE, manifest, upload_weights
from custodes.watch_command import watch

INSTALLED_CAPTURE = Path(sys.prefix) / "share" / "custodes" / "demo.pcap"

app = typer.Typer(
    name="custodes",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
DeviceOption = Annotated[str, typer.Option("--device", metavar="NAME", help="The device: sim:warden is simulated.")]


def _run(
    display: Screen,
    source: Path,
    output: Path,
    policy: Path | None,
    device: str,
    lanes: int,
    check: bool,
    waveform: Path | None = None,
    seed: str | None = None,
) -> Report:
    """Scrub ``source`` into ``output``, with a progress bar."""
    apart(output, policy)
    apart(waveform, policy, source, output)
    words = KNOWN_SEED if seed is None else load_seed(seed)
    capture = Capture(source)
    admission = admit_file(policy) if policy else admit_capture(capture)
    report = Report(shown(source), shown(output), device, lanes, check, admission, seed)
    if policy is None:
        display.note(f"policy: {policy_line(report)}")
    display.detail("\n".join(_admitted(admission)))
    with open_warden(device, lanes, waveform) as warden, display.progress(capture.size, "scrubbing") as progress:
        if seed is not None and not warden.flows:
            raise UsageError(f"{device} has no flow table: nothing is made of a seed")
        scrub_capture(capture, output, admission, warden, report, progress, words)
    return report


def _admitted(admission: Admission) -> list[str]:
    """The stations of each side, a line each."""
    policy = admission.policy
    return [
        f"admitted on {side}: {station.mac.hex(':')} {' '.join(str(ipaddress.ip_address(ip)) for ip in station.ip)}"
        for side, stations in (("cluster", policy.cluster), ("world", policy.world))
        for station in stations
    ]


@app.command(epilog=EXIT_CODES)
@command
def scrub(
    source: CaptureArgument,
    output: OutputArgument,
    policy: Annotated[
        Path | None,
        typer.Option("--policy", metavar="FILE", help="What is admitted (TOML). Without: the addresses in IN."),
    ] = None,
    seed: Annotated[
        str | None,
        typer.Option(
            "--seed", metavar="FILE", help="What words are made of: 64 hexadecimal digits. Without: all of them 0."
        ),
    ] = None,
    device: DeviceOption = "sim:warden",
    lanes: LanesOption = 1,
    check: CheckOption = False,
    as_json: JsonOption = False,
    waveform: WaveformOption = None,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Send a capture through a warden and write what comes out of it.

    Times, to the nanosecond, and order stay. Frames that the capture holds only in part are dropped. With --policy a
    frame enters at the world port if its source MAC address is only among the policy's world stations; without, the
    first station to send is the cluster. OUT is not written where the device disagrees with the specification.

    A capture shows what stations heard without a warden. One with a flow table, as sim:warden, is sent what they would have
    answered to what it lets out; sim:scrubber has none. Flows grow old by the times in IN, and what stands for ports and
    sequence numbers is made of the seed: the same IN, policy and seed give the same OUT.

    In the report, what became of each frame is the device's word; which fields it carries, and so the bits per field,
    is what the specification says of the same frame.
    """
    display = screen(quiet, verbose)
    report = _run(display, source, output, policy, device, lanes, check, waveform, seed)
    if as_json:
        display.json(report.to_json())
    else:
        display.report(report)
    judge(report)


app.command(epilog=EXIT_CODES)(provision)
app.command(epilog=EXIT_CODES)(key)
app.command(epilog=EXIT_CODES)(status)
app.command(epilog=EXIT_CODES)(counters)
app.command(epilog=EXIT_CODES)(selftest)
app.command(epilog=EXIT_CODES)(log)
app.add_typer(coin_commands.app, name="coin")
app.add_typer(order_commands.app, name="order")
app.add_typer(register_commands.app, name="reg")
app.add_typer(recomputer_command.app, name="recomputer")
app.command(epilog=EXIT_CODES)(seal)
app.command("open", epilog=EXIT_CODES)(open_frames)
app.command(epilog=EXIT_CODES)(serve)
app.command(epilog=EXIT_CODES)(live)
app.command(epilog=EXIT_CODES)(records)
app.command(epilog=EXIT_CODES)(fingerprint)
app.command(epilog=EXIT_CODES)(watch)
app.command(epilog=EXIT_CODES)(manifest)
app.command("upload", epilog=EXIT_CODES)(upload_weights)
app.command(epilog=EXIT_CODES)(sample)


@app.command(epilog=EXIT_CODES)
@command
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
    """Scrub, seal, retime and check a recorded capture; the report is a page.

    What leaves for the world is sealed by the simulated processor under fresh random keys, and scapy opens it again. Then
    the capture crosses the simulated border: prover and verifier flip a coin for its words, frames leave by the schedule,
    and both watch it with `custodes watch`; once as it should be, and once with a bit of a field changed, which both must
    find. What a retimer leaves of timing channels is measured.

    With --device sim:gateway there is no capture: a server gets its weights through the gateway, answers the world over
    HTTP, and is sampled and recomputed; then it lies, until that is found and it has no power. That takes network
    namespaces.
    """
    if device == GATEWAY_DEVICE:
        demo_gateway(screen(quiet, verbose), out, lanes, as_json)
        return
    need_scapy()
    # Whatever this environment says of matplotlib: it shows no window, and where it caches fonts is nobody's concern.
    os.environ["MPLBACKEND"] = "svg"
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    from custodes.border_page import border_section  # matplotlib is slow to import
    from custodes.leak_page import leak_section
    from custodes.page import write_page

    display = screen(quiet, verbose)
    source = capture or INSTALLED_CAPTURE
    if capture is None and not source.exists():
        raise CaptureError(f"no capture is installed at {shown(source)}; give one with --capture FILE")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CaptureError(f"{shown(out)}: cannot be created: {error.strerror}") from None
    suffix = source.suffix if source.suffix in (".pcap", ".pcapng") else ".pcap"
    page = out / "warden.html"
    apart(page, source)
    scrubbed, sealed = (out / f"{source.stem}-{what}{suffix}" for what in ("scrubbed", "sealed"))
    report = _run(display, source, scrubbed, None, device, lanes, check=True)
    leg = seal_scrubbed(scrubbed, sealed, report.admission, lanes, display) if report.agrees else None
    border = cross_border(source, out / "border", report.admission, display, lanes) if leg and leg.agrees else None
    leaks = measure_all()
    write_page(page, report, leg, [*([border_section(border)] if border else []), leak_section(leaks)])
    found = report.to_json() | {
        "sealed": leg and leg.to_json(),
        "border": border and border.to_json(),
        "leaks": [leak.to_json() for leak in leaks],
        "page": shown(page),
    }
    with output_file(out / "demo.json") as file:
        file.write(f"{json.dumps(found, indent=2)}\n".encode())
    if as_json:
        display.json(found)
    else:
        display.report(report)
        if leg:
            display.result(leg.verdict)
        if border:
            display.facts(border.facts())
            display.result(border.verdict)
        display.result(f"report: {shown(page)}")
    judge(report)
    if leg:
        leg.judge()
    if border:
        border.judge()
    judge_leaks(leaks)


@app.command("list", epilog=EXIT_CODES)
@command
def list_devices(as_json: JsonOption = False, quiet: QuietOption = False) -> None:
    """Show the devices that can be opened now."""
    display = screen(quiet)
    found = [{"name": f"sim:{which}", "lanes": lanes} for which in DIALECTS if (lanes := built_lanes(which))]
    if as_json:
        display.json({"devices": found})
        return
    for device in found:
        display.result(f"{device['name']}  lanes {', '.join(map(str, device['lanes']))}")
    if not found:
        display.note("no device: build the simulated ones with `make sim`")


app.command(epilog=EXIT_CODES)(info)


@app.command(epilog=EXIT_CODES)
@command
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
    display = screen(quiet)
    loader = Loader()
    writing = plan(loader, board, bitstream, probe, cable, sram, verify)
    display.note(f"about to {writing}")
    if not yes and not agreed():
        raise UsageError("nothing is written")
    loader.write(writing)
    display.result(f"{writing.sha256}  {shown(bitstream)}")


def _print_version(wanted: bool) -> None:
    if wanted:
        Screen().result(f"custodes {version()}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Scrub, seal and open network captures through a device, and check it against its specification."""
