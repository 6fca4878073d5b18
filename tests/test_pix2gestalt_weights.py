"""pix2gestalt's checkpoint: read without running it, mapped key for key, refused in one line where it is damaged."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from params import mostly_slow
from torch import Tensor

from amodal_bench.core.errors import ConfigError, InputError
from amodal_bench.models.pix2gestalt import Pix2GestaltBackbone, networks
from amodal_bench.models.pix2gestalt.checkpoint import read_state
from amodal_bench.models.pix2gestalt.contents import AVERAGE, UNET, Contents, sorted_out
from amodal_bench.models.pix2gestalt.key_mapping import clip_tensors, unet_tensors, vae_tensors
from amodal_bench.weights.random import RANDOM_MARK
from amodal_bench.weights.small import pix2gestalt as toy
from amodal_bench.weights.small._compvis import AutoencoderSizes, ClipSizes, UNetSizes

FILE = "epoch=000005.ckpt"
UNEVEN = (
    # Levels of other widths, a level without attention in the middle, an even number of blocks.
    UNetSizes(width=32, multipliers=(1, 2, 3), attention=(True, False, True), blocks=2, context=24),
    AutoencoderSizes(width=32, multipliers=(1, 2, 2), blocks=2),
    ClipSizes(width=128, layers=2, patch=4, grid=3, embedding=24, text=8, words=8),
)


@pytest.fixture(scope="module")
def folder(tiny_by_command: Callable[[str], Path]) -> Path:
    """The weights, saved by the command that users have for it."""
    return tiny_by_command("pix2gestalt")


@pytest.fixture(scope="module")
def state(folder: Path) -> dict[str, Tensor]:
    return read_state(folder / FILE)


def backbone(weights: Path, **settings: Any) -> Pix2GestaltBackbone:
    return Pix2GestaltBackbone(str(weights), **{"native": 64, "device": "cpu", "precision": "float32", **settings})


# The mapping


MADE: dict[str, Callable[..., Any]] = {
    "unet": networks.make_unet,
    "vae": networks.make_vae,
    "clip": networks.make_clip,
    "projection": networks.make_projection,
}


@pytest.mark.parametrize(
    ("part", "parameters"),
    mostly_slow(
        [
            # Stable Diffusion 1's UNet and eight channels more; its autoencoder; CLIP ViT-L/14's image half.
            ("unet", 859_520_964 + 8 * 320 * 3 * 3),
            ("vae", 83_653_863),
            ("clip", 303_966_208),
            ("projection", 768 * 768 + 768),
        ],
        lambda case: case[0] in ("vae", "projection"),
    ),
)
def test_every_tensor_of_the_published_layout_has_its_place(part: str, parameters: int) -> None:
    """At the published sizes, on tensors without memory; a gap, a surplus or another shape would raise."""
    layout = {name: torch.empty(shape, device="meta") for name, shape in toy.layout(toy.PUBLISHED).items()}
    contents = sorted_out(layout, Path(FILE))
    network, tensors = MADE[part](getattr(contents, part), Path(FILE))
    assert sum(value.numel() for value in network.parameters()) == parameters
    found = network.state_dict()
    assert {name: value.shape for name, value in tensors.items()} == {name: v.shape for name, v in found.items()}
    elements = sum(value.numel() for value in getattr(contents, part).values())
    assert elements == sum(value.numel() for value in tensors.values()) == parameters


def test_the_published_layout_is_as_large_as_the_published_file() -> None:
    """15.5 GB: all tensors in float32, and the two moments of Adam for what was trained."""
    sizes = {name: torch.empty(shape, device="meta").numel() for name, shape in toy.layout(toy.PUBLISHED).items()}
    trained = sum(count for name, count in sizes.items() if name.startswith((UNET, "cc_projection.")))
    assert 4 * (sum(sizes.values()) + 2 * trained) / 1e9 == pytest.approx(15.5, abs=0.05)


def test_sizes_are_found_from_the_shapes() -> None:
    layout = {name: torch.empty(shape, device="meta") for name, shape in toy.layout(toy.PUBLISHED).items()}
    contents = sorted_out(layout, Path(FILE))
    unet = networks.unet_config(contents.unet)
    assert unet["block_out_channels"] == [320, 640, 1280, 1280] and unet["layers_per_block"] == 2
    assert unet["down_block_types"] == ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"]
    assert unet["up_block_types"] == ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3
    assert (unet["in_channels"], unet["out_channels"], unet["cross_attention_dim"]) == (12, 4, 768)
    assert networks.vae_config(contents.vae)["block_out_channels"] == [128, 256, 512, 512]
    clip = networks.clip_config(contents.clip)
    assert (clip["image_size"], clip["patch_size"], clip["num_attention_heads"]) == (224, 14, 16)


def whole(name: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state of other sizes, where its name says so."""
    return state if name == "tiny" else toy.state(UNEVEN)


