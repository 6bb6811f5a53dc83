"""What the command and the process that speaks with Ray tell each other."""

from __future__ import annotations

from dataclasses import dataclass

from maskinfer.cluster.jobs import Beat, Outcome, Setup

LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Hello:
    """First message to the link: where the cluster is, and what its workers need.

    Attributes:
        address: of the head, or ``local``.
        setup: of the workers.
        folder: for what Ray writes of a local cluster; whoever began the link removes it.
    """

    address: str
    setup: Setup
    folder: str


@dataclass(frozen=True, slots=True)
class Done:
    """A job has ended."""

    job: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Died:
    """The worker that had a job is gone.

    Attributes:
        job: its number.
        node: where it was.
        is_node: its machine is gone, too, which is no fault of the job.
        reason: why.
    """

    job: int
    node: str
    is_node: bool
    reason: str


@dataclass(frozen=True, slots=True)
class State:
    """How things stand.

    Attributes:
        nodes, workers: at work.
        beats: of the jobs that are being done.
    """

    nodes: int
    workers: int
    beats: dict[int, Beat]


@dataclass(frozen=True, slots=True)
class Lost:
    """There is no cluster, or it takes no worker; the link ends."""

    reason: str
    is_ours: bool = False
