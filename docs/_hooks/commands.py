"""A hook of MkDocs: the page of all commands, written from the commands themselves."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import click

from maskinfer.cli import main

MARK = "<!-- commands -->"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the reference of all commands in the place of the mark."""
    if MARK not in markdown:
        return markdown
    return markdown.replace(MARK, "\n".join(_group(main, "maskinfer", 2)))


def _group(group: click.Group, name: str, level: int) -> Iterator[str]:
    for command in sorted(group.commands.values(), key=lambda command: command.name or ""):
        full_name = f"{name} {command.name}"
        yield from (f"{'#' * level} {full_name}", "", *_text(command.help or ""), "")
        # A group that does something without a command, as `benchmark` does, has options of its own.
        if not isinstance(command, click.Group) or command.invoke_without_command:
            context = click.Context(command, info_name=full_name)
            usage = " ".join([full_name, *command.collect_usage_pieces(context)])
            yield from ("```text", usage, "```", "", *_options(command, context), "")
        if isinstance(command, click.Group):
            yield from _group(command, full_name, level + 1)


def _text(text: str) -> Iterator[str]:
    """Turn a help text into Markdown; what Click is told not to wrap (``\\b``) becomes a block of code."""
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        if not paragraph.lstrip().startswith("\b"):
            yield from (_escaped(paragraph), "")
            continue
        title, *lines = [line for line in paragraph.splitlines() if line.strip("\b ")]
        yield from (_escaped(title), "", "```sh", inspect.cleandoc("\n".join(lines)), "```", "")


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    options = [item for item in command.get_params(context) if isinstance(item, click.Option) and not item.hidden]
    yield from ("| option | meaning | default |", "|---|---|---|")
    for option in options:
        if "--help" not in option.opts:
            names, meaning = option.get_help_record(context) or ("", "")
            default = option.get_help_extra(context).get("default", "")
            text = re.sub(r"\s*\[[^]]*\]$", "", meaning) if option.get_help_extra(context) else meaning
            yield f"| `{names}` | {_escaped(text)} | {_escaped(str(default))} |"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