@pytest.mark.parametrize("sizes", ["tiny", "uneven"])
def test_unet_and_autoencoder_equal_the_librarys_own_conversion(state: dict[str, Tensor], sizes: str) -> None:
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint

    tensors = whole(sizes, state)
    contents = sorted_out(tensors, Path(FILE))
    unet_config, vae_config = networks.unet_config(contents.unet), networks.vae_config(contents.vae)
    for mine, theirs in (
        (unet_tensors(contents.unet)[0], convert_ldm_unet_checkpoint(tensors, unet_config, extract_ema=True)),
        (vae_tensors(contents.vae)[0], convert_ldm_vae_checkpoint(tensors, vae_config)),
    ):
        assert set(mine) == set(theirs)
        assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def by_openai(clip: dict[str, Tensor], pixels: Tensor, heads: int) -> Tensor:
    """The image encoder as OpenAI's layout means it, from torch's functions alone."""
    import torch.nn.functional as F

    def norm(x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], clip[f"{name}.weight"], clip[f"{name}.bias"])

    weight = clip["conv1.weight"]
    x = F.conv2d(pixels, weight, stride=weight.shape[-1]).flatten(2).transpose(1, 2)
    first = clip["class_embedding"].expand(len(x), 1, -1)
    x = norm(torch.cat([first, x], 1) + clip["positional_embedding"], "ln_pre")
    for layer in range(sum(name.endswith("in_proj_bias") for name in clip)):
        block = f"transformer.resblocks.{layer}"
        y = norm(x, f"{block}.ln_1").transpose(0, 1)
        attended, _ = F.multi_head_attention_forward(
            y, y, y, y.shape[-1], heads, clip[f"{block}.attn.in_proj_weight"], clip[f"{block}.attn.in_proj_bias"],
            None, None, False, 0.0, clip[f"{block}.attn.out_proj.weight"], clip[f"{block}.attn.out_proj.bias"],
            training=False, need_weights=False,
        )  # fmt: skip
        x = x + attended.transpose(0, 1)
        y = norm(x, f"{block}.ln_2")
        y = F.linear(y, clip[f"{block}.mlp.c_fc.weight"], clip[f"{block}.mlp.c_fc.bias"])
        y = y * torch.sigmoid(1.702 * y)
        x = x + F.linear(y, clip[f"{block}.mlp.c_proj.weight"], clip[f"{block}.mlp.c_proj.bias"])
    return norm(x[:, 0], "ln_post") @ clip["proj"]


@pytest.mark.parametrize(("sizes", "heads"), [("tiny", 1), ("uneven", 2)])
def test_the_image_encoder_computes_what_openais_layout_means(
    state: dict[str, Tensor], sizes: str, heads: int
) -> None:
    clip = dict(sorted_out(whole(sizes, state), Path(FILE)).clip)
    network = networks.filled(*networks.make_clip(clip, Path(FILE)), "cpu", torch.float32)
    side = network.config.image_size
    pixels = torch.randn(3, 3, side, side, generator=torch.Generator().manual_seed(1))
    expected = by_openai(clip, pixels, heads)
    assert expected.std() > 0.1
    assert torch.allclose(network(pixel_values=pixels).image_embeds, expected, atol=1e-5)
    assert clip_tensors(clip)[1] == []


def test_the_averaged_weights_are_taken(folder: Path, state: dict[str, Tensor]) -> None:
    raw, average = state[f"{UNET}out.2.weight"], state[f"{AVERAGE}diffusion_modelout2weight"]
    assert not torch.allclose(raw, average)
    assert torch.equal(backbone(folder).unet.conv_out.weight, average)


