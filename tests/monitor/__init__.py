# SPDX-License-Identifier: Apache-2.0
"""Firmware that does what a test tells it, anywhere: reads, writes, calls."""

from __future__ import annotations

import enum
import hashlib
import importlib.metadata
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from custodes.control_registers import Mailbox
from custodes.maps import NIC
from custodes.simnic import SimNic
from sim.build import Target, make_library
from sim.nic import simulated_nic

ROOT = Path(__file__).parents[2]
FIRMWARE = ROOT / "firmware"
CACHE = ROOT / "build" / "monitor"
BUILD_ID = bytes(range(32))
SOURCES = (FIRMWARE / "start.S", Path(__file__).with_name("monitor.c"))
SCRIPT, HEADERS = FIRMWARE / "link.ld", (FIRMWARE / "hal.h", FIRMWARE / "registers.h")
OPTIONS = (
    *("-target", "riscv32-freestanding-none", "-mcpu=generic_rv32+zmmul", "-std=c11", "-O2", "-ffreestanding", "-g0"),
    *(
        "-fno-builtin",
        "-fno-sanitize=all",
        "-nostdlib",
        "-static",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-Wl,--build-id=none",
    ),
)


class Does(enum.IntEnum):
    """The first word of a request; what follows are its arguments."""

    ECHO = 0
    READ = 1
    WRITE = 2
    CALL = 3
    ARITHMETIC = 4
    READ_BYTE = 5
    WRITE_BYTE = 6
    READ_HALF = 7
    WRITE_HALF = 8
    MULTIPLY = 9
    ZEROS = 10
    SPIN = 11


def image() -> bytes:
    """The image of the ROM, compiled unless nothing has changed since."""
    parts = [importlib.metadata.version("ziglang").encode(), repr(OPTIONS).encode()]
    parts += [path.read_bytes() for path in (*SOURCES, SCRIPT, *HEADERS)]
    kept = CACHE / f"{hashlib.sha256(bytes(1).join(parts)).hexdigest()[:16]}.bin"
    if not kept.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as work:
            elf, binary = Path(work) / "monitor.elf", Path(work) / "monitor.bin"
            _zig("cc", *OPTIONS, f"-I{FIRMWARE}", f"-Wl,-T,{SCRIPT}", *map(str, SOURCES), "-o", str(elf))
            _zig("objcopy", "-O", "binary", str(elf), str(binary))
            binary.replace(kept)
    return kept.read_bytes()


def _zig(*arguments: str) -> None:
    zig = {name: str(CACHE / "zig") for name in ("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR")}
    subprocess.run([sys.executable, "-m", "ziglang", *arguments], env=os.environ | zig, check=True, capture_output=True)


def library() -> Path:
    """The shared object of a simulated device with this firmware."""
    return make_library(Target("nic", 1), simulated_nic(1, image(), BUILD_ID), CACHE)


class Monitor:
    """A simulated device with this firmware."""

    PATIENCE_CYCLES = 10_000_000

    def __init__(self, library: Path) -> None:
        self.link = SimNic(library=library)

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *_: object) -> None:
        self.link.close()

    def read(self, name: str, index: int = 0) -> int:
        return self.link.read(NIC.address(name, index))

    def write(self, name: str, value: int, index: int = 0) -> None:
        self.link.write(NIC.address(name, index), value)

    @property
    def turn(self) -> Mailbox:
        return Mailbox(self.read("MAILBOX_STATUS") & 3)

    def send(self, *words: int) -> None:
        """Hand a request to the firmware, and do not wait."""
        for index, word in enumerate(words):
            self.write("REQUEST", word & 0xFFFF_FFFF, index)
        self.write("MAILBOX_SEND", 4 * len(words))

    def ask(self, does: Does, *arguments: int) -> list[int]:
        """The words of the reply."""
        self.send(does, *arguments)
        end = self.link.control_cycles + self.PATIENCE_CYCLES
        while self.turn is not Mailbox.DONE:
            assert self.link.control_cycles < end, "no reply"
            self.link.step_control(100)
        length = self.read("MAILBOX_STATUS") >> 16
        return [self.read("REPLY", index) for index in range(length // 4)]


def cycles_per_second(monitor: Monitor, does: Does, rounds: int) -> float:
    """How fast the simulation runs while the CPU is at it."""
    cycles, started = monitor.link.control_cycles, time.monotonic()
    monitor.ask(does, rounds)
    return (monitor.link.control_cycles - cycles) / (time.monotonic() - started)
