"""The shipped model: small enough, documented, and what its card says it is."""

from __future__ import annotations

import json

from safetensors import safe_open

from amodal_bench.tiny.networks import WEIGHTS, build_autoencoder, build_denoiser


def shapes(part: str) -> dict[str, list[int]]:
    with safe_open(WEIGHTS / part / "diffusion_pytorch_model.safetensors", "pt") as file:
        return {name: list(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118


def test_weights_take_at_most_16_megabytes() -> None:
    assert sum(path.stat().st_size for path in WEIGHTS.rglob("*.safetensors")) <= 16e6


def test_weights_are_those_of_the_architecture_that_the_training_script_builds() -> None:
    for part, model in (("vae", build_autoencoder()), ("unet", build_denoiser())):
        assert shapes(part) == {name: list(value.shape) for name, value in model.state_dict().items()}


def test_the_card_states_what_training_recorded() -> None:
    card = (WEIGHTS / "README.md").read_text()
    for name, stage in json.loads((WEIGHTS / "training.json").read_text()).items():
        assert f"| {name} | {stage['steps']:,} steps | {stage['seconds'] / 60:.0f} minutes |" in card
    for picture in ("loss.png", "samples.png"):
        assert picture in card
        assert (WEIGHTS / picture).exists()
