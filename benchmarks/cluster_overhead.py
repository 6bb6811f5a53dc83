"""What many machines cost beside the work itself: processor time a video, a piece and a message.

    python -m benchmarks.cluster_overhead --clips CLIPS --work FOLDER

Processor time, which other programs on the machine change little; each pair in turn.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from maskinfer.cluster.attempt import Meter, attempt
from maskinfer.cluster.jobs import Job, OutFile, Setup
from maskinfer.cluster.memo import Memo
from maskinfer.cluster.messages import LOCAL
from maskinfer.cluster.models import models_for
from maskinfer.cluster.pieces import Joined, look_at, plan_pieces
from maskinfer.cluster.supervisor import Supervisor
from maskinfer.engine.engine import Engine
from maskinfer.engine.faces.track import TrackOptions
from maskinfer.engine.frames.annotate import PLAIN
from maskinfer.engine.jobs.entry import Entry
from maskinfer.engine.jobs.video import run_video
from maskinfer.engine.sinks.copies.encoding import PLAIN_ENCODING
from maskinfer.engine.sinks.outputs import Outputs

TRACK = TrackOptions()


def cpu_s(work: Callable[[], object]) -> float:
    began_s = time.process_time()
    work()
    return time.process_time() - began_s


def setup_in(folder: Path) -> tuple[Engine, Setup]:
    models = models_for({})
    place = str(folder / "out")
    setup = Setup(
        models.arguments, models.digest, TRACK, PLAIN, PLAIN_ENCODING, Outputs(), f"{place}/r", f"{place}/p", None
    )  # fmt: skip
    return models.engine, setup


def job_of(number: int, clip: Path, folder: Path) -> Job:
    files = (
        OutFile("video", f"{number}.mp4", str(folder / f"out/{number}.mp4"), f"out/{number}.mp4"),
        OutFile("jsonl", f"{number}.jsonl", str(folder / f"out/{number}.jsonl"), f"out/{number}.jsonl"),
    )
    return Job(number, str(clip), str(clip), clip.name, Entry(f"{number}.mp4", str(clip), "s", {}), None, files, False)


def per_video(clip: Path, folder: Path, rounds: int) -> None:
    engine, setup = setup_in(folder)
    outputs = Outputs(jsonl=str(folder / "plain.jsonl"))
    pairs = []
    for i in range(rounds):
        plain = cpu_s(lambda: run_video(engine, clip, folder / "plain.mp4", track=TRACK, outputs=outputs))
        there = cpu_s(lambda i=i: attempt(engine, setup, job_of(i, clip, folder), Meter()))  # type: ignore[misc]
        pairs.append((plain, there))
    extra = statistics.median(there - plain for plain, there in pairs)
    plain = statistics.median(plain for plain, _ in pairs)
    size = clip.stat().st_size / 1e6
    print(f"{clip.name} ({size:.1f} MB): {plain:.2f} s of processor time, as a job {extra * 1000:+.0f} ms more")


def per_piece(clip: Path, folder: Path, piece_s: float) -> None:
    engine, _ = setup_in(folder)
    plan = cpu_s(lambda: plan_pieces(clip, piece_s))
    pieces = plan_pieces(clip, piece_s)
    memos: list[Memo] = []
    apart = []
    for piece in pieces:
        began_s = time.process_time()
        memos.append(look_at(engine, clip, piece, TRACK, lambda result: None))
        apart.append(time.process_time() - began_s)
    for number, memo in enumerate(memos):
        memo.save(folder / f"{number}.npz")
    joined = Joined(pieces, lambda number: Memo.load(folder / f"{number}.npz"))
    lines = [folder / "joined.jsonl", folder / "whole.jsonl"]
    times = []
    for one, file in zip((joined.engine(engine), engine), lines, strict=True):
        began_s = time.process_time()
        run_video(
            one, clip, folder / "out.mp4", track=TRACK, outputs=Outputs(jsonl=str(file)),
            on_result=lambda result: joined.reach(result.time_s),
        )  # fmt: skip
        times.append(time.process_time() - began_s)
    frames = sum(len(memo.found) for memo in memos)
    size = sum((folder / f"{number}.npz").stat().st_size for number in range(len(memos)))
    print(
        f"{clip.name} in {len(pieces)} pieces: whole {times[1]:.1f} s, planned in {plan * 1000:.0f} ms, "
        f"pieces {sum(apart):.1f} s, joined {times[0]:.1f} s ({times[0] / times[1]:.0%}); "
        f"all {(sum(apart) + times[0]) / times[1]:.2f} times the whole; {size / frames:.0f} bytes a frame; "
        f"{joined.misses / (joined.hits + joined.misses):.1%} unknown; "
        f"results {'equal' if lines[0].read_bytes() == lines[1].read_bytes() else 'DIFFER'}"
    )


def per_message(clip: Path, folder: Path, count: int) -> None:
    """Jobs that are done already: what is left is the reading of the file and what Ray and the command do."""
    engine, setup = setup_in(folder)
    done = attempt(engine, setup, job_of(0, clip, folder), Meter())
    jobs = [
        Job(i, str(clip), str(clip), clip.name, Entry("0.mp4", str(clip), "s", {}), done.key, (), False)
        for i in range(count)
    ]
    states: list[float] = []
    supervisor = Supervisor(LOCAL, setup, lambda state: states.append(time.monotonic()), print)
    times = [time.monotonic() for _ in supervisor.run(jobs, lambda: 0)]
    print(f"{count} jobs with nothing to do: {(times[-1] - times[0]) / (count - 1) * 1000:.1f} ms each by the clock")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args(arguments)
    given.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=given.work) as name:
        folder = Path(name)
        for clip in ("hands_help.mkv", "office720.mp4"):
            per_video(given.clips / clip, folder, given.rounds)
        long = folder / "long.mp4"
        for source in ("office720.mp4", "crowd1080.mp4"):
            command = ("ffmpeg", "-v", "error", "-y", "-stream_loop", "1", "-i", given.clips / source, "-an")
            encode = ("-c:v", "libx264", "-preset", "veryfast", "-g", "50", "-bf", "2", long)
            subprocess.run([*map(str, (*command, *encode))], check=True)
            print(source, end=", twice: ")
            per_piece(long, folder, 5.0)
        per_message(given.clips / "hands_help.mkv", folder, 200)


if __name__ == "__main__":
    main()
