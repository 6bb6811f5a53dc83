"""Draw results yourself: one picture per second, with a dot on each nose instead of boxes."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2

import maskinfer

DEMO = Path(__file__).parent.parent / "samples" / "demo.mp4"
COLOURS_BGR = {"with_mask": (80, 180, 60), "without_mask": (60, 60, 220), "incorrect_mask": (40, 170, 240)}


def main(video: str) -> None:
    """Write ``drawn/00.jpg``, ``drawn/01.jpg`` and so on into the current folder."""
    engine = maskinfer.load()
    folder = Path("drawn")
    folder.mkdir(exist_ok=True)
    next_s = 0
    with maskinfer.open_source(video) as frames:
        for frame in frames:
            if frame.time_s < next_s:
                continue
            bgr = frame.picture.bgr
            for face in engine(bgr).faces:
                left, top, right, bottom = face.xyxy
                nose = face.landmarks[2] if face.landmarks else ((left + right) / 2, (top + bottom) / 2)
                colour = COLOURS_BGR.get(face.label, (160, 160, 160))
                cv2.circle(bgr, (round(nose[0]), round(nose[1])), 8, colour, cv2.FILLED, cv2.LINE_AA)
            cv2.imwrite(str(folder / f"{next_s:02d}.jpg"), bgr)
            next_s += 1
    print(f"{next_s} pictures are in {folder}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else str(DEMO))
