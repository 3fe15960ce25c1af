# SPDX-License-Identifier: Apache-2.0
"""The recomputer: takes the samples of a gateway, checks them, has them recomputed, and orders servers to be switched off.

Frames are written down as they come and worked off one after another: each is gone from the inbox in the transaction in
which its verdict and findings appear; a verdict has a transaction of its own. Whatever moment the process is killed at, the
next one goes on from there, and each pair has one verdict. An order that is signed is given until whoever carries it out
has not failed to take it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custodes.conversation import ConversationError, conversation
from custodes.errors import CustodesError
from custodes.recompute import COMMAND_S, CommandPlugin, Judgement, Plugin, TransformerPlugin, Verdict
from custodes.recomputer_check import Checker, Completed, Found
from custodes.recomputer_orders import shutdown_order
from custodes.recomputer_store import Store
from custodes.samples import is_sample
from custodes.transformer import Transformer

PLUGINS = ("transformer", "command")
PLUGIN_SETTINGS = {"kind", "weights", "model", "command", "seconds"}
MAX_COMMAND_S = 86400
BATCH = 256
"""Frames in a transaction, at most."""
Deliver = Callable[[bytes], None]


class PluginError(CustodesError):
    """A plug-in cannot be used; one clear line."""

    exit_code = 4


class Done(NamedTuple):
    """What came of a frame: the pair that it completed, the verdict on that, and what was found."""

    completed: Completed | None
    judgement: Judgement | None
    found: list[Found]


def make_plugin(setting: dict[str, Any]) -> Plugin:
    """The plug-in that a setting says.

    Args:
        setting: ``kind`` is transformer or command. A transformer has ``weights``, the name of a file, and, where it is to
            be one model only, ``model``, its SHA-256 in hexadecimal digits. A command has ``command``, a list of its words,
            and ``seconds``.

    Raises:
        PluginError: there is none like that.
    """
    try:
        if (
            setting["kind"] == "command"
            and setting["command"]
            and all(type(word) is str for word in setting["command"])
        ):
            seconds = float(setting.get("seconds", COMMAND_S))
            if not 0 < seconds <= MAX_COMMAND_S:
                raise PluginError(f"a command may take up to {MAX_COMMAND_S} seconds, not {seconds:g}")
            return CommandPlugin(setting["command"], seconds)
        if setting["kind"] != "transformer":
            raise PluginError(f"there is no such plug-in; there are {' and '.join(PLUGINS)}")
        model = Transformer(Path(setting["weights"]).read_bytes())
    except OSError as error:
        raise PluginError(f"{setting['weights']}: {error.strerror}") from None
    except (KeyError, TypeError, ValueError, OverflowError):
        raise PluginError("the setting of the plug-in is incomplete") from None
    if setting.get("model") not in (None, model.digest.hex()):
        raise PluginError(f"{setting['weights']}: is the model {model.digest.hex()}, not {setting['model']}")
    return TransformerPlugin(model)


def order_shutdown(store: Store, gateway: bytes, key: Ed25519PrivateKey, reason: str, now_ns: int) -> bytes:
    """Sign an order and write it down, within the transaction of the caller; it is given by who runs the recomputer."""
    ((last,),) = store.rows("SELECT coalesce(max(serial), 0) FROM orders")
    serial = max(last + 1, now_ns // 1_000_000)
    message = shutdown_order(gateway, serial, reason, key)
    store.write(
        "INSERT INTO orders (serial, gateway, reason, message) VALUES (?, ?, ?, ?)", serial, gateway, reason, message
    )
    return message


class Recomputer:
    """Works on a store.

    Args:
        store: which nobody else works on.
        gateway: its identity, 32 octets: what orders name.
        key: signs orders.
        deliver: called with each order, a signed message; what it raises of `OSError` and `CustodesError` is said, and the
            order is given again later.
        told: called with a line for each verdict that is not PASS, finding and order.
        now: nanoseconds since 1970.
    """

    def __init__(
        self,
        store: Store,
        gateway: bytes,
        key: Ed25519PrivateKey,
        deliver: Deliver,
        told: Callable[[str], None] = lambda line: None,
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        self.store, self.gateway = store, gateway
        self.checker = Checker(store, now)
        self._key, self._deliver, self._told, self._now = key, deliver, told, now
        self._plugin: Plugin | None = None
        self._setting: Any = None

    def feed(self, frames: Iterable[bytes], source: str = "", position: int | None = None) -> list[Done]:
        """Write frames down, and work off all that there are. What is no sample is left out."""
        self.store.receive((frame for frame in frames if is_sample(frame)), source, position)
        return self.work()

    def work(self, limit: int | None = None) -> list[Done]:
        """Work off what has been written down, up to so many frames, and give the orders that have not been given."""
        done: list[Done] = []
        self._give()
        while (room := BATCH if limit is None else min(BATCH, limit - len(done))) > 0:
            batch = self._batch(room)
            if not batch:
                break
            done += batch
        return done

    def silent(self, seconds: float) -> None:
        """Say that nothing has come for so long, and order a shutdown: whoever cuts the cable ends the server, too."""
        with self.store.transaction():
            found = self.checker.silent(seconds)
            self._order(self.checker.epoch, None, None, found)
        self._tell([Done(None, None, found)])
        self._give()

    def judge(self, completed: Completed) -> Judgement:
        """The verdict on a pair that is what was committed to."""
        try:
            said = conversation(completed.transcript)
        except ConversationError as error:
            return Judgement(Verdict.FAIL if error.answered_twice else Verdict.UNVERIFIABLE, str(error))
        try:
            plugin = self._current_plugin()
            if plugin is None:
                return Judgement(Verdict.UNVERIFIABLE, "no plug-in is set")
            return plugin.judge(said.input, said.output)
        except Exception as error:  # what a plug-in does must not end the service
            return Judgement(
                Verdict.UNVERIFIABLE, f"the plug-in failed: {type(error).__name__}: {error}".splitlines()[0]
            )

    def _current_plugin(self) -> Plugin | None:
        setting = self.store.value("plugin")
        if setting != self._setting:
            self._plugin = None if setting is None else make_plugin(setting)
            self._setting = setting
        return self._plugin

    def _batch(self, count: int) -> list[Done]:
        """Work off the next frames up to one that completes a pair."""
        done: list[Done] = []
        completing = judged = None
        with self.store.transaction():
            for number, frame in self.store.next_frames(count):
                completed = self.checker.completes(frame)
                if completed is not None:
                    completing = number, frame, completed
                    break
                done.append(self._take(number, frame, None, None))
        self._tell(done)
        self._give()
        if completing is not None:
            judgement = self.judge(completing[2])  # which may take long, and others may want to write
            with self.store.transaction():
                judged = self._take(*completing, judgement)
            self._tell([judged])
            self._give()
        return [*done, *([] if judged is None else [judged])]

    def _take(self, number: int, frame: bytes, completed: Completed | None, judgement: Judgement | None) -> Done:
        epoch = self.checker.epoch_of(frame)
        found = self.checker.take(frame, completed, judgement)
        self._order(epoch, completed, judgement, found)
        self.store.write("DELETE FROM inbox WHERE id = ?", number)
        return Done(completed, judgement, found)

    def _tell(self, done: list[Done]) -> None:
        for completed, judgement, found in done:
            for finding, text in found:
                self._told(f"{finding.value}: {text}")
            if completed is not None and judgement is not None and judgement.verdict is not Verdict.PASS:
                self._told(f"{judgement.verdict.value}: pair {completed.tag.number}: {judgement.reason}")

    def _order(
        self, epoch: int | None, completed: Completed | None, judgement: Judgement | None, found: list[Found]
    ) -> None:
        """Order a shutdown if there is reason to: once in an epoch, and not before the last order was given."""
        reasons = [f"{finding.value}: {text}" for finding, text in found if finding.fatal]
        if completed is not None and judgement is not None and judgement.verdict is Verdict.FAIL:
            reasons.append(f"pair {completed.tag.number}: {judgement.reason}")
        if not reasons:
            return
        ordered = self.store.value("ordered_in", [])
        waiting = self.store.rows("SELECT 1 FROM orders WHERE NOT given AND gateway = ?", self.gateway)
        if epoch not in ordered and not waiting:
            order_shutdown(self.store, self.gateway, self._key, reasons[0], self._now())
            self.store.set_value("ordered_in", [*ordered, epoch])

    def _give(self) -> None:
        query = "SELECT serial, message, reason FROM orders WHERE NOT given AND gateway = ? ORDER BY serial"
        for serial, message, reason in self.store.rows(query, self.gateway):
            try:
                self._deliver(message)
            except (OSError, CustodesError) as error:
                self._told(f"the order to shut down could not be given: {error}")
                return
            with self.store.transaction():
                self.store.write("UPDATE orders SET given = 1 WHERE serial = ?", serial)
            self._told(f"ordered to shut down: {reason}")


def alarms(store: Store) -> list[str]:
    """What has been found, and verdicts FAIL, in lines, in the order of their times."""
    found = store.rows("SELECT time_ns, kind, text FROM findings")
    query = (
        "SELECT time_ns, epoch, number, reason FROM verdicts JOIN leaves USING (boot, epoch, place) WHERE verdict = ?"
    )
    failed = [
        (time_ns, Verdict.FAIL.value, f"pair {int.from_bytes(number)} of epoch {epoch}: {reason}")
        for time_ns, epoch, number, reason in store.rows(query, Verdict.FAIL.value)
    ]
    return [f"{kind}: {text}" for _, kind, text in sorted(found + failed)]
