# SPDX-License-Identifier: Apache-2.0
"""What a page says of how soon a lie is found."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from custodes.detection import CONFIDENCE, Detected
from custodes.markup import table
from custodes.plots import Curve, Point, curves
from custodes.sampling_statistics import detection
from custodes.terminal import plural


def detection_section(detected: Sequence[Detected]) -> str:
    """Plot, table, and what they are of."""
    if not detected:
        return "<p>It was not measured.</p>"
    trials, follow = detected[0].trials, sum(one.follows for one in detected)
    amiss = [line for one in detected for line in one.amiss]
    wrong = f" {plural(len(amiss), 'thing')} that must not be: {escape(amiss[0])}" if amiss else ""
    return f"""<figure>
<figcaption>The probability that one of m wrong answers at least is found, by epsilon and d.
<span class="key"></span>1 - (1 - epsilon d)^m <span class="key left"></span>measured, with its interval.
Dashed, open points, a little to the right: d is less than 1</figcaption>
{_plot(detected)}
</figure>
<details><summary>The same as a table</summary>
<div class="wide" role="region" aria-label="Detection" tabindex="0">{_detected(detected)}</div></details>
<p class="soft">Measured with {trials:,} epochs for each point, each with a key of its own. In every one m wrong answers were
planted, at places that were drawn, among good ones. Requests and answers went through the sampler's specification, and what
it sampled through the recomputer with its transformer; an epoch with a verdict FAIL is one in which the lie was found. With
probability d an answer is one of which recomputation can tell that it is wrong; the others answer a request that cannot be
recomputed, and are unverifiable. Lines are the intervals in which the probability is with {100 * CONFIDENCE:g} % (Clopper
and Pearson): {follow} of {len(detected)} have the formula's value in them. {sum(one.passed for one in detected):,} good
answers were kept, recomputed, and are the same.{wrong}</p>"""


def _plot(detected: Sequence[Detected]) -> str:
    by_curve: dict[tuple[float, float], list[Detected]] = {}
    for one in detected:
        by_curve.setdefault((one.epsilon, one.discernible), []).append(one)
    found = [
        Curve(
            f"\N{GREEK SMALL LETTER EPSILON} = {epsilon:g}, d = {discernible:g}",
            [
                (count, detection(epsilon, discernible, count))
                for count in range(min(one.planted for one in those), max(one.planted for one in those) + 1)
            ],
            [Point(one.planted, one.share, *one.interval) for one in those],
            discernible < 1,
        )
        for (epsilon, discernible), those in by_curve.items()
    ]
    description = "Probability of detection over the number of wrong answers; the table below has the numbers"
    return curves("detection", description, ("wrong answers m in an epoch", "probability that they are found"), found)


def _detected(detected: Sequence[Detected]) -> str:
    rows = [
        (
            f"{one.epsilon:g}",
            f"{one.discernible:g}",
            f"{one.planted}",
            f"{one.expected:.3f}",
            f"{one.share:.3f}",
            f"{one.interval.low:.3f} to {one.interval.high:.3f}",
            "yes" if one.follows else "no",
            f"{one.told:,} of {one.kept:,}",
            f"{one.passed:,}",
        )
        for one in detected
    ]
    heads = (
        "Epsilon",
        "d",
        "m",
        "Formula",
        "Measured",
        "Interval",
        "Inside",
        "FAIL, of wrong ones kept",
        "PASS, good ones",
    )
    return table(heads, rows)