def test_weights_do_not_follow_a_file_that_changes(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / FILE
    path.write_bytes((folder / FILE).read_bytes())
    loaded = backbone(tmp_path)
    before = loaded.vae.decoder.conv_in.weight.clone()
    with path.open("r+b") as file:  # in place, so that whatever is still mapped changes
        file.write(bytes(path.stat().st_size))
    assert torch.equal(loaded.vae.decoder.conv_in.weight, before) and before.std() > 0


# Reading


def saved(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


class Command:
    """What a pickle can do to who reads it: run a command."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


def test_nothing_in_a_checkpoint_is_run(tmp_path: Path) -> None:
    for number, foreign in enumerate(("callbacks", "state_dict")):
        trace = tmp_path / f"trace{number}"
        content: dict[str, Any] = {"state_dict": {"weight": torch.ones(2)}, "callbacks": {}}
        content[foreign]["harmful"] = Command(f"touch {trace}")
        path = saved(tmp_path / f"{number}.ckpt", content)
        if foreign == "callbacks":
            assert torch.equal(read_state(path)["weight"], torch.ones(2))
        else:
            with pytest.raises(InputError, match=r"has entries that are not tensors \(1\), such as harmful"):
                read_state(path)
        assert not trace.exists()
        torch.load(path, weights_only=False)  # the same file does its harm where it is trusted
        assert trace.exists()


def test_a_callback_of_a_library_that_is_not_here_is_no_obstacle(folder: Path, state: dict[str, Tensor]) -> None:
    with zipfile.ZipFile(folder / FILE) as archive:
        pickled = archive.read(next(name for name in archive.namelist() if name.endswith("data.pkl")))
    assert b"pytorch_lightning.callbacks.model_checkpoint" in pickled
    with pytest.raises(ModuleNotFoundError, match="pytorch_lightning"):
        torch.load(folder / FILE, weights_only=False)
    assert set(state) == set(toy.layout(toy.TINY))


def test_foreign_objects_of_every_kind_become_inert(tmp_path: Path) -> None:
    from pathlib import PurePosixPath

    import numpy as np

    class Numbers(list[int]):
        pass

    Numbers.__module__, Numbers.__qualname__ = __name__, "Numbers"
    globals()["Numbers"] = Numbers
    content = {
        "state_dict": {"weight": torch.nn.Parameter(torch.ones(2))},
        "path": PurePosixPath("a/b"),
        "number": np.float64(3),
        "list": Numbers([1, 2]),
        "function": os.getcwd,
        "error": ValueError("x"),
    }
    found = read_state(saved(tmp_path / "x.ckpt", content))
    assert not found["weight"].requires_grad and torch.equal(found["weight"], torch.ones(2))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "is not a complete checkpoint: it is cut short, or another kind of file"),
        ([1, 2], "has no state_dict, so it is not a training checkpoint"),
        ({"weight": torch.ones(2)}, "has no state_dict, so it is not a training checkpoint"),
        ({"state_dict": {}}, "has no state_dict, so it is not a training checkpoint"),
        ("zip", "is an archive of another kind than torch.save makes"),
        ("script", "is an archive of another kind than torch.save makes"),
        ("pickle", "cannot be read as a checkpoint ("),
        ("legacy", "is not a complete checkpoint: it is cut short, or another kind of file"),
    ],
    ids=["cut short", "list", "bare", "empty", "zip", "script", "pickle", "legacy"],
)
def test_other_files_are_refused_in_one_line(folder: Path, tmp_path: Path, content: Any, said: str) -> None:
    path = tmp_path / FILE
    if content is None:
        whole_file = (folder / FILE).read_bytes()
        path.write_bytes(whole_file[: len(whole_file) // 2])
    elif content == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a/readme.txt", "x")
    elif content == "script":
        saved(path, {"state_dict": {"weight": torch.ones(2)}})
        with zipfile.ZipFile(path, "a") as archive:  # by this file torch tells TorchScript apart
            archive.writestr(f"{path.stem}/constants.pkl", b"")
    elif content == "pickle":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps({"a": 1})[:-3])
            archive.writestr("archive/version", "3\n")
    elif content == "legacy":
        buffer = io.BytesIO()
        torch.save({"state_dict": {}}, buffer, _use_new_zipfile_serialization=False)
        path.write_bytes(buffer.getvalue())
    else:
        saved(path, content)
    assert refused(path).startswith(f"{path}: {said}")


def refused(path: Path) -> str:
    """The line that answers an attempt to load all networks of a checkpoint."""
    loaded = backbone(path)
    with pytest.raises(InputError) as caught:
        _ = loaded.clip, loaded.unet
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Damages


LOST, WIDE = "first_stage_model.decoder.conv_in.weight", "cond_stage_model.model.visual.ln_post.weight"
UNET_CONV = f"{UNET}middle_block.0.in_layers.2.weight"


def without(*prefixes: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda state: {name: value for name, value in state.items() if not name.startswith(prefixes)}


def plus(**entries: Tensor) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda state: state | {name.replace("__", "."): value for name, value in entries.items()}


def reshaped(name: str, *shape: int) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda state: state | {name: torch.zeros(shape)}


@pytest.mark.parametrize(
    ("damage", "said"),
    mostly_slow([
        (without(LOST), "lacks tensors of pix2gestalt (1), such as decoder.conv_in.weight of the autoencoder;"),
        (without("model_ema.diffusion_modelout2"),
         "lacks tensors of pix2gestalt (2), such as model_ema.diffusion_modelout2bias;"),
        (without(UNET_CONV),
         "has unknown tensors (1), such as model_ema.diffusion_modelmiddle_block0in_layers2weight;"),
        (without("cond_stage_model."), "lacks tensors of pix2gestalt (1), such as cond_stage_model.model.visual.*;"),
        (without("cond_stage_model.model.visual.transformer.resblocks.1.attn.in_proj_bias"),
         "lacks tensors of pix2gestalt (3), such as vision_model.encoder.layers.1.self_attn.k_proj.bias of "),
        (without("alphas_cumprod"), "lacks tensors of pix2gestalt (1), such as alphas_cumprod;"),
        (without("cc_projection.bias"), "lacks tensors of pix2gestalt (1), such as bias of the projection;"),
        (without("first_stage_model.post_quant_conv"), "lacks post_quant_conv.weight of the autoencoder;"),
        (plus(first_stage_model__extra__weight=torch.ones(1)),
         "has unknown tensors (1), such as extra.weight of the autoencoder;"),
        (plus(control_model__weight=torch.ones(1), other=torch.ones(1)),
         "has unknown tensors (2), such as control_model.weight;"),
        (plus(cc_projection__gain=torch.ones(1)), "has unknown tensors (1), such as gain of the projection;"),
        (reshaped(WIDE, 63),
         "has tensors of another shape (1), such as vision_model.post_layernorm.weight of the image encoder: 63, "),
        (reshaped("cond_stage_model.model.visual.transformer.resblocks.0.attn.in_proj_bias", 2),
         "its image encoder is not pix2gestalt's ("),
        (reshaped("cc_projection.weight", 30, 32),
         "has tensors of another shape (1), such as bias of the projection: 32, not 30;"),
        (lambda state: reshaped("cc_projection.weight", 30, 32)(reshaped("cc_projection.bias", 30)(state)),
         "its UNet is told 32 numbers, and its projection gives 30;"),
    ], 6),
)  # fmt: skip
def test_a_damaged_checkpoint_is_one_line(
    state: dict[str, Tensor], tmp_path: Path, damage: Callable[[dict[str, Any]], dict[str, Any]], said: str
) -> None:
    path = saved(tmp_path / FILE, {"state_dict": damage(dict(state))})
    assert refused(path).startswith(f"{path}: {said}")


def test_a_denoiser_of_other_channels_is_no_pix2gestalt(tmp_path: Path) -> None:
    sizes = (UNetSizes(8, 4, 32, (1, 1), (True, False), 1, 32), *toy.TINY[1:])
    path = saved(tmp_path / FILE, {"state_dict": toy.state(sizes)})
    assert "its denoiser has 8 input channels, not the 12" in refused(path)


def test_what_may_stand_beside_the_weights_does_not_disturb(state: dict[str, Tensor]) -> None:
    more = plus(
        logvar=torch.zeros(1000),
        cond_stage_model__mean=torch.zeros(3),
        cond_stage_model__model__transformer__resblocks__0__ln_1__weight=torch.ones(2),
    )(dict(state))
    assert isinstance(sorted_out(more, Path(FILE)), Contents)


# Places


def test_the_checkpoint_may_be_named_itself(folder: Path) -> None:
    by_folder, by_file = backbone(folder), backbone(folder / FILE, file="another.ckpt")
    assert by_file.parts == (FILE,) and by_file.describe() == by_folder.describe()
    facts = by_folder.describe()
    assert facts["random_weights"] and (folder / RANDOM_MARK).exists() and len(facts["weights"]) == 64
    assert facts["family"] == "pix2gestalt" and set(facts["versions"]) == {"torch", "diffusers", "transformers"}


@pytest.mark.parametrize(
    ("weights", "settings", "said"),
    [
        ("nowhere.ckpt", {}, "nowhere.ckpt: there is no such checkpoint; set model.weights to the checkpoint, to "),
        ("nowhere", {}, "nowhere: there is no such weights folder; "),
        (".", {}, f"{FILE}: no such file; check the path, or download it"),
        (".", {"file": "epoch=000010.ckpt"}, "epoch=000010.ckpt: no such file; check the path, or download it"),
    ],
)
def test_a_checkpoint_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: str, settings: dict[str, Any], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        backbone(Path(weights), **settings).describe()
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"file": "model.safetensors"}, "model.backbone.file: 'model.safetensors' is not the name of a checkpoint"),
        ({"eta": 1.5}, "model.backbone.eta: 1.5 must be between 0 and 1"),
        ({"native": 96}, "model.backbone.native: 96 is not a multiple of 64"),
        ({"micro_batch": 0}, "model.backbone.micro_batch: 0 must be >= 1"),
    ],
)
def test_settings_of_the_backbone_that_cannot_be(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        backbone(Path("nowhere"), **settings)
    assert str(caught.value).startswith(said)
