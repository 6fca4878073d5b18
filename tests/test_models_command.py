"""`amodal-bench models`: list, fetch, check and tiny, as a user calls them. No test touches a network."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
from hub_cache import COMMIT, SCHEDULER, network, put, repository
from huggingface_hub import constants
from huggingface_hub.errors import GatedRepoError
from huggingface_hub.utils._paths import filter_repo_objects
from params import mostly_slow
from safetensors.torch import load_file, save_file

from amodal_bench.cli.models.command import VERBS
from amodal_bench.cli.models.command import main as models
from amodal_bench.cli.models.examine import loadable
from amodal_bench.config.settings import config_folder
from amodal_bench.report.outcome import Outcome
from amodal_bench.tiny.networks import WEIGHTS
from amodal_bench.weights.catalogue import catalogue
from amodal_bench.weights.random import RANDOM_MARK, families
from amodal_bench.weights.small import kandinsky

Run = Callable[..., tuple[int, str, str]]
SD15 = "stable-diffusion-v1-5/stable-diffusion-inpainting"
DECODER = "kandinsky-community/kandinsky-2-2-decoder-inpaint"
PRIOR = "kandinsky-community/kandinsky-2-2-prior"
SAM = "facebook/sam-vit-huge"
FLUX = "black-forest-labs/FLUX.1-Fill-dev"
PLAIN = "segmenter=grabcut"  # needs no weights
BATCHES = ["model.backbone.micro_batch=3", "model.backbone.vae_batch=2"]

MINE = '''
class Backbone:
    """A user's own backbone, which has nothing but the members of the protocol."""
    native, micro_batch, vae_batch, device = 8, 2, 3, "cpu"

    def __init__(self, fault=None):
        self.fault = fault

    def describe(self):
        return {"kind": "mine"}

    def schedule(self, steps):
        from amodal_bench.backbones.base import Schedule
        levels = tuple(level / steps for level in range(steps + 1))
        return Schedule((1.0,) * steps, levels, levels[::-1], 1.0)

    def encode(self, images):
        if self.fault == "encode":
            raise KeyError("no\\nwheels")
        return images[:, :, ::2, ::2] * (float("nan") if self.fault == "infinite" else 1)

    def decode(self, latents):
        images = latents.abs().repeat_interleave(2, 2).repeat_interleave(2, 3)
        return images * (9 if self.fault == "range" else 0.1)

    def latent_area(self, areas):
        return areas[..., ::2, ::2]

    def prepare(self, images, clean, areas, erase):
        return {"mask": self.latent_area(areas)}

    def denoise(self, x, schedule, step, shown):
        if self.fault == "memory":
            from torch import OutOfMemoryError
            raise OutOfMemoryError("CUDA out of memory")
        assert len(x) == len(shown["mask"]) == self.micro_batch
        return x

    def advance(self, output, schedule, step, x, generators):
        return output
