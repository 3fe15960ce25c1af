# SPDX-License-Identifier: Apache-2.0
"""`custodes recomputer`: the service that recomputes what a gateway has sampled, and what it has found."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from custodes.command_line import EXIT_CODES, JsonOption, QuietOption, VerboseOption, command, ended, screen
from custodes.errors import CaptureError, MismatchError, UsageError
from custodes.gateway import open_gateway
from custodes.governors import hexadecimal_file, private_key, public_key
from custodes.inference_server import InferenceServer
from custodes.keys import load_keys
from custodes.mailbox import KEY_BYTES
from custodes.output import output_file
from custodes.recompute import Verdict
from custodes.recomputer import Recomputer, make_plugin
from custodes.recomputer_admin_command import StateOption
from custodes.recomputer_admin_command import app as admin_app
from custodes.recomputer_check import MILLION
from custodes.recomputer_orders import OrderError, read_shutdown
from custodes.recomputer_report import facts, report
from custodes.recomputer_report import verdicts as listed
from custodes.recomputer_service import Port, work_off_capture, work_off_interface
from custodes.recomputer_store import Store
from custodes.terminal import Screen, shown
from custodes.transformer import Transformer, WeightsError, make_weights
from custodes.upload_command import GATEWAY_DEVICE, GatewayOption

app = typer.Typer(
    name="recomputer",
    help="Recompute what a gateway has sampled, and say what was found.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(admin_app, name="admin")
IdentityOption = Annotated[
    str, typer.Option("--gateway", metavar="HEX", help="The gateway that orders are for: 64 hexadecimal digits.")
]


def _identity(text: str) -> bytes:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != KEY_BYTES:
        raise UsageError(f"--gateway: {2 * KEY_BYTES} hexadecimal digits")
    return found


def _read_weights(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise WeightsError(f"{shown(path)}: {getattr(error, 'strerror', None) or error}") from None


def _serials(path: Path) -> dict[str, int]:
    """Of the last orders that were carried out, by gateway; none where there is no file."""
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise OrderError(f"{shown(path)}: {error.strerror}") from None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or any(type(serial) is not int for serial in found.values()):
        raise OrderError(f"{shown(path)}: has no serials of orders")
    return found


def _deliver(folder: Path | None, display: Screen) -> Callable[[bytes], None]:
    """Where orders go: into a file each, or to stderr."""
    if folder is None:
        return lambda message: display.note(f"order: {message.hex()}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CaptureError(f"{shown(folder)}: cannot be created: {error.strerror}") from None

    def write(message: bytes) -> None:
        path = folder / f"shutdown-{time.time_ns()}.hex"
        with output_file(path) as file:
            file.write(f"{message.hex()}\n".encode())

    return write


@app.command(epilog=EXIT_CODES)
@command
def run(
    state: StateOption,
    gateway: IdentityOption,
    key: Annotated[
        Path,
        typer.Option("--key", metavar="FILE", help="The recomputer's private key: PEM or hexadecimal; - is stdin."),
    ],
    interface: Annotated[
        str | None, typer.Option("--interface", metavar="IF", help="Take samples from it, until Ctrl-C.")
    ] = None,
    capture: Annotated[
        Path | None, typer.Option("--capture", metavar="FILE", help="Take samples from a pcap or pcapng file.")
    ] = None,
    keys: Annotated[
        Path | None, typer.Option("--keys", metavar="FILE", help="Open samples with these keys of sessions (TOML).")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option("--weights", metavar="FILE", help="Recompute with the built-in transformer.")
    ] = None,
    program: Annotated[
        list[str] | None,
        typer.Option("--program", metavar="WORD", help="Recompute with a program; once for each word of its command."),
    ] = None,
    share: Annotated[
        int | None,
        typer.Option(
            "--budget-share",
            metavar="N",
            min=0,
            max=MILLION,
            help="So many millionths may be unverifiable, of an epoch;",
        ),
    ] = None,
    floor: Annotated[
        int | None,
        typer.Option("--budget-floor", metavar="N", min=0, max=1 << 31, help="and so many pairs in any case."),
    ] = None,
    epsilon: Annotated[
        float | None,
        typer.Option("--epsilon", metavar="P", min=0, max=1, help="An epoch with less is an alarm; 0: none is."),
    ] = None,
    silence: Annotated[
        float | None,
        typer.Option(
            "--silence", metavar="S", min=0, help="No sample for longer is an alarm, at an interface; 0: none is."
        ),
    ] = None,
    orders: Annotated[
        Path | None,
        typer.Option("--orders", metavar="DIR", help="Write orders into it, a file each; without, to stderr."),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds", metavar="S", min=0.05, help="Listen so long; without, until Ctrl-C.")
    ] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Check the samples of a gateway, and recompute them.

    Tags, commitments, inclusion in the root and the selection of every pair are checked, and each pair that was kept is
    judged: PASS, FAIL or UNVERIFIABLE. FAIL, or samples that contradict themselves, make an alarm and a signed order that
    the gateway shut its server down, which `custodes recomputer obey` carries out.

    What is known is in the state: a recomputer that is killed goes on from there, and a capture that has been read is not
    read again. How to recompute, the budget, the least epsilon and the longest silence stay there, too, until they are set
    again. A gateway without traffic sends samples as epochs begin and end: `custodes sample --every`.

    Exit code 6 if there is any alarm.
    """
    display = screen(quiet, verbose)
    if (interface is None) is (capture is None):
        raise UsageError("samples come from one of --interface and --capture")
    if weights is not None and program is not None:
        raise UsageError("pairs are recomputed with one of --weights and --program")
    identity, signer = _identity(gateway), private_key(key)
    port = Port(None if keys is None else load_keys(keys))
    setting = None
    if weights is not None:
        setting = {"kind": "transformer", "weights": str(weights.absolute())}
    elif program is not None:
        setting = {"kind": "command", "command": program}
    if setting is not None:
        make_plugin(setting)
    with ended() as stopping, Store(state, owned=True) as store:
        if store.value("gateway", gateway.lower()) != gateway.lower():
            raise UsageError(f"{shown(state)}: is of the gateway {store.value('gateway')}")
        with store.transaction():
            for name, value in (
                ("gateway", gateway.lower()),
                ("plugin", setting),
                ("share", share),
                ("floor", floor),
                ("epsilon", epsilon),
                ("silence", silence),
            ):
                if value is not None:
                    store.set_value(name, value)
        recomputer = Recomputer(store, identity, signer, _deliver(orders, display), display.note)
        until = None if seconds is None else time.monotonic() + seconds
        if capture is not None:
            count = work_off_capture(recomputer, capture, port, lambda: bool(stopping))
        else:
            count = work_off_interface(
                recomputer,
                str(interface),
                port,
                lambda: bool(stopping) or (until is not None and time.monotonic() >= until),
                display.note,
                store.value("silence") or None,
            )
        found = report(store)
        found |= {"frames": count, "unopened": port.unopened, "strays": port.strays}
    if port.unopened:
        display.note(f"{port.unopened} frames could not be opened")
    if as_json:
        display.json(found)
    else:
        _show(display, found)
    if found["alarms"]:
        raise MismatchError(f"{len(found['alarms'])} alarms: {found['alarms'][-1]}")


