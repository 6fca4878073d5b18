"""Where a backbone's weights lie (a folder, a package, or the hub's cache), and what identifies them."""

from __future__ import annotations

import hashlib
import importlib.resources
import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from amodal_bench.core.digests import files_digest
from amodal_bench.core.errors import InputError
from amodal_bench.core.files import open_regular, read_text
from amodal_bench.core.foreign import LOOKED_AT, foreign_text
from amodal_bench.weights.catalogue import catalogue, how_to_get
from amodal_bench.weights.hub import cached, download
from amodal_bench.weights.random import RANDOM, RANDOM_MARK, made, place

PACKAGED = "package://"
NULL_PROMPT = "null_prompt.safetensors"
ROOT = "."
"""The part's name of a network that lies in its repository's root, as transformers saves one."""

MOST_HEADER = 100_000_000
"""Bytes of a header that safetensors itself reads."""

CHECKPOINT = ".ckpt"
"""A part whose name ends so is no sub-folder but a single file, which holds all networks of a model."""

_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w.-]+")
_STEMS = ("model", "diffusion_pytorch_model")
_TEXT = ("text_encoder", "tokenizer")


@dataclass(frozen=True)
class WeightsSource:
    """Where weights come from.

    Attributes:
        spec: a folder in diffusers' layout, a checkpoint or the folder that holds it, `package://PACKAGE/PATH` for
            weights that a package ships, or a hub id such as `diffusers/stable-diffusion-xl-1.0-inpainting-0.1`.
        revision: branch, tag or commit of a hub id; see `pin`.
        variant: `fp16` takes the files `*.fp16.safetensors` of the parts that have such; None takes those without
            such a name.
        local_files_only: never download; a run on a cluster's node should find its weights or say so at once.
        key: where its settings are, for messages: `model.backbone` or `segmenter`.
    """

    spec: str
    revision: str | None = None
    variant: str | None = None
    local_files_only: bool = True
    key: str = "model.backbone"

    @property
    def is_hub_id(self) -> bool:
        """Whether `spec` names a repository of the hub: a folder of that name goes first."""
        return bool(_HUB_ID.fullmatch(self.spec)) and not is_file(self.spec) and not Path(self.spec).is_dir()

    @property
    def setting(self) -> str:
        """The setting that names the place."""
        return f"{self.key.removesuffix('.backbone')}.weights"

    @property
    def pin(self) -> str | None:
        """The revision to load: the one that is set, else the catalogue's commit, else None, which is the newest.

        So the same configuration means the same weights, whatever is pushed later.
        """
        known = catalogue().get(self.spec)
        return self.revision or (known.revision if known else None) or None

    def place(self) -> Path | None:
        """The folder where the weights lie, complete or not, or None. Neither downloads nor makes any."""
        if self.is_hub_id:
            return cached(self.spec, self.pin)
        if self.spec.startswith(RANDOM):
            return found if (found := place(self.spec)) and found.is_dir() else None
        if self.spec.startswith(PACKAGED):
            package, _, path = self.spec.removeprefix(PACKAGED).partition("/")
            try:
                folder = Path(str(importlib.resources.files(package))) / path
            except ModuleNotFoundError:
                return None
        else:
            folder = Path(self.spec).expanduser()
            if is_file(self.spec):
                return folder.parent if folder.is_file() else None
        return folder if folder.is_dir() else None

    def folder(self, parts: Sequence[str]) -> Path:
        """The folder that holds `parts`, what is needed of it; downloads it if it may, and makes random weights.

        Raises:
            InputError: there are no such weights here, or what stands for them, with what to do about it.
        """
        if self.is_hub_id and not self.local_files_only:
            folder: Path | None = download(self.spec, self.pin, self.patterns(parts))
        elif self.spec.startswith(RANDOM):
            folder = made(self.spec)
        else:
            folder = self.place()
        if folder is None:
            raise self._absent()
        if self.is_hub_id and (missing := lacking(folder, parts, self.variant)):
            problem = f"only a part of it is here: no {', '.join(missing)}"
            raise InputError(self.spec, problem, how_to_get(self.spec, self.revision, self.key))
        _require_no_pointers(folder, parts, self.variant)
        return folder

    def _absent(self) -> InputError:
        if is_file(self.spec):
            remedy = f"set {self.setting} to the checkpoint, to the folder that holds it, or to a hub id"
            return InputError(self.spec, "there is no such checkpoint", remedy)
        if not self.is_hub_id:
            return InputError(
                self.spec,
                "there is no such weights folder",
                f"set {self.setting} to a folder in the library's layout, or to a hub id",
            )
        if self.pin is not None and cached(self.spec, None) is not None:
            what = f"its revision {self.pin} is not on this machine, only another one (revision=main uses that)"
        elif self.spec in catalogue():
            what = "its weights are not on this machine"
        else:  # it may as well be a path that is wrong
            what = "there is no such folder, and no weights of that hub id are on this machine"
        return InputError(self.spec, what, how_to_get(self.spec, self.revision, self.key))

    def patterns(self, parts: Sequence[str]) -> list[str]:
        """Names of the files to download: checkpoints, configs, tokenizers and one set of weights of each part."""
        kinds = ("*.json", "*.txt", "*.model", *_weight_patterns(self.variant))
        root = ("model_index.json", NULL_PROMPT, RANDOM_MARK)
        files = [part for part in dict.fromkeys(parts) if is_file(part)]
        prefixes = ["" if part == ROOT else f"{part}/" for part in dict.fromkeys(parts) if part not in files]
        return [*root, *files, *(f"{prefix}{kind}" for prefix in prefixes for kind in kinds)]

    def commit(self, folder: Path) -> str | None:
        """The commit of a hub id's snapshot; None for a folder."""
        return folder.name if self.is_hub_id else None


