# SPDX-License-Identifier: Apache-2.0
"""`custodes provision` and `custodes key`: what a device is told for good, and the session keys it gets afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from custodes.command_line import JsonOption, QuietOption, VerboseOption, agreed, command, screen
from custodes.errors import StoppedError, UsageError
from custodes.governors import signers
from custodes.keys import STDIN, load_keys
from custodes.lifecycle import Lifecycle
from custodes.nic import PATIENCE_S
from custodes.nic_access import NIC_DEVICE, NicOption, PatienceOption, opened_firmware
from custodes.orders import Orders
from custodes.provisioner import Place, Provisioner, Signers, install
from custodes.provisioning import Provisioning, load_provisioning
from custodes.terminal import plural, shown

ProvisioningArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="What the device is told (TOML); the files that it names are beside it.")
]
ProvisioningOption = Annotated[
    Path, typer.Option("--provisioning", metavar="FILE", help="What the device was provisioned with (TOML).")
]
GovernorKeyOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--governor-key",
        metavar="FILE",
        help="Private key of a governor who signs: PEM or hexadecimal; - is standard input. Once for each.",
    ),
]

ReplaceOption = Annotated[bool, typer.Option("--replace", help="Zeroise keys that are there already first.")]


def governor_keys(paths: list[Path] | None, provisioning: Provisioning, *others: Path) -> Signers:
    """The keys of the governors who sign; raises `UsageError` where standard input is to be two things."""
    if [*(paths or []), *others].count(STDIN) > 1:
        raise UsageError("standard input can be only one of these files")
    return signers(paths or [], provisioning.governors, provisioning.threshold)


@contextmanager
def _resumable() -> Iterator[None]:
    """Say, where Ctrl-C ends the block, that nothing is lost."""
    try:
        yield
    except KeyboardInterrupt:
        raise StoppedError(
            "interrupted: the device keeps what has been written; the same command goes on from there"
        ) from None


@command
def provision(
    source: ProvisioningArgument,
    governor_key: GovernorKeyOption = None,
    lock: Annotated[bool, typer.Option("--lock/--no-lock", help="Make it final once all is written.")] = True,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before locking.")] = False,
    device: NicOption = NIC_DEVICE,
    timeout: PatienceOption = PATIENCE_S,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Tell a blank device who it is, who governs it, what may run, and whom it talks to.

    What the device keeps already is not written again, so that after an interruption the same command goes on. What is
    written is read back as hashes. Then it is locked, which is final, and asks first; the device proves what it is
    provisioned with. With enough --governor-key it is activated too, else the order is printed that is to be signed.
    """
    display = screen(quiet, verbose)
    provisioning = load_provisioning(source)
    keys = governor_keys(governor_key, provisioning) if governor_key else None
    if keys is not None and not lock:
        raise UsageError("a device that is not locked cannot be activated: leave out --governor-key or --no-lock")
    with _resumable(), opened_firmware(device, display, timeout) as firmware:
        provisioner = Provisioner(firmware, provisioning, display.note)
        total = sum(map(len, provisioning.items.values()))
        with display.progress(total, "provisioning") as progress:
            provisioner.store(progress)
        if lock and provisioner.state is Lifecycle.BLANK:
            question = f"about to lock {device} for good, as {provisioning.device.name}, {provisioning.device.serial}"
            with display.asking():
                if not yes and not agreed(question):
                    raise UsageError("the device keeps what has been written, and is not locked")
            provisioner.lock()
        if keys is not None:
            provisioner.activate(keys)
        identity = provisioner.done.identity or provisioner.prove()
        order = None
        if provisioner.state is Lifecycle.PROVISIONED:
            order = Orders(identity).activate(provisioning.digest).hex()
    if as_json:
        display.json(_provisioned_json(device, provisioning, provisioner, order))
        return
    display.facts(
        [
            ("device", f"{device}: {provisioning.device.name}, {provisioning.device.serial}"),
            ("lifecycle", provisioner.state.name.lower()),
            ("identity key", identity.identity_key.hex()),
            ("provisioning", provisioning.digest.hex()),
        ]
    )
    if order:
        wanted = f"{provisioning.threshold} of {len(provisioning.governors)} governors"
        display.note(
            f"not active yet: {wanted} must sign, with --governor-key here or this order with `custodes order sign`"
        )
        display.result(order)


def _provisioned_json(
    device: str, provisioning: Provisioning, provisioner: Provisioner, order: str | None
) -> dict[str, Any]:
    """Keys: ``device``, ``name``, ``serial``, ``lifecycle``; ``identity`` (``identity_key``, ``agreement_key``);
    ``provisioning_digest``; ``items`` (name -> ``bytes``, ``written`` by this run); whether this run has ``locked`` and
    ``activated``; ``order``: what the governors are to sign, or null."""
    done = provisioner.done
    identity = done.identity or provisioner.prove()
    return {
        "device": device,
        "name": provisioning.device.name,
        "serial": provisioning.device.serial,
        "lifecycle": provisioner.state.name,
        "identity": {
            "identity_key": identity.identity_key.hex(),
            "agreement_key": identity.agreement_key.hex(),
        },
        "provisioning_digest": provisioning.digest.hex(),
        "items": {
            item.name: {"bytes": len(data), "written": item in done.written}
            for item, data in provisioning.items.items()
        },
        "locked": done.locked,
        "activated": done.activated,
        "order": order,
    }


@command
def key(
    source: Annotated[
        Path, typer.Argument(metavar="KEYS", help="Keys as for `custodes seal` (TOML); - is standard input.")
    ],
    provisioning_file: ProvisioningOption,
    governor_key: GovernorKeyOption = None,
    replace: ReplaceOption = False,
    device: NicOption = NIC_DEVICE,
    timeout: PatienceOption = PATIENCE_S,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Put session keys into an operational device.

    Each is wrapped with the key that the device proves to have made in this boot, and opened inside it; the governors
    sign. Packet numbers begin where the file says.
    """
    display = screen(quiet, verbose)
    provisioning = load_provisioning(provisioning_file)
    keys = load_keys(source)
    signing = governor_keys(governor_key, provisioning, source)
    with opened_firmware(device, display, timeout) as firmware:
        places = install(firmware, provisioning, keys, signing, replace, display.note)
    if as_json:
        display.json({"device": device, "keys": shown(source), "installed": [_place_json(place) for place in places]})
    else:
        display.result(f"{plural(len(places), 'key')} installed")


def _place_json(place: Place) -> dict[str, Any]:
    return {
        "direction": "receive" if place.side else "transmit",
        "channel": place.channel,
        "an": place.association.an,
        "suite": place.association.suite.title,
        "selected": place.selected,
    }
