"""A command in a network of its own, where every look-up of a name is seen and none is answered.

Run as a script inside ``unshare --user --map-root-user --net --mount``: it brings the loop-back interface up, answers
for the name server, and then runs the command.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

_SANDBOX = ("unshare", "--user", "--map-root-user", "--net", "--mount")
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1
# A machine that builds is not counted, and an own folder for what is cached would hide it.
_HIDING = {"CI", "TF_BUILD", "GITHUB_ACTIONS", "JENKINS_URL", "XDG_CACHE_HOME", "ORT_DISABLE_TELEMETRY"}


@dataclass(frozen=True, slots=True)
class Trace:
    """What a command did.

    Attributes:
        code: that it ended with.
        output: standard output and error.
        looked_up: names that it asked the name server for.
        files: that it left in its home, which was empty.
    """

    code: int
    output: str
    looked_up: set[str]
    files: set[str]


def run_in_closed_net(command: Sequence[str], home: Path, timeout_s: float = 120.0) -> Trace:
    """Run a command with an empty home in a network that leads nowhere; skip the test where there are none."""
    if shutil.which("unshare") is None or subprocess.run([*_SANDBOX, "true"], capture_output=True).returncode:
        pytest.skip("this machine lets nobody make a network namespace (unshare)")
    home.mkdir()
    report = home.with_name(f"{home.name}.json")
    environment = {name: value for name, value in os.environ.items() if name not in _HIDING}
    ended = subprocess.run(
        [*_SANDBOX, sys.executable, __file__, str(report), *command],
        env={**environment, "HOME": str(home)}, capture_output=True, text=True, timeout=timeout_s,
    )  # fmt: skip
    assert report.exists(), f"the network namespace could not be used: {ended.stderr}"
    files = {str(file.relative_to(home)) for file in home.rglob("*")}
    looked_up = set(json.loads(report.read_text(encoding="utf-8")))
    return Trace(ended.returncode, ended.stdout + ended.stderr, looked_up, files)


def _name_in(query: bytes) -> str:
    """Return the name that a DNS query asks for (RFC 1035, 4.1.2)."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode("ascii", "replace"))
        at += 1 + query[at]
    return ".".join(labels)


def _listen(server: socket.socket, names: set[str]) -> None:
    while True:
        query, client = server.recvfrom(512)
        names.add(_name_in(query))
        # The same question, as an answer: there is no such name.
        server.sendto(query[:2] + b"\x81\x83" + query[4:6] + bytes(6) + query[12:], client)


def _main(report: Path, command: Sequence[str]) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", _IFF_UP))
    names: set[str] = set()
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    threading.Thread(target=_listen, args=(server, names), daemon=True).start()
    resolver = report.with_suffix(".conf")
    resolver.write_text("nameserver 127.0.0.1\n", encoding="utf-8")
    subprocess.run(["mount", "--bind", str(resolver), os.path.realpath("/etc/resolv.conf")], check=True)
    code = subprocess.run(command).returncode
    report.write_text(json.dumps(sorted(names)), encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(_main(Path(sys.argv[1]), sys.argv[2:]))
