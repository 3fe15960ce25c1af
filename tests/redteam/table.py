# SPDX-License-Identifier: Apache-2.0
"""The red team's results as Markdown, as they are in README.md of this folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from custodes.retimer import Policy
from custodes.table import Port
from tests.redteam import storage, tcp
from tests.redteam.outcome import BITS, Recovered, bound, message, recovered
from tests.redteam.storage import Channel
from tests.redteam.timing import CHANNELS, Timing, directly, retimed, span_of
from tests.redteam.wire import Wire, bare, warded

CLOSED = [*storage.CLOSED, *tcp.CLOSED]
OPEN = [*storage.OPEN, *tcp.OPEN]


def carried(channel: Channel, wire: Wire, side: Port) -> Recovered:
    """How much of a random message from this side is read again on the other."""
    sent = message(1, channel.width, distinct=channel.distinct)
    return recovered(sent, channel.send(wire, side, sent), channel.width)


def before(channel: Timing, policy: Policy) -> Recovered:
    """How much of a random message is read again with nothing between, with times as they are for this policy."""
    sent, span = message(1, channel.width), span_of(policy)
    return recovered(sent, channel.read(directly(channel.send(sent, span)), span, len(sent)), channel.width)


def after(channel: Timing, policy: Policy, reads_frames: bool) -> Recovered:
    """The same behind a retimer."""
    sent, span = message(1, channel.width), span_of(policy)
    seen = retimed(channel.send(sent, span), policy, reads_frames, span * len(sent))
    return recovered(sent, channel.read(seen, span, len(sent)), channel.width)


def markdown() -> Iterator[str]:
    """Lines: what the warden closes, what stays, and timing."""
    yield f"Bits that are read right, of {BITS:,} or a few less; up to {bound():,} are chance."
    for title, channels in (("closed by the warden", CLOSED), ("stays", OPEN)):
        yield ""
        yield f"| {title} | bits a symbol | over a cable | from the cluster | from the world |"
        yield "| --- | ---: | ---: | ---: | ---: |"
        yield from (_storage(channel) for channel in channels)
    yield ""
    yield "| timing | observer | nothing between | " + " | ".join(_title(policy) for policy in Policy) + " |"
    yield "| --- | --- | ---: |" + " ---: |" * len(Policy)
    for channel in CHANNELS:
        for reads_frames, observer in ((False, "sees times"), (True, "reads frames")):
            if reads_frames or not channel.reads_frames:
                yield _timing(channel, reads_frames, observer)


def _storage(channel: Channel) -> str:
    results = [carried(channel, bare, Port.CLUSTER), *(carried(channel, warded(), side) for side in Port)]
    return f"| {channel.name} | {channel.width} | {_cells(results)} |"


def _timing(channel: Timing, reads_frames: bool, observer: str) -> str:
    results = [before(channel, Policy.SLOT), *(after(channel, policy, reads_frames) for policy in Policy)]
    return f"| {channel.name} | {observer} | {_cells(results)} |"


def _cells(results: Sequence[Recovered]) -> str:
    return " | ".join("chance" if found.chance else f"{found.right:,} of {found.bits:,}" for found in results)


def _title(policy: Policy) -> str:
    return policy.name.lower().replace("_", " ")
