# SPDX-License-Identifier: Apache-2.0
"""The second leg of the demo: what left a warden for the world is sealed by a processor, and opened by somebody else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from custodes.admission import Admission
from custodes.capture import Capture
from custodes.errors import MismatchError, UsageError
from custodes.keys import Keys
from custodes.macsec import CHANNELS, ICV_BYTES, Side, Suite
from custodes.processor import SIMULATED, open_processor
from custodes.session import session_capture
from custodes.session_report import SessionReport
from custodes.table import Port
from custodes.terminal import Screen, plural, shown

SUITE = Suite.GCM_AES_256


class SealedLeg(NamedTuple):
    """What came of it: the processor's report, and how many of its frames scapy opens to what was sealed."""

    report: SessionReport
    opened: int

    @property
    def agrees(self) -> bool:
        return self.report.agrees and self.opened == self.report.frames_out

    @property
    def verdict(self) -> str:
        """In one line."""
        report = self.report
        peers = plural(report.channels, "peer")
        text = f"{plural(report.frames_out, 'frame')} sealed for {peers} by {report.device}: {report.verdict}"
        return (
            f"{text}; scapy opens {self.opened:,} of them to the frames that were scrubbed" if report.agrees else text
        )

    def to_json(self) -> dict[str, Any]:
        """`SessionReport.to_json`, and under ``scapy`` the frames it ``opened`` to what was sealed."""
        return self.report.to_json() | {"scapy": {"opened": self.opened}}

    def judge(self) -> None:
        """Raise `MismatchError` where anybody disagrees."""
        if not self.agrees:
            raise MismatchError(self.verdict)


def need_scapy() -> None:
    """Raise `UsageError` where it is not installed: its licence is the GPL, and so it comes as an extra."""
    if find_spec("scapy") is None:
        raise UsageError("what is sealed is opened by scapy, which is not installed: pip install 'custodes[demo]'")


def seal_scrubbed(scrubbed: Path, output: Path, admission: Admission, lanes: int, display: Screen) -> SealedLeg:
    """Seal the frames of a scrubbed capture that left for the world, under fresh random keys, one for each peer.

    Peers beyond what the device takes have no channel: frames to them are dropped.
    """
    capture = Capture(scrubbed)
    leaving = [packet.frame for packet in capture if admission.port(packet.frame) is Port.CLUSTER]
    peers = list(dict.fromkeys(frame[:6] for frame in leaving))[:CHANNELS]
    keys = _fresh_keys(next((frame[6:12] for frame in leaving), bytes(6)), peers)
    report = SessionReport(shown(scrubbed), shown(output), SIMULATED, lanes, True, Side.ACCELERATOR, "fresh", keys)
    with open_processor(SIMULATED, lanes) as processor, display.progress(capture.size, "sealing") as progress:
        session_capture(
            capture, output, processor, report, progress, lambda frame: admission.port(frame) is Port.CLUSTER
        )
    if not report.agrees:
        return SealedLeg(report, 0)
    sent = [frame for frame in leaving if frame[:6] in peers]
    back = _opened_by_scapy([packet.frame for packet in Capture(output)], keys)
    return SealedLeg(report, sum(before == after for before, after in zip(sent, back, strict=True)))


def _fresh_keys(own: bytes, peers: list[bytes]) -> Keys:
    """A channel to each peer; its SCI is our address and a port number of its own."""
    return Keys.model_validate(
        {
            "transmit": [
                {
                    "peer": peer.hex(":"),
                    "sci": f"{own.hex(':')}/{port}",
                    "association": [{"an": 0, "suite": SUITE.title, "key": os.urandom(SUITE.key_bytes).hex()}],
                }
                for port, peer in enumerate(peers, 1)
            ]
        }
    )


def _opened_by_scapy(sealed: list[bytes], keys: Keys) -> Iterator[bytes | None]:
    """What scapy makes of each frame; None where the ICV is wrong."""
    from cryptography.exceptions import InvalidTag
    from scapy.contrib.macsec import MACsecSA  # slow to import
    from scapy.layers.l2 import Ether

    associations = {
        channel.peer: MACsecSA(channel.sci, one.an, one.pn, one.key, ICV_BYTES, encrypt=1, send_sci=1)
        for channel in keys.transmit
        for one in channel.association
    }
    for frame in sealed:
        association = associations[frame[:6]]
        try:
            yield bytes(association.decap(association.decrypt(Ether(frame))))
        except InvalidTag:
            yield None
