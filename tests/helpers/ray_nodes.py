"""A real Ray cluster: nodes that are processes of this machine, each with an address of its own, to be killed."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.conftest import ROOT

_MARK = "MASKINFER_TEST_NODE"
_START_S = 300.0
_STORE_BYTES = 80 << 20
_TRIES = 6
# Ray gives the parts of a node 15 seconds to find each other, which on a busy machine is not enough.
_HURRY = -10


@dataclass(slots=True)
class Nodes:
    """The nodes; the first is the head.

    Attributes:
        folder: for logs and temporary files.
        port: of the head.
    """

    folder: Path
    port: int
    _marks: dict[str, str] = field(default_factory=dict)
    _token: str = field(default_factory=lambda: secrets.token_hex(32))

    @property
    def environment(self) -> dict[str, str]:
        """What whoever speaks with the cluster needs in its environment."""
        return {**os.environ, "PYTHONPATH": str(ROOT), "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self._token}

    @property
    def address(self) -> str:
        """The head's."""
        return f"127.0.0.2:{self.port}"

    def start_head(self) -> None:
        """Start the head, which looks at no videos itself."""
        self._start(
            "127.0.0.2", "--head", f"--port={self.port}", "--num-cpus=0", "--include-dashboard=false",
            "--disable-usage-stats", f"--temp-dir={self.folder}",
        )  # fmt: skip

    def start(self, address: str, cores: int = 1, environment: Mapping[str, str] | None = None) -> None:
        """Start a node with an address of its own, as 127.0.0.3."""
        self._start(address, f"--address={self.address}", f"--num-cpus={cores}", environment=environment)

    def kill(self, address: str) -> int:
        """End all processes of a node by SIGKILL, as a power failure does; return how many there were."""
        mark = self._marks.pop(address, None)
        killed = 0
        for process in [] if mark is None else _marked(mark):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
                killed += 1
        return killed

    def _start(self, address: str, *options: str, environment: Mapping[str, str] | None = None) -> None:
        for _ in range(_TRIES):
            said = self._try_to_start(address, options, environment or {})
            if said is None:
                return
            self.kill(address)
        raise AssertionError(said)

    def _try_to_start(self, address: str, options: Sequence[str], environment: Mapping[str, str]) -> str | None:
        """Start a node; return what was said if it does not start."""
        mark = self._marks[address] = secrets.token_hex(8)
        command = [
            sys.executable, "-m", "ray.scripts.scripts", "start", f"--node-ip-address={address}",
            f"--object-store-memory={_STORE_BYTES}", *options,
        ]  # fmt: skip
        variables = {
            **self.environment, "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1",
            # On one loaded machine a node that answers late is not gone.
            "RAY_health_check_timeout_ms": "60000", "RAY_health_check_period_ms": "1000",
            **environment, _MARK: mark,
        }  # fmt: skip
        done = subprocess.run(
            command, env=variables, capture_output=True, text=True, timeout=_START_S, check=False, preexec_fn=_hurry
        )  # fmt: skip
        for process in _marked(mark):
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, process, 0)
        return None if done.returncode == 0 else done.stdout + done.stderr


def _hurry() -> None:
    with suppress(OSError):  # of whoever is not root
        os.setpriority(os.PRIO_PROCESS, 0, _HURRY)


def _marked(mark: str) -> list[int]:
    """Return the processes that were started with a mark, and those that they started.

    Those of Python have overwritten their environment by the name that they show.
    """
    wanted = f"{_MARK}={mark}".encode()
    found: list[int] = []
    parents: dict[int, int] = {}
    for entry in (one for one in Path("/proc").iterdir() if one.name.isdecimal()):
        with suppress(OSError, ValueError, IndexError):
            parents[int(entry.name)] = int(Path(entry, "stat").read_text().rpartition(")")[2].split()[1])
            if wanted in Path(entry, "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    for process in found:  # which grows
        found += [child for child, parent in parents.items() if parent == process and child not in found]
    return found


@contextmanager
def ray_nodes(folder: Path, port: int) -> Iterator[Nodes]:
    """Give a cluster, of which nothing is left in the end."""
    nodes = Nodes(folder, port)
    try:
        yield nodes
    finally:
        for address in list(nodes._marks):
            nodes.kill(address)
        time.sleep(0.2)
