# SPDX-License-Identifier: Apache-2.0
"""Compiles the firmware into the image of the ROM, the same bytes wherever it is done.

Libraries come from PyPI by `requirements.txt`, which pins them by hash, into ``build/firmware``; the compiler is that of
the ``ziglang`` package.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import struct
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from firmware import stack
from firmware.stack import StackError, depth

HERE = Path(__file__).parent
CACHE = HERE.parent / "build" / "firmware"
REQUIREMENTS = HERE / "requirements.txt"
RECORD = HERE / "firmware.sha256"
"""SHA-256 of the image, as it is to be wherever it is built."""
ROM_BYTES = 32 << 10
RAM_BYTES = 16 << 10
LIBRARY_FILES = {
    "pymonocypher": ("monocypher.c", "monocypher.h"),
    "tinyaes": ("tiny-AES-c/aes.c", "tiny-AES-c/aes.h"),
}
"""What is taken of each source distribution."""
DEFINES = ("-DAES256=1", "-DECB=1", "-DCBC=0", "-DCTR=0")
"""How the AES library is configured; what of it is not called does not get into the ROM."""
MACHINE = ("-target", "riscv32-freestanding-none", "-mcpu=generic_rv32+zmmul+c+relax")
TARGET = (
    *MACHINE,
    *("-std=c11", "-ffreestanding", "-g0"),
    *("-Os", "-Xclang", "-Oz", "-msave-restore", "-fno-jump-tables"),
    *("-ffunction-sections", "-fdata-sections", "-fno-sanitize=all", "-fno-stack-protector", "-fno-ident"),
    *("-fno-unwind-tables", "-fno-asynchronous-unwind-tables", "-isystem", "."),
)
"""Compressed instructions, and multiplication without division: the CPU has none, and what needs it does not link."""
WARNINGS = ("-Wall", "-Wextra", "-Werror", "-Wno-unused-command-line-argument")


class FirmwareError(Exception):
    """The firmware cannot be built; says why in one line."""


@dataclass(frozen=True)
class Image:
    """What the ROM holds: whole blocks of SHA-256, the rest of the ROM is zero.

    Attributes:
        variables: bytes of RAM that are not stack.
        stack: bytes of it that are needed at most.
    """

    data: bytes
    variables: int
    stack: int

    @property
    def digest(self) -> bytes:
        """What the gateware gives as ROM_DIGEST, and the firmware compares itself with."""
        return hashlib.sha256(self.data).digest()


def build(cache: Path = CACHE) -> Image:
    """The image, from ``cache`` where nothing that goes into it has changed.

    Raises:
        FirmwareError: a library cannot be had, the compiler fails, or the image does not fit.
    """
    sources = {
        path.name: path.read_bytes() for path in sorted(HERE.iterdir()) if path.suffix in (".c", ".h", ".S", ".ld")
    }
    sources |= libraries(cache)
    parts = [b"ziglang", importlib.metadata.version("ziglang").encode()]
    parts += [Path(file).read_bytes() for file in (__file__, stack.__file__)]
    parts += [part for name, data in sorted(sources.items()) for part in (name.encode(), data)]
    kept = cache / f"{hashlib.sha256(b''.join(len(part).to_bytes(8) + part for part in parts)).hexdigest()[:16]}.bin"
    if not kept.exists():
        with tempfile.TemporaryDirectory(dir=cache) as work:
            image = _compile(sources, Path(work), cache)
            staged = Path(work) / "kept"
            staged.write_bytes(image.variables.to_bytes(4) + image.stack.to_bytes(4) + image.data)
            staged.replace(kept)
    data = kept.read_bytes()
    return Image(data[8:], int.from_bytes(data[:4]), int.from_bytes(data[4:8]))


def libraries(cache: Path = CACHE) -> dict[str, bytes]:
    """The files of the libraries, by name. Fetches what is not in ``cache`` yet."""
    folder = cache / hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:16]
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as work:
            _fetch(Path(work))
            staged = Path(work) / "files"
            staged.mkdir()
            for name, members in LIBRARY_FILES.items():
                _extract(Path(work), name, members, staged)
            try:
                staged.replace(folder)
            except OSError:  # Another build was faster.
                if not folder.exists():
                    raise
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def _fetch(folder: Path) -> None:
    """Have pip, which checks the hashes, download the source distributions."""
    options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-binary", ":all:")
    _run(
        "the libraries of the firmware cannot be downloaded",
        *(sys.executable, "-m", "pip", "download", *options, "--require-hashes", "-r", REQUIREMENTS, "-d", folder),
    )


def _extract(folder: Path, name: str, members: tuple[str, ...], target: Path) -> None:
    archives = list(folder.glob(f"{name}-*.tar.gz"))
    if len(archives) != 1:
        raise FirmwareError(f"{name}: pip did not download one source distribution")
    with tarfile.open(archives[0]) as archive:
        root = archives[0].name.removesuffix(".tar.gz")
        for member in members:
            try:
                content = archive.extractfile(f"{root}/{member}")
            except KeyError:
                content = None
            if content is None:
                raise FirmwareError(f"{name}: there is no {member} in its source distribution")
            (target / Path(member).name).write_bytes(content.read())


def _compile(sources: dict[str, bytes], work: Path, cache: Path) -> Image:
    for name, data in sources.items():
        (work / name).write_bytes(data)
    foreign = {Path(member).name for members in LIBRARY_FILES.values() for member in members}
    objects, assembly = [], []
    for name in sorted(name for name in sources if name.endswith((".c", ".S"))):
        if name.endswith(".c"):
            checks = ("-w",) if name in foreign else WARNINGS
            loops = ("-fno-builtin",) if name == "memory.c" else ()
            _zig(work, cache, "cc", *TARGET, *DEFINES, *checks, *loops, "-S", name, "-o", f"{name}.s")
            assembly.append((work / f"{name}.s").read_text())
            name += ".s"
        objects.append(f"{name}.o")
        _zig(work, cache, "cc", *MACHINE, "-c", name, "-o", objects[-1])
    link = ("-nostdlib", "-static", "-Wl,--gc-sections", "-Wl,-e,start", "-Wl,--build-id=none", "-T", "link.ld")
    _zig(work, cache, "cc", *TARGET, *link, *objects, "-o", "firmware.elf")
    _zig(work, cache, "objcopy", "-O", "binary", "firmware.elf", "firmware.bin")
    data = (work / "firmware.bin").read_bytes()
    data += bytes(-len(data) % 64)
    if len(data) > ROM_BYTES:
        raise FirmwareError(f"the firmware has {len(data)} bytes, the ROM {ROM_BYTES}")
    try:
        deepest = depth(assembly, "main")
    except StackError as error:
        raise FirmwareError(f"the depth of the firmware's stack is unknown: {error}") from None
    variables = _section_bytes((work / "firmware.elf").read_bytes(), ".bss")
    if variables + deepest > RAM_BYTES:
        raise FirmwareError(f"the firmware needs {variables} + {deepest} bytes of RAM, and has {RAM_BYTES}")
    return Image(data, variables, deepest)


def _section_bytes(elf: bytes, name: str) -> int:
    """Size of a section of a 32-bit ELF file."""
    table, size, count, names = struct.unpack_from("<12xI10xHHH", elf, 20)
    sections = [struct.unpack_from("<10I", elf, table + size * number) for number in range(count)]
    texts = sections[names][4]
    for section in sections:
        text = texts + section[0]
        if elf[text : elf.index(b"\0", text)].decode() == name:
            return section[5]
    raise FirmwareError(f"the firmware has no section {name}")


def _zig(work: Path, cache: Path, tool: str, *arguments: str) -> None:
    environment = {"ZIG_GLOBAL_CACHE_DIR": str(cache / "zig"), "ZIG_LOCAL_CACHE_DIR": str(cache / "zig")}
    _run(
        "the firmware does not compile",
        *(sys.executable, "-m", "ziglang", tool, *arguments),
        work=work,
        environment=environment,
    )


def _run(what: str, *command: str | Path, work: Path = HERE, environment: dict[str, str] | None = None) -> None:
    result = subprocess.run(
        [str(part) for part in command],
        cwd=work,
        env=os.environ | (environment or {}),
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        lines = (result.stderr or result.stdout).strip().splitlines()
        found = [line for line in lines if "error" in line.lower()] or lines[-1:]
        raise FirmwareError(f"{what}: {found[0].strip() if found else f'{command[0]} failed'}")