def is_file(name: str) -> bool:
    """Whether a part, or a place of weights, is a checkpoint by its name."""
    return name.endswith(CHECKPOINT)


def weights_digest(folder: Path, parts: Sequence[str], variant: str | None = None) -> str:
    """Hex SHA-256 over the names and contents of the weights, configs and tokenizers that the parts are loaded from.

    A file that has not changed is not read again. The same weights from the hub and from a folder give the same.
    """
    files = [folder / NULL_PROMPT] if (folder / NULL_PROMPT).exists() else []
    for part in parts:
        if is_file(part):
            files.append(folder / part)
            continue
        files += weight_files(folder / part, variant)
        files += sorted(p for p in (folder / part).glob("*.json") if "index" not in p.name)
        files += sorted(p for kind in ("*.txt", "*.model") for p in (folder / part).glob(kind))
    names = "\n".join(path.relative_to(folder).as_posix() for path in files)
    return hashlib.sha256(f"{names}\n{files_digest(files)}".encode()).hexdigest()


def _require_no_pointers(folder: Path, parts: Sequence[str], variant: str | None) -> None:
    """Raise `InputError` where a pointer of Git LFS or a web page lies in the place of weights or of a config."""
    files = [folder / part for part in parts if is_file(part)]
    for part in (folder / part for part in parts if not is_file(part)):
        files += [*weight_files(part, variant), *sorted(part.glob("*.json")), *sorted(part.glob("*.model"))]
    for file in files:
        try:
            with open_regular(file) as opened:
                head = opened.read(LOOKED_AT)
        except OSError:
            continue  # loading it says so
        if file.suffix == ".safetensors" and head.count(0) == LOOKED_AT:  # else all of it is read for its digest
            raise InputError(file, "holds no weights: it begins with zeros alone", "download it again")
        if found := foreign_text(head):
            raise InputError(file, f"not the file of a network: it is {found.what}", found.remedy)


