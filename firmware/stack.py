# SPDX-License-Identifier: Apache-2.0
"""How deep the stack of the firmware gets: the longest way through its calls, from what the compiler makes of them."""

from __future__ import annotations

import re
from collections.abc import Iterable

REGISTER_BYTES, FRAME_ALIGNMENT = 4, 16
_LABEL = re.compile(r"^([A-Za-z_][\w.$]*):")
_ADDS = re.compile(r"\baddi\s+sp, sp, (-\d+)")
_SAVES = re.compile(r"\bcall\s+t0, __riscv_save_(\d+)")
_CALLS = re.compile(r"\b(?:call|tail|j|jal)\s+(?:t0, |ra, )?([A-Za-z_][\w.$]*)")
_MOVES = re.compile(r"\b(?:add|sub|mv|li|lui)\s+sp, ")
_INDIRECT = re.compile(r"\b(?:jalr|jr)\s+(\w+)")
_FRAMES = "__riscv_"
_RETURN_REGISTERS = ("ra", "t0")


class StackError(Exception):
    """The depth cannot be told; says why."""


def depth(assembly: Iterable[str], root: str) -> int:
    """Bytes of stack that ``root`` and all it calls need at most.

    Args:
        assembly: of every file, as the compiler writes it.

    Raises:
        StackError: there is a recursion, a call through a pointer or a frame whose size varies.
    """
    frames: dict[str, int] = {}
    calls: dict[str, set[str]] = {}
    for text in assembly:
        # Files may have local functions of the same name: each is told from the others by its file.
        own = {match[1] for line in text.splitlines() if (match := _LABEL.match(line))}
        public = set(re.findall(r"\.globl\s+([\w.$]+)", text))
        prefix = f"{len(frames)}:"

        def named(name: str, own: set[str] = own, public: set[str] = public, prefix: str = prefix) -> str:
            return prefix + name if name in own and name not in public else name

        at = ""
        for line in text.splitlines():
            code = line.split("#")[0]
            if match := _LABEL.match(code):
                if not match[1].startswith("."):
                    at = named(match[1])
                    frames.setdefault(at, 0)
                    calls.setdefault(at, set())
                continue
            if not at:
                continue
            frames[at] += sum(-int(size) for size in _ADDS.findall(code))
            if _MOVES.search(code) or any(to not in _RETURN_REGISTERS for to in _INDIRECT.findall(code)):
                raise StackError(f"{at}: {code.strip()}")
            for count in _SAVES.findall(code):
                size = REGISTER_BYTES * (int(count) + 1)
                frames[at] += -(-size // FRAME_ALIGNMENT) * FRAME_ALIGNMENT
            calls[at] |= {named(name) for name in _CALLS.findall(code) if not name.startswith((_FRAMES, "."))}
    return _deepest(root, frames, calls, ())


def _deepest(at: str, frames: dict[str, int], calls: dict[str, set[str]], above: tuple[str, ...]) -> int:
    if at in above:
        raise StackError(f"{at} calls itself")
    if at not in frames:
        raise StackError(f"{at}: there is no such function")
    deepest = max((_deepest(name, frames, calls, (*above, at)) for name in calls[at]), default=0)
    return frames[at] + deepest
