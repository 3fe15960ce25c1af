# SPDX-License-Identifier: Apache-2.0
"""`custodes seal` and `custodes open`: a capture through the sessions of a processor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from custodes.capture import Capture
from custodes.command_line import (
    CaptureArgument,
    CheckOption,
    JsonOption,
    LanesOption,
    OutputArgument,
    QuietOption,
    VerboseOption,
    apart,
    command,
    judge,
    screen,
)
from custodes.errors import UsageError
from custodes.governed import open_governed
from custodes.keys import load_keys
from custodes.macsec import Side
from custodes.processor import SIMULATED
from custodes.provision_commands import GovernorKeyOption, governor_keys
from custodes.provisioning import load_provisioning
from custodes.session import session_capture
from custodes.session_report import SessionReport
from custodes.terminal import Screen, shown

DeviceOption = Annotated[
    str, typer.Option("--device", metavar="NAME", help="The device: sim:processor, or sim:nic[:FILE].")
]
KeysOption = Annotated[
    Path, typer.Option("--keys", metavar="FILE", help="Channels and their keys (TOML); - is standard input.")
]
WaveformOption = Annotated[
    Path | None,
    typer.Option(
        "--waveform", metavar="FILE", help="Record every signal of a simulated device, its keys among them (VCD)."
    ),
]
ProvisioningOption = Annotated[
    Path | None,
    typer.Option("--provisioning", metavar="FILE", help="What an operational device was provisioned with (TOML)."),
]
DOING = {Side.ACCELERATOR: "sealing", Side.NETWORK: "opening"}
CHANNELS = {Side.ACCELERATOR: "transmit", Side.NETWORK: "receive"}


def _run(
    display: Screen,
    side: Side,
    source: Path,
    output: Path,
    keys: Path,
    device: str,
    lanes: int,
    check: bool,
    waveform: Path | None,
    provisioning_file: Path | None,
    governor_key: list[Path] | None,
    as_json: bool,
) -> None:
    secret = [keys, *(governor_key or [])]
    apart(output, *secret, provisioning_file)
    apart(waveform, *secret, provisioning_file, source, output)
    capture = Capture(source)
    report = SessionReport(shown(source), shown(output), device, lanes, check, side, shown(keys), load_keys(keys))
    if not report.channels:
        display.note(f"keys: no {CHANNELS[side]} channel, so that every frame is dropped")
    if governor_key and provisioning_file is None:
        raise UsageError("governors sign for a device that is provisioned: say --provisioning too")
    provisioning = load_provisioning(provisioning_file) if provisioning_file else None
    signing = governor_keys(governor_key, provisioning, keys) if provisioning and governor_key else None
    with (
        open_governed(device, lanes, waveform, provisioning, signing, display.note) as processor,
        display.progress(capture.size, DOING[side]) as progress,
    ):
        session_capture(capture, output, processor, report, progress)
    if as_json:
        display.json(report.to_json())
    else:
        display.session(report)
    judge(report)


@command
def seal(
    source: CaptureArgument,
    output: OutputArgument,
    keys: KeysOption,
    device: DeviceOption = SIMULATED,
    lanes: LanesOption = 1,
    check: CheckOption = False,
    as_json: JsonOption = False,
    waveform: WaveformOption = None,
    provisioning_file: ProvisioningOption = None,
    governor_key: GovernorKeyOption = None,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Seal the frames of a capture with MACsec, in a processor.

    They enter from its accelerator, and what leaves for the network is written. Each is sealed with the transmit
    channel whose peer is its destination; one to anybody else is dropped. Packet numbers begin where the keys file
    says, on every run: do not seal twice with the same keys and numbers. OUT is not written where the device disagrees
    with the specification.

    A blank device takes the keys as they are. An operational one takes them wrapped, and signed by its governors.
    """
    display = screen(quiet, verbose)
    _run(
        display,
        Side.ACCELERATOR,
        source,
        output,
        keys,
        device,
        lanes,
        check,
        waveform,
        provisioning_file,
        governor_key,
        as_json,
    )


@command
def open_frames(
    source: CaptureArgument,
    output: OutputArgument,
    keys: KeysOption,
    device: DeviceOption = SIMULATED,
    lanes: LanesOption = 1,
    check: CheckOption = False,
    as_json: JsonOption = False,
    waveform: WaveformOption = None,
    provisioning_file: ProvisioningOption = None,
    governor_key: GovernorKeyOption = None,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Open the MACsec frames of a capture, in a processor.

    They enter from the network, and what leaves for its accelerator is written. Each is opened with the receive channel
    of its SCI. What is not sealed, is not valid or comes too late is dropped. OUT is not written where the device
    disagrees with the specification.
    """
    display = screen(quiet, verbose)
    _run(
        display,
        Side.NETWORK,
        source,
        output,
        keys,
        device,
        lanes,
        check,
        waveform,
        provisioning_file,
        governor_key,
        as_json,
    )
