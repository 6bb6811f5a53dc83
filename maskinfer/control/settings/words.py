"""Texts of settings that several parts share."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

Name = Annotated[
    str,
    Meta(
        pattern=r"^\w(?:[\w .-]{0,62}\w)?(?!\n)$",
        title="a name of up to 64 letters, digits, spaces, dots, dashes and underscores",
    ),
]
"""A name that pages, topics and folders may carry as it is."""
Listen = Annotated[
    str,
    Meta(
        pattern=r"^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\]):\d{1,5}(?!\n)$",
        title='an address and a port, such as "127.0.0.1:8600"',
    ),
]
