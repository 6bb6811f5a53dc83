"""How far a share that was counted may be trusted."""

from __future__ import annotations

from math import sqrt

Z_95 = 1.959963984540054
"""Half the width of an interval that holds 95 % of a normal distribution, in standard deviations."""


def wilson(count: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a share of independent trials, from 0 to 1, by Wilson's score.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", J. Am. Stat. Assoc. 22 (1927),
    equation 2.

    Args:
        count: how many of the total; from 0 to ``total``.
        total: of 0 nothing is known, which is the interval from 0 to 1.

    >>> [round(bound, 3) for bound in wilson(90, 100)]
    [0.826, 0.945]
    """
    if total == 0:
        return 0.0, 1.0
    share, weight = count / total, Z_95**2 / total
    middle = share + weight / 2
    half = Z_95 * sqrt(share * (1 - share) / total + weight / (4 * total))
    # Rounding must not put a share of none or of all outside of its own interval.
    return min(share, max(0.0, (middle - half) / (1 + weight))), max(share, min(1.0, (middle + half) / (1 + weight)))
