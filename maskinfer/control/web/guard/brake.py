"""Limits on how often something may be done, by whom."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

_MOST_KEYS = 10_000


class Brake:
    """Token buckets, one for each who does something; those who were not seen for long are forgotten.

    Args:
        per_s: how often a second in the long run.
        burst: how often at once after a pause.
        clock_s: seconds that only grow.
    """

    def __init__(self, per_s: float, burst: float, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._per_s, self._burst, self._clock_s = per_s, burst, clock_s
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, who: str) -> float:
        """Take one of what is left to somebody; return 0, or how many seconds to wait when nothing is."""
        left, now_s = self._left(who)
        if left < 1:
            return (1 - left) / self._per_s
        self._put(who, left - 1, now_s)
        return 0.0

    def give_back(self, who: str) -> None:
        """Take back one that was taken."""
        left, now_s = self._left(who)
        self._put(who, min(self._burst, left + 1), now_s)

    def _left(self, who: str) -> tuple[float, float]:
        now_s = self._clock_s()
        left, at_s = self._buckets.get(who, (self._burst, now_s))
        return min(self._burst, left + (now_s - at_s) * self._per_s), now_s

    def _put(self, who: str, left: float, now_s: float) -> None:
        self._buckets[who] = (left, now_s)
        self._buckets.move_to_end(who)
        while len(self._buckets) > _MOST_KEYS:
            self._buckets.popitem(last=False)


@dataclass(frozen=True, slots=True)
class LoginBrake:
    """Slows down who tries passwords: each address, and all of them together, which bounds the work too.

    Ten tries at once and then one in ten seconds from an address; 60 at once and then two a second from all.
    """

    one: Brake
    all: Brake

    def take(self, address: str) -> float:
        """Take a try; return 0, or how many seconds to wait."""
        wait_s = self.one.take(address)
        if wait_s:
            return wait_s
        if wait_s := self.all.take(""):
            self.one.give_back(address)
        return wait_s

    def give_back(self, address: str) -> None:
        """Take back a try that was right."""
        self.one.give_back(address)
        self.all.give_back("")


def login_brake(clock_s: Callable[[], float] = time.monotonic) -> LoginBrake:
    """Return a brake for logins, with its usual limits."""
    return LoginBrake(Brake(0.1, 10, clock_s), Brake(2, 60, clock_s))


def network_of(host: str) -> str:
    """Return whom an address stands for: itself, or the /64 of an IPv6 address, of which one customer has all.

    >>> network_of("2001:db8::1:2:3")
    '2001:db8::/64'
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    return host if address.version == 4 else str(ipaddress.ip_network(f"{host.partition('%')[0]}/64", strict=False))
