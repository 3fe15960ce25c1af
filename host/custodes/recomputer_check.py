# SPDX-License-Identifier: Apache-2.0
"""What a recomputer checks of the samples of a gateway, before and beside what they contain.

Every pair has a leaf, with the next index; the pieces of a pair that is kept follow its leaf, and make it; an epoch ends
with a record whose root, counts and key fit all that came, and the key those that were kept. What is not so is found and
said, and does not stop what follows from being checked.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from typing import NamedTuple

from custodes.gateway_formats import Record
from custodes.recompute import Judgement, Verdict
from custodes.recomputer_store import Row, Store
from custodes.sample_tree import commitment, leaf, root, selected
from custodes.samples import Begin, End, Leaf, PairTag, Piece, SampleError, read_sample
from custodes.sampling_statistics import probability
from custodes.sampling_statistics import threshold as threshold_of

MILLION = 1_000_000
_NUMBER = slice(4, 12)
LOSSES = {
    Record.STORE_FULL: "there was no slot for a pair",
    Record.FLOWS_FULL: "there was no room for a connection",
    Record.OVERSIZE: "a pair was full",
}
COUNTERS = range(Record.STORE_FULL, Record.ROOT)


class Finding(enum.Enum):
    """What was found."""

    MALFORMED = "malformed"
    """A frame is no sample that any sampler sends."""
    MISSING = "missing"
    """Something did not come that must have been sent."""
    REPEATED = "repeated"
    REORDERED = "reordered"
    FORGED = "forged"
    """Something contradicts what came before, or what was committed to."""
    SELECTION = "selection"
    """A pair was kept that was not to be, or was not and was to be; or fewer are to be kept than may be."""
    LOST = "lost"
    """The gateway dropped frames, and says so, as it had no room."""
    RESTARTED = "restarted"
    """The gateway has been switched on again; how the epoch before ended nobody knows."""
    BUDGET = "budget"
    """More pairs than may be were not verifiable."""
    SILENT = "silent"
    """Nothing has come for longer than may be."""

    @property
    def fatal(self) -> bool:
        """No honest gateway on a cable without faults does that."""
        return self not in (Finding.LOST, Finding.RESTARTED, Finding.BUDGET)


class State(enum.IntEnum):
    """Of a leaf: what has come of the pair."""

    LEAF = 0
    BROKEN = 1
    """Some of it, but not all, or not in order; this has been said."""
    WHOLE = 2


class Found(NamedTuple):
    """A finding, and in a line what it is."""

    finding: Finding
    text: str


class Completed(NamedTuple):
    """A pair of which all has come, and that is the one which was committed to."""

    tag: PairTag
    transcript: bytes


class Checker:
    """Checks sample frames one by one; all that it knows is in the store.

    Args:
        store: where.
        now: nanoseconds since 1970.
    """

    def __init__(self, store: Store, now: Callable[[], int]) -> None:
        self._store, self._now = store, now

    @property
    def boot(self) -> int:
        """So many times the gateway has been switched on; 0 before its first epoch."""
        return self._store.value("boot", 0)

    @property
    def epoch(self) -> int | None:
        """That is open."""
        return self._store.value("epoch")

    def epoch_of(self, frame: bytes) -> int | None:
        """Which epoch a frame that comes next says that it is of, up to the one after the last that began.

        The open one if it says none, and the one after the last for what comes while none is open.
        """
        try:
            sample = read_sample(frame)
        except SampleError:
            return self.epoch
        ((last,),) = self._store.rows("SELECT coalesce(max(epoch), 0) FROM epochs WHERE boot = ?", self.boot)
        if self.epoch is None and not isinstance(sample, Begin):
            return last + 1
        return min(sample.tag.epoch if isinstance(sample, Leaf | Piece) else sample.epoch, last + 1)

    def completes(self, frame: bytes) -> Completed | None:
        """The pair that is whole with this frame, if it is to be judged. Nothing is written."""
        try:
            sample = read_sample(frame)
        except SampleError:
            return None
        if not isinstance(sample, Piece) or sample.offset + len(sample.octets) < sample.tag.octets:
            return None
        row = self._row(sample.index)
        if row is None or self._misplaced(sample, row) is not None:
            return None
        transcript = b"".join(octets for (octets,) in self._store.rows("SELECT octets FROM pieces ORDER BY start"))
        transcript += sample.octets
        return Completed(sample.tag, transcript) if leaf(row.tag, transcript) == row.digest else None

    def take(self, frame: bytes, completed: Completed | None, judgement: Judgement | None) -> list[Found]:
        """What is found as a frame comes; written down within the transaction of the caller.

        Args:
            completed, judgement: what `completes` said of the frame, and the verdict on that.
        """
        epoch = self.epoch
        found = [*self._checked(frame, completed, judgement)]
        self._write(found, self.epoch if epoch is None else epoch)
        return found

    def silent(self, seconds: float) -> list[Found]:
        """What is found where nothing has come for so long; written down likewise."""
        found = [Found(Finding.SILENT, f"no sample has come for {seconds:g} s")]
        self._write(found, self.epoch)
        return found

    def _write(self, found: list[Found], epoch: int | None) -> None:
        for finding, text in found:
            self._store.write(
                "INSERT INTO findings (boot, epoch, time_ns, kind, text) VALUES (?, ?, ?, ?, ?)",
                self.boot,
                epoch,
                self._now(),
                finding.value,
                text,
            )

    def _checked(self, frame: bytes, completed: Completed | None, judgement: Judgement | None) -> Iterator[Found]:
        try:
            sample = read_sample(frame)
        except SampleError as error:
            yield Found(Finding.MALFORMED, str(error))
            return
        if isinstance(sample, Begin):
            yield from self._begin(sample)
        elif self.epoch is None:
            yield from self._outside(sample)
        elif isinstance(sample, Leaf):
            yield from self._leaf(sample, self.epoch)
        elif isinstance(sample, Piece):
            yield from self._piece(sample, self.epoch, completed, judgement)
        else:
            yield from self._end(sample, self.epoch)

    def _begin(self, sample: Begin) -> Iterator[Found]:
        store, boot = self._store, self.boot
        ((last,),) = store.rows("SELECT coalesce(max(epoch), 0) FROM epochs WHERE boot = ?", boot)
        opened = self.epoch
        same = [(sample.threshold.to_bytes(8), sample.commitment)]
        known = "SELECT threshold, commitment FROM epochs WHERE boot = ? AND epoch = ?"
        if store.rows(known, boot, sample.epoch) == same:
            yield Found(Finding.REPEATED, f"epoch {sample.epoch} begins again")
            return
        if sample.epoch == 1 or not boot:
            if boot:
                lost = "" if opened is None else f" in epoch {opened}"
                yield Found(Finding.RESTARTED, f"the gateway has been switched on again{lost}")
            if sample.epoch != 1:
                yield Found(Finding.MISSING, f"the first epoch that begins is {sample.epoch}")
            boot += 1
            store.set_value("boot", boot)
            store.set_value("ordered_in", [])
        elif sample.epoch <= last:
            yield Found(Finding.FORGED, f"epoch {sample.epoch} begins after epoch {last}")
            return
        else:
            yield from self._left()
            if opened is not None:
                yield Found(Finding.MISSING, f"there is no record of epoch {opened}")
            if sample.epoch > last + 1:
                yield Found(Finding.MISSING, f"epoch {sample.epoch} begins after epoch {last}")
        least = store.value("epsilon", 0)
        if sample.threshold < threshold_of(least):
            setting = probability(sample.threshold)
            yield Found(Finding.SELECTION, f"epoch {sample.epoch} begins with epsilon {setting:g}, less than {least:g}")
        store.write(
            "INSERT INTO epochs (boot, epoch, threshold, commitment) VALUES (?, ?, ?, ?)", boot, sample.epoch, *same[0]
        )
        self._open(sample.epoch)

    def _open(self, epoch: int | None) -> None:
        self._store.set_value("epoch", epoch)
        self._store.set_value("next", 0)
        self._await(None)

    def _await(self, place: int | None) -> None:
        """Pieces of this pair may come now."""
        self._store.set_value("pending", place)
        self._store.write("DELETE FROM pieces")

    def _outside(self, sample: Leaf | Piece | End) -> Iterator[Found]:
        if not isinstance(sample, End):
            yield Found(Finding.MISSING, f"pair {sample.tag.number} came while there was no epoch")
            return
        again = self._store.rows("SELECT 1 FROM epochs WHERE boot = ? AND record = ?", self.boot, sample.data)
        finding = Finding.REPEATED if again else Finding.MISSING
        yield Found(finding, f"a record of epoch {sample.epoch} came while there was no epoch")

    def _row(self, place: int) -> Row | None:
        epoch = self.epoch
        return None if epoch is None else self._store.leaf(self.boot, epoch, place)

    def _leaf(self, sample: Leaf, epoch: int) -> Iterator[Found]:
        store, boot = self._store, self.boot
        name = f"pair {sample.tag.number}"
        known = self._row(sample.index)
        if known is not None:
            same = (known.tag, known.digest) == (sample.tag.data, sample.digest)
            finding = Finding.REPEATED if same else Finding.FORGED
            yield Found(finding, f"{name} has index {sample.index}, which another leaf has had")
            return
        if sample.tag.epoch != epoch:
            yield Found(Finding.FORGED, f"{name} is of epoch {sample.tag.epoch}, in epoch {epoch}")
            return
        number = sample.tag.data[_NUMBER]
        if store.rows("SELECT 1 FROM leaves WHERE boot = ? AND number = ?", boot, number):
            yield Found(Finding.FORGED, f"{name} is complete for a second time")
            return
        yield from self._left()
        following = store.value("next")
        if sample.index < following:
            yield Found(Finding.REORDERED, f"{name} has index {sample.index}, after index {following - 1}")
        elif sample.index > following:
            yield Found(
                Finding.MISSING, f"leaves {following} to {sample.index - 1} did not come before leaf {sample.index}"
            )
        store.set_value("next", max(following, sample.index + 1))
        store.write(
            "INSERT INTO leaves (boot, epoch, place, number, tag, digest) VALUES (?, ?, ?, ?, ?, ?)",
            *(boot, epoch, sample.index, number, sample.tag.data, sample.digest),
        )
        self._await(sample.index)

    def _left(self) -> Iterator[Found]:
        """No more pieces can come of the pair that was waited for."""
        place = self._store.value("pending")
        if place is not None and self._have():
            yield Found(Finding.MISSING, f"the pair of leaf {place} did not come to its end")
            self._mark(place, State.BROKEN)
        self._await(None)

    def _have(self) -> int:
        """Octets that have come of the pair that is waited for."""
        ((have,),) = self._store.rows("SELECT coalesce(sum(length(octets)), 0) FROM pieces")
        return have

    def _mark(self, place: int, state: State) -> None:
        statement = "UPDATE leaves SET state = ? WHERE boot = ? AND epoch = ? AND place = ?"
        self._store.write(statement, int(state), self.boot, self.epoch, place)

    def _misplaced(self, piece: Piece, row: Row) -> Found | None:
        name = f"a piece of pair {piece.tag.number}, from {piece.offset} on,"
        if row.tag != piece.tag.data:
            return Found(Finding.FORGED, f"{name} has another tag than leaf {piece.index}")
        if row.state == State.WHOLE:
            return Found(Finding.REPEATED, f"{name} came again")
        if piece.index != self._store.value("pending"):
            return Found(Finding.REORDERED, f"{name} did not follow leaf {piece.index}")
        have = self._have()
        if piece.offset < have:
            return Found(Finding.REPEATED, f"{name} came after {have} octets")
        if piece.offset > have:
            return Found(Finding.MISSING, f"{name} came after {have} octets")
        return None

    def _piece(
        self, piece: Piece, epoch: int, completed: Completed | None, judgement: Judgement | None
    ) -> Iterator[Found]:
        row = self._row(piece.index)
        if row is None:
            yield Found(Finding.MISSING, f"pair {piece.tag.number} came, and no leaf {piece.index}")
            return
        if row.state == State.BROKEN:
            return
        wrong = self._misplaced(piece, row)
        whole = piece.offset + len(piece.octets) == piece.tag.octets
        if wrong is None and whole and completed is None:
            wrong = Found(Finding.FORGED, f"pair {piece.tag.number} is not what leaf {piece.index} commits to")
        if wrong is not None:
            yield wrong
            if row.state != State.WHOLE and wrong.finding is not Finding.REPEATED:
                self._mark(piece.index, State.BROKEN)
                self._await(None)
        elif completed is None or judgement is None:
            self._store.write("INSERT INTO pieces VALUES (?, ?)", piece.offset, piece.octets)
        else:
            self._mark(piece.index, State.WHOLE)
            self._await(None)
            evidence = completed.transcript if judgement.verdict is Verdict.FAIL else None
            self._store.write(
                "INSERT INTO verdicts (boot, epoch, place, time_ns, verdict, reason, transcript)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                *(self.boot, epoch, piece.index, self._now(), judgement.verdict.value, judgement.reason, evidence),
            )

    def _end(self, sample: End, epoch: int) -> Iterator[Found]:
        store, boot = self._store, self.boot
        if sample.epoch != epoch:
            yield Found(Finding.FORGED, f"a record of epoch {sample.epoch} came in epoch {epoch}")
            return
        yield from self._left()
        rows, following = store.leaves(boot, epoch), store.value("next")
        begun = "SELECT threshold, commitment FROM epochs WHERE boot = ? AND epoch = ?"
        ((threshold, committed),) = store.rows(begun, boot, epoch)
        pairs = sample.word(Record.PAIRS)
        if pairs > following:
            yield Found(Finding.MISSING, f"leaves {following} to {pairs - 1} did not come")
        elif pairs < following:
            yield Found(Finding.FORGED, f"the record of epoch {epoch} has {pairs} pairs, and {following} came")
        every = pairs == following == len(rows)
        if every and root([row.digest for row in rows]) != sample.root:
            yield Found(Finding.FORGED, f"the root of epoch {epoch} is not that of its leaves")
        if sample.threshold != int.from_bytes(threshold):
            yield Found(Finding.FORGED, f"epoch {epoch} ended with another threshold than it began with")
        if commitment(sample.key) != committed:
            yield Found(Finding.FORGED, f"the key of epoch {epoch} is not the one that was committed to")
        else:
            yield from _misselected(rows, sample, epoch)
        kept = sum(row.state != State.LEAF for row in rows)
        if every and sample.word(Record.KEPT) != kept:
            yield Found(
                Finding.FORGED, f"the record of epoch {epoch} has {sample.word(Record.KEPT)} kept, and {kept} came"
            )
        yield from self._lost(sample, epoch)
        yield from self._unverifiable(epoch)
        store.write("UPDATE epochs SET record = ? WHERE boot = ? AND epoch = ?", sample.data, boot, epoch)
        self._open(None)

    def _lost(self, sample: End, epoch: int) -> Iterator[Found]:
        """What the gateway has dropped since the record before."""
        query = (
            "SELECT record FROM epochs WHERE boot = ? AND epoch < ? AND record IS NOT NULL ORDER BY epoch DESC LIMIT 1"
        )
        before = [End(record) for (record,) in self._store.rows(query, self.boot, epoch)]
        for word in map(Record, COUNTERS):
            more = (sample.word(word) - (before[0].word(word) if before else 0)) & 0xFFFF_FFFF
            if more >> 31:
                yield Found(Finding.FORGED, f"{word.name} in the record of epoch {epoch} is less than before")
            elif more and word in LOSSES:
                yield Found(Finding.LOST, f"frames were dropped in epoch {epoch}, {more} times: {LOSSES[word]}")

    def _unverifiable(self, epoch: int) -> Iterator[Found]:
        query = "SELECT verdict, count(*) FROM verdicts WHERE boot = ? AND epoch = ? GROUP BY verdict"
        counts = dict(self._store.rows(query, self.boot, epoch))
        count, judged = counts.get(Verdict.UNVERIFIABLE.value, 0), sum(counts.values())
        share, floor = self._store.value("share", 0), self._store.value("floor", 0)
        allowed = max(floor, judged * share // MILLION)
        if count > allowed:
            text = f"{count} of {judged} pairs of epoch {epoch} could not be verified, and {allowed} may be"
            yield Found(Finding.BUDGET, text)


def _misselected(rows: list[Row], sample: End, epoch: int) -> Iterator[Found]:
    """Pairs that came and should not have, or the other way round."""
    for row in rows:
        kept, came = selected(sample.key, sample.threshold, row.tag), row.state != State.LEAF
        if kept != came:
            number = PairTag(row.tag).number
            told = "did not come, and was to be kept" if kept else "came, and was not to be kept"
            yield Found(Finding.SELECTION, f"pair {number} of epoch {epoch} {told}")
