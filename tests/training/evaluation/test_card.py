from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from maskinfer.engine.catalog.shipped import MODELS_DIR, SHIPPED
from maskinfer.engine.errors import RequestError
from maskinfer.training.evaluation.report.card import make_card, read_notes
from tests.conftest import ROOT

DOCS = ROOT / "docs" / "evaluation"
NOTES = """
about = "Tells *masks*."
wrong = "Beards."
[data.mine]
rights = "permissive"
count = "12 crops"
source = "my camera, CC0"
"""


def figures_of(file: Path, name: str) -> Path:
    figures = json.loads((DOCS / "mobilenetv2-128.json").read_text())
    figures["all"]["setup"]["classifier"] = name
    file.write_text(json.dumps(figures))
    return file


@pytest.mark.parametrize(
    ("model", "figures"),
    [
        ("mobilenetv2-128", "mobilenetv2-128"),
        ("mobilenetv2-160", "mobilenetv2-160"),
        ("mobilenetv2-small-112", "mobilenetv2-small-112"),
        ("retinaface-mask", "mobilenetv2-128"),
        ("retinaface", None),
    ],
)
def test_shipped_cards_are_those_of_the_shipped_files(model: str, figures: str | None) -> None:
    stem = MODELS_DIR / SHIPPED[model].file
    card = make_card(model, DOCS / f"{figures}.json" if figures else None, stem.with_suffix(".toml"))
    assert stem.with_suffix(".md").read_text(encoding="utf-8") == card
    assert SHIPPED[model].sha256 in card
    assert "not stated" not in card


def test_a_card_begins_with_for_whom_a_model_is_less_often_right(colour_classifier: Path, tmp_path: Path) -> None:
    file = figures_of(tmp_path / "f.json", "colour (version 1)")
    figures = json.loads(file.read_text())
    skins = [row for name, row in figures["all"]["slices"].items() if name.startswith("skin: ")]
    assert len(skins) == 4

    def card_with(darkest: float) -> str:
        for row in skins:
            row["correct2"] = 0.95
        figures["all"]["slices"]["skin: dark"]["correct2"] = darkest
        file.write_text(json.dumps(figures))
        return make_card(str(colour_classifier), file)

    uneven, level = card_with(0.875), card_with(0.93)
    assert "with dark skin are found and labelled right 7.5 points less often" in uneven
    assert uneven.index("## Not equally right for everybody") < uneven.index("## Contract")
    assert "| dark | " in level
    assert "less often" not in level


def test_a_card_says_what_is_known_and_what_is_not(colour_classifier: Path, tmp_path: Path) -> None:
    bare = make_card(str(colour_classifier))
    assert "## Use" in bare
    assert "must not be used to identify anyone" in bare
    assert "`with_mask`, `without_mask`, `incorrect_mask`" in bare
    assert "## Figures" not in bare
    assert "## Training data" not in bare
    (tmp_path / "notes.toml").write_text(NOTES)
    card = make_card(
        str(colour_classifier), figures_of(tmp_path / "f.json", "colour (version 1)"), tmp_path / "notes.toml"
    )
    assert "Tells *masks*." in card
    assert "| `mine` | 12 crops | permissive | my camera, CC0 |" in card
    assert "whether you may use\nthe weights" in card
    assert re.search(r"\| with_mask \| 2,234 \| 0\.9\d\d \(0\.9\d\d-0\.9\d\d\) \|", card)
    assert "| 16-24 px |" in card
    threshold = json.loads((DOCS / "mobilenetv2-128.json").read_text())["all"]["confidence"]["threshold"]
    assert f"--uncertain-below {threshold['value']:.2f}" in card
    assert card.index("## Figures") < card.index("## What it gets wrong") < card.index("## Use")


def test_figures_of_another_model_are_refused(colour_classifier: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="holds the figures of mobilenetv2-128"):
        make_card(str(colour_classifier), DOCS / "mobilenetv2-128.json")
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(RequestError, match="holds no figures"):
        make_card(str(colour_classifier), tmp_path / "x.json")


@pytest.mark.parametrize(
    "text", ["about = ", "colour = 'red'", "about = 3", "data.mine.sources = 'a'", "data.mine = 3"]
)
def test_notes_that_are_none_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "notes.toml").write_text(text)
    with pytest.raises(RequestError, match="holds no notes for a card") as caught:
        read_notes(tmp_path / "notes.toml")
    assert "\n" not in str(caught.value)
    with pytest.raises(RequestError, match="holds no notes"):
        read_notes(tmp_path / "none.toml")


def test_the_command(colour_classifier: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "maskinfer", "card", str(colour_classifier)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == make_card(str(colour_classifier))
    subprocess.run([*command, "-o", str(tmp_path / "card.md")], check=True)
    assert (tmp_path / "card.md").read_text() == done.stdout
