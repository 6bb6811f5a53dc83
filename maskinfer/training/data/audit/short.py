"""An audit in a few lines, before a training: copies, contradictions, and test pictures in what is learnt from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from maskinfer.engine.flow.progress import Progress
from maskinfer.training.data.audit.run import audit_folders


def tell_audit(data: Sequence[Path], tests: Sequence[Path], progress: Progress) -> None:
    """Say what an audit finds; nothing where there is nothing to say.

    Args:
        data: folders that are learnt from.
        tests: folders of pictures to report on.
        progress: told of the stage, and of what is found.

    Raises:
        SourceNotFoundError, SourceError: a folder cannot be read.
    """
    progress.describe("checking")
    audit = audit_folders(data, tests=tests, progress=progress)
    copies = sum(finding.kind in ("identical", "near", "augmented") for finding in audit.findings)
    wrong = sum(finding.contradiction for finding in audit.findings)
    if copies:
        progress.say(f"{copies} pairs of pictures are copies of each other, {wrong} of them under different labels")
    if audit.leaks is not None and audit.leaks.related:
        progress.say(f"{audit.leaks.related} of {audit.leaks.test} pictures to test on have a relative in --data")
    for reason in audit.unreadable.values():
        progress.say(f"left out: {reason}")
