"""Time the denoising loop at the models' real sizes on a GPU, stage by stage, against a plain loop over the pipeline.

python benchmarks/gpu.py [--families sd2,sdxl] [--instances 64] [--compile] [--json results.json]

No weights are needed: the networks have the published configs and random numbers, which cost as much to compute.
The plain loop is the library's own inpainting pipeline, called for one instance after the other with its defaults:
its guidance, batches of one, a PIL picture in and out; with the same networks, precision, side and number of steps,
and with embeddings of the prompt that are there already. Neither its time nor ours has a segmenter in it.
Without a GPU, `--device cpu --small` runs the script on tiny networks; those numbers mean nothing.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

import diffusers
import torch
from gpu_measure import Measured, Options, measure, release
from gpu_models import FAMILIES, Family, small
from gpu_tables import family_table, header, record, summary

from amodal_bench.core.errors import BenchError

PEAKS = {
    "GB200": 2500.0,
    "B200": 2250.0,
    "H200 NVL": 835.0,
    "H200": 989.0,
    "GH200": 989.0,
    "H100 NVL": 835.0,
    "H100 PCIe": 756.0,
    "H100": 989.0,
    "H800": 989.0,
    "H20": 148.0,
    "A100": 312.0,
    "A800": 312.0,
    "A40": 150.0,
    "A30": 165.0,
    "A10G": 70.0,
    "A10": 125.0,
    "L40S": 362.0,
    "L40": 181.0,
    "L4": 121.0,
    "RTX 6000 Ada": 364.0,
    "RTX A6000": 155.0,
    "RTX 5090": 209.5,
    "RTX 4090": 165.2,
    "RTX 3090": 71.0,
}
"""Dense bfloat16 TFLOP/s of the tensor cores, accumulating in float32, by the data sheets; special names first."""


def peak_of(name: str) -> float | None:
    """The peak of a device by its name; None where the table does not have it."""
    return next((peak for part, peak in PEAKS.items() if f"{part} " in f"{name} ".replace("-", " ")), None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the command line asks for, print the tables and return the exit status."""
    args = parsed(arguments)
    device = args.device or "cuda"
    if device.startswith("cuda") and not torch.cuda.is_available():
        print("no CUDA device here: nothing to measure (--device cpu --small runs the script on tiny networks)")
        return 2
    if device.startswith("cpu") and not args.small:
        print("the real sizes would take hours on a CPU: nothing is measured (add --small for tiny networks)")
        return 2
    # The library tells of arguments that it will drop one day, and of parts that a pipeline does not have.
    diffusers.utils.logging.set_verbosity_error()
    logging.basicConfig(format="%(message)s")
    about = environment(device)
    options = options_from(args, device, args.peak_tflops or peak_of(about["device"]))
    print(header(about, options, args.small))
    found: list[Measured] = []
    for name in args.families:
        try:
            found.append(one(name, options, args.small))
        except (BenchError, torch.OutOfMemoryError) as error:
            print(f"\n{name}: not measured: {str(error).splitlines()[0]}")
        else:
            print(family_table(found[-1], options))
        release(device)
    if found:
        print(summary(found, options))
    if args.json:
        rows = [record(each, options) for each in found]
        content = {"environment": about, "small": args.small, "options": asdict(options), "families": rows}
        args.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return 0 if len(found) == len(args.families) else 1


def one(name: str, options: Options, tiny: bool) -> Measured:
    """Measure a family by name, in a temporary folder of its own."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        os.environ["AMODAL_BENCH_CACHE"] = str(folder / "cache")
        family = small(FAMILIES[name], folder / "tiny") if tiny else FAMILIES[name]
        return measure(chosen(family, options), options, folder)


def chosen(family: Family, options: Options) -> Family:
    """The family with the sizes that the command line asked for."""
    return replace(
        family,
        native=options.native or family.native,
        micro_batch=options.micro_batch or family.micro_batch,
        vae_batch=options.vae_batch or family.vae_batch,
    )


def environment(device: str) -> dict[str, str]:
    """Names of the device, its driver and the libraries; they stand above every table."""
    cuda = device.startswith("cuda")
    return {
        "device": torch.cuda.get_device_name(device) if cuda else platform.processor() or platform.machine(),
        "driver": _driver() if cuda else "none",
        "cuda": str(torch.version.cuda),
        "cpus": str(os.cpu_count()),
        **{name: version(name) for name in ("torch", "diffusers")},
    }


def _driver() -> str:
    """The version of NVIDIA's driver, which torch does not tell."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return "unknown"


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line, or `arguments` where they are given."""
    parser = argparse.ArgumentParser(description="Time the denoising loop on a GPU against a plain loop.")
    add = parser.add_argument
    every = ",".join(FAMILIES)
    add("--families", type=_families, default=list(FAMILIES), help=f"some of {every} (default: all)")
    add("--instances", type=_count, default=64, help="in one measurement of the harness (default: 64)")
    add("--repeats", type=_count, default=3, help="measurements of the harness (default: 3)")
    add("--naive-instances", type=_count, default=4, help="of the plain loop (default: 4)")
    add("--host-instances", type=_count, default=8, help="scenes; instances take turns with them (default: 8)")
    add("--steps", type=_count, default=20, help="denoising steps (default: 20)")
    add("--micro-batch", type=_count, help="samples denoised at once (default: the family's)")
    add("--vae-batch", type=_count, help="samples encoded or decoded at once (default: the family's)")
    add("--native", type=_count, help="side of the images in pixels (default: the family's)")
    add("--precision", default="auto", choices=("auto", "bfloat16", "float16", "float32"), help="default: auto")
    add("--compile", action="store_true", help="let torch.compile make the harness's kernels")
    add("--guidance", type=float, default=0.0, metavar="W", help="w of Eq. 11 (default: 0, one pass per step)")
    add("--peak-tflops", type=float, help="dense bfloat16 peak of the device (default: from its name)")
    add("--device", help="default: cuda")
    add("--small", action="store_true", help="tiny networks and images of 64 px: runs the script, measures nothing")
    add("--json", type=Path, metavar="FILE", help="write everything there, too")
    return parser.parse_args(arguments)


def _families(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in FAMILIES]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is not one of {', '.join(FAMILIES)}")
    return names


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return int(text)


def options_from(args: argparse.Namespace, device: str, peak: float | None) -> Options:
    """The options of the command line for the measurements."""
    return Options(
        device=device,
        precision=args.precision,
        compile=args.compile,
        instances=args.instances,
        repeats=args.repeats,
        naive_instances=args.naive_instances,
        host_instances=args.host_instances,
        steps=args.steps,
        guidance=args.guidance,
        micro_batch=args.micro_batch,
        vae_batch=args.vae_batch,
        native=args.native,
        peak_tflops=peak,
    )


if __name__ == "__main__":
    sys.exit(main())
