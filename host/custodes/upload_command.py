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
from custodes.gateway import MAC_BYTES, Gateway
from custodes.gateway_registers import Mode
from custodes.governed import open_governed_gateway
from custodes.governors import private_key, public_key
from custodes.interface import Interface
from custodes.keys import load_keys
from custodes.output import output_file
from custodes.policy import load_policy
from custodes.provision_commands import GovernorKeyOption, ReplaceOption, governor_keys
from custodes.provisioning import load_provisioning
from custodes.session_commands import ProvisioningOption
from custodes.simgateway import SimPorts
from custodes.terminal import shown
from custodes.upload import Send, sealing, through, upload, weights_sealer
from custodes.weights_manifest import Manifest, digest_of, load_manifest, signed_manifest

WeightsArgument = Annotated[Path, typer.Argument(metavar="WEIGHTS", help="The file of weights.")]
GATEWAY_DEVICE = "sim:gateway"
GatewayOption = Annotated[
    str, typer.Option("--device", metavar="NAME", help="The gateway: sim:gateway, sim:sng[:FILE], serial:PATH[@BAUD].")
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
        Path | None,
        typer.Option(
            "--keys",
            metavar="FILE",
            help="The session to the recomputer, and that of sealed weights (TOML); - is stdin.",
        ),
    ] = None,
    own: Annotated[
        str | None, typer.Option("--own-mac", metavar="MAC", help="Whom samples come from; with a transmit channel.")
    ] = None,
    provisioning_file: ProvisioningOption = None,
    governor_key: GovernorKeyOption = None,
    replace: ReplaceOption = False,
    device: GatewayOption = GATEWAY_DEVICE,
    lanes: LanesOption = 1,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Give a server its weights, through its gateway.

    With --policy the scrubbers let pass what it admits once the server serves: without, nothing. With a transmit channel in
    --keys samples go to the peer of the first. `custodes sample --epsilon` begins the first epoch: before it no payload
    passes.

    With a receive channel in --keys weights leave sealed with its key, and the gateway takes no others. Do not seal other
    weights with the same key. With --provisioning the gateway gets keys only once it has proved to be the device that was
    provisioned so, and operational; they are wrapped for it, and signed by its governors. Another one gets no key and no
    weights: exit code 5.

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
    if session and not (session.transmit or session.receive):
        raise UsageError("there is no channel in --keys")
    transmits = bool(session and session.transmit)
    if session and transmits != bool(own):
        raise UsageError("samples need a transmit channel in --keys, and --own-mac")
    source = mac_octets(own) if own else b""
    sealer = weights_sealer(session) if session and session.receive else None
    if provisioning_file is None and (governor_key or replace):
        raise UsageError("governors sign for a device that is provisioned: say --provisioning too")
    if provisioning_file is not None and session is None:
        raise UsageError("with --provisioning a device is given keys: say --keys too")
    provisioning = load_provisioning(provisioning_file) if provisioning_file else None
    signing = (
        governor_keys(governor_key, provisioning, *([keys] if keys else [])) if provisioning and governor_key else None
    )
    with (
        open_governed_gateway(device, lanes, provisioning, signing, replace, display.note) as gateway,
        _sending(gateway, interface) as cable,
    ):
        send = sealing(sealer, cable) if sealer else cable
        if gateway.mode is not Mode.OFF:
            raise DeviceError("the server has power: what is set stays until it has none")
        if session:
            gateway.load(session)
        gateway.take_sealed(sealer is not None)
        gateway.start(wanted.bits, wanted.sha256)
        if admitted:
            gateway.admit(admitted)
        if session and transmits:
            gateway.send_samples_to(session.transmit[0].peer, source)
        try:
            with display.progress(wanted.octets, "uploading") as told:
                upload(gateway, wanted, weights, send, told)
        except BaseException:
            gateway.stop()
            raise
    if as_json:
        display.json({"device": device, "serving": True, "sealed": sealer is not None, **_described(wanted)})
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
    if isinstance(link, SimPorts):
        if interface is not None:
            raise UsageError("a simulated gateway has no cable: leave out --interface")
        yield through(link)
    elif interface is None:
        raise UsageError("say with --interface where the gateway's world port is")
    else:
        with Interface(interface) as cable:
            yield cable.send
