# SPDX-License-Identifier: Apache-2.0
"""The firmware compiled for the host, with a model of the device around it."""

from __future__ import annotations

import ctypes
import enum
import hashlib
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from custodes.control_registers import MAILBOX_BYTES
from custodes.deterministic import decode, encode
from custodes.lifecycle import Lifecycle
from custodes.macsec import Side
from custodes.mailbox import Request, Status
from custodes.maps import NIC
from firmware.image import CACHE, HERE, libraries

MODEL = Path(__file__).parent
DEFINES = ("-DHOST", "-DAES256=1", "-DECB=1", "-DCBC=0", "-DCTR=0")
CHECKS = ("-fsanitize=undefined", "-fsanitize-undefined-trap-on-error")
NOT_FOR_HOST = ("memory.c", "identity.c")
"""The C library has the first, and ``identity_model.c`` includes the second."""
MAP_BASE = 0x3000_0000
FLASH_BYTES = 64 << 10
SECRET = bytes(range(32))


class Ended(enum.IntEnum):
    """How a boot or a request ended, as in ``model.h``."""

    RUNNING = 0
    RAISED = 1
    POWER_CUT = 2
    HUNG = 3


class Noise(enum.IntEnum):
    """What the noise source does, as in ``model.h``."""

    GOOD = 0
    STUCK = 1
    ALARM = 2
    SILENT = 3


class _Association(ctypes.Structure):
    _fields_ = [
        ("in_use", ctypes.c_uint32),
        ("suite", ctypes.c_uint32),
        ("ssci", ctypes.c_uint32),
        ("lifetime", ctypes.c_uint32),
        ("pn", ctypes.c_uint64),
        ("key", ctypes.c_uint8 * 32),
        ("salt", ctypes.c_uint8 * 12),
    ]


class _Channel(ctypes.Structure):
    _fields_ = [
        ("in_use", ctypes.c_uint32),
        ("address", ctypes.c_uint8 * 8),
        ("sci", ctypes.c_uint8 * 8),
        ("window", ctypes.c_uint32),
        ("selected", ctypes.c_uint32),
    ]


class Association(NamedTuple):
    """What the datapath has in an association."""

    suite: int
    key: bytes
    pn: int
    salt: bytes
    ssci: int
    lifetime: int


class Channel(NamedTuple):
    """What the datapath has in a channel; ``selected``: its AN that seals."""

    address: bytes
    sci: bytes
    window: int
    selected: int


def compile_host(
    target: Path,
    *flags: str,
    firmware_flags: tuple[str, ...] = (),
    file_flags: dict[str, tuple[str, ...]] | None = None,
    extra: tuple[Path, ...] = (),
) -> None:
    """Compile firmware, model and ``extra`` with gcc; raises with what it says where it fails.

    Args:
        flags: for everything, and for the linker.
        firmware_flags: for what is not model; with ``file_flags`` more of them by the names of files.
    """
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        for name, data in libraries().items():
            (folder / name).write_bytes(data)
        own = [path for path in sorted(HERE.glob("*.c")) if path.name not in NOT_FOR_HOST]
        under_test = [*own, *sorted(folder.glob("*.c")), MODEL / "identity_model.c"]
        around = [path for path in sorted(MODEL.glob("*model.c")) if path not in under_test]

        def compiled(path: Path, more: tuple[str, ...]) -> Path:
            built = folder / f"{path.name}.o"
            more += (file_flags or {}).get(path.name, ())
            places = [part for place in (HERE, MODEL, folder) for part in ("-iquote", place)]
            _gcc("-std=gnu11", *DEFINES, *flags, *more, *places, "-c", path, "-o", built)
            return built

        with ThreadPoolExecutor(2) as pool:
            objects = [pool.submit(compiled, path, firmware_flags) for path in under_test]
            objects += [pool.submit(compiled, path, ()) for path in [*around, *extra]]
            _gcc(*flags, *(one.result() for one in objects), "-o", target, "-lm")


