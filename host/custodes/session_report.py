# SPDX-License-Identifier: Apache-2.0
"""What sealing or opening a capture did, in numbers. Counters have the names that Linux gives them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from custodes.keys import Association, Keys
from custodes.macsec import ASSOCIATIONS_PER_CHANNEL, Opening, Sealing, Side
from custodes.passage import Passage
from custodes.processor import Counts

OCTETS_TITLES = {Side.ACCELERATOR: "OutOctetsEncrypted", Side.NETWORK: "InOctetsDecrypted"}


def associated(outcome: Sealing | Opening) -> bool:
    """Whether the frame belongs to an association; of those that do not, association 0 has the counters."""
    if isinstance(outcome, Sealing):
        return outcome in (Sealing.OUT_PKTS_ENCRYPTED, Sealing.OUT_PKTS_NOT_USING_SA)
    return outcome == Opening.IN_PKTS_OK or outcome > Opening.IN_PKTS_NO_SCI


class AssociationCounts(NamedTuple):
    """What one association counted. ``station``: the peer's MAC address, or its SCI."""

    channel: int
    station: str
    association: Association
    counters: dict[str, int]

    @property
    def title(self) -> str:
        return f"{self.station}, AN {self.association.an}, {self.association.suite.title}"


@dataclass
class SessionReport(Passage):
    """The numbers of one run; `session.session_capture` fills them in."""

    side: Side
    keys_file: str
    keys: Keys
    rises: Counts = field(default_factory=lambda: Counts({}, {}), init=False)
    """By how much the counters rose."""

    @property
    def channels(self) -> int:
        """How many channels the frames can take."""
        return len(self.keys.transmit if self.side is Side.ACCELERATOR else self.keys.receive)

    @property
    def octets(self) -> int:
        """Octets of secure data that were encrypted, or decrypted successfully."""
        return sum(self.rises.octets.values())

    @property
    def associations(self) -> list[AssociationCounts]:
        """What each association in the keys file counted."""
        transmit = [(channel.peer.hex(":"), channel.association) for channel in self.keys.transmit]
        receive = [(f"SCI {channel.sci.hex()}", channel.association) for channel in self.keys.receive]
        return [
            AssociationCounts(channel, station, association, self._counted(channel, association))
            for channel, (station, associations) in enumerate(transmit if self.side is Side.ACCELERATOR else receive)
            for association in associations
        ]

    def _counted(self, channel: int, association: Association) -> dict[str, int]:
        number = channel * ASSOCIATIONS_PER_CHANNEL + association.an
        frames = {
            outcome.title: count
            for (side, at, outcome), count in self.rises.frames.items()
            if (side, at) == (self.side, number) and associated(outcome)
        }
        return frames | {OCTETS_TITLES[self.side]: self.rises.octets.get((self.side, number), 0)}

    def to_json(self) -> dict[str, Any]:
        """The report as one JSON object.

        Keys: ``input``, ``output``, ``device``, ``lanes``; ``keys`` (``file``, ``channels`` of this direction);
        ``frames`` (``in``, ``out``, ``dropped``, ``not_captured_whole``: the dropped include these); ``bytes`` (``in``
        to the device, ``out`` of it); ``octets`` of secure data; ``drops`` (counter -> frames); ``associations`` (each
        ``channel``, ``station``, ``an``, ``suite``, ``counters``); ``speed`` and ``check`` as in
        `custodes.report.Report.to_json`.
        """
        return {
            "input": self.input,
            "output": self.output,
            "device": self.device,
            "lanes": self.lanes,
            "keys": {"file": self.keys_file, "channels": self.channels},
            "frames": {
                "in": self.frames_in,
                "out": self.frames_out,
                "dropped": self.frames_dropped,
                "not_captured_whole": self.not_whole,
            },
            "bytes": {"in": self.bytes_in, "out": self.bytes_out},
            "octets": self.octets,
            "drops": {reason.title: count for reason, count in sorted(self.drops.items())},
            "associations": [
                {
                    "channel": counts.channel,
                    "station": counts.station,
                    "an": counts.association.an,
                    "suite": counts.association.suite.title,
                    "counters": counts.counters,
                }
                for counts in self.associations
            ],
            "speed": self.speed_json(),
            "check": self.check_json(),
        }
