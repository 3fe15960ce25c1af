# SPDX-License-Identifier: Apache-2.0
"""Weights, on their way to a server behind a gateway: frame by frame, in one go, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from custodes.errors import CaptureError, KeysError, UsageError
from custodes.gateway import Gateway
from custodes.gateway_formats import ETHERTYPE, UPLOAD_BYTES, Kind
from custodes.gateway_registers import GatewayPort, Mode
from custodes.keys import Keys
from custodes.link import Ingress
from custodes.model.session import Sealer
from custodes.simgateway import SimPorts
from custodes.upload_time import BLOCK_BYTES, BLOCK_CYCLES
from custodes.weights_manifest import Manifest, Told

BATCH_BYTES = 32 * UPLOAD_BYTES
"""That are sent before the gateway is asked how far it is."""
AHEAD_BYTES = 64 * UPLOAD_BYTES
"""That may have been sent, and not been counted by the gateway."""
BROADCAST, UPLOADER = b"\xff" * 6, bytes.fromhex("020000000000")
"""Addresses of the frames on their way to the gateway, which gives them others."""
Send = Callable[[bytes], object]


def frame_cycles(frame: bytes) -> int:
    """Of the gateway's clock, that it takes for a frame of weights. It keeps two: with more lanes than one a cable brings
    more."""
    return len(frame) * BLOCK_CYCLES // BLOCK_BYTES + 1


def through(link: SimPorts) -> Send:
    """Frames of weights into a simulated gateway, as fast as it digests them."""

    def send(frame: bytes) -> None:
        link.send(Ingress(GatewayPort.WORLD, frame))
        link.step(frame_cycles(frame))

    return send


def weights_sealer(keys: Keys) -> Sealer:
    """What seals weights for the receive channel of a gateway; packet numbers begin where its association says. Raises
    `UsageError` where there is not one receive channel with one association."""
    associations = [(channel.sci, one) for channel in keys.receive for one in channel.association]
    if len(associations) != 1:
        raise UsageError(f"weights are sealed with one key: there are {len(associations)} under receive")
    ((sci, association),) = associations
    peer = {"peer": BROADCAST.hex(":"), "sci": sci.hex(), "an": association.an, "association": (association,)}
    return Sealer.of(Keys.model_validate({"transmit": (peer,)}))


def sealing(sealer: Sealer, send: Send) -> Send:
    """Frames of weights, sealed on their way to ``send``; what is returned raises `KeysError` where packet numbers have come
    to their end."""

    def seal(frame: bytes) -> None:
        sealed = sealer.seal(frame).frame
        if sealed is None:
            raise KeysError("the key of the weights has no packet number any more")
        send(sealed)

    return seal


def upload_frame(offset: int, octets: bytes) -> bytes:
    """So many octets of weights, which belong at the offset."""
    head = BROADCAST + UPLOADER + ETHERTYPE.to_bytes(2) + bytes([Kind.UPLOAD, 0])
    return head + len(octets).to_bytes(2) + offset.to_bytes(6) + octets


def upload_frames(file: BinaryIO, octets: int) -> Iterator[bytes]:
    """The frames of so many octets of a file."""
    for offset in range(0, octets, UPLOAD_BYTES):
        yield upload_frame(offset, file.read(min(UPLOAD_BYTES, octets - offset)))


def upload(gateway: Gateway, manifest: Manifest, weights: Path, send: Send, told: Told = lambda octets: None) -> None:
    """Send the weights of a manifest to a gateway that has been started for them, until it serves.

    Args:
        send: a frame towards the gateway's world port; no faster than the gateway digests.
        told: is called with the octets that the gateway has counted.

    Raises:
        DeviceError: the gateway has taken power from its server, or takes no weights.
        CaptureError: the file cannot be read.
    """
    sent = counted = 0
    try:
        with weights.open("rb") as file:
            for frame in upload_frames(file, manifest.octets):
                send(frame)
                sent += min(UPLOAD_BYTES, manifest.octets - sent)
                if sent % BATCH_BYTES == 0:
                    while sent - counted > AHEAD_BYTES:
                        counted = _progress(gateway, told)
    except OSError as error:
        raise CaptureError(f"{weights}: {error.strerror}") from None
    gateway.wait(lambda: _progress(gateway, told) == sent, "does not get all of the weights")
    gateway.wait(lambda: gateway.mode is not Mode.CHECK, "does not finish the digest of the weights")
    if gateway.mode is not Mode.SERVING:
        raise gateway.off()


def _progress(gateway: Gateway, told: Told) -> int:
    gateway.link.wait(0.0005)
    if gateway.mode is Mode.OFF:
        raise gateway.off()
    counted = gateway.counted
    told(counted)
    return counted
