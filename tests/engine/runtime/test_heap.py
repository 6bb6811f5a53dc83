"""Freed memory goes back to the system, and threads share heaps: seen from outside, in processes of their own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.helpers.heaps import heaps_of

_THREADS = """
import sys, threading, time
from maskinfer.engine.runtime.heap import share_heaps
if sys.argv[1] == "shared":
    assert share_heaps()
over = threading.Barrier(13)
def work():
    kept = [bytes(1000) for _ in range(100)]  # by malloc: small objects alone are Python's own affair
    over.wait()
    over.wait()
for _ in range(12):
    threading.Thread(target=work).start()
over.wait()
print("ready", flush=True)
sys.stdin.readline()
over.wait()
"""
_HOLES = """
from pathlib import Path
from maskinfer.engine.runtime.heap import give_back
def anonymous_mb():
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1024
kept = [bytes(1000) for _ in range(100_000)]
last = bytes(1000)  # while it is there, glibc cannot make the heap shorter
del kept[:]
before = anonymous_mb()
give_back()
print(before - anonymous_mb())
"""

pytestmark = pytest.mark.skipif(heaps_of() is None, reason="needs glibc on Linux")


@pytest.mark.parametrize("way", ["shared", "apart"])
def test_threads_share_heaps(way: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _THREADS, way], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        heaps = heaps_of(process.pid)
        process.stdin.write("\n")
        process.stdin.close()
    assert process.returncode == 0
    assert heaps is not None
    assert (heaps <= 1) if way == "shared" else (heaps > 1)  # besides the first, which grows from the program's end


def test_holes_are_given_back() -> None:
    said = subprocess.run([sys.executable, "-c", _HOLES], capture_output=True, text=True, check=True).stdout
    assert float(said) > 50
