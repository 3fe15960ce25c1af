# SPDX-License-Identifier: Apache-2.0
"""Registers of a gateway besides those of its scrubbers, as data."""

from __future__ import annotations

import enum
from dataclasses import replace

from custodes.control_registers import DIGEST_WORDS, digest_register
from custodes.gateway_formats import RECORD_WORDS, Record
from custodes.register_map import Access, Block, Field, Guard, Register
from custodes.registers import WARDEN_BLOCK
from custodes.upload_modes import Fault, Mode, UploadOrder

GATEWAY_IDENTITY_VALUE = 0x43555347
SCRUBBER_BASE, UPLOAD_BASE, SAMPLER_BASE, GATEWAY_BASE = 0x1800, 0x1C00, 0x1D00, 0x1E00
"""Above the control. A gateway's sessions are where a processor has them, from 0 on."""
PAGE_WORDS = 0x100
"""Of each block but those of sessions and scrubbers, at most."""
GATEWAY_WORDS = 0x2000
GATEWAY_CHANNELS = 4
"""Of its sessions, each way: a recomputer, and whoever sends weights; and while others take their place, those too."""
DEFAULT_PAUSE_CYCLES = 125_000_000
"""A second at 125 MHz."""


class GatewayPort(enum.IntEnum):
    """Where frames enter and leave; what leaves to the recomputer is sealed, and nothing enters there."""

    SERVER = 0
    WORLD = 1
    RECOMPUTER = 2


def _mac(name: str, offset: int, description: str) -> Register:
    return Register(
        name,
        offset,
        Access.READ_WRITE,
        f"{description}: its first four octets, the first of them the highest of the word, then the others in the upper"
        " half of the second word.",
        count=2,
    )


UPLOAD_BLOCK = Block(
    "upload",
    UPLOAD_BASE,
    "Weights, counted on their way to the server, and the server's power. BITS and DIGEST count as they are at START;"
    " where there is control, firmware writes them from the whitelist once the device is not blank.",
    (
        Register(
            "UPLOAD_STATE",
            0x00,
            Access.READ,
            "What goes on.",
            (
                Field("MODE", 0, 2, "What the gateway does.", Mode),
                Field("READY", 4, 1, "Power has been off for long enough to be given again."),
                Field("POWER", 5, 1, "The server has power."),
                Field("FAULT", 8, 4, "Why it had none before.", Fault),
            ),
            reset=None,
        ),
        Register("UPLOAD_COMMAND", 0x01, Access.WRITE, "To do.", (Field("ORDER", 0, 2, "What.", UploadOrder),)),
        Register(
            "UPLOAD_BITS",
            0x02,
            Access.READ_WRITE,
            "So many are the weights: lower word, then upper.",
            count=2,
            guard=Guard.WRITE_BLANK,
        ),
        Register("UPLOAD_COUNTED", 0x04, Access.READ, "So many have come: lower word, then upper.", count=2),
        Register(
            "UPLOAD_PAUSE_CYCLES",
            0x06,
            Access.READ_WRITE,
            "Weights may be so long in coming, at first and from frame to frame; 0: for ever.",
            reset=DEFAULT_PAUSE_CYCLES,
        ),
        Register(
            "UPLOAD_DIGEST",
            0x08,
            Access.READ_WRITE,
            "SHA-256 of the weights, its first byte the lowest of the first word.",
            count=DIGEST_WORDS,
            guard=Guard.WRITE_BLANK,
        ),
        _mac("SERVER_MAC", 0x10, "The server"),
        _mac("UPLOAD_MAC", 0x12, "Whom weights seem to come from"),
    ),
)

SAMPLER_BLOCK = Block(
    "sampler",
    SAMPLER_BASE,
    "Pairs of input and output, committed to, and some of them kept: `custodes.gateway_formats`. No payload passes before an"
    " epoch has begun.",
    (
        Register(
            "SAMPLER_STATE",
            0x00,
            Access.READ,
            "What goes on.",
            (
                Field("LIVE", 0, 1, "There is an epoch."),
                Field("BUSY", 1, 1, "An epoch is being ended or begun."),
                Field("FLOWS", 8, 8, "Connections in the table."),
                Field("SLOTS", 16, 8, "Pairs in the store."),
            ),
        ),
        Register(
            "SAMPLER_COMMAND",
            0x01,
            Access.WRITE,
            "To do, unless BUSY.",
            (
                Field(
                    "EPOCH",
                    0,
                    1,
                    "End the epoch if there is one, and begin another with THRESHOLD, and a key that is drawn.",
                ),
            ),
        ),
        Register(
            "THRESHOLD",
            0x02,
            Access.READ_WRITE,
            "2^64 times the probability with which a pair is kept: lower word, then upper; all ones: every pair.",
            count=2,
        ),
        Register(
            "AGE_CYCLES",
            0x04,
            Access.READ_WRITE,
            "A tick; a connection in which nothing came from one tick to the next but one is forgotten. 0: none.",
            reset=1 << 30,
        ),
        Register("EPOCH", 0x05, Access.READ, "The number of the epoch; the first since power-up is 1."),
        _mac("RECOMPUTER_MAC", 0x10, "The recomputer"),
        _mac("SAMPLER_MAC", 0x12, "Whom samples come from"),
        digest_register("COMMITMENT", 0x18, "To the key of this epoch."),
        Register(
            "COUNTS",
            0x20,
            Access.READ,
            "Of the epoch under way, as its record will have them.",
            count=Record.ROOT - Record.PAIRS,
            names=tuple(word.name for word in Record if Record.PAIRS <= word < Record.ROOT),
            reset=None,
        ),
        Register(
            "RECORD",
            0x40,
            Access.READ,
            "Of the last epoch that has ended; of none before.",
            count=RECORD_WORDS,
            reset=None,
        ),
    ),
)

GATEWAY_BLOCK = Block(
    "gateway",
    GATEWAY_BASE,
    "Who the device is, beyond its scrubbers.",
    (
        Register("GATEWAY_IDENTITY", 0x00, Access.READ, "Reads CUSG: this is a gateway.", reset=GATEWAY_IDENTITY_VALUE),
        Register(
            "GATEWAY_MAP",
            0x01,
            Access.READ,
            "The first four bytes of the SHA-256 of this map, as MAP_DIGEST has them.",
            reset=None,
        ),
        Register(
            "SEALED",
            0x02,
            Access.READ_WRITE,
            "How weights come.",
            (Field("UPLOAD", 0, 1, "1: as MACsec, for a receive channel of the sessions; what is not is dropped."),),
        ),
        Register(
            "RANDOM_STATE",
            0x03,
            Access.READ,
            "Where keys of epochs come from.",
            (
                Field("VALID", 0, 1, "There is a word."),
                Field("ALARM", 1, 1, "A health test of the noise source has failed: there will be none, and no power."),
            ),
            reset=None,
        ),
    ),
)

SCRUBBER_BLOCK = replace(
    WARDEN_BLOCK,
    name="scrubber",
    base=SCRUBBER_BASE,
    registers=tuple(replace(register, name=f"SCRUBBER_{register.name}") for register in WARDEN_BLOCK.registers),
)
"""Those of a warden without flows, whose cluster is the server."""
