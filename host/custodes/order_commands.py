# SPDX-License-Identifier: Apache-2.0
"""`custodes order`: orders whose governors are not all in one place. One makes it, each reads and signs it, one gives it."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated, Any

import typer

from custodes.command_line import EXIT_CODES, JsonOption, QuietOption, VerboseOption, agreed, command, screen
from custodes.control_commands import DIRECTIONS
from custodes.deterministic import decode, encode
from custodes.errors import KeysError, UsageError
from custodes.governors import hexadecimal_file, signers
from custodes.keys import STDIN
from custodes.macsec import ASSOCIATIONS_PER_CHANNEL, CHANNELS, Side, Suite
from custodes.mailbox import ACTIVATE, BRICK, KEY, ZEROISE
from custodes.nic import PATIENCE_S
from custodes.nic_access import NIC_DEVICE, NicOption, PatienceOption, opened_firmware
from custodes.orders import Orders, signed
from custodes.provision_commands import ProvisioningOption
from custodes.provisioner import Provisioner
from custodes.provisioning import load_provisioning

app = typer.Typer(
    name="order",
    help="Make, read, sign and give orders to a device, where its governors are not all in one place.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
OrderArgument = Annotated[
    Path, typer.Argument(metavar="ORDER", help="A file with what `custodes order make` printed; - is standard input.")
]


class Kind(enum.Enum):
    """Orders that can be made here; those for session keys are given by `custodes key`."""

    ACTIVATE = "activate"
    ZEROISE = "zeroise"
    BRICK = "brick"


@app.command(epilog=EXIT_CODES)
@command
def make(
    kind: Annotated[Kind, typer.Argument(metavar="KIND", help="activate, zeroise or brick.")],
    provisioning_file: ProvisioningOption,
    side: Annotated[
        str, typer.Option("--direction", metavar="D", help="Of the key to zeroise: transmit or receive.")
    ] = "transmit",
    channel: Annotated[
        int, typer.Option("--channel", metavar="N", min=0, max=CHANNELS - 1, help="Of the key to zeroise.")
    ] = 0,
    an: Annotated[
        int, typer.Option("--an", metavar="N", min=0, max=ASSOCIATIONS_PER_CHANNEL - 1, help="Of the key to zeroise.")
    ] = 0,
    device: NicOption = NIC_DEVICE,
    timeout: PatienceOption = PATIENCE_S,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Print an order for a device, as hexadecimal digits. It is good until the device is reset."""
    display = screen(quiet, verbose)
    sides = {name: side for side, name in DIRECTIONS.items()}
    if side not in sides:
        raise UsageError(f"{side}: no direction; say {' or '.join(sides)}")
    provisioning = load_provisioning(provisioning_file)
    with opened_firmware(device, display, timeout) as firmware:
        orders = Orders(Provisioner(firmware, provisioning).prove())
    if kind is Kind.ACTIVATE:
        payload = orders.activate(provisioning.digest)
    elif kind is Kind.ZEROISE:
        payload = orders.zeroise(sides[side], channel, an)
    else:
        payload = orders.brick()
    display.note("; ".join(f"{name}: {value}" for name, value in described(payload).items()))
    display.result(payload.hex())


def described(payload: bytes) -> dict[str, Any]:
    """What an order says, by name; of a session key nothing but where it goes.

    Raises:
        KeysError: it is no order.
    """
    try:
        kind, identity, agreement, serial, *rest = decode(payload)
        found = {"order": kind, "identity_key": identity.hex(), "agreement_key": agreement.hex(), "serial": serial}
        if kind == ACTIVATE:
            (digest,) = rest
            return found | {"provisioning_digest": digest.hex()}
        if kind == ZEROISE:
            side, channel, an = rest
            return found | {"direction": DIRECTIONS[Side(side)], "channel": channel, "an": an}
        if kind == KEY:
            side, channel, an, suite, pn, _, _, lifetime, selected, _, _ = rest
            place = {"direction": DIRECTIONS[Side(side)], "channel": channel, "an": an}
            return found | place | {"suite": Suite(suite).title, "pn": pn, "lifetime": lifetime, "selected": selected}
        if kind == BRICK and not rest:
            return found
    except (ValueError, TypeError, AttributeError):
        pass
    raise KeysError("this is no order to a device")


@app.command(epilog=EXIT_CODES)
@command
def show(order: OrderArgument, as_json: JsonOption = False, quiet: QuietOption = False) -> None:
    """Say what an order does, for those who are to sign it."""
    display = screen(quiet)
    facts = described(hexadecimal_file(order))
    if as_json:
        display.json(facts)
    else:
        display.facts((name.replace("_", " "), str(value)) for name, value in facts.items())


@app.command(epilog=EXIT_CODES)
@command
def sign(
    order: OrderArgument,
    provisioning_file: ProvisioningOption,
    governor_key: Annotated[
        Path,
        typer.Option(
            "--governor-key",
            metavar="FILE",
            help="The governor's private key: PEM or hexadecimal; - is standard input.",
        ),
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Sign an order with a governor's key, and print the signature, a COSE_Sign1, as hexadecimal digits."""
    display = screen(quiet, verbose)
    if [order, governor_key].count(STDIN) > 1:
        raise UsageError("standard input can be only one of these files")
    provisioning = load_provisioning(provisioning_file)
    payload = hexadecimal_file(order)
    for name, value in described(payload).items():
        display.note(f"{name.replace('_', ' ')}: {value}")
    keys = signers([governor_key], provisioning.governors, 1)
    if not yes and not agreed():
        raise UsageError("nothing is signed")
    (signature,) = signed(payload, keys)
    display.result(encode(signature).hex())


@app.command(epilog=EXIT_CODES)
@command
def give(
    order: OrderArgument,
    signature: Annotated[
        list[Path],
        typer.Option("--signature", metavar="FILE", help="What `custodes order sign` printed. Once for each."),
    ],
    device: NicOption = NIC_DEVICE,
    timeout: PatienceOption = PATIENCE_S,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Give a device an order that enough governors have signed."""
    display = screen(quiet, verbose)
    if [order, *signature].count(STDIN) > 1:
        raise UsageError("standard input can be only one of these files")
    payload = hexadecimal_file(order)
    facts = described(payload)
    signatures = [_signature(path) for path in signature]
    with opened_firmware(device, display, timeout) as firmware:
        firmware.order(payload, signatures)
        lifecycle = firmware.nic.lifecycle
    if as_json:
        display.json({"device": device, **facts, "lifecycle": lifecycle.name})
    else:
        display.result(f"{facts['order']}: carried out; the device is {lifecycle.name.lower()}")


def _signature(path: Path) -> list[Any]:
    try:
        found = decode(hexadecimal_file(path))
    except ValueError:
        found = None
    if not isinstance(found, list):
        raise KeysError(f"{path}: no signature of an order")
    return found
