# SPDX-License-Identifier: Apache-2.0
"""`custodes coin`: two parties and the warden between them flip a coin for each epoch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from custodes.border import open_border
from custodes.coin import CoinError, Speaker
from custodes.coin_party import Player, speakers
from custodes.coin_registers import Party
from custodes.coin_transcript import Opened, Transcripts, opened
from custodes.coin_warden import Pace, Warden
from custodes.coin_wire import endpoint
from custodes.command_line import EXIT_CODES, JsonOption, LanesOption, QuietOption, VerboseOption, command, screen
from custodes.governors import private_key, public_key
from custodes.terminal import Screen

app = typer.Typer(
    name="coin",
    help="Make the words of a warden together with a party that is not trusted.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
KeyOption = Annotated[
    Path,
    typer.Option("--key", metavar="FILE", help="Our private Ed25519 key: PEM or hexadecimal; - is standard input."),
]
ProverOption = Annotated[Path, typer.Option("--prover", metavar="FILE", help="The prover's public key.")]
VerifierOption = Annotated[Path, typer.Option("--verifier", metavar="FILE", help="The verifier's public key.")]
WardenOption = Annotated[Path, typer.Option("--warden", metavar="FILE", help="The warden's public key.")]
PeerOption = Annotated[Path, typer.Option("--peer", metavar="FILE", help="The other party's public key.")]
TranscriptsOption = Annotated[
    Path, typer.Option("--transcripts", metavar="DIR", help="Where each epoch is written down, in a new file.")
]
ConnectOption = Annotated[str, typer.Option("--connect", metavar="HOST:PORT", help="Where the warden listens.")]
PatienceOption = Annotated[
    float,
    typer.Option("--patience", metavar="S", min=0.1, help="Wait so long for the warden, and for the other party."),
]
Result = Callable[[Opened], None]


def _printed(display: Screen, as_json: bool) -> Result:
    """Prints each epoch."""

    def result(epoch: Opened) -> None:
        if as_json:
            display.line(epoch.to_json())
        else:
            cluster, world = epoch.used
            used = f"words used: {cluster} by the cluster, {world} by the world"
            display.result(f"epoch {epoch.epoch}: seed {epoch.seed.hex()}, {used}")

    return result


def _told(display: Screen, as_json: bool, play: Callable[[], None]) -> None:
    """Run; a fault is one JSON object too, where such are printed."""
    try:
        play()
    except CoinError as fault:
        if as_json:
            evidence = [one.hex() for one in fault.evidence]
            display.line(
                {"fault": fault.offence.value, "by": fault.by.title, "detail": fault.detail, "evidence": evidence}
            )
        raise


@app.command(epilog=EXIT_CODES)
@command
def warden(
    prover: ProverOption,
    verifier: VerifierOption,
    key: KeyOption,
    transcripts: TranscriptsOption,
    device: Annotated[
        str, typer.Option("--device", metavar="NAME", help="The device, which has a coin.")
    ] = "sim:border",
    lanes: LanesOption = 1,
    listen: Annotated[
        str, typer.Option("--listen", metavar="HOST:PORT", help="Where; port 0 is any that is free.")
    ] = "127.0.0.1:7373",
    epochs: Annotated[int, typer.Option("--epochs", metavar="N", min=1, help="Play so many.")] = 1,
    epoch_seconds: Annotated[
        float, typer.Option("--epoch-seconds", metavar="S", min=0, help="Words come so long.")
    ] = 60,
    step_seconds: Annotated[
        float, typer.Option("--step-seconds", metavar="S", min=0.1, help="A party may take so long for each step.")
    ] = 10,
    join_seconds: Annotated[
        float, typer.Option("--join-seconds", metavar="S", min=0.1, help="Both parties must have connected by then.")
    ] = 60,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=0, max=(1 << 32) - 1, help="Words per direction and epoch.")
    ] = (1 << 32) - 1,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Stand between prover and verifier, at the device, and give it their shares.

    Whatever goes wrong voids the epoch: the device has no words, both are told why, and the exit code is 7. The next run
    begins the next epoch.
    """
    display = screen(quiet, verbose)
    host, port = endpoint(listen)
    own = private_key(key)
    keys = speakers(public_key(prover), public_key(verifier), own.public_key().public_bytes_raw())
    pace = Pace(step=step_seconds, epoch=epoch_seconds, join=join_seconds)
    kept = Transcripts(transcripts, Speaker.WARDEN)
    kept.last()
    with open_border(device, lanes) as border:
        process = Warden(border.coin, own, keys, kept, pace, limit, display.note)
        result = _printed(display, as_json)
        _told(display, as_json, lambda: asyncio.run(process.run(host, port, epochs, result)))


def _play(
    party: Party,
    connect: str,
    key: Path,
    peer: Path,
    warden: Path,
    transcripts: Path,
    patience: float,
    as_json: bool,
    display: Screen,
) -> None:
    host, port = endpoint(connect)
    own = private_key(key)
    public = own.public_key().public_bytes_raw(), public_key(peer)
    prover, verifier = public if party is Party.PROVER else public[::-1]
    keys = speakers(prover, verifier, public_key(warden))
    kept = Transcripts(transcripts, Speaker(party))
    kept.last()
    player = Player(party, own, keys, kept, patience, display.note)
    result = _printed(display, as_json)
    _told(display, as_json, lambda: asyncio.run(player.run(host, port, result)))


@app.command(epilog=EXIT_CODES)
@command
def prover(
    connect: ConnectOption,
    key: KeyOption,
    peer: PeerOption,
    warden: WardenOption,
    transcripts: TranscriptsOption,
    patience: PatienceOption = 60,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Flip coins as the prover, as long as the warden has epochs. A fault of anybody ends it with exit code 7."""
    display = screen(quiet, verbose)
    _play(Party.PROVER, connect, key, peer, warden, transcripts, patience, as_json, display)


@app.command(epilog=EXIT_CODES)
@command
def verifier(
    connect: ConnectOption,
    key: KeyOption,
    peer: PeerOption,
    warden: WardenOption,
    transcripts: TranscriptsOption,
    patience: PatienceOption = 60,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Flip coins as the verifier, likewise."""
    display = screen(quiet, verbose)
    _play(Party.VERIFIER, connect, key, peer, warden, transcripts, patience, as_json, display)


@app.command(epilog=EXIT_CODES)
@command
def check(
    transcript: Annotated[Path, typer.Argument(metavar="TRANSCRIPT", help="Of one epoch, whoever wrote it.")],
    prover: ProverOption,
    verifier: VerifierOption,
    warden: WardenOption,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Verify every signature of a transcript, and derive the seed again from the shares that were opened."""
    display = screen(quiet, verbose)
    keys = speakers(public_key(prover), public_key(verifier), public_key(warden))
    result = _printed(display, as_json)
    _told(display, as_json, lambda: result(opened(transcript, keys)))
