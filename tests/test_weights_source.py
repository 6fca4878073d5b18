"""Where weights are looked for, what is missing of them, what identifies them, and what a failed download means."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import numpy as np
import pytest
from hub_cache import COMMIT, CONFIG, SCHEDULER, TOKENIZER, network, put, repository, sharded, write
from huggingface_hub import constants, errors
from huggingface_hub.utils._paths import filter_repo_objects
from safetensors.numpy import save_file

from amodal_bench.core import digests
from amodal_bench.core.errors import InputError
from amodal_bench.weights.catalogue import FILE, catalogue
from amodal_bench.weights.hub import cached
from amodal_bench.weights.random import RANDOM_MARK
from amodal_bench.weights.source import (
    NULL_PROMPT,
    WeightsSource,
    fault_of,
    lacking,
    variant_in,
    weight_files,
    weights_digest,
)

PARTS = ("unet", "vae", "scheduler", "text_encoder", "tokenizer")
ID = "somebody/inpainting"
SD15 = "stable-diffusion-v1-5/stable-diffusion-inpainting"
FLUX = "black-forest-labs/FLUX.1-Fill-dev"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a hub that cannot be reached."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "hub"


def refused(source: WeightsSource) -> str:
    with pytest.raises(InputError) as caught:
        source.folder(PARTS)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Where weights lie


def test_packaged_weights_are_found_and_those_of_no_package_are_not() -> None:
    source = WeightsSource("package://amodal_bench.tiny/weights")
    folder = source.folder(PARTS)
    assert (folder / "unet").is_dir() and lacking(folder, PARTS, None) == [] and source.commit(folder) is None
    for spec in ("package://no_such_package/weights", "package://amodal_bench.tiny/nothing"):
        assert WeightsSource(spec).place() is None
        assert refused(WeightsSource(spec)).startswith(
            f"{spec}: there is no such weights folder; set model.weights to "
        )


def test_a_folder_goes_before_a_hub_id_of_its_name(cache: Path, tmp_path: Path) -> None:
    put(cache, "a/b", repository())
    assert WeightsSource("a/b").folder(PARTS) == cache / "models--a--b" / "snapshots" / COMMIT
    folder = write(tmp_path / "a" / "b", repository())
    assert WeightsSource("a/b").folder(PARTS).resolve() == folder and not WeightsSource("a/b").is_hub_id
    assert refused(WeightsSource("./nowhere")).startswith("./nowhere: there is no such weights folder; ")


def test_the_users_home_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert WeightsSource("~/mine").place() is None
    write(tmp_path / "mine", repository())
    assert WeightsSource("~/mine").folder(PARTS) == tmp_path / "mine"


@pytest.mark.parametrize("revision", [None, "main", "v1", "refs/pr/2", COMMIT])
def test_a_snapshot_is_where_the_hubs_own_library_finds_it(cache: Path, revision: str | None) -> None:
    put(cache, ID, repository(), "f" * 40, refs=())
    folder = put(cache, ID, repository(), refs=("main", "v1", "refs/pr/2"))
    found = WeightsSource(ID, revision).folder(PARTS)
    assert found == folder == Path(huggingface_hub.snapshot_download(ID, revision=revision, local_files_only=True))
    assert WeightsSource(ID, revision).commit(found) == COMMIT


def test_what_is_absent_is_named_with_what_to_do(cache: Path) -> None:
    assert refused(WeightsSource(SD15)) == (
        f"{SD15}: its weights are not on this machine; `amodal-bench models fetch {SD15}` downloads it "
        "(2.1 GB of disk, 1.9 GB of GPU memory, licence CreativeML OpenRAIL-M)"
    )
    assert "downloads it (34 GB of disk" in refused(WeightsSource(FLUX)) and "; first accept the licence" in refused(
        WeightsSource(FLUX)
    )
    assert refused(WeightsSource(ID)) == (
        f"{ID}: there is no such folder, and no weights of that hub id are on this machine; "
        f"`amodal-bench models fetch NAME model.weights={ID}` downloads it for the model of that NAME"
    )
    put(cache, SD15, repository())
    said = refused(WeightsSource(SD15, "e" * 40))
    assert f"its revision {'e' * 40} is not on this machine, only another one (revision=main uses that); `" in said
    assert f"`amodal-bench models fetch {SD15} model.backbone.revision={'e' * 40}` downloads it" in said
    put(cache, FLUX, {}, COMMIT)
    assert f"its revision {catalogue()[FLUX].revision} is not on this machine, only another" in refused(
        WeightsSource(FLUX)
    )
    assert WeightsSource(FLUX, "main").place() == cache / f"models--{FLUX.replace('/', '--')}" / "snapshots" / COMMIT
    assert f"model.backbone.revision={'e' * 40}` downloads it" in said


def test_a_reference_to_a_snapshot_that_was_deleted_is_nothing(cache: Path) -> None:
    for reference in (COMMIT, ""):
        (cache / "models--a--b" / "refs").mkdir(parents=True, exist_ok=True)
        (cache / "models--a--b" / "refs" / "main").write_text(reference)
        assert cached("a/b", None) is None


# What is missing


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        (["unet/config.json", "unet/diffusion_pytorch_model.safetensors"], "no unet/;"),
        (["unet/config.json"], "no unet/;"),
        (["unet/diffusion_pytorch_model.safetensors"], "no weights in unet/;"),
        (["vae/diffusion_pytorch_model.safetensors", "scheduler/scheduler_config.json"],
         "no weights in vae/, scheduler/;"),
        (["text_encoder/model.safetensors"], "no weights in text_encoder/;"),
        (["tokenizer/merges.txt"], "no tokenizer/vocab;"),
    ],
)  # fmt: skip
def test_a_part_of_a_snapshot_is_named(cache: Path, gone: list[str], said: str) -> None:
    files = {name: content for name, content in repository().items() if name not in gone}
    put(cache, SD15, files)
    assert f"{SD15}: only a part of it is here: {said} `amodal-bench models fetch {SD15}`" in refused(
        WeightsSource(SD15)
    )


def test_a_link_whose_blob_is_gone_counts_as_missing(cache: Path) -> None:
    folder = put(cache, SD15, repository())
    (folder / "unet" / "diffusion_pytorch_model.safetensors").resolve().unlink()
    assert lacking(folder, PARTS, None) == ["weights in unet/"]


def test_text_encoders_are_not_missed_beside_a_null_prompt(tmp_path: Path) -> None:
    folder = write(tmp_path, {**network("unet"), **network("vae"), **SCHEDULER})
    assert lacking(folder, PARTS, None) == ["text_encoder/", "tokenizer/"]
    (folder / NULL_PROMPT).write_bytes(b"x")
    assert lacking(folder, PARTS, None) == []


@pytest.mark.parametrize("variant", ["", ".fp16"])
def test_every_shard_is_needed(tmp_path: Path, variant: str) -> None:
    files = sharded("text_encoder_2", 3, variant=variant)
    folder = write(tmp_path, files)
    wanted = variant[1:] or None
    assert lacking(folder, ["text_encoder_2"], wanted) == []
    shard = f"text_encoder_2/model{variant}-00002-of-00003.safetensors"
    (folder / shard).unlink()
    assert lacking(folder, ["text_encoder_2"], wanted) == [shard]
    (folder / f"text_encoder_2/model.safetensors.index{variant}.json").unlink()
    assert lacking(folder, ["text_encoder_2"], wanted) == ["text_encoder_2/ in full (2 of 3 files)"]


@pytest.mark.parametrize("index", [b"{", b"[]", b'{"weight_map": 3}', b"{}"])
def test_a_damaged_index_is_no_reason_to_fail(tmp_path: Path, index: bytes) -> None:
    files = sharded("unet", 2) | {"unet/model.safetensors.index.json": index}
    assert lacking(write(tmp_path, files), ["unet"], None) == []


def test_files_of_the_variant_go_first_and_plain_ones_serve_where_a_part_has_no_others(tmp_path: Path) -> None:
    folder = write(tmp_path, {**network("unet"), **network("unet", variant=".fp16"), **network("vae")})
    assert lacking(folder, ["unet", "vae"], "fp16") == []
    names = {part: [p.name for p in weight_files(folder / part, "fp16")] for part in ("unet", "vae")}
    assert (
        names["unet"] == ["diffusion_pytorch_model.fp16.safetensors"]
        and variant_in(folder / "unet", "fp16") == "fp16"
    )
    assert names["vae"] == ["diffusion_pytorch_model.safetensors"] and variant_in(folder / "vae", "fp16") is None
    assert [p.name for p in weight_files(folder / "unet", None)] == ["diffusion_pytorch_model.safetensors"]
    assert variant_in(folder / "unet", None) is None


def test_weights_of_a_variant_only_are_pointed_out(tmp_path: Path) -> None:
    folder = write(tmp_path, network("unet", variant=".fp16"))
    assert lacking(folder, ["unet"], None) == [
        "plain weights in unet/ (it has the variant fp16: model.backbone.variant)"
    ]


# What is downloaded


def chosen(variant: str | None, names: list[str]) -> set[str]:
    return set(filter_repo_objects(names, allow_patterns=WeightsSource(ID, variant=variant).patterns(PARTS)))


@pytest.mark.parametrize("variant", [None, "fp16"])
def test_only_what_is_needed_is_downloaded(variant: str | None) -> None:
    dot = f".{variant}" if variant else ""
    needed = [
        "model_index.json", NULL_PROMPT, RANDOM_MARK, "scheduler/scheduler_config.json", "tokenizer/vocab.json",
        "tokenizer/merges.txt", "tokenizer/spiece.model", "unet/config.json", "vae/config.json",
        f"unet/diffusion_pytorch_model{dot}.safetensors", f"vae/diffusion_pytorch_model{dot}.safetensors",
        f"unet/diffusion_pytorch_model{dot}-00001-of-00002.safetensors", f"text_encoder/model{dot}.safetensors",
        f"text_encoder/model{dot}-00002-of-00002.safetensors",
    ]  # fmt: skip
    other = ".bf16" if variant else ".fp16"
    useless = [
        "README.md", ".gitattributes", "sd-v1-5-inpainting.ckpt", "sd-v1-5-inpainting.safetensors",
        "unet/diffusion_pytorch_model.bin", f"unet/diffusion_pytorch_model{other}.safetensors",
        f"unet/diffusion_pytorch_model{other}-00001-of-00002.safetensors",
        f"unet/diffusion_pytorch_model-00001-of-00002{other}.safetensors",
        "unet/diffusion_pytorch_model.non_ema.safetensors", "text_encoder/pytorch_model.bin",
        "safety_checker/config.json", "safety_checker/model.safetensors",
        "feature_extractor/preprocessor_config.json", "text_encoder/openvino_model.xml",
    ]  # fmt: skip
    if variant:
        useless += ["unet/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"]
        needed += ["text_encoder/model-00001-of-00002.fp16.safetensors"]
    assert chosen(variant, needed + useless) == set(needed)


def test_a_run_that_may_downloads_what_is_missing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def snapshot_download(hub_id: str, **options: Any) -> str:
        asked.append(options)
        return str(put(cache, hub_id, files))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    source = WeightsSource(SD15, revision="v2", variant="fp16", local_files_only=False)
    files = repository(".fp16")
    assert source.folder(PARTS).name == catalogue()[SD15].revision
    assert asked == [{"revision": "v2", "allow_patterns": source.patterns(PARTS)}]
    files = {name: content for name, content in files.items() if not name.startswith("vae")}
    (cache / "models--stable-diffusion-v1-5--stable-diffusion-inpainting").rename(cache / "old")
    assert "only a part of it is here: no vae/;" in refused(source)


# Refusals


RESPONSE: Any = SimpleNamespace(headers={}, request=None)


class ReadTimeout(Exception):
    """An error like the HTTP library's: no OSError, and without a text."""


