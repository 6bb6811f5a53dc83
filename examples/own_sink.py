"""Send the results of a job somewhere of your own: here, a SQLite database."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import maskinfer

DEMO = Path(__file__).parent.parent / "samples" / "demo.mp4"


class SqliteSink:
    """Writes a row for each face."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        database.execute("CREATE TABLE IF NOT EXISTS faces (source, time_s, track_id, label, score)")

    def write(self, frame: maskinfer.Picture, result: maskinfer.FrameResult) -> None:
        """Take a frame, whose pixels are ``frame.bgr``, and its result."""
        rows = [(result.source, result.time_s, face.track_id, face.label, face.score) for face in result.faces]
        self._database.executemany("INSERT INTO faces VALUES (?, ?, ?, ?, ?)", rows)


def main(video: str) -> None:
    """Write ``faces.sqlite`` into the current folder, and print how many faces each label has."""
    with closing(sqlite3.connect("faces.sqlite")) as database:
        outputs = maskinfer.Outputs(sinks=(SqliteSink(database),))
        maskinfer.run_video(maskinfer.load(lanes=None), video, track=maskinfer.TrackOptions(), outputs=outputs)
        database.commit()
        for label, count in database.execute("SELECT label, count(*) FROM faces GROUP BY label ORDER BY label"):
            print(f"{label}: {count} faces")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else str(DEMO))