def _gcc(*arguments: str | Path) -> None:
    result = subprocess.run(
        ["gcc", *(str(argument) for argument in arguments)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


@cache
def library(rom: bytes | None = None) -> ctypes.CDLL:
    """The firmware as a shared object, built once for each state of its sources, and for each ROM."""
    parts = [path.read_bytes() for folder in (HERE, MODEL) for path in sorted(folder.iterdir()) if path.is_file()]
    target = CACHE / f"host-{hashlib.sha256(b''.join([*parts, rom or b''])).hexdigest()[:16]}.so"
    if not target.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as work:
            built, image = Path(work) / "firmware.so", Path(work) / "rom"
            image.write_bytes(rom or b"")
            own_rom = () if rom is None else (f'-DROM_FILE="{image}"',)
            compile_host(built, "-O1", "-g", "-fPIC", "-shared", *CHECKS, *own_rom)
            built.replace(target)
    loaded = ctypes.CDLL(str(target))
    loaded.flash_model_memory.restype = ctypes.POINTER(ctypes.c_uint8)
    loaded.flash_model_steps.restype = ctypes.c_uint64
    loaded.flash_model_cut.argtypes = [ctypes.c_uint64]
    loaded.hal_read.restype = ctypes.c_uint32
    loaded.model_accesses.restype = ctypes.c_uint64
    loaded.upload_model_registers.restype = ctypes.POINTER(ctypes.c_uint8 * 40)
    loaded.datapath_model_association.restype = ctypes.POINTER(_Association)
    loaded.datapath_model_channel.restype = ctypes.POINTER(_Channel)
    return loaded


class FirmwareEnded(Exception):
    """A request had no reply."""

    def __init__(self, how: Ended) -> None:
        super().__init__(how.name)
        self.how = how


class Device:
    """A device with an erased flash. There is one at a time with the same ROM: a new one is the end of the one before.

    Args:
        rom: what the firmware measures, in place of some bytes: part of its identity, and of the key of its flash.
    """

    def __init__(self, secret: bytes = SECRET, rom: bytes | None = None) -> None:
        self.library = library() if rom is None else library(rom)
        self.library.model_new(secret)

    def boot(self) -> Ended:
        """Reset it."""
        return Ended(self.library.model_boot())

    def send(self, message: bytes) -> bytes:
        """A request as bytes; raises `FirmwareEnded` where there is no reply."""
        reply, size = ctypes.create_string_buffer(MAILBOX_BYTES), ctypes.c_uint32()
        how = Ended(self.library.model_request(message, len(message), reply, ctypes.byref(size)))
        if how is not Ended.RUNNING:
            raise FirmwareEnded(how)
        return reply.raw[: size.value]

    def ask(self, *request: Any) -> tuple[Status, list[Any]]:
        """Status and results of a request with its arguments."""
        status, *results = decode(self.send(encode(list(request))))
        return Status(status), results

    def do(self, request: Request, *arguments: Any) -> list[Any]:
        """The results of a request that must go well."""
        status, results = self.ask(request, *arguments)
        assert status is Status.OK, f"{request.name}: {status.name}"
        return results

    @property
    def state(self) -> Lifecycle:
        return Lifecycle(self.library.model_state())

    def register(self, name: str) -> bytes:
        """A register, or several in a row, as the firmware reads them."""
        words = [self.library.hal_read(MAP_BASE + 4 * NIC.address(name, word)) for word in range(NIC[name].count)]
        return b"".join(word.to_bytes(4, "little") for word in words)

    def secrets(self) -> tuple[bytes, bytes]:
        """What the firmware keeps of the identity's seed and of the agreement key."""
        both = ctypes.create_string_buffer(64)
        self.library.identity_model_secrets(both)
        return both.raw[:32], both.raw[32:]

    @property
    def flash(self) -> bytes:
        """The firmware's part."""
        return bytes(self.library.flash_model_memory()[:FLASH_BYTES])

    @flash.setter
    def flash(self, data: bytes) -> None:
        ctypes.memmove(self.library.flash_model_memory(), data, FLASH_BYTES)

    @property
    def steps(self) -> int:
        """Bytes that have been programmed, and parts of sectors that have been erased."""
        return self.library.flash_model_steps()

    def cut_power(self, step: int) -> None:
        """In that step from now on, counted from 1."""
        self.library.flash_model_cut(step)

    def association(self, side: Side, number: int) -> Association | None:
        """What the datapath has in an association; None where it has no key."""
        found = self.library.datapath_model_association(int(side), number).contents
        if not found.in_use:
            return None
        return Association(found.suite, bytes(found.key), found.pn, bytes(found.salt), found.ssci, found.lifetime)

    @property
    def weights(self) -> tuple[int, bytes]:
        """Which weights the datapath expects: bits, and SHA-256."""
        found = bytes(self.library.upload_model_registers().contents)
        return int.from_bytes(found[:8], "little"), found[8:]

    def channel(self, side: Side, number: int) -> Channel | None:
        """What the datapath has in a channel; None where it is not set."""
        found = self.library.datapath_model_channel(int(side), number).contents
        if not found.in_use:
            return None
        return Channel(bytes(found.address), bytes(found.sci), found.window, found.selected)
