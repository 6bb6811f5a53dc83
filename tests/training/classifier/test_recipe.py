from __future__ import annotations

from pathlib import Path

import pytest

from maskinfer.engine.errors import RequestError
from maskinfer.training.classifier.recipe import RECIPES_DIR, from_dict, load_recipe, to_dict

WHOLE = """
name = "x"
labels = ["a", "b"]
pictures = "whole"
size_px = 64
seed = 0
test_share = 0.0
network = {}
schedule = { epochs = 1 }
"""


def test_a_recipe_needs_no_more_than_this(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(WHOLE)
    assert load_recipe(tmp_path / "x.toml").labels == ("a", "b")


@pytest.mark.parametrize("name", sorted(path.stem for path in RECIPES_DIR.glob("*.toml") if path.stem != "detector"))
def test_shipped_recipes_bear_their_files_names_and_survive_a_checkpoint(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert from_dict(to_dict(recipe)) == recipe


def test_the_lectures_recipe_is_the_lectures() -> None:
    recipe = load_recipe("lecture")
    assert recipe.labels == ("with_mask", "without_mask")
    assert (recipe.schedule.epochs, recipe.schedule.batch, recipe.schedule.learning_rate) == (20, 32, 1e-4)
    assert (recipe.network.frozen_blocks, recipe.network.head, recipe.network.dropout) == (19, "dense128", 0.5)
    assert (recipe.size_px, recipe.test_share) == (224, 0.2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = ", "is not a recipe"),
        ('name = "x"\nlabels = []\ncolour = 1', "unknown field 'colour'"),
        ('name = "x"\n[network]\nheads = 2', "unknown field 'heads' in network, did you mean 'head'?"),
        (
            WHOLE.replace("network = {}", 'network.head = "big"'),
            "network.head is 'big', expected one of dense128, linear",
        ),
        ('name = "x"', "'labels' is missing"),
        (
            WHOLE.replace("network = {}", "network.width = 1.5"),
            "network.width is 1.5, expected a number over 0 and up to 1",
        ),
        (WHOLE.replace("epochs = 1", "epochs = 1, average_decay = nan"), "schedule.average_decay is nan, expected a"),
        (WHOLE.replace("epochs = 1", ""), "'schedule.epochs' is missing"),
        (WHOLE.replace('"b"', '"b/c"'), r"labels\[1\] is 'b/c', expected 1 to 64 letters"),
        ('name = "x"\nlabels = ' + "[" * 5000, "is not a recipe"),
        (WHOLE.replace('"b"', '"a"'), "expected at least two different names"),
        (WHOLE.replace("64", "0"), "size_px is 0"),
    ],
)
def test_a_broken_recipe_is_refused_with_its_reason(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(RequestError, match=said) as caught:
        load_recipe(file)
    assert "\n" not in str(caught.value)


def test_an_unknown_recipe_names_the_shipped_ones() -> None:
    with pytest.raises(RequestError, match=r"lecture, .*standard"):
        load_recipe("best")
