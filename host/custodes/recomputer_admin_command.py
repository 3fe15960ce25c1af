# SPDX-License-Identifier: Apache-2.0
"""`custodes recomputer admin`: requests to a recomputer. One makes it, each reads and signs it, one gives it."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from custodes.admin import AdminError, Office, bundle, new_request, read_answer, read_request
from custodes.command_line import EXIT_CODES, JsonOption, QuietOption, VerboseOption, agreed, command, screen
from custodes.cose import sign1
from custodes.errors import UsageError
from custodes.governors import hexadecimal_file, private_key, public_key
from custodes.keys import STDIN
from custodes.recomputer_store import Store
from custodes.roster import load_roster

app = typer.Typer(
    name="admin",
    help="Make, read, sign and give requests to a recomputer.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
StateOption = Annotated[Path, typer.Option("--state", metavar="FILE", help="Where what the recomputer knows is kept.")]
RequestArgument = Annotated[
    Path, typer.Argument(metavar="REQUEST", help="A file with what `admin make` printed; - is standard input.")
]
SETTINGS: dict[str, dict[str, Callable[[str], Any]]] = {
    "plugin": {"kind": str, "weights": str, "model": str, "command": shlex.split, "seconds": int},
    "budget": {"share": int, "floor": int},
    "epsilon": {"epsilon": int},
    "shutdown": {"gateway": bytes.fromhex, "reason": str},
    "gateway": {
        "gateway": bytes.fromhex,
        "models": lambda text: [bytes.fromhex(one) for one in text.split(",") if one],
    },
    "model": {"model": bytes.fromhex},
}
"""What each action takes, and how a word says it."""


def _shown(value: object) -> object:
    """Octets as hexadecimal digits."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list):
        return [_shown(one) for one in value]
    if isinstance(value, dict):
        return {str(key): _shown(one) for key, one in value.items()}
    return value


def _described(payload: bytes) -> dict[str, Any]:
    request = read_request(payload)
    return {name: _shown(value) for name, value in request._asdict().items()}


@app.command(epilog=EXIT_CODES)
@command
def make(
    action: Annotated[str, typer.Argument(metavar="ACTION", help=f"One of {', '.join(SETTINGS)}.")],
    recomputer: Annotated[
        Path, typer.Option("--recomputer", metavar="FILE", help="The recomputer's public key: PEM or hexadecimal.")
    ],
    role: Annotated[str, typer.Option("--role", metavar="NAME", help="Who asks, as the roster calls it.")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="What for; once for each.")
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Print a request, as hexadecimal digits. It can be given once.

    plugin takes kind=transformer weights=FILE model=HEX, or kind=command command="WORDS" seconds=N; budget takes
    share=MILLIONTHS floor=PAIRS; epsilon takes epsilon=MILLIONTHS; shutdown takes gateway=HEX reason=TEXT; gateway takes
    gateway=HEX models=HEX,HEX; model takes model=HEX, and says which gateways serve it.
    """
    if action not in SETTINGS:
        raise UsageError(f"{action}: no action; there are {', '.join(SETTINGS)}")
    arguments: dict[str, Any] = {}
    for setting in settings or []:
        name, equals, text = setting.partition("=")
        if not equals or name not in SETTINGS[action] or name in arguments:
            raise UsageError(f"--set {setting}: {action} takes {', '.join(SETTINGS[action])}, each once")
        try:
            arguments[name] = SETTINGS[action][name](text)
        except ValueError as error:
            raise UsageError(f"--set {setting}: {error}") from None
    display = screen(quiet)
    request = new_request(public_key(recomputer), role, action, arguments)
    display.result(request.payload.hex())


@app.command(epilog=EXIT_CODES)
@command
def show(request: RequestArgument, as_json: JsonOption = False, quiet: QuietOption = False) -> None:
    """Say what a request asks for, for those who are to sign it."""
    display = screen(quiet)
    found = _described(hexadecimal_file(request))
    if as_json:
        display.json(found)
    else:
        display.facts((name, str(value)) for name, value in found.items())


@app.command(epilog=EXIT_CODES)
@command
def sign(
    request: RequestArgument,
    key: Annotated[
        Path, typer.Option("--key", metavar="FILE", help="A private key of the role: PEM or hexadecimal; - is stdin.")
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    quiet: QuietOption = False,
) -> None:
    """Sign a request, and print the signature, a COSE_Sign1, as hexadecimal digits."""
    display = screen(quiet)
    if [request, key].count(STDIN) > 1:
        raise UsageError("standard input can be only one of these files")
    payload = hexadecimal_file(request)
    for name, value in _described(payload).items():
        display.note(f"{name}: {value}")
    signer = private_key(key)
    if not yes and not agreed():
        raise UsageError("nothing is signed")
    display.result(sign1(payload, signer, detached=True).hex())


@app.command(epilog=EXIT_CODES)
@command
def give(
    request: RequestArgument,
    state: StateOption,
    roster: Annotated[Path, typer.Option("--roster", metavar="FILE", help="Who may ask for what (TOML).")],
    key: Annotated[
        Path,
        typer.Option("--key", metavar="FILE", help="The recomputer's private key: PEM or hexadecimal; - is stdin."),
    ],
    signature: Annotated[
        list[Path] | None,
        typer.Option("--signature", metavar="FILE", help="What `admin sign` printed. Once for each."),
    ] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Give a recomputer a request, also while it is at work. A refusal is signed and logged too; its exit code is 4."""
    display = screen(quiet, verbose)
    signatures = signature or []
    if [request, key, *signatures].count(STDIN) > 1:
        raise UsageError("standard input can be only one of these files")
    message = bundle(hexadecimal_file(request), [hexadecimal_file(path) for path in signatures])
    signer, who = private_key(key), load_roster(roster)
    with Store(state, new=False) as store:
        answered = Office(store, who, signer).handle(message)
    found = read_answer(answered, signer.public_key().public_bytes_raw())
    if as_json:
        facts = {"done": found.done, "reason": found.reason, "value": _shown(found.value), "answer": answered.hex()}
        display.json(facts)
    elif found.done:
        display.result(found.reason if found.value is None else f"{found.reason}: {_shown(found.value)}")
    if not found.done:
        raise AdminError(f"refused: {found.reason}")


@app.command(epilog=EXIT_CODES)
@command
def log(state: StateOption, as_json: JsonOption = False, quiet: QuietOption = False) -> None:
    """List all requests that were given, also those that were refused."""
    display = screen(quiet)
    with Store(state, new=False) as store:
        rows = store.rows("SELECT time_ns, role, action, done, reason, request, answer FROM requests ORDER BY id")
    names = ("time_ns", "role", "action", "done", "reason", "request", "answer")
    found = [dict(zip(names, map(_shown, row), strict=True)) | {"done": bool(row[3])} for row in rows]
    if as_json:
        display.json({"requests": found})
        return
    for one in found:
        display.result(f"{'done' if one['done'] else 'refused':8} {one['role']} {one['action']}: {one['reason']}")
