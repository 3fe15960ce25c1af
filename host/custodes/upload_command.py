# SPDX-License-Identifier: Apache-2.0
"""`custodes manifest` and `custodes upload`: which weights a server may be given, and giving them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from custodes.command_line import JsonOption, LanesOption, QuietOption, VerboseOption, command, screen
from custodes.errors import CaptureError, DeviceError, UsageError
from custodes.gateway import MAC_BYTES, Gateway, open_gateway
from custodes.gateway_registers import Mode
from custodes.governors import private_key, public_key
from custodes.interface import Interface
from custodes.keys import load_keys
from custodes.output import output_file
from custodes.policy import load_policy
from custodes.simgateway import SimGateway
from custodes.terminal import shown
from custodes.upload import Send, through, upload
from custodes.weights_manifest import Manifest, digest_of, load_manifest, signed_manifest

WeightsArgument = Annotated[Path, typer.Argument(metavar="WEIGHTS", help="The file of weights.")]
GATEWAY_DEVICE = "sim:gateway"
GatewayOption = Annotated[
    str, typer.Option("--device", metavar="NAME", help="The gateway: sim:gateway is simulated, serial:PATH[@BAUD].")
]


@command
def manifest(
    weights: WeightsArgument,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The manifest, written when all is done.")],
    model: Annotated[str, typer.Option("--model", metavar="NAME", help="What the model is called.")],
    keys: Annotated[
        list[Path],
        typer.Option("--governor-key", metavar="FILE", help="Who signs; again for each. - is standard input."),
    ],
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Measure weights, and sign what they are: model, bits and SHA-256."""
    display = screen(quiet, verbose)
    signers = [private_key(path) for path in keys]
    with display.progress(_size(weights), "reading") as told:
        octets, digest = digest_of(weights, told)
    try:
        made = Manifest.decoded(Manifest(model, 8 * octets, digest).encoded())
    except ValueError as error:
        raise UsageError(f"a manifest of {shown(weights)} as {model!r} {error}") from None
    with output_file(out) as file:
        file.write(signed_manifest(made, signers))
    if as_json:
        display.json({"manifest": shown(out), **_described(made)})
    else:
        display.result(f"{shown(out)}: {made.model}, {made.octets:,} bytes, SHA-256 {made.sha256.hex()}")


@command
def upload_weights(
    weights: WeightsArgument,
    manifest_file: Annotated[Path, typer.Option("--manifest", metavar="FILE", help="What the governors have signed.")],
    governors: Annotated[
        list[Path], typer.Option("--governor", metavar="FILE", help="A governor's public key; again for each.")
    ],
    threshold: Annotated[int, typer.Option("--threshold", metavar="K", min=1, help="So many must have signed.")] = 1,
    interface: Annotated[
        str | None,
        typer.Option("--interface", metavar="IF", help="Towards the gateway's world port; a simulated one needs none."),
    ] = None,
    policy: Annotated[
        Path | None, typer.Option("--policy", metavar="FILE", help="What passes then, the server as cluster (TOML).")
    ] = None,
    keys: Annotated[
        Path | None, typer.Option("--keys", metavar="FILE", help="The session to the recomputer (TOML); - is stdin.")
    ] = None,
    own: Annotated[
        str | None, typer.Option("--own-mac", metavar="MAC", help="Whom samples come from; with --keys.")
    ] = None,
    device: GatewayOption = GATEWAY_DEVICE,
    lanes: LanesOption = 1,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Give a server its weights, through its gateway.

    With --policy the scrubbers let pass what it admits once the server serves: without, nothing. With --keys samples go to
    the peer of the first transmit channel. `custodes sample --epsilon` begins the first epoch: before it no payload passes.

    The file is compared with the manifest before anything is sent. The gateway counts every bit and compares the SHA-256;
    where anything is not as announced it takes power from the server, and exit code 5 says why. An upload that was
    interrupted begins again from the start: the gateway forgets it, and so does the server.
    """
    display = screen(quiet, verbose)
    wanted = load_manifest(manifest_file, [public_key(path) for path in governors], threshold)
    with display.progress(wanted.octets, "checking") as told:
        wanted.check(weights, told)
    admitted = load_policy(policy) if policy else None
    session = load_keys(keys) if keys else None
    if session and not (session.transmit and own):
        raise UsageError("samples need a transmit channel in --keys, and --own-mac")
    source = mac_octets(own) if own else b""
    with open_gateway(device, lanes) as gateway, _sending(gateway, interface) as send:
        if gateway.mode is not Mode.OFF:
            raise DeviceError("the server has power: what is set stays until it has none")
        if session:
            gateway.load(session)
        gateway.start(wanted.bits, wanted.sha256)
        if admitted:
            gateway.admit(admitted)
        if session:
            gateway.send_samples_to(session.transmit[0].peer, source)
        try:
            with display.progress(wanted.octets, "uploading") as told:
                upload(gateway, wanted, weights, send, told)
        except BaseException:
            gateway.stop()
            raise
    if as_json:
        display.json({"device": device, "serving": True, **_described(wanted)})
    else:
        display.result(f"{device} serves {wanted.model}: {wanted.octets:,} bytes, SHA-256 {wanted.sha256.hex()}")


def mac_octets(text: str) -> bytes:
    """Of one station; raises `UsageError`."""
    try:
        octets = bytes.fromhex(text.replace(":", ""))
    except ValueError:
        octets = b""
    if len(octets) != MAC_BYTES or octets[0] & 1:
        raise UsageError(f"{text}: is not the MAC address of one station")
    return octets


def _described(made: Manifest) -> dict[str, object]:
    return {"model": made.model, "bits": made.bits, "sha256": made.sha256.hex()}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise CaptureError(f"{shown(path)}: {error.strerror}") from None


@contextmanager
def _sending(gateway: Gateway, interface: str | None) -> Iterator[Send]:
    """How frames come to the gateway."""
    link = gateway.link
    if isinstance(link, SimGateway):
        if interface is not None:
            raise UsageError("a simulated gateway has no cable: leave out --interface")
        yield through(link)
    elif interface is None:
        raise UsageError("say with --interface where the gateway's world port is")
    else:
        with Interface(interface) as cable:
            yield cable.send