def _show(display: Screen, found: dict[str, Any]) -> None:
    display.facts(facts(found))
    for alarm in found["alarms"]:
        display.result(alarm)


@app.command(epilog=EXIT_CODES)
@command
def status(state: StateOption, as_json: JsonOption = False, quiet: QuietOption = False) -> None:
    """Say what a recomputer knows, also while it is at work."""
    display = screen(quiet)
    with Store(state, new=False) as store:
        found = report(store)
    if as_json:
        display.json(found)
    else:
        _show(display, found)


@app.command(epilog=EXIT_CODES)
@command
def verdicts(
    state: StateOption,
    only: Annotated[
        list[Verdict] | None,
        typer.Option("--only", metavar="V", help="PASS, FAIL or UNVERIFIABLE; more than once: any."),
    ] = None,
    epoch: Annotated[int | None, typer.Option("--epoch", metavar="N", min=1, help="Of this epoch.")] = None,
    with_proof: Annotated[
        bool, typer.Option("--proof", help="With --json: the audit path from the pair's leaf to the root.")
    ] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """List verdicts, the first first."""
    display = screen(quiet)
    if with_proof and not as_json:
        raise UsageError("--proof is for --json")
    with Store(state, new=False) as store:
        found = [*listed(store, only or [*Verdict], epoch, with_proof)]
    if as_json:
        display.json({"verdicts": found})
        return
    for one in found:
        display.result(f"{one['verdict']:12}  epoch {one['epoch']}  pair {one['pair']}  {one['reason']}")


@app.command(epilog=EXIT_CODES)
@command
def obey(
    order: Annotated[
        Path, typer.Argument(metavar="ORDER", help="A file that `custodes recomputer run` wrote; - is stdin.")
    ],
    recomputer: Annotated[
        Path, typer.Option("--recomputer", metavar="FILE", help="The recomputer's public key: PEM or hexadecimal.")
    ],
    gateway: IdentityOption,
    after: Annotated[
        int, typer.Option("--after", metavar="N", help="The serial of the last order that was carried out.")
    ] = -1,
    serials: Annotated[
        Path | None,
        typer.Option("--serials", metavar="FILE", help="Keep that serial there, for each gateway; made if need be."),
    ] = None,
    device: GatewayOption = GATEWAY_DEVICE,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Take the power from the server of a gateway, if the recomputer has ordered it."""
    display = screen(quiet, verbose)
    identity = _identity(gateway)
    known = {} if serials is None else _serials(serials)
    last = max(after, known.get(identity.hex(), -1))
    found = read_shutdown(hexadecimal_file(order), public_key(recomputer), identity, last)
    with open_gateway(device) as opened:
        opened.stop()
    if serials is not None:
        with output_file(serials) as file:
            file.write(json.dumps(known | {identity.hex(): found.serial}).encode() + b"\n")
    if as_json:
        display.json({"device": device, "serial": found.serial, "reason": found.reason})
    else:
        display.result(f"order {found.serial} is carried out: {found.reason}")


@app.command(epilog=EXIT_CODES)
@command
def weights(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where to.")],
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", min=0, max=(1 << 64) - 1, help="The same for the same.")
    ] = 1,
    quiet: QuietOption = False,
) -> None:
    """Make random weights of the built-in transformer, some 100 KB: something to upload, serve and recompute."""
    made = make_weights(seed)
    with output_file(out) as file:
        file.write(made)
    screen(quiet).result(f"{Transformer(made).digest.hex()}  {shown(out)}")


@app.command(epilog=EXIT_CODES)
@command
def serve(
    weights: Annotated[Path, typer.Argument(metavar="FILE", help="Weights of the built-in transformer.")],
    listen: Annotated[
        str, typer.Option("--listen", metavar="HOST:PORT", help="Where to; port 0: any.")
    ] = "127.0.0.1:8000",
    lie_from: Annotated[
        int | None, typer.Option("--lie-from", metavar="N", min=1, help="Answer wrongly from the n-th answer on.")
    ] = None,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Serve the built-in transformer over HTTP until Ctrl-C, as a server behind a gateway does: see `custodes.inference`."""
    display = screen(quiet, verbose)
    host, _, number = listen.rpartition(":")
    if not host or not number.isascii() or not number.isdigit() or int(number) > 0xFFFF:
        raise UsageError(f"{listen}: a host, a colon and a port number")
    try:
        server = InferenceServer(
            Transformer(_read_weights(weights)),
            (host.strip("[]"), int(number)),
            lambda count: lie_from is not None and count >= lie_from,
        )
    except OSError as error:
        raise UsageError(f"{listen}: {error.strerror or error}") from None
    with ended() as stopping, server:
        display.note(f"serving at {server.server_address[0]}:{server.server_address[1]}; Ctrl-C ends")
        while not stopping:
            time.sleep(0.05)
    display.result(f"{server.answered} answers" + (f", {server.cheated} of them wrong" if server.cheated else ""))
