"""How far a share that was counted may be trusted."""

from __future__ import annotations

from math import sqrt

_Z = 1.959964  # of 95 %


def wilson(count: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a share, from 0 to 1, by Wilson's score.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", J. Am. Stat. Assoc. 22 (1927).

    Args:
        count: how many of the total; from 0 to ``total``.
        total: of 0 nothing is known, which is the interval from 0 to 1.

    >>> [round(bound, 3) for bound in wilson(90, 100)]
    [0.826, 0.945]
    """
    if total == 0:
        return 0.0, 1.0
    share, weight = count / total, _Z**2 / total
    middle = share + weight / 2
    half = _Z * sqrt(share * (1 - share) / total + weight / (4 * total))
    return max(0.0, (middle - half) / (1 + weight)), min(1.0, (middle + half) / (1 + weight))
