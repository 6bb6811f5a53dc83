"""The colours of labels on the page, in reports and in pictures of them."""

from __future__ import annotations

from collections.abc import Mapping

from maskinfer.engine.results import INCORRECT_MASK, UNCERTAIN, WITH_MASK, WITHOUT_MASK

OTHER = "other"
"""The name of the colour that all labels have that are not shipped."""
LIGHT: Mapping[str, str] = {
    WITH_MASK: "#12926c", WITHOUT_MASK: "#d3541b", INCORRECT_MASK: "#dda900", UNCERTAIN: "#8b93a7", OTHER: "#5a6fc0",
}  # fmt: skip
DARK: Mapping[str, str] = {
    WITH_MASK: "#27b888", WITHOUT_MASK: "#f0763d", INCORRECT_MASK: "#efc02f", UNCERTAIN: "#7e879c", OTHER: "#8d9ff0",
}  # fmt: skip


def kind_of(label: str) -> str:
    """Return the name of a label's colour: one of the shipped labels, ``uncertain`` or ``other``."""
    return label if label in LIGHT else OTHER


def css() -> str:
    """Return a style sheet with a variable for each colour, such as ``--with_mask``; paper is light."""
    light, dark = ("; ".join(f"--{kind}: {colour}" for kind, colour in kinds.items()) for kinds in (LIGHT, DARK))
    return f":root {{ {light}; }}\n@media screen and (prefers-color-scheme: dark) {{ :root {{ {dark}; }} }}\n"
