# SPDX-License-Identifier: Apache-2.0
"""What a recomputer has found so far: for people and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from custodes.gateway_formats import Record
from custodes.recompute import Verdict
from custodes.recomputer import alarms
from custodes.recomputer_store import Store
from custodes.sample_tree import proof
from custodes.samples import End, PairTag
from custodes.sampling_statistics import CONFIDENCE, observed, probability


def _epochs(store: Store) -> Iterator[dict[str, Any]]:
    """All epochs, with what the gateway said of those that have ended."""
    counts = {
        (boot, epoch, verdict): count
        for boot, epoch, verdict, count in store.rows(
            "SELECT boot, epoch, verdict, count(*) FROM verdicts GROUP BY boot, epoch, verdict"
        )
    }
    for boot, epoch, threshold, record in store.rows(
        "SELECT boot, epoch, threshold, record FROM epochs ORDER BY boot, epoch"
    ):
        end = None if record is None else End(record)
        yield {
            "boot": boot,
            "epoch": epoch,
            "ended": end is not None,
            "threshold": int.from_bytes(threshold),
            "pairs": end and end.word(Record.PAIRS),
            "kept": end and end.word(Record.KEPT),
            "verdicts": {verdict.value: counts.get((boot, epoch, verdict.value), 0) for verdict in Verdict},
        }


def _shares(epochs: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Of the pairs of all epochs with the same setting, how many were kept."""
    pairs: Counter[int] = Counter()
    kept: Counter[int] = Counter()
    for epoch in epochs:
        if epoch["ended"]:
            pairs[epoch["threshold"]] += epoch["pairs"]
            kept[epoch["threshold"]] += epoch["kept"]
    for threshold, count in sorted(pairs.items()):
        interval = observed(min(kept[threshold], count), count)
        setting = probability(threshold)
        yield {
            "epsilon": setting,
            "pairs": count,
            "kept": kept[threshold],
            "observed": kept[threshold] / count if count else None,
            "interval": [*interval],
            "confidence": CONFIDENCE,
            "agrees": setting in interval,
        }


def report(store: Store) -> dict[str, Any]:
    """What is known."""
    epochs = [*_epochs(store)]
    ((waiting,),) = store.rows("SELECT count(*) FROM inbox")
    orders = store.rows("SELECT serial, gateway, reason, given, message FROM orders ORDER BY serial")
    return {
        "boot": store.value("boot", 0),
        "epoch": store.value("epoch"),
        "waiting": waiting,
        "verdicts": {verdict.value: sum(epoch["verdicts"][verdict.value] for epoch in epochs) for verdict in Verdict},
        "alarms": alarms(store),
        "orders": [
            {"serial": serial, "gateway": gateway.hex(), "reason": reason, "given": bool(given), "order": message.hex()}
            for serial, gateway, reason, given, message in orders
        ],
        "plugin": store.value("plugin"),
        "budget": {"share": store.value("share", 0), "floor": store.value("floor", 0)},
        "least_epsilon": store.value("epsilon"),
        "longest_silence": store.value("silence"),
        "sampling": [*_shares(epochs)],
        "epochs": epochs,
    }


def facts(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """A report for people."""
    yield (
        "gateway",
        f"switched on {found['boot']} times, "
        + ("in no epoch" if found["epoch"] is None else f"in epoch {found['epoch']}"),
    )
    yield "epochs", f"{len(found['epochs']):,}, {sum(epoch['ended'] for epoch in found['epochs']):,} of them ended"
    yield "verdicts", ", ".join(f"{count:,} {verdict}" for verdict, count in found["verdicts"].items())
    if found["waiting"]:
        yield "waiting", f"{found['waiting']:,} frames"
    for share in found["sampling"]:
        low, high = share["interval"]
        told = "as set" if share["agrees"] else "NOT as set"
        yield (
            f"epsilon {share['epsilon']:g}",
            f"{share['kept']:,} of {share['pairs']:,} kept, {low:.6f} to {high:.6f} at {CONFIDENCE:.0%}: {told}",
        )
    least = found["least_epsilon"]
    yield "least epsilon", f"{least:g}" if least else "none is set: a gateway may keep nothing"
    longest = found["longest_silence"]
    yield "longest silence", f"{longest:g} s" if longest else "none is set: a cable that is cut goes unnoticed"
    plugin = found["plugin"]
    yield "plug-in", "none" if plugin is None else f"{plugin['kind']} {plugin.get('weights') or plugin.get('command')}"
    yield "budget", f"{found['budget']['share'] / 10_000:g} % of an epoch's pairs, or {found['budget']['floor']}"
    for order in found["orders"]:
        yield "order", f"{order['serial']}, {'given' if order['given'] else 'NOT given'}: {order['reason']}"


def verdicts(store: Store, wanted: list[Verdict], epoch: int | None, with_proof: bool) -> Iterator[dict[str, Any]]:
    """Verdicts, the first first; with the audit path of their leaf where the epoch has ended and all leaves are there."""
    query = """SELECT boot, epoch, place, tag, digest, verdict, reason FROM verdicts
        JOIN leaves USING (boot, epoch, place) ORDER BY id"""
    paths: dict[tuple[int, int], list[bytes] | None] = {}
    for boot, number, place, tag, digest, verdict, reason in store.rows(query):
        if Verdict(verdict) not in wanted or epoch not in (None, number):
            continue
        found: dict[str, Any] = {
            "boot": boot,
            "epoch": number,
            "pair": PairTag(tag).number,
            "verdict": verdict,
            "reason": reason,
        }
        if with_proof:
            if (boot, number) not in paths:
                paths[boot, number] = _leaves(store, boot, number)
            leaves = paths[boot, number]
            found |= {"tag": tag.hex(), "leaf": digest.hex(), "index": place, "leaves": leaves and len(leaves)}
            found["path"] = leaves and [step.hex() for step in proof(leaves, place)]
        yield found


def _leaves(store: Store, boot: int, epoch: int) -> list[bytes] | None:
    """All leaves of an epoch that has ended; None where some are not known."""
    ((record,),) = store.rows("SELECT record FROM epochs WHERE boot = ? AND epoch = ?", boot, epoch)
    rows = store.leaves(boot, epoch)
    if record is None or len(rows) != End(record).word(Record.PAIRS):
        return None
    return [row.digest for row in rows]
