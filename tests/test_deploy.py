"""Files for clusters: nothing here can run them, so what they name is looked up."""

from __future__ import annotations

import re
import shlex
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from conftest import composed
from omegaconf import OmegaConf

from amodal_bench.cli.tree import VERBS

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
pytestmark = pytest.mark.skipif(not DEPLOY.is_dir(), reason="these files are part of a checkout")
SCRIPTS = ("slurm-ray.sh", "slurm-array.sh")


def text_of(name: str) -> str:
    return (DEPLOY / name).read_text(encoding="utf-8")


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def lines_of_dockerfile() -> list[tuple[str, str]]:
    """Each instruction, continued lines joined, with what follows it."""
    joined = re.sub(r"\\\n\s*", "", text_of("Dockerfile"))
    lines = [line for line in joined.splitlines() if line and not line.startswith("#")]
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in lines]


def commands_of(name: str) -> list[list[str]]:
    """The words of each call of this program in a file, those that a shell fills in replaced."""
    text = re.sub(r"\\\n|^\s*#SBATCH.*$", " ", text_of(name), flags=re.MULTILINE)
    text = text.replace('"$@"', "dataset=kins model=sdxl results=r").replace("$SLURM_ARRAY_TASK_COUNT", "16")
    text = re.sub(r"\$\w+", "0", text)
    found = re.findall(r"(?<![\w-])amodal-bench ([^#\n&]+(?:\n    engine=[^\n]+)?)", text)
    return [shlex.split(words) for words in found if "=" in words or words.split()[0] in VERBS]


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_are_ones_that_bash_reads(name: str) -> None:
    assert subprocess.run(["bash", "-n", str(DEPLOY / name)], check=False).returncode == 0
    first = text_of(name).splitlines()
    assert first[0] == "#!/bin/bash" and (DEPLOY / name).stat().st_mode & 0o100
    assert all(re.fullmatch(r"#SBATCH --[a-z-]+(=\S+)?", line) for line in first if line.startswith("#SBATCH"))


@pytest.mark.parametrize("name", [*SCRIPTS, "rayjob.yaml"])
def test_commands_are_runs_of_this_program(name: str) -> None:
    found = commands_of(name)
    assert found
    for words in found:
        if words[0] in VERBS:
            assert words[:2] == ["results", "merge"]
            continue
        settings = composed(*words)
        assert settings.model["name"] == "sdxl"
        if name != "slurm-array.sh":
            assert settings.engine.kind == "ray" and settings.engine.address is not None


def test_the_ray_job_is_whole() -> None:
    job: Any = OmegaConf.to_container(OmegaConf.create(text_of("rayjob.yaml")))
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    cluster, engine = job["spec"]["rayClusterSpec"], composed(*job["spec"]["entrypoint"].split()[1:]).engine
    assert engine.gpus is not None and engine.gpus + job["spec"]["entrypointNumGpus"] <= 1
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        volumes = {volume["name"] for volume in pod["volumes"]}
        for container in pod["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
            assert container["image"] == "amodal-bench:cuda"
            assert container["resources"]["requests"] == container["resources"]["limits"]


@pytest.mark.slow
def test_calls_of_ray_have_options_that_ray_knows() -> None:
    scripts = pytest.importorskip("ray.scripts.scripts")
    known = {command.name: {option for each in command.params for option in each.opts}
             for command in scripts.cli.commands.values()}  # fmt: skip
    text = re.sub(r"\\\n", " ", text_of("slurm-ray.sh"))
    calls = re.findall(r"(?:^|[ !|{]) *ray ([a-z-]+)((?: --[a-z-]+(?:=\S+)?)*)", text, re.MULTILINE)
    assert {name for name, _ in calls} == {"start", "status", "get-auth-token"}
    for name, options in calls:
        assert {option.partition("=")[0] for option in options.split()} <= known[name], name


def test_the_image_has_what_the_package_is_built_from() -> None:
    lines = lines_of_dockerfile()
    copied = [source for name, rest in lines if name == "COPY" for source in rest.split()[:-1]]
    assert copied and all((ROOT / source).exists() for source in copied)
    built = project()["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {*built["packages"], *built["force-include"], project()["project"]["readme"], "pyproject.toml"}
    assert needed <= set(copied)
    assert {name for name, _ in lines} <= {
        "FROM", "ARG", "RUN", "WORKDIR", "COPY", "ENV", "USER", "VOLUME", "ENTRYPOINT", "CMD"
    }  # fmt: skip


def test_the_image_installs_extras_and_versions_of_the_package() -> None:
    text = text_of("Dockerfile")
    extras = re.findall(r'"\.\[([a-z,]+)\]"', text)
    assert extras and set(extras[0].split(",")) <= set(project()["project"]["optional-dependencies"])
    (torch,) = [each for each in project()["project"]["dependencies"] if each.startswith("torch")]
    assert f'"{torch}"' in text
    assert (
        dict(lines_of_dockerfile())["ENTRYPOINT"] == '["amodal-bench"]'
        and "amodal-bench" in project()["project"]["scripts"]
    )
    assert "ARG DEVICE=cpu" in text and re.search(r"^\s+cuda\) ", text, re.MULTILINE)


@pytest.mark.parametrize("device", ["cpu", "cuda", "tpu"])
def test_the_image_knows_two_devices(device: str) -> None:
    """Its choice of PyTorch's wheels, with `pip` replaced by an echo."""
    (run,) = [rest for name, rest in lines_of_dockerfile() if name == "RUN" and "torch" in rest]
    said = subprocess.run(
        ["sh", "-c", run.replace("pip install", "echo")],
        env={"DEVICE": device},
        capture_output=True,
        text=True,
        check=False,
    )
    if device == "tpu":
        assert said.returncode == 1 and said.stderr == "DEVICE=tpu must be cpu or cuda\n"
    else:
        assert said.returncode == 0 and ("whl/cpu" in said.stdout) == (device == "cpu")