def fault_of(file: Path) -> str:
    """What is wrong with a file of safetensors by its header, which says how long it is; "" where nothing is.

    Raises:
        OSError: it cannot be read.
    """
    with open_regular(file) as opened:
        size = os.fstat(opened.fileno()).st_size
        length = int.from_bytes(opened.read(8), "little")
        if not 2 <= length <= min(size - 8, MOST_HEADER):
            return "is cut short, or no file of safetensors: its header cannot be read"
        try:
            header = json.loads(opened.read(length))
            ends = [int(header[name]["data_offsets"][1]) for name in header if name != "__metadata__"]
        except (ValueError, RecursionError, TypeError, LookupError):
            return "is damaged: its header cannot be read"
    if size - 8 - length < max(ends, default=0):
        return f"is cut short: it has {size:,} bytes of {8 + length + max(ends):,}"
    return ""


def weight_files(part: Path, variant: str | None) -> list[Path]:
    """The files of weights that a part is loaded from: those of the variant, or the plain ones where it has none."""
    found = sorted(p for p in part.glob("*.safetensors") if p.exists())  # a cache's link may lead nowhere
    return [p for p in found if _variant(p) == variant] or [p for p in found if _variant(p) is None]


def variant_in(part: Path, variant: str | None) -> str | None:
    """The variant to ask the library for: the one that is wanted, unless the part has plain files only."""
    return variant if any(_variant(p) == variant for p in part.glob("*.safetensors")) else None


def lacking(folder: Path, parts: Sequence[str], variant: str | None) -> list[str]:
    """What is missing of the parts in a folder, each in a few words; empty where everything is there.

    Text encoders and tokenizers are not missed beside a `null_prompt.safetensors`.
    """
    absent = [part for part in parts if is_file(part) and not (folder / part).is_file()]
    needed = [part for part in parts if not ((folder / NULL_PROMPT).exists() and part.startswith(_TEXT))]
    folders = [part for part in needed if not is_file(part)]
    return [*absent, *(missing for part in folders for missing in _lacking(folder / part, variant))]


def _lacking(part: Path, variant: str | None) -> Iterable[str]:
    name = part.name
    if not any(part.glob("*.json")):
        yield f"{name}/"
        return
    if name.startswith("tokenizer"):
        whole = [("tokenizer.json",), ("vocab.json", "merges.txt"), ("spiece.model",)]
        if not any(all((part / file).exists() for file in files) for files in whole):
            yield f"{name}/vocab"
    elif (part / "config.json").exists():  # a network
        files = {file.name for file in weight_files(part, variant)}
        indexes = [p for p in part.glob("*.index*.json") if "safetensors" in p.name and _indexed(p) & files]
        missing = {file for index in indexes for file in _indexed(index)} - files
        # A shard's name says how many there are, which counts where the index is missing, too.
        counts = {int(found[1]) for file in files if (found := re.search(r"-of-(\d+)", file))}
        others = {_variant(p) for p in part.glob("*.safetensors")} - {None}
        if not files and others:
            yield f"plain weights in {name}/ (it has the variant {min(filter(None, others))}: model.backbone.variant)"
        elif not files:
            yield f"weights in {name}/"
        elif missing:
            yield f"{name}/{min(missing)}"
        elif any(len(files) < count for count in counts):
            yield f"{name}/ in full ({len(files)} of {max(counts)} files)"


def _indexed(index: Path) -> set[str]:
    """The files of weights that an index names; empty where it cannot be read."""
    try:
        return set(json.loads(read_text(index))["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return set()


def _variant(path: Path) -> str | None:
    """The variant in a file's name, such as `fp16` of `model.fp16.safetensors`; None where it has none.

    Shards are `model.fp16-00001-of-00002.safetensors` or `model-00001-of-00002.fp16.safetensors`.
    """
    found = re.search(r"\.(\w+)(-\d+-of-\d+)?\.safetensors$", path.name)
    return found.group(1) if found else None


def _weight_patterns(variant: str | None) -> list[str]:
    dot, shard = f".{variant}" if variant else "", "-?????-of-?????"
    endings = [dot, f"{dot}{shard}", *([f"{shard}{dot}"] if variant else [])]
    return [f"{stem}{ending}.safetensors" for stem in _STEMS for ending in endings]
