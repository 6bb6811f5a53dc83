from __future__ import annotations

import subprocess
import sys

import pytest

# In a process of its own, which a crash ends. Types are met for the first time only once, so there are many of them.
_RACE = """
import sys, threading
from dataclasses import make_dataclass
from maskinfer.engine.decoders import json_decoder
from maskinfer.engine.schema import from_json, from_plain

sys.setswitchinterval(1e-6)
data = b'{"part": {"leaves": [{"f1": 2}]}, "parts": []}'
plain = {"part": {"leaves": [{"f1": 2}]}, "parts": []}
for _ in range(60):
    leaf = make_dataclass("Leaf", [(f"f{i}", int | None, None) for i in range(20)])
    part = make_dataclass("Part", [("leaves", list[leaf])])
    wholes = [make_dataclass("Whole", [("part", part), ("parts", list[part])]) for _ in range(2)]
    together = threading.Barrier(4)
    read = []

    def go(kind, way):
        together.wait()
        read.append(way(kind).part.leaves[0].f1)

    ways = WAYS
    threads = [threading.Thread(target=go, args=(wholes[i % 2], ways[i % len(ways)])) for i in range(4)]
    [one.start() for one in threads]
    [one.join() for one in threads]
    assert read == [2] * 4, read
"""


@pytest.mark.parametrize(
    "ways",
    [
        "[lambda kind: json_decoder(kind).decode(data)]",
        "[lambda kind: from_json(data, kind)]",
        "[lambda kind: from_plain(plain, kind), lambda kind: from_json(data, kind)]",
    ],
)
def test_several_threads_may_need_a_type_for_the_first_time(ways: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _RACE.replace("WAYS", ways)], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
