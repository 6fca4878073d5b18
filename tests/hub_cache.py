"""A hub's cache as its library lays it out, made on the spot: nothing here touches a network."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from amodal_bench.weights.catalogue import catalogue

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CONFIG = b'{"_class_name": "Network"}'


def network(part: str, stem: str = "diffusion_pytorch_model", variant: str = "") -> dict[str, bytes]:
    """The files of one network in one piece."""
    return {f"{part}/config.json": CONFIG, f"{part}/{stem}{variant}.safetensors": f"{part}{variant}".encode()}


def sharded(part: str, count: int, stem: str = "model", variant: str = "") -> dict[str, bytes]:
    """The files of one network in several pieces, with their index."""
    shards = [f"{stem}{variant}-{n:05d}-of-{count:05d}.safetensors" for n in range(1, count + 1)]
    index = {"weight_map": {f"layer.{n}": name for n, name in enumerate(shards)}}
    return {
        f"{part}/config.json": CONFIG,
        f"{part}/{stem}.safetensors.index{variant}.json": json.dumps(index).encode(),
        **{f"{part}/{name}": name.encode() for name in shards},
    }


TOKENIZER = {
    "tokenizer/tokenizer_config.json": b"{}",
    "tokenizer/vocab.json": b"{}",
    "tokenizer/merges.txt": b"#version",
}
SCHEDULER = {"scheduler/scheduler_config.json": b"{}"}


def repository(variant: str = "") -> dict[str, bytes]:
    """The needed files of a Stable Diffusion repository."""
    return {
        "model_index.json": b"{}",
        **network("unet", variant=variant),
        **network("vae", variant=variant),
        **network("text_encoder", "model", variant),
        **TOKENIZER,
        **SCHEDULER,
    }


def put(
    cache: Path, hub_id: str, files: Mapping[str, bytes], commit: str = "", refs: Sequence[str] = ("main",)
) -> Path:
    """Lay a snapshot out in the cache: blobs by digest, links to them, references to the commit.

    Unless it is named, the commit is the one that the catalogue pins, or `COMMIT` where it pins none.
    """
    commit = commit or (catalogue()[hub_id].revision if hub_id in catalogue() else COMMIT)
    root = cache / f"models--{hub_id.replace('/', '--')}"
    snapshot = root / "snapshots" / commit
    for name in refs:
        (root / "refs" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "refs" / name).write_text(commit)
    (root / "blobs").mkdir(parents=True, exist_ok=True)
    snapshot.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        blob = root / "blobs" / hashlib.sha256(content).hexdigest()
        blob.write_bytes(content)
        link = snapshot / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
    return snapshot


def write(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write files into a plain folder."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder
