"""Download the weights of a model into the hub's cache: exactly the files that it needs.

A download that was cut off goes on where it was; a file that is whole is not fetched again. NAME is a model's as in
model=NAME, or the hub id of one of them. A run never downloads, unless model.backbone.local_files_only=false says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from amodal_bench.cli.answers import complain
from amodal_bench.cli.models.holdings import Holding, components, holdings
from amodal_bench.cli.verbs import verb
from amodal_bench.cli.words import model
from amodal_bench.config.build import suggest
from amodal_bench.config.compose import choices, compose
from amodal_bench.core.cache import cache_folder
from amodal_bench.core.errors import BenchError, InputError, UsageError
from amodal_bench.weights.catalogue import catalogue
from amodal_bench.weights.hub import Listing, cache_of, download, listing, page_of, room

ENCODERS = ("text_encoder", "image_encoder")
"""Parts that are needed for the embedding of the empty prompt only."""


@verb(__doc__)
@model("as in model=NAME, or the hub id of its weights")
def main(name: str, overrides: Sequence[str], config_dir: Sequence[Path]) -> int:
    """Fetch the weights of a model; returns 1 where some could not be fetched."""
    name, wanted = _find(name, overrides, config_dir)
    remote = [holding for holding in wanted if holding.source.is_hub_id]
    for holding in wanted:
        if holding not in remote:
            print(f"{holding.source.spec}: is not a hub id, so there is nothing to download ({holding.state()})")
    failed = 0
    for holding in remote:
        try:
            _fetch(holding)
        except BenchError as error:  # the others can still be had
            failed += 1
            complain(str(error))
    if not wanted:
        print(f"{name} needs no weights.")
    elif remote and not failed:
        print(f"\nThen: amodal-bench models check {name}")
    encoders = [part for holding in remote for part in holding.parts if part.startswith(ENCODERS)]
    if encoders and not failed:
        print("The first check or run computes the embedding of the empty prompt and keeps it in")
        print(f"{cache_folder() / 'null_prompts'}; later ones read it and load no text encoder.")
    return 1 if failed else 0


def _find(wanted: str, overrides: Sequence[str], config_dirs: Sequence[Path]) -> tuple[str, list[Holding]]:
    """The model of a name or of a hub id, and its weights; those of the hub id alone, if it is one."""
    folder, _, name = wanted.rpartition("/")
    if not folder or name in choices(f"model/{folder}", config_dirs):
        return wanted, holdings(components(compose([f"model={wanted}", *overrides], config_dirs).model))
    known = []
    tried = [[f"model={name}"] for name in choices("model", config_dirs)]
    if (row := catalogue().get(wanted)) and row.segmenter:
        # Of other sizes than a configuration names, too; `sam` is a segmenter and no more.
        tried.insert(0, ["model=sam", f"segmenter={row.segmenter}", f"segmenter.weights={wanted}"])
    for choice in tried:
        try:
            parts = components(compose(choice, config_dirs).model)
        except BenchError:  # `models list` says what is wrong with it
            continue
        ids = [holding.source.spec for holding in holdings(parts)]
        if wanted in ids:
            found = holdings(components(compose([*choice, *overrides], config_dirs).model))
            return " ".join(choice).removeprefix("model="), [found[ids.index(wanted)]]
        known += [spec for spec in ids if ":" not in spec]
    raise UsageError(
        f"{wanted}: no model names it; {suggest(wanted, set(known))}; for other weights of a family: "
        f"amodal-bench models fetch NAME model.weights={wanted}"
    )


def _fetch(holding: Holding) -> None:
    source = holding.source
    patterns = source.patterns(holding.parts)
    _introduce(source.spec)
    try:
        found = listing(source.spec, source.pin, patterns)
    except InputError as error:
        if holding.missing() != []:
            raise
        print(f"complete     the hub was not asked for a newer one: {error.problem}")
    else:
        download(source.spec, source.pin, patterns, _announce(source.spec, found))
    folder = source.folder(holding.parts)
    commit = source.commit(folder)
    print(f"folder       {folder}")
    print(f"commit       {commit}{_compared(source.spec, commit)}")
    if source.pin != commit:
        print(f"pin it       {holding.revision_key}={commit}")


def _introduce(hub_id: str) -> None:
    known = catalogue().get(hub_id)
    print(f"{hub_id}{f': {known.used_as}' if known else ''}")
    if known is None:
        print(f"licence      see {page_of(hub_id)}")
        return
    print(f"licence      {known.licence}, see {page_of(hub_id)}")
    print(f"size         about {known.size()}")
    for label, text in (("gate", known.gate), ("note", known.note)):
        if text:
            print(f"{label:12} {text}")


def _announce(hub_id: str, found: Listing) -> int:
    """Say what will be downloaded, and return its bytes. Raises `InputError` where the disk has no room for it."""
    here = cache_of(hub_id) / "snapshots" / found.commit
    missing = {name: size for name, size in found.sizes.items() if not (here / name).exists()}
    needed, free = sum(missing.values()), room()
    known = catalogue().get(hub_id)
    if found.gated and not (known and known.gate):
        print(f"gate         accept its conditions on {page_of(hub_id)}, and log in with `hf auth login`")
    print(f"to download  {len(missing)} of {len(found.sizes)} files, {needed / 1e9:.2f} GB")
    if needed > free:
        raise InputError(
            hub_id,
            f"needs {needed / 1e9:.1f} GB, and {cache_of(hub_id).parent} has {free / 1e9:.1f} GB free",
            "make room, or set HF_HUB_CACHE to a folder that has it",
        )
    return needed


def _compared(hub_id: str, commit: str | None) -> str:
    """Whether the commit is the one that the catalogue knows."""
    known = catalogue().get(hub_id)
    if known is None or not known.revision:
        return ""
    return " (the catalogue's)" if commit == known.revision else f" (the catalogue knows {known.revision})"