'''


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub, and a hub that cannot be reached."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


@pytest.fixture
def run(cache: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Call `models` in a folder of its own: status, stdout, stderr."""
    assert not cache.exists()
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = models(arguments)
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return call


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A user's own backbone in the working folder and a model with it; returns the option that finds it."""
    (tmp_path / "my_backbone.py").write_text(MINE)
    folder = tmp_path / "conf" / "model"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text(
        "defaults:\n  - /model/_base/tuning_free@_here_\n  - _self_\n"
        "name: mine\nweights: null\nbackbone:\n  _target_: my_backbone.Backbone\n  fault: null\n"
    )
    (folder / "broken.yaml").write_text("_target_: no_such.Model\nbackbone:\n  _target_: my_backbone.Nothing\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return ["--config-dir", str(tmp_path / "conf")]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Stable Diffusion, made by the command."""
    folder = tmp_path_factory.mktemp("pipelines") / "sd"
    assert models(["tiny", "stable_diffusion", str(folder)]) == 0
    return folder


# The command itself


@pytest.mark.slow
def test_help_and_list_are_instant_and_import_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys, amodal_bench.cli.main as m\n"
        f"for words in [['--help'], *([v, '--help'] for v in {list(VERBS)!r}), ['list']]:\n"
        "    sys.argv = ['amodal-bench', 'models', *words]\n"
        "    try: m.main()\n"
        "    except SystemExit as end: assert end.code == 0\n"
        "    light = {'hydra', 'huggingface_hub', 'numpy'} if words != ['list'] else set()\n"
        "    heavy = {'torch', 'diffusers', 'transformers', 'pandas', 'cv2'} | light\n"
        "    assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for verb in VERBS:
        assert f"Usage: amodal-bench models {verb} " in done.stdout and f"\n  {verb} " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "answer"),
    mostly_slow([
        ([], "Usage: amodal-bench models VERB"),
        (["chek"], "error: models chek: there is no such verb; did you mean 'check'?"),
        (["check", "sdx"], "error: model=sdx: there is no such choice; did you mean 'sdxl'?"),
        (["check", "tiny", "model.backbone.nativ=3"], "error: model.backbone.nativ: unknown key; did you "),
        (["list", "--config-dir", "nowhere"], "error: --config-dir: there is no folder nowhere"),
        (["fetch", f"{SD15}g"], f"error: {SD15}g: no model names it; did you mean '{SD15}'? valid: "),
        (["tiny", "fluks", "x"], "error: models tiny fluks: there is no such family; did you mean 'flux'?"),
    ]),
)  # fmt: skip
def test_a_usage_error_is_answered_with_status_2(run: Run, arguments: list[str], answer: str) -> None:
    status, out, err = run(*arguments)
    assert status == 2 and out == "" and err.startswith(answer)
    assert not answer.startswith("error") or len(err.splitlines()) == 1


# list


@pytest.mark.slow
def test_list_tells_what_is_on_this_machine(run: Run, cache: Path, mine: list[str]) -> None:
    put(cache, SD15, repository(".fp16"))
    put(cache, DECODER, {**network("unet"), **SCHEDULER})
    status, out, _ = run("list", *mine)
    lines = out.splitlines()
    by_name = {line.split()[0]: line for line in lines if not line.startswith(" ")}
    assert status == 0 and lines[0].split() == ["model", "family", "disk", "GPU", "here", "weights", "licence"]
    assert set(by_name) - {"model"} == {f.stem for f in (config_folder() / "model").glob("*.yaml")} | {
        "mine",
        "broken",
    }
    assert by_name["sd15"].split()[1:] == [
        "Stable", "Diffusion", "2.1", "GB", "1.9", "GB", "complete", SD15, "CreativeML", "OpenRAIL-M",
    ]  # fmt: skip
    assert "partial: no movq/" in by_name["kandinsky"]
    prior, sam = (line.split() for line in lines[lines.index(by_name["kandinsky"]) + 1 :][:2])
    assert prior == ["Kandinsky", "2.2", "3.7", "GB", "-", "absent", PRIOR, "Apache-2.0"]
    assert sam == ["sam", "2.6", "GB", "1.3", "GB", "absent", SAM, "Apache-2.0"]
    assert by_name["flux"].endswith("FLUX.1 [dev] Non-Commercial, gated") and "  absent  " in by_name["flux"]
    assert by_name["tiny"].split()[3:7] == ["15", "MB", "-", "complete"]
    assert by_name["tiny"].endswith("shipped with the package")
    assert by_name["hull"].endswith("needs no weights") and by_name["mine"].endswith("unknown to this command")
    assert "error: model.backbone._target_: cannot import my_backbone.Nothing" in by_name["broken"]


# fetch


class Hub:
    """A stand-in for the hub's library: which files there are, what was asked for, and how it refuses."""

    def __init__(self, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cache = cache
        self.asked: list[tuple[str, str | None]] = []
        self.files = repository(".fp16") | {"unet/diffusion_pytorch_model.bin": b"useless", "README.md": b"useless"}
        self.size, self.gated = 1, False
        self.error: Exception | None = None
        monkeypatch.setattr(huggingface_hub, "snapshot_download", self.snapshot_download)
        monkeypatch.setattr(huggingface_hub, "HfApi", lambda: self)

    def model_info(self, hub_id: str, revision: str | None, files_metadata: bool) -> Any:
        assert files_metadata
        files = [SimpleNamespace(rfilename=name, size=self.size) for name in self.files]
        return SimpleNamespace(siblings=files, sha=self.commit(revision), gated="auto" if self.gated else False)

    def commit(self, revision: str | None) -> str:
        return COMMIT if revision in (None, "main") else str(revision)

    def snapshot_download(self, hub_id: str, revision: str | None, allow_patterns: list[str]) -> str:
        self.asked.append((hub_id, revision))
        if self.error:
            raise self.error
        wanted = filter_repo_objects(self.files, allow_patterns=allow_patterns)
        return str(put(self.cache, hub_id, {name: self.files[name] for name in wanted}, self.commit(revision)))


@pytest.fixture
def shop(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    return Hub(cache, monkeypatch)


@pytest.mark.slow
def test_fetch_gets_exactly_what_is_needed_of_the_known_commit(run: Run, shop: Hub, cache: Path) -> None:
    status, out, err = run("fetch", "sd15", PLAIN)
    known = catalogue()[SD15].revision
    assert (status, err) == (0, "") and shop.asked == [(SD15, known)]
    assert f"licence      CreativeML OpenRAIL-M, see {constants.ENDPOINT}/{SD15}\n" in out
    assert "size         about 2.1 GB of disk, 1.9 GB of GPU memory\n" in out
    assert "note         only the variant fp16 has safetensors\n" in out
    assert f"to download  {len(repository())} of {len(repository())} files, 0.00 GB\n" in out
    assert f"commit       {known} (the catalogue's)\n" in out and "pin it" not in out
    assert "Then: amodal-bench models check sd15\n" in out and "load no text encoder" in out
    snapshot = cache / f"models--{SD15.replace('/', '--')}" / "snapshots" / known
    assert {str(f.relative_to(snapshot)) for f in snapshot.rglob("*") if f.is_file()} == set(repository(".fp16"))
    assert f"to download  0 of {len(repository())} files" in run("fetch", SD15)[1]


@pytest.mark.slow
def test_fetch_of_a_branch_says_how_to_pin_its_commit(run: Run, shop: Hub) -> None:
    known = catalogue()[SD15].revision
    status, out, _ = run("fetch", SD15, "model.backbone.revision=main")
    assert status == 0 and shop.asked == [(SD15, "main")]
    assert f"commit       {COMMIT} (the catalogue knows {known})\n" in out
    assert f"pin it       model.backbone.revision={COMMIT}\n" in out


@pytest.mark.slow
def test_fetch_of_other_weights_of_a_family(run: Run, shop: Hub) -> None:
    status, out, _ = run("fetch", "sd15", PLAIN, "model.weights=me/tuned")
    assert status == 0 and shop.asked == [("me/tuned", None)]
    assert f"licence      see {constants.ENDPOINT}/me/tuned\n" in out and f"commit       {COMMIT}\n" in out


@pytest.mark.slow
def test_fetch_of_kandinsky_gets_its_prior_too(run: Run, shop: Hub) -> None:
    encoder = network("image_encoder", "model")
    shop.files = {**network("unet"), **network("movq"), **SCHEDULER, **encoder, **network("prior")}
    status, out, _ = run("fetch", "kandinsky", PLAIN)
    decoder, prior = ((id, catalogue()[id].revision) for id in (DECODER, PRIOR))
    assert status == 0 and shop.asked == [decoder, prior]
    assert "to download  2 of 2 files" in out, "of the prior only the image encoder"
    shop.asked.clear()
    assert run("fetch", PRIOR)[0] == 0 and shop.asked == [prior]


@pytest.mark.slow
def test_fetch_gets_the_segmenter_of_a_model_too(run: Run, shop: Hub) -> None:
    shop.files |= {"config.json": b"{}", "model.safetensors": b"sam", "pytorch_model.bin": b"useless"}
    status, out, err = run("fetch", "sd15")
    assert (status, err) == (0, "")
    assert shop.asked == [(SD15, catalogue()[SD15].revision), (SAM, catalogue()[SAM].revision or None)]
    assert f"\n{SAM}: SAM with ViT-H\n" in out
    assert run("list")[1].count("complete") > 1


def test_fetch_of_a_model_in_small_has_nothing_to_download(run: Run) -> None:
    nothing = "random://sam2: is not a hub id, so there is nothing to download (made when needed)\n"
    assert run("fetch", "random/sam2") == (0, nothing, "")


@pytest.mark.slow
def test_fetch_of_a_segmenter_in_any_size(run: Run, shop: Hub) -> None:
    shop.files = {"config.json": b"{}", "model.safetensors": b"sam", "pytorch_model.bin": b"useless"}
    base = "facebook/sam-vit-base"
    for words in ([base], ["sam", f"segmenter.weights={base}"]):
        shop.asked.clear()
        status, out, _ = run("fetch", *words)
        assert status == 0 and [id for id, _ in shop.asked] == [base]
        assert "licence      Apache-2.0, see " in out
    assert (
        "Then: amodal-bench models check sam segmenter=sam segmenter.weights=facebook/sam-vit-base\n"
        in run("fetch", base)[1]
    )


def test_absent_weights_of_a_segmenter_are_named_with_the_command_that_gets_them(run: Run) -> None:
    status, out, _ = run("check", "sam2", "segmenter.revision=abc")
    assert status == 1
    assert "`amodal-bench models fetch facebook/sam2.1-hiera-large segmenter.revision=abc` downloads it" in out


def test_fetch_looks_for_room_first(run: Run, shop: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.size = 10**9
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=3 * 10**9))
    status, _, err = run("fetch", "sd15", PLAIN)
    assert status == 1 and shop.asked == []
    assert err.startswith(f"error: {SD15}: needs {len(repository())}.0 GB, and ")
    assert err.endswith(" has 3.0 GB free; make room, or set HF_HUB_CACHE to a folder that has it\n")


@pytest.mark.slow
def test_fetch_explains_a_gate(run: Run, shop: Hub) -> None:
    shop.gated = True
    # Which library the response is of depends on the hub's version.
    response: Any = SimpleNamespace(headers={}, request=None)
    shop.error = GatedRepoError("403", response=response)
    status, out, err = run("fetch", "flux", PLAIN)
    assert status == 1 and err.count("\n") == 1
    assert "gate         accept the licence on the model's page and log in with `hf auth login`\n" in out
    assert err.startswith(f"error: {FLUX}: it is gated, and this account has no access to it; accept its licence ")
    assert f"{constants.ENDPOINT}/{FLUX}" in err and "HF_TOKEN" in err
    out = run("fetch", "sd15", PLAIN, "model.weights=me/gated")[1]
    assert f"gate         accept its conditions on {constants.ENDPOINT}/me/gated, and log in with" in out


def test_fetch_notices_what_a_repository_does_not_have(run: Run, shop: Hub) -> None:
    shop.files = {name: content for name, content in shop.files.items() if "vae/diffusion" not in name}
    status, _, err = run("fetch", "sd15", PLAIN)
    assert status == 1 and f"{SD15}: only a part of it is here: no weights in vae/" in err


def test_fetch_without_a_network_is_content_with_what_is_complete(run: Run, cache: Path) -> None:
    status, _, err = run("fetch", "sd15", PLAIN)
    assert (status, err) == (1, f"error: {SD15}: cannot be downloaded in offline mode; unset HF_HUB_OFFLINE\n")
    put(cache, SD15, repository(".fp16"))
    status, out, err = run("fetch", "sd15", PLAIN)
    assert (status, err) == (0, "") and f"commit       {catalogue()[SD15].revision}" in out
    assert "complete     the hub was not asked for a newer one: cannot be downloaded in offline mode\n" in out


@pytest.mark.slow
def test_fetch_of_what_needs_no_download(run: Run) -> None:
    assert run("fetch", "hull") == (0, "hull needs no weights.\n", "")
    assert (
        run("fetch", "tiny")[1]
        == "package://amodal_bench.tiny/weights: is not a hub id, so there is nothing to download (complete)\n"
    )


# check


@pytest.mark.slow
def test_check_of_the_shipped_model(run: Run) -> None:
    status, out, err = run("check", "tiny", "model.backbone.micro_batch=3")
    lines = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert status == 0 and err == ""
    assert lines["weights"] == "package://amodal_bench.tiny/weights (complete)" and len(lines["digest"]) == 64
    assert lines["unet"].startswith("UNet2DConditionModel, 6.9 M parameters, float32, ")
    assert lines["vae"].startswith("AutoencoderKL, 0.7 M parameters, float32, ")
    assert lines["prompt"].startswith("null_prompt 1x1x32, ") and lines["scheduler"].startswith("DDIMScheduler, ")
    assert lines["encode"].startswith("8 images of 64 px to latents 16x16x16, ")
    assert lines["denoise"].startswith("one step of 3 samples, ") and lines["decode"].startswith("3 images, ")
    assert lines["part"] == "model.backbone"  # its segmenter has no weights
    assert lines["peak"].endswith(" GB of main memory") and lines["problems"] == "none"
    assert "random" not in out


@pytest.mark.slow
def test_check_of_a_folder_with_plain_files_where_a_variant_is_configured(run: Run, tiny: Path) -> None:
    status, out, _ = run("check", "sd15", PLAIN, f"model.weights={tiny}", "model.backbone.native=64", *BATCHES)
    assert status == 0 and "\nnote         random weights: results mean nothing\n" in out
    assert "\nprompt       null_prompt 1x77x8, " in out and out.endswith("problems     none\n")


@pytest.mark.slow
def test_check_names_the_commit_and_the_one_that_is_known(run: Run, cache: Path, tiny: Path) -> None:
    files = {str(f.relative_to(tiny)): f.read_bytes() for f in tiny.rglob("*") if f.is_file()}
    put(cache, SD15, files, COMMIT)
    status, out, _ = run("check", "sd15", PLAIN, "model.backbone.native=64", "model.backbone.revision=main", *BATCHES)
    known = catalogue()[SD15].revision
    assert status == 0 and f"\ncommit       {COMMIT} (the catalogue knows {known})\n" in out
    put(cache, SD15, files, known)
    out = run("check", "sd15", PLAIN, "model.backbone.native=64", *BATCHES)[1]
    assert f"\ncommit       {known}\n" in out


@pytest.mark.slow
def test_check_says_what_is_wrong_with_weights(run: Run, tmp_path: Path) -> None:
    assert run("check", "sdxl")[0] == 1 and "its weights are not on this machine; `amodal" in run("check", "sdxl")[1]
    folder = tmp_path / "damaged"
    for name in ("unet", "vae", "scheduler"):
        (folder / name).mkdir(parents=True)
        for file in (WEIGHTS / name).iterdir():
            (folder / name / file.name).write_bytes(file.read_bytes())
    (folder / "null_prompt.safetensors").write_bytes((WEIGHTS / "null_prompt.safetensors").read_bytes())
    weights = folder / "vae" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    spoilt = {name: value * float("nan") if "encoder.conv_in" in name else value for name, value in tensors.items()}
    save_file(spoilt, weights)
    status, out, _ = run("check", "tiny", f"model.weights={folder}", "model.backbone.micro_batch=1")
    assert status == 1 and out.endswith(
        "problems     1\nencode: its numbers are not finite; set model.backbone.precision=float32 or bfloat16\n"
    )
    weights.write_bytes(b"nonsense")
    status, out, _ = run("check", "tiny", f"model.weights={folder}", "model.backbone.micro_batch=1")
    assert status == 1 and out.splitlines()[-1].startswith(f"{weights}: is cut short, or no file of safetensors")


@pytest.mark.parametrize(
    ("fault", "answer"),
    mostly_slow(
        [
            ("encode", "encode: KeyError: 'no\\nwheels'"),
            ("infinite", "encode: its numbers are not finite; set model.backbone.precision=float32 or bfloat16"),
            (
                "memory",
                "denoise: does not fit into the memory of cpu; lower model.backbone.micro_batch and vae_batch, or ",
            ),
            ("range", "decode: its images are between 0."),
        ]
    ),
)
def test_check_of_a_users_backbone(run: Run, mine: list[str], fault: str, answer: str) -> None:
    status, out, err = run("check", "mine", *mine)
    assert (status, err) == (0, "") and "encode       3 images of 8 px to latents 3x4x4, " in out
    assert "denoise      one step of 2 samples, " in out and "decode       2 images, " in out
    status, out, err = run("check", "mine", f"model.backbone.fault={fault}", *mine)
    assert (status, err) == (1, "") and out.splitlines()[-2] == "problems     1"
    assert out.splitlines()[-1].startswith(answer)


def test_check_of_a_model_without_weights(run: Run) -> None:
    status, out, err = run("check", "hull")
    assert (status, err) == (0, "") and out.startswith("model        hull\nneeds no weights\n")
    kept = [f"contract     {place}: kept" for place in ("model", "settings", "protocol")]
    assert out.splitlines()[2:] == [*kept, "problems     none"]


@pytest.mark.slow
@pytest.mark.usefixtures("empty_cache")
def test_check_tries_backbone_and_segmenter(run: Run) -> None:
    """All of a model in small: made on the spot, kept in the cache, tried part by part."""
    assert "(made when needed)" in run("check", "random/sdxl", "segmenter=random/sam2", *BATCHES)[1]
    status, out, err = run("check", "random/sdxl", "segmenter=random/sam2", "segmenter.batch=3", *BATCHES)
    assert (status, err) == (0, "") and "(made when needed)" not in out
    assert out.count("note         random weights: results mean nothing\n") == 2
    assert "\nnetwork      Sam2Model, 0.0 M parameters, float32, " in out
    assert "\nsegment      3 images of 256 px, " in out and out.endswith("problems     none\n")


def test_parts_are_loaded_in_the_order_of_their_class() -> None:
    from amodal_bench.backbones.stable_diffusion import StableDiffusion

    found = loadable(StableDiffusion("x", 64))
    assert found == ["unet", "vae", "scheduler", "prompt"]


# tiny


def test_every_family_has_a_tiny_pipeline() -> None:
    assert {"stable_diffusion", "stable_diffusion_xl", "kandinsky", "flux"} <= set(families())


@pytest.mark.slow
def test_tiny_weights_run_and_no_table_hides_that_they_are_random(
    run: Run, bench: Callable[..., Outcome], tmp_path: Path
) -> None:
    status, out, _ = run("tiny", "stable_diffusion", "new/sd")
    assert status == 0 and (tmp_path / "new" / "sd" / RANDOM_MARK).exists()
    words = shlex.split(next(line for line in out.splitlines() if line.startswith("Run it:")))
    assert words[2] == "amodal-bench" and words[-1] == "limit=8"
    small = ["limit=2", "model.steps=2", "dataset.images=2", *BATCHES]
    table = bench(*words[3:-1], *small).table()
    said = str(table["settings"].iloc[-1])
    assert said.startswith("view=crop 0.5 leakage=blend area=hull segmenter=sam ")
    assert said.endswith(" random weights") and "steps=2" in said


@pytest.mark.slow
def test_tiny_tells_the_prior_of_a_family_that_has_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kandinsky, "save", lambda folder: (folder / "prior").mkdir())
    out = run("tiny", "kandinsky", "k")[1]
    settings = "model.weights=k model.backbone.native=64 model.backbone.prior=k/prior segmenter=random/sam"
    assert f"models check kandinsky {settings}\n" in out


def test_tiny_leaves_a_folder_that_is_in_use_alone(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    for name in ("mine", "mine/thesis.tex"):
        status, out, err = run("tiny", "stable_diffusion", name)
        assert (status, out, err) == (2, "", f"error: {name}: is not an empty folder; name a new one\n")
    status, _, err = run("tiny", "stable_diffusion", "mine/thesis.tex/below")
    assert status == 1 and "mine/thesis.tex/below: cannot be written (Not a directory); " in err


def test_the_tiny_folder_is_marked_even_if_saving_it_fails(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save(_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kandinsky, "save", save)
    status, _, err = run("tiny", "kandinsky", "k")
    assert status == 1 and err.startswith("error: k: cannot be written (No space left on device); ")
    assert (tmp_path / "k" / RANDOM_MARK).exists()
