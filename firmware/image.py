# SPDX-License-Identifier: Apache-2.0
"""Compiles the firmware into the image of the ROM, the same bytes wherever it is done.

Libraries come from PyPI by `requirements.txt`, which pins them by hash, into ``build/firmware``; the compiler is that of
the ``ziglang`` package.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
CACHE = HERE.parent / "build" / "firmware"
REQUIREMENTS = HERE / "requirements.txt"
ROM_BYTES = 32 << 10
RAM_BYTES = 16 << 10
LIBRARY_FILES = {
    "pymonocypher": ("monocypher.c", "monocypher.h"),
    "tinyaes": ("tiny-AES-c/aes.c", "tiny-AES-c/aes.h"),
}
"""What is taken of each source distribution."""
DEFINES = ("-DAES256=1", "-DECB=1", "-DCBC=0", "-DCTR=0")
"""How the AES library is configured; what of it is not called does not get into the ROM."""
TARGET = (
    *("-target", "riscv32-freestanding-none", "-mcpu=generic_rv32+zmmul+c+relax", "-std=c11", "-ffreestanding"),
    *("-Os", "-Xclang", "-Oz", "-msave-restore"),
    *("-ffunction-sections", "-fdata-sections", "-fno-sanitize=all", "-fno-stack-protector", "-fno-ident", "-g0"),
    *("-fno-unwind-tables", "-fno-asynchronous-unwind-tables", "-isystem", "."),
)
"""Compressed instructions, and multiplication without division, which the CPU does not have: whatever needs it does not link."""
WARNINGS = ("-Wall", "-Wextra", "-Werror")


class FirmwareError(Exception):
    """The firmware cannot be built; says why in one line."""


@dataclass(frozen=True)
class Image:
    """What the ROM holds: whole blocks of SHA-256, the rest of the ROM is zero.

    Attributes:
        variables: bytes of RAM that are not stack.
    """

    data: bytes
    variables: int

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
    parts = [b"ziglang", importlib.metadata.version("ziglang").encode(), Path(__file__).read_bytes()]
    parts += [part for name, data in sorted(sources.items()) for part in (name.encode(), data)]
    kept = cache / f"{hashlib.sha256(b''.join(len(part).to_bytes(8) + part for part in parts)).hexdigest()[:16]}.bin"
    if not kept.exists():
        with tempfile.TemporaryDirectory(dir=cache) as work:
            image = _compile(sources, Path(work), cache)
            staged = Path(work) / "kept"
            staged.write_bytes(image.variables.to_bytes(4) + image.data)
            staged.replace(kept)
    data = kept.read_bytes()
    return Image(data[4:], int.from_bytes(data[:4]))


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
    objects = []
    for name in sorted(name for name in sources if name.endswith((".c", ".S"))):
        checks = ("-w",) if name in foreign else WARNINGS
        loops = ("-fno-builtin",) if name == "memory.c" else ()
        language = () if name.endswith(".c") else ("-x", "assembler-with-cpp")
        objects.append(f"{name}.o")
        _zig(work, cache, "cc", *TARGET, *DEFINES, *checks, *loops, "-c", *language, name, "-o", objects[-1])
    link = ("-nostdlib", "-static", "-Wl,--gc-sections", "-Wl,-e,start", "-Wl,--build-id=none", "-T", "link.ld")
    _zig(work, cache, "cc", *TARGET, *link, *objects, "-o", "firmware.elf")
    _zig(work, cache, "objcopy", "-O", "binary", "firmware.elf", "firmware.bin")
    data = (work / "firmware.bin").read_bytes()
    data += bytes(-len(data) % 64)
    if len(data) > ROM_BYTES:
        raise FirmwareError(f"the firmware has {len(data)} bytes, the ROM {ROM_BYTES}")
    return Image(data, 0)


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
