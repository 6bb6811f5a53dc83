"""The commands about what is here: models that have names, the machine and the installation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from maskinfer.commands.options import MODEL, PATH, refuse, train_extra

if TYPE_CHECKING:
    from maskinfer.engine.catalog.store import Entry


@click.group(short_help="List, fetch, check and promote models.")
def models() -> None:
    """List, fetch, check and promote the models that have names.

    Shipped models are part of the package. MASKINFER_REGISTRY can name a JSON file that lists more; these are fetched
    into the user's cache folder.

    \b
    Examples:
      maskinfer models list
      maskinfer models show mobilenetv2-128
      maskinfer models pull insightface:buffalo_l
      maskinfer models promote runs/site/model.onnx --as site
    """


@models.command("list", short_help="List all named models.")
def list_() -> None:
    """List all named models, and which of them are on this machine."""
    from maskinfer.console.models import show_models
    from maskinfer.engine.catalog.store import entries

    show_models(entries())


@models.command(short_help="Show a model's card.")
@click.argument("model")
def show(model: str) -> None:
    """Show the card of a model, by name or ONNX file: contract, data, figures, known failures and intended use.

    Models that are not shipped have no card of their own; theirs is made from the contract in the file.
    """
    from maskinfer.console.models import show_markdown
    from maskinfer.engine.catalog.shipped import MODELS_DIR, SHIPPED

    card = MODELS_DIR / SHIPPED[model].card if model in SHIPPED else None
    if card is not None:
        show_markdown(card.read_text(encoding="utf-8"))
        return
    with train_extra():
        from maskinfer.training.evaluation.report.card import make_card
    show_markdown(make_card(model))


def _ask(entry: Entry) -> bool:
    click.echo(f"{entry.name}: {entry.licence}", err=True)
    return click.confirm("Do you accept that?", err=True)


@models.command(short_help="Fetch a model.")
@click.argument("name")
@click.option("--offline", is_flag=True, help="Fetch nothing; check only that the model is here and intact.")
@click.option("--accept-licence", is_flag=True, help="Accept the licence of a research-only model without being asked.")
def pull(name: str, offline: bool, accept_licence: bool) -> None:
    """Fetch a model and check its SHA-256; a fetch that was interrupted continues where it stopped.

    \b
    Examples:
      maskinfer models pull insightface:buffalo_l
      MASKINFER_REGISTRY=ours.json maskinfer models pull entrance-2
    """
    from maskinfer.console.progress import byte_bar
    from maskinfer.engine.catalog import store as model_store

    if offline:
        refuse(("accept_licence",), "nothing is fetched with --offline")

    def accept(entry: Entry) -> bool:
        if not accept_licence:
            return _ask(entry)
        click.echo(f"{entry.name}: {entry.licence}", err=True)
        return True

    with byte_bar(name) as progress:
        entry = model_store.pull(name, offline=offline, accept=accept, progress=progress)
    click.echo(entry.file)


@models.command(short_help="Check models by their SHA-256.")
@click.argument("names", nargs=-1)
def verify(names: tuple[str, ...]) -> None:
    """Check the SHA-256 of the named models, or of all models on this machine.

    The exit code is 1 if one is missing or has other bytes than it should. (`maskinfer verify` compares runtimes.)
    """
    from maskinfer.engine.catalog.store import checksum_matches, entries, find_entry

    chosen = [find_entry(name) for name in names] or [entry for entry in entries() if entry.is_installed]
    broken = False
    for entry in chosen:
        said = (
            "missing"
            if not entry.is_installed
            else "unknown"
            if not entry.sha256
            else "ok"
            if checksum_matches(entry)
            else "WRONG"
        )
        broken = broken or said in ("missing", "WRONG")
        click.echo(f"{said:8s} {entry.name}  {_shown(entry.file)}")
    click.get_current_context().exit(1 if broken else 0)


@models.command(short_help="Let a name stand for a model.")
@click.argument("model", type=MODEL, metavar="NAME|FILE.onnx")
@click.option("--as", "name", required=True, metavar="NAME", help="The name, by which every command knows the model.")
@click.option(
    "--comparison", type=PATH, metavar="FILE",
    help="What `maskinfer compare --json` said of it; a model that did not pass is not promoted.",
)  # fmt: skip
@click.option("--anyway", is_flag=True, help="Promote it although the comparison says that it is worse somewhere.")
def promote(model: str, name: str, comparison: Path | None, anyway: bool) -> None:
    """Let a name stand for a model file from now on, and remember what it stood for before.

    The file is copied into the user's data folder (MASKINFER_PROMOTED names another), together with what it came from:
    the lineage.json beside it, and the comparison. A control room whose settings name the model (classifier = "site")
    takes it up when it gets SIGHUP.

    \b
    Examples:
      maskinfer models promote runs/site/model.onnx --as site --comparison compared.json
      maskinfer image photos/ -o annotated/ --classifier site
    """
    from maskinfer.engine.catalog.find import ANY_TASK, find_model, task_of
    from maskinfer.engine.catalog.lineage import read_comparison, read_lineage
    from maskinfer.engine.catalog.promoted import promote as run

    if comparison is None:
        refuse(("anyway",), "nothing holds the model back without --comparison")
    file, task = find_model(model, ANY_TASK), task_of(model)
    said = {} if comparison is None else read_comparison(comparison, file, anyway=anyway)
    done = run(
        file, name, "detector" if task == "detector" else "classifier", lineage=read_lineage(file), comparison=said
    )
    click.echo(f"{name} stands for {model} (SHA-256 {done.sha256[:12]}); maskinfer models rollback {name} goes back")


@models.command(short_help="Let a name stand for the model before.")
@click.argument("name")
def rollback(name: str) -> None:
    """Let a promoted name stand for the model that it stood for before.

    \b
    Example:
      maskinfer models rollback site
    """
    from maskinfer.engine.catalog.promoted import rollback as run

    done = run(name)
    click.echo(f"{name} stands for the model of {done.promoted} again (SHA-256 {done.sha256[:12]})")


@models.command(short_help="Show what a promoted name has stood for.")
@click.argument("name")
def history(name: str) -> None:
    """Show the models that a promoted name has stood for, with what each came from and how it compared."""
    from maskinfer.console.models import show_history
    from maskinfer.engine.catalog.promoted import promoted
    from maskinfer.engine.errors import ModelNotFoundError

    every = promoted()
    if name not in every:
        raise ModelNotFoundError(f"no promoted model {name!r}: {', '.join(sorted(every)) or 'none was promoted'}")
    show_history(every[name])


def _shown(file: Path) -> str:
    home = Path.home()
    return f"~/{file.relative_to(home)}" if file.is_relative_to(home) else str(file)


@click.command(short_help="Check this machine and this installation.")
def doctor() -> None:
    """Check this machine and this installation, one line per check; exit with 1 if the default job would fail."""
    from maskinfer.engine.jobs.doctor import diagnose

    broken = False
    for check in diagnose():
        click.echo(f"{check.status:6s}  {check.name}: {check.detail}")
        broken = broken or check.status == "broken"
    click.get_current_context().exit(1 if broken else 0)