def absent_since(cause: Exception) -> Exception:
    """How the hub's library reports that neither it nor the cache could help."""
    error = errors.LocalEntryNotFoundError("Got: ...\nAn error happened while trying to locate the files")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (errors.GatedRepoError("no", response=RESPONSE),
         "it is gated, and this account has no access to it; accept its licence (FLUX.1 [dev] Non-Commercial) on "
         "ENDPOINT/black-forest-labs/FLUX.1-Fill-dev with your account, then run `hf auth login` with a token"),
        (errors.RepositoryNotFoundError("no", response=RESPONSE),
         "the hub has no such repository, or this account may not see it; correct the id; if it is private, "),
        (errors.RevisionNotFoundError("no", response=RESPONSE),
         "the hub has no revision v9 of it; correct model.backbone.revision"),
        (errors.HfHubHTTPError("500 Server Error\nmore", response=RESPONSE),
         "cannot be downloaded (500 Server Error); check the connection, then give the same command again"),
        (errors.OfflineModeIsEnabled("offline"), "cannot be downloaded in offline mode; unset HF_HUB_OFFLINE"),
        (absent_since(errors.OfflineModeIsEnabled("offline")), "cannot be downloaded in offline mode; unset HF_HUB_"),
        (absent_since(Exception("[Errno 111] refused")), "cannot be downloaded ([Errno 111] refused); check"),
        (errors.LocalEntryNotFoundError("2 files\nare missing"), "cannot be downloaded (2 files); "),
        (ReadTimeout(), "cannot be downloaded (ReadTimeout); check the connection, "),
        (OSError(errno.ENOSPC, "No space left on device"), "(No space left on device); make the folder writable"),
        (errors.HFValidationError("bad id"), "cannot be downloaded (bad id); "),
    ],
)  # fmt: skip
def test_what_the_hub_refuses_is_one_line(error: Exception, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def snapshot_download(*_: Any, **__: Any) -> str:
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    line = refused(WeightsSource(FLUX, "v9", local_files_only=False))
    assert line.startswith(f"{FLUX}: ") and said.replace("ENDPOINT", constants.ENDPOINT) in line


def test_the_librarys_own_offline_mode_is_recognised() -> None:
    assert "cannot be downloaded in offline mode; unset HF_HUB_OFFLINE" in refused(
        WeightsSource(ID, local_files_only=False)
    )


# Digests


def test_the_same_bytes_have_the_same_digest_wherever_they_lie(cache: Path, tmp_path: Path) -> None:
    files = {**repository(), **sharded("transformer", 2), NULL_PROMPT: b"prompt"}
    parts = (*PARTS, "transformer")
    digest = weights_digest(put(cache, ID, files), parts)
    assert digest == weights_digest(write(tmp_path / "z", files), parts) == weights_digest(tmp_path / "z", parts)
    extra = {
        "README.md": b"x",
        "unet/diffusion_pytorch_model.bf16.safetensors": b"x",
        "safety_checker/config.json": b"x",
    }
    assert digest == weights_digest(write(tmp_path / "z", extra), parts), "files that are not loaded do not count"


@pytest.mark.parametrize("name", [*list(repository())[1:], NULL_PROMPT, "unet/more.json"])
def test_every_byte_that_is_loaded_counts(tmp_path: Path, name: str) -> None:
    before = weights_digest(write(tmp_path / "a", repository()), PARTS)
    assert weights_digest(write(tmp_path / "b", repository() | {name: b"another"}), PARTS) != before


def test_another_variant_is_another_digest(tmp_path: Path) -> None:
    folder = write(tmp_path, repository() | repository(".fp16"))
    assert weights_digest(folder, PARTS, "fp16") != weights_digest(folder, PARTS)
    plain = write(tmp_path / "plain", repository())
    assert weights_digest(plain, PARTS, "fp16") == weights_digest(plain, PARTS), "the same files are loaded"


def test_files_that_have_not_changed_are_not_read_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = put(cache, ID, repository())
    digest = weights_digest(folder, PARTS)
    read: list[Path] = []
    original: Callable[[Any], str] = digests.sha256

    def counted(path: Path) -> str:
        read.append(path)
        return original(path)

    monkeypatch.setattr(digests, "sha256", counted)
    assert weights_digest(folder, PARTS) == digest and read == []
    (folder / "unet" / "config.json").resolve().write_bytes(CONFIG + b" ")
    assert weights_digest(folder, PARTS) != digest and read


# The catalogue


def test_the_catalogue_is_whole() -> None:
    assert set(catalogue()) >= {SD15, FLUX}
    for known in catalogue().values():
        assert known.licence and known.used_as and 0 <= known.gpu_gb <= known.disk_gb < 40
        assert len(known.revision) in (0, 40) and set(known.revision) <= set("0123456789abcdef")
    assert {known.id for known in catalogue().values() if known.gate} == {FLUX, "facebook/sam3"}
    assert len(catalogue()) == FILE.read_text(encoding="utf-8").count("- id: ")


def test_tokenizers_may_be_of_any_kind(tmp_path: Path) -> None:
    for number, files in enumerate(({"tokenizer.json": b"{}"}, {"spiece.model": b"x", "config.json": b"{}"})):
        folder = write(tmp_path / str(number), {f"tokenizer_2/{name}": content for name, content in files.items()})
        assert lacking(folder, ["tokenizer_2"], None) == []
    assert lacking(write(tmp_path / "whole", TOKENIZER), ["tokenizer"], None) == []


# Checkpoints: parts that are one file


CHECKPOINT = "epoch=000005.ckpt"


def test_a_checkpoint_is_looked_for_downloaded_and_missed_as_a_file(cache: Path) -> None:
    names = [CHECKPOINT, "epoch=000010.ckpt", "README.md", f"{CHECKPOINT}/config.json", "config.json"]
    assert set(filter_repo_objects(names, allow_patterns=WeightsSource(ID).patterns([CHECKPOINT]))) == {CHECKPOINT}
    folder = put(cache, ID, {"README.md": b"x"})
    with pytest.raises(InputError, match=f"{ID}: only a part of it is here: no {CHECKPOINT}; "):
        WeightsSource(ID).folder([CHECKPOINT])
    put(cache, ID, {CHECKPOINT: b"weights"})
    assert WeightsSource(ID).folder([CHECKPOINT]) == folder and lacking(folder, [CHECKPOINT], None) == []
    (folder / CHECKPOINT).resolve().unlink()
    assert lacking(folder, [CHECKPOINT, "unet"], None) == [CHECKPOINT, "unet/"]


@pytest.mark.parametrize("name", [CHECKPOINT, "of/model.ckpt"])
def test_a_checkpoint_may_be_named_as_a_place(tmp_path: Path, name: str) -> None:
    """Even where its path reads like a hub id."""
    for spec in (name, str(tmp_path / name)):
        assert WeightsSource(spec).place() is None and not WeightsSource(spec).is_hub_id
        assert refused(WeightsSource(spec)).startswith(f"{spec}: there is no such checkpoint; set model.weights to ")
    file = tmp_path / name
    write(tmp_path, {name: b"weights"})
    for spec in (name, str(file)):
        source = WeightsSource(spec)
        assert source.folder([file.name]).resolve() == file.parent and source.commit(file.parent) is None


def test_every_byte_of_a_checkpoint_counts_and_nothing_beside_it(cache: Path, tmp_path: Path) -> None:
    digest = weights_digest(put(cache, ID, {CHECKPOINT: b"weights"}), [CHECKPOINT])
    folder = write(tmp_path / "a", {CHECKPOINT: b"weights", "epoch=000010.ckpt": b"others", "config.json": b"{}"})
    assert weights_digest(folder, [CHECKPOINT]) == digest != weights_digest(folder, ["epoch=000010.ckpt"])
    assert weights_digest(write(tmp_path / "b", {CHECKPOINT: b"Weights"}), [CHECKPOINT]) != digest
    with pytest.raises(InputError, match=f"{CHECKPOINT}: no such file; check the path, or download it"):
        weights_digest(tmp_path / "c", [CHECKPOINT])


def test_a_damaged_file_of_weights_is_named_with_what_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    save_file({"a": np.zeros(1000, np.float32)}, file)
    whole = file.read_bytes()
    assert fault_of(file) == ""
    for content, said in (
        (whole[:2000], f"is cut short: it has 2,000 bytes of {len(whole):,}"),
        (whole[:20], "its header cannot be read"),
        (b"", "its header cannot be read"),
        ((1 << 63).to_bytes(8, "little") + whole[8:], "its header cannot be read"),
        ((9).to_bytes(8, "little") + b"[" * 4000, "is damaged: its header cannot be read"),
        ((13).to_bytes(8, "little") + b'{"a": "long"}' + b"0" * 9, "is damaged: its header cannot be read"),
    ):
        file.write_bytes(content)
        assert said in fault_of(file)
