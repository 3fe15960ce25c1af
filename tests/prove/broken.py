# SPDX-License-Identifier: Apache-2.0
"""Copies of the units of sessions, of the coin, of the flow table and of the upload, each broken in one place: the proofs
must refute them.

A refutation is a run from reset to where a property does not hold; the lemmas that help the inductions are left out.
"""

import inspect
import sys
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from gateware.entropy.coin import Coin
from gateware.flow.allocator import Allocator
from gateware.flow.rewriter import WordRewriter
from gateware.flow.wide import BeatRewriter
from gateware.session.associations import Associations
from gateware.session.direction import Direction
from gateware.session.gate import Gate
from gateware.session.loader import KeyLoader
from gateware.session.opener import Opener
from gateware.session.sealer import Sealer
from gateware.session.session import Session
from gateware.upload.modes import Modes
from gateware.upload.registers import Registers
from gateware.upload.upload import Upload
from gateware.upload.weights import Weights

from .harness import Harness
from .sby import Task
from .units import harness

__all__ = ["COPIES", "Broken"]


@dataclass(frozen=True)
class Broken:
    """A ``unit`` whose ``method`` has ``new`` in the place of ``old``; the proof ``by`` fails in ``step``, not before."""

    what: str
    by: str
    step: int
    unit: type
    method: str
    old: str
    new: str

    def harness(self) -> Harness:
        """The copy is made within the unit's own module, where the proofs put stand-ins and look for registers."""
        source = inspect.getsource(self.unit)
        if source.count(self.old) != 1:
            raise ValueError(f"{self.unit.__name__} has {source.count(self.old)} times {self.old!r}")
        made: dict[str, Any] = {}
        exec(source.replace(self.old, self.new), vars(sys.modules[self.unit.__module__]), made)
        with patch.object(self.unit, self.method, vars(made[self.unit.__name__])[self.method]):
            return harness(self.by, lemmas=False)

    def task(self) -> Task:
        name = f"broken {self.by} {self.what}".replace(" ", "-")
        return Task(name, "bmc", self.step + 1, "yices", skip=self.step, refutes=True)


COPIES = (
    Broken("PN not advanced", "Sealer 64", 17, Sealer, "_take_pn", "eq(pn + 1)", "eq(pn)"),
    Broken(
        "exhausted one too late",
        "Sealer 64",
        17,
        Direction,
        "_decide",
        "numbers.pn[:32].all() & (~suite[1] | numbers.pn[32:64].all())",
        "(numbers.pn[:32] == 0) & (~suite[1] | (numbers.pn[32:64] == 0))",
    ),
    Broken("seals without a key", "Sealer 64", 8, Sealer, "_judge", "m.If(~usable)", "m.If(0)"),
    Broken("lets zeroised frames out", "Sealer 64", 17, Sealer, "_end", "Mux(alive, 0,", "Mux(1, 0,"),
    Broken("opens what is not right", "Opener 64", 17, Opener, "_end", "m.If(~good)", "m.If(0)"),
    Broken("does not wait for the tag", "Opener 64", 17, Opener, "_end", "results.o.valid, reason", "Const(1), reason"),
    Broken("takes a late PN", "Opener 64", 17, Opener, "_end", "m.If(late)", "m.If(0)"),
    Broken("opens zeroised frames", "Opener 64", 17, Opener, "_end", "m.If(~alive)", "m.If(0)"),
    Broken("does not wait for the verdict", "Gate 1", 0, Gate, "elaborate", "beat.last & ~self.verdict.valid", "0"),
    Broken("lets bad frames out", "Gate 1", 4, Gate, "elaborate", "~self.verdict.payload.good", "0"),
    Broken("a load revives", "Associations", 11, Associations, "elaborate", "eq(~zeroised)", "eq(1)"),
    Broken(
        "overwrites a key in use",
        "Associations few",
        15,
        Associations,
        "elaborate",
        "(remaining == 0) | (self.inside == 0)",
        "remaining <= 1",
    ),
    Broken(
        "skips a row",
        "KeyLoader 8",
        19,
        KeyLoader,
        "elaborate",
        "eq(count < rate.rounds)",
        "eq((count < rate.rounds) & (count != 3))",
    ),
    Broken(
        "keeps words to be forgotten",
        "KeyLoader 8",
        1,
        KeyLoader,
        "elaborate",
        "m.If(self.forget | (state == State.ASK))",
        "m.If(state == State.ASK)",
    ),
    Broken("reads back a salt", "Session", 3, Session, "_read", "answer.eq(self.lanes)", "answer.eq(controls[0].salt)"),
    Broken(
        "reads back a key",
        "Session",
        3,
        Session,
        "_read",
        "read_data.eq(answer)",
        "read_data.eq(Mux(controls[0].word_valid, controls[0].word, answer))",
    ),
    Broken(
        "keeps the salt after the load",
        "Session cleared",
        15,
        Session,
        "_write",
        "m.If(ends | wipes)",
        "m.If(wipes)",
    ),
    Broken(
        "loads half a key",
        "Session cleared",
        7,
        Session,
        "_write",
        "(pushed == registers.KEY_WORDS)",
        "(pushed >= registers.KEY_WORDS // 2)",
    ),
    Broken(
        "words before there is a seed",
        "Coin",
        8,
        Coin,
        "elaborate",
        "drawn.eq(self._state == CoinState.DRAWN)",
        "drawn.eq(~self.fault)",
    ),
    Broken(
        "a second word for a flow",
        "Allocator",
        6,
        Allocator,
        "elaborate",
        "[number.eq(number + 1), self.slot[:-1].eq(self.slot[:-1] + 1)]",
        "state.eq(Seeking.WORD)",
    ),
    Broken("a flow without a word", "Allocator", 6, Allocator, "_take_word", "m.Elif(valid)", "m.Else()"),
    Broken(
        "a word of the other side",
        "Allocator",
        1,
        Allocator,
        "_take_word",
        "words.ready.eq(self.side == side)",
        "words.ready.eq(self.side != side)",
    ),
    Broken(
        "lets dropped words out",
        "WordRewriter",
        3,
        WordRewriter,
        "elaborate",
        "eq(settled & result.forward)",
        "eq(settled)",
    ),
    Broken(
        "does not wait for the result",
        "WordRewriter",
        3,
        WordRewriter,
        "elaborate",
        "full & known & ~leaves",
        "full & ~leaves",
    ),
    Broken(
        "lets dropped beats out",
        "BeatRewriter",
        3,
        BeatRewriter,
        "elaborate",
        "moves.eq(full & self.result.valid & result.forward &",
        "moves.eq(full & self.result.valid &",
    ),
    Broken(
        "compares one word of the digest",
        "Upload",
        34,
        Modes,
        "elaborate",
        "good.eq(self.equal.all())",
        "good.eq(self.equal.any())",
    ),
    Broken(
        "serves before there is a digest", "Upload", 28, Modes, "elaborate", "m.If(self.digested & good)", "m.If(good)"
    ),
    Broken(
        "takes fewer bits than announced",
        "Upload",
        35,
        Weights,
        "_due",
        "final_frame.eq(~many & (left[:DUE_BITS] <= UPLOAD_BYTES))",
        "final_frame.eq(~many & (left[:DUE_BITS] <= UPLOAD_BYTES + 1))",
    ),
    Broken(
        "takes more bits than announced",
        "Upload",
        35,
        Weights,
        "_due",
        "due.eq(Mux(many | (left[:DUE_BITS] > UPLOAD_BYTES), UPLOAD_BYTES, left))",
        "due.eq(UPLOAD_BYTES)",
    ),
    Broken(
        "takes an announcement after START",
        "Upload",
        34,
        Registers,
        "elaborate",
        "taken = write & self.off & ~self.start",
        "taken = write",
    ),
    Broken("takes no whole octets", "Upload", 34, Registers, "elaborate", "(bits[:OCTET_SHIFT] == 0)", "1"),
    Broken(
        "gives power too early",
        "Upload",
        5,
        Modes,
        "elaborate",
        "begins.eq(off & self.start & self.ready)",
        "begins.eq(off & self.start)",
    ),
    Broken(
        "lets frames of the world pass while weights come",
        "Upload",
        10,
        Upload,
        "elaborate",
        "from_world.opens.eq(modes.serving)",
        "from_world.opens.eq(modes.serving | modes.uploading)",
    ),
    Broken(
        "lets frames of the server pass before the digest",
        "Upload",
        27,
        Upload,
        "elaborate",
        "from_server.opens.eq(modes.serving)",
        "from_server.opens.eq(modes.serving | modes.checking)",
    ),
    Broken(
        "keeps what was counted without power",
        "Upload",
        23,
        Upload,
        "elaborate",
        'reset_by(m, "weights", weights, modes.forget)',
        'reset_by(m, "weights", weights, Signal())',
    ),
    Broken("sends on after tampering", "Session cleared", 1, Session, "elaborate", "valid & ~tampered", "valid"),
)
