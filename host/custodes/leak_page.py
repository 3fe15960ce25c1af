# SPDX-License-Identifier: Apache-2.0
"""The part of a report that shows what a retimer leaves of timing channels."""

from __future__ import annotations

from collections.abc import Sequence

from custodes.leak import Leak
from custodes.markup import table
from custodes.plots import Bar, bars
from custodes.retimer import SORT_BITS


def leak_section(leaks: Sequence[Leak]) -> str:
    """A heading, a plot and a table, for a page with the style of `custodes.page`."""
    symbols = f"{leaks[0].symbols:,}" if leaks else "No"
    return f"""<h2>Timing channels through the retimer</h2>
<figure>
<figcaption>What a receiver learns, in bits per slot or window, of symbols that a sender hides in when its frames leave.
<span class="key"></span>bound <span class="key left"></span>measured</figcaption>
{_plot(leaks)}
</figure>
<details><summary>The same as a table</summary>
<div class="wide" role="region" aria-label="Timing channels" tabindex="0">{_table(leaks)}</div></details>
<p class="soft">{symbols} random symbols per line, through the executable specification of the retimer at 1 Gbit/s.
Measured is their mutual information with what is seen, corrected for its bias; an estimate is nothing unless it is more
than chance, which is the largest of the same symbols in random orders. Receivers of constant rate cannot tell dummies from
frames unless it says so: that takes encryption behind the retimer. The order in a batch is that of a keyed hash of
{SORT_BITS} bits.</p>"""


def _plot(leaks: Sequence[Leak]) -> str:
    rows = []
    for leak in leaks:
        measured, bound = leak.bits_per_period, leak.bound_per_period
        label = f"{measured:.2f}" if bound is None else f"{measured:.2f} of {bound:.2f}"
        title = f"{leak.code}, {leak.policy}"
        rows.append(Bar(title, measured if bound is None else max(bound, measured), measured, label))
    return bars("leaks", "Bits per slot or window, measured and at most; the table below has the numbers", rows)


def _table(leaks: Sequence[Leak]) -> str:
    heads = ("Code", "Schedule", "Bits per symbol", "By chance", "bit/s", "bit/s, at most")
    rows = [
        (
            leak.code,
            leak.policy,
            f"{leak.bits_per_symbol:.3f}",
            f"{leak.shuffled:.3f}",
            f"{leak.bits_per_s:,.0f}" if leak.significant else "0",
            "-" if leak.bound_bits_per_s is None else f"{leak.bound_bits_per_s:,.0f}",
        )
        for leak in leaks
    ]
    return table(heads, rows, words=2)
