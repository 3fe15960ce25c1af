# SPDX-License-Identifier: Apache-2.0
"""``python -m tests.firmware.fuzz [--cases N] [--seed N]``: fuzz what the firmware does with requests.

The firmware is compiled with gcc's address and undefined behaviour sanitizers and edge coverage; ``fuzz.c`` mutates valid
requests and keeps those that go new ways.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from custodes.deterministic import encode
from custodes.macsec import Side
from custodes.mailbox import MAX_PIECE_BYTES, Item, Request, SelfTest, Status
from custodes.orders import Orders
from firmware.image import CACHE
from tests.firmware.host import MODEL, compile_host
from tests.firmware.provisioned import (
    CHALLENGE,
    CHANNEL,
    DIGEST,
    ITEMS,
    LISTED,
    SHORT,
    XPN,
    identity,
    locked,
    signatures,
)

CASES = 1_000_000
FLAGS = (
    *("-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
    *("-ffunction-sections", "-Wl,--gc-sections"),
)
COVERAGE = ("-fsanitize-coverage=trace-pc",)
CHECKED = {"ed25519.c": ("-Dcrypto_eddsa_check_equation=fuzz_check_equation",)}
GOOD_SIGNATURE = bytes([0x5A]) + bytes(63)
"""Which `fuzz.c` takes for good."""


class Result(NamedTuple):
    """What a run found."""

    cases: int
    blocks: int
    """Basic blocks of the firmware and its libraries that were executed."""
    all_blocks: int
    edges: int
    inputs: int
    ended: int
    """Cases after which the firmware had raised its alarm."""
    statuses: dict[Status, int]
    """How many replies had which status."""


def build(target: Path) -> None:
    """Compile the fuzzer."""
    compile_host(target, *FLAGS, firmware_flags=COVERAGE, file_flags=CHECKED, extra=(MODEL / "fuzz.c",))


def items_written() -> list[bytes]:
    """Requests that provision."""
    written = []
    for item, data in ITEMS.items():
        for at in range(0, len(data), MAX_PIECE_BYTES):
            written.append(encode([Request.STORE, item, at, data[at : at + MAX_PIECE_BYTES]]))
        written.append(encode([Request.COMMIT, item, len(data), hashlib.sha256(data).digest()]))
    return written


def questions() -> list[bytes]:
    """Requests that every state answers; the first makes the keys."""
    return [
        encode([Request.IDENTIFY, CHALLENGE]),
        encode([Request.INFO]),
        encode([Request.LOG, 0]),
        encode([Request.SELFTEST, 1 << SelfTest.AES_GCM | 1 << SelfTest.HKDF, 0]),
        *(encode([Request.DIGEST, item]) for item in Item),
    ]


def ordered(payload: bytes) -> list[bytes]:
    """An order, with signatures that `fuzz.c` takes for good, and with real ones."""
    real = signatures(payload)
    faked = [[*one[:3], GOOD_SIGNATURE] for one in real]
    return [encode([Request.ORDER, payload, faked]), encode([Request.ORDER, payload, real])]


def seeds(folder: Path) -> list[Path]:
    """A file for each state, of what leads to it, and of what may be asked there."""
    written, lock = items_written(), encode([Request.LOCK, DIGEST])
    device = locked()
    orders = Orders(identity(device), serial=1)
    activation, brick = orders.activate(DIGEST), orders.brick()
    keys = [
        orders.key(side, CHANNEL, association, selected=side is Side.ACCELERATOR, lifetime=5)
        for side in Side
        for association in (XPN, SHORT)
    ]
    zeroise = orders.zeroise(Side.NETWORK, CHANNEL, XPN.an)
    activate = [encode([Request.IDENTIFY, CHALLENGE]), ordered(activation)[1]]
    _write(folder / "blank", [], [*questions(), *written, encode([Request.ERASE]), lock])
    _write(folder / "filled", written, [*questions(), lock])
    _write(folder / "provisioned", [*written, lock], [*questions(), *ordered(activation), *ordered(brick)])
    asked = [encode([Request.ANNOUNCE, digest]) for digest in (LISTED, CHALLENGE)]
    given = [message for payload in [*keys, zeroise, brick] for message in ordered(payload)]
    _write(folder / "operational", [*written, lock, *activate], [*questions(), *asked, *given])
    return sorted(folder.iterdir())


def _write(path: Path, prepared: Iterable[bytes], asked: Iterable[bytes]) -> None:
    first = list(prepared)
    lines = [len(first).to_bytes(4, "little")]
    lines += [len(message).to_bytes(4, "little") + message for message in [*first, *asked]]
    path.write_bytes(b"".join(lines))


def fuzz(cases: int, seed: int) -> Result:
    """Run so many cases; raises `RuntimeError` with what the sanitizers say where one is bad."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as work:
        folder = Path(work) / "seeds"
        folder.mkdir()
        build(Path(work) / "fuzz")
        code = subprocess.run(["objdump", "-d", "fuzz"], cwd=work, capture_output=True, text=True, check=True).stdout
        all_blocks = len(re.findall(r"call .*<__sanitizer_cov_trace_pc>", code))
        result = subprocess.run(
            ["./fuzz", *map(str, seeds(folder)), str(cases), str(seed)],
            cwd=work,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            crash = Path(work) / "crash"
            case = crash.read_bytes().hex() if crash.exists() else "the sanitizer stopped it"
            raise RuntimeError(f"{result.stderr.strip()}\ncase: {case}")
    ran, blocks, edges, inputs, ended = map(int, re.findall(r"\d+", result.stdout.splitlines()[0]))
    statuses = {Status(int(number)): int(count) for number, count in re.findall(r"status (\d+): (\d+)", result.stdout)}
    return Result(ran, blocks, all_blocks, edges, inputs, ended, statuses)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.firmware.fuzz", description="Fuzz the firmware's requests.")
    parser.add_argument("--cases", type=int, default=CASES)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    try:
        result = fuzz(options.cases, options.seed)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    counts = ", ".join(f"{status.name} {count:,}" for status, count in result.statuses.items())
    print(f"{result.cases:,} cases without a crash: {counts}")
    print(f"{result.blocks:,} of {result.all_blocks:,} blocks, {result.edges:,} edges, {result.inputs:,} inputs kept")
    return 0


if __name__ == "__main__":
    sys.exit(main())
