# SPDX-License-Identifier: Apache-2.0
"""Requests to a recomputer: who may ask, that nobody asks twice, and what is answered and written down.

A request says for which recomputer it is, a nonce, a role and an action with its arguments, in deterministic CBOR; as many
of the role's keys as the roster says have signed it (COSE_Sign1, detached). The answer is signed by the recomputer, also
where it is a refusal. What a request changes, its nonce, and the line in the log are one transaction.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custodes.cose import SignatureError, open1, sign1
from custodes.deterministic import decode, encode
from custodes.errors import CustodesError
from custodes.mailbox import KEY_BYTES
from custodes.recomputer import PLUGIN_SETTINGS, PluginError, make_plugin, order_shutdown
from custodes.recomputer_check import MILLION
from custodes.recomputer_store import Store
from custodes.roster import Roster

REQUEST, ANSWER = "custodes/admin/v1", "custodes/answer/v1"
NONCE_BYTES = 16
MAX_REQUEST_BYTES = 1 << 16
MAX_REASON = 200


class AdminError(CustodesError):
    """A request is none, or is refused; one clear line."""

    exit_code = 4


class Request(NamedTuple):
    """What is asked for."""

    recomputer: bytes
    nonce: bytes
    role: str
    action: str
    arguments: dict[str, Any]

    @property
    def payload(self) -> bytes:
        """What is signed."""
        return encode([REQUEST, *self])


class Answer(NamedTuple):
    """What came of it: ``request`` is the SHA-256 of its payload, ``value`` what was asked for."""

    request: bytes
    done: bool
    reason: str
    value: Any


def new_request(recomputer: bytes, role: str, action: str, arguments: dict[str, Any]) -> Request:
    """A request that there has not been before."""
    return Request(recomputer, secrets.token_bytes(NONCE_BYTES), role, action, arguments)


def read_request(payload: bytes) -> Request:
    """The request in what is signed; raises `AdminError`."""
    try:
        kind, *fields = decode(payload)
        request = Request(*fields)
    except (ValueError, TypeError):
        raise AdminError("this is no request to a recomputer") from None
    kinds = (bytes, bytes, str, str, dict)
    if kind != REQUEST or not all(isinstance(field, kind) for field, kind in zip(request, kinds, strict=True)):
        raise AdminError("this is no request to a recomputer")
    return request


def bundle(payload: bytes, signatures: Sequence[bytes]) -> bytes:
    """A request and its signatures, as they are given."""
    return encode([payload, [*signatures]])


def read_answer(message: bytes, recomputer: bytes) -> Answer:
    """What a recomputer has answered; raises `AdminError` if it has not."""
    try:
        _, payload = open1(message, [recomputer])
        kind, *fields = decode(payload)
        if kind == ANSWER:
            return Answer(*fields)
    except (SignatureError, ValueError, TypeError):
        pass
    raise AdminError("this is no answer of the recomputer")


class _Given(NamedTuple):
    """A message that can be read, or cannot: then ``request`` is None."""

    payload: bytes
    request: Request | None
    signatures: list[bytes]


class Office:
    """Takes requests to a recomputer.

    Args:
        store: of the recomputer, which may be at work.
        roster: who may ask for what.
        key: of the recomputer; signs answers and orders.
        now: nanoseconds since 1970.
    """

    def __init__(
        self, store: Store, roster: Roster, key: Ed25519PrivateKey, now: Callable[[], int] = time.time_ns
    ) -> None:
        self._store, self._roster, self._key, self._now = store, roster, key, now
        self._actions: dict[str, Callable[[dict[str, Any]], Any]] = {
            "plugin": self._set_plugin,
            "budget": self._set_budget,
            "epsilon": self._set_epsilon,
            "shutdown": self._shut_down,
            "gateway": self._register,
            "model": self._find,
        }

    def handle(self, message: bytes) -> bytes:
        """The signed answer to a request; nothing that is given raises."""
        payload, request, signatures = _read(message)
        with self._store.transaction():
            value = None
            try:
                if request is None:
                    raise AdminError("this is no request to a recomputer")
                self._authorise(request, payload, signatures)
                value = self._actions[request.action](request.arguments)
                done, reason = True, "done"
            except (AdminError, PluginError) as error:
                done, reason = False, str(error)[:MAX_REASON]
            answer = sign1(encode([ANSWER, sha256(payload).digest(), done, reason, value]), self._key)
            self._store.write(
                "INSERT INTO requests (time_ns, request, role, action, done, reason, answer) VALUES (?, ?, ?, ?, ?, ?, ?)",
                self._now(),
                message[:MAX_REQUEST_BYTES],
                *((None, None) if request is None else (request.role, request.action)),
                *(int(done), reason, answer),
            )
        return answer

    def _authorise(self, request: Request, payload: bytes, signatures: list[bytes]) -> None:
        """Take the nonce of a request that is allowed; raises `AdminError` for any other, whose nonce stays."""
        if request.recomputer != self._key.public_key().public_bytes_raw():
            raise AdminError("the request is for another recomputer")
        role = self._roster.find(request.role)
        if role is None:
            raise AdminError(f"there is no role {request.role!r}")
        if request.action not in role.actions:
            raise AdminError(f"the role {role.name} may not ask for {request.action!r}")
        try:
            signers = {open1(signature, role.keys, payload)[0] for signature in signatures}
        except SignatureError as error:
            raise AdminError(f"the request {error}") from None
        if len(signers) < role.threshold:
            raise AdminError(f"{len(signers)} of {role.threshold} keys of the role {role.name} have signed")
        if len(request.nonce) != NONCE_BYTES:
            raise AdminError(f"a nonce has {NONCE_BYTES} bytes")
        if self._store.rows("SELECT 1 FROM nonces WHERE nonce = ?", request.nonce):
            raise AdminError("the request has been given before")
        self._store.write("INSERT INTO nonces VALUES (?)", request.nonce)

    def _set_plugin(self, arguments: dict[str, Any]) -> None:
        if not {*arguments} <= PLUGIN_SETTINGS:
            raise AdminError(f"a plug-in has no settings but {', '.join(sorted(PLUGIN_SETTINGS))}")
        weights = arguments.get("weights")
        setting = arguments | ({"weights": str(Path(weights).absolute())} if isinstance(weights, str) else {})
        try:
            json.dumps(setting)
        except (TypeError, ValueError):
            raise AdminError("the settings of a plug-in are numbers, text and lists of these") from None
        make_plugin(setting)
        self._store.set_value("plugin", setting)

    def _set_budget(self, arguments: dict[str, Any]) -> None:
        """``share`` is in millionths of the pairs of an epoch, ``floor`` is pairs."""
        share, floor = _exactly(arguments, share=int, floor=int)
        if not 0 <= share <= MILLION or not 0 <= floor < 1 << 32:
            raise AdminError(f"a budget has a share up to {MILLION} millionths, and a floor of pairs")
        self._store.set_value("share", share)
        self._store.set_value("floor", floor)

    def _set_epsilon(self, arguments: dict[str, Any]) -> None:
        """With which an epoch must begin at least, in millionths; 0: with any."""
        (epsilon,) = _exactly(arguments, epsilon=int)
        if not 0 <= epsilon <= MILLION:
            raise AdminError(f"an epsilon has up to {MILLION} millionths")
        self._store.set_value("epsilon", epsilon / MILLION)

    def _shut_down(self, arguments: dict[str, Any]) -> bytes:
        gateway, reason = _exactly(arguments, gateway=bytes, reason=str)
        if len(gateway) != KEY_BYTES or len(reason) > MAX_REASON:
            raise AdminError(f"a gateway has {KEY_BYTES} bytes, and a reason at most {MAX_REASON} characters")
        return order_shutdown(self._store, gateway, self._key, reason, self._now())

    def _register(self, arguments: dict[str, Any]) -> None:
        """The models that a gateway serves, in place of those before; none: it serves no more."""
        gateway, models = _exactly(arguments, gateway=bytes, models=list)
        if any(not isinstance(digest, bytes) or len(digest) != KEY_BYTES for digest in (gateway, *models)):
            raise AdminError(f"gateways and models have {KEY_BYTES} bytes")
        self._store.write("DELETE FROM gateways WHERE identity = ?", gateway)
        for model in {*models}:
            self._store.write("INSERT INTO gateways VALUES (?, ?)", gateway, model)

    def _find(self, arguments: dict[str, Any]) -> list[bytes]:
        """The gateways that serve a model."""
        (model,) = _exactly(arguments, model=bytes)
        found = self._store.rows("SELECT identity FROM gateways WHERE model = ? ORDER BY identity", model)
        if not found:
            raise AdminError(f"no gateway serves the model {model[:KEY_BYTES].hex()}")
        return [identity for (identity,) in found]


def _read(message: bytes) -> _Given:
    try:
        if len(message) > MAX_REQUEST_BYTES:
            raise ValueError
        payload, signatures = decode(message)
        if not isinstance(payload, bytes) or not isinstance(signatures, list):
            raise ValueError
        if not all(isinstance(signature, bytes) for signature in signatures):
            raise ValueError
        return _Given(payload, read_request(payload), signatures)
    except (ValueError, TypeError, AdminError):
        return _Given(message, None, [])


def _exactly(arguments: dict[str, Any], **kinds: type) -> list[Any]:
    """The arguments of these names and kinds, where there are no others."""
    if {*arguments} != {*kinds} or any(type(arguments[name]) is not kind for name, kind in kinds.items()):
        wanted = ", ".join(f"{name} ({kind.__name__})" for name, kind in kinds.items())
        raise AdminError(f"this action takes {wanted}")
    return [arguments[name] for name in kinds]
