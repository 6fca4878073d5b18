"""Tables of `gpu.py` in Markdown, and the same numbers as JSON."""

from __future__ import annotations

import math
from typing import Any

from gpu_measure import Measured, Options, Stage

UNKNOWN = "-"


def header(about: dict[str, str], options: Options, small: bool) -> str:
    """Where and how it was measured."""
    peak = f"{options.peak_tflops:g} TFLOP/s" if options.peak_tflops else "unknown (set --peak-tflops)"
    lines = [
        f"{about['device']}, driver {about['driver']}, CUDA {about['cuda']}, {about['cpus']} CPU cores, "
        f"torch {about['torch']}, diffusers {about['diffusers']}.",
        f"Dense bfloat16 peak: {peak}. {options.instances} instances, {options.steps} steps, "
        f"{'two passes per step (Eq. 11)' if options.guidance else 'one pass per step'}, "
        f"precision {options.precision}, torch.compile {'on' if options.compile else 'off'}; "
        f"median of {options.repeats}, and of {options.naive_instances} instances of the plain loop.",
    ]
    if small:
        lines.append("Tiny networks (--small): THESE NUMBERS MEAN NOTHING, they only show that the script runs.")
    return "\n".join(lines)


def family_table(found: Measured, options: Options) -> str:
    """The stages of one family."""
    sizes = ", ".join(f"{part} {count / 1e6:.1f} M" for part, count in found.parameters.items())
    whole = whole_seconds(found)
    rows = [
        _row(name, stage, f"{stage.typical / whole:.0%}", options.peak_tflops) for name, stage in found.stages.items()
    ]
    rows.append(_row("encode to decode", found.inpaint, f"{found.inpaint.typical / whole:.0%}", options.peak_tflops))
    plain = f"plain loop: {found.family.pipeline}"
    return "\n".join(
        [
            f"\n### {found.family.title} at {found.family.native} px",
            f"{sizes} parameters; {_digits(found.tflop_per_pass)} TFLOP per pass of the denoiser.",
            "",
            "| stage | at once | s per instance | spread | of the whole | TFLOP | TFLOP/s | of peak | peak GB |",
            "|---|---|---|---|---|---|---|---|---|",
            *rows,
            _row(plain, found.naive, UNKNOWN, None),
            "",
            f"The plain loop runs {options.steps} steps of {found.family.solver} with {found.family.guided}, "
            "its other defaults, one PIL picture in and one out, contiguous layout, no compilation, and embeddings "
            "of zeros.",
        ]
    )


def whole_seconds(found: Measured) -> float:
    """Seconds per instance where no stage overlaps another, as today."""
    host = [stage for name, stage in found.stages.items() if "CPU" in name]
    return found.inpaint.typical + sum(stage.typical for stage in host)


def _row(name: str, stage: Stage, share: str, peak: float | None) -> str:
    rate = stage.tflop / stage.typical
    cells = [
        name,
        str(stage.batch or UNKNOWN),
        _digits(stage.typical),
        f"{_digits(min(stage.seconds))} to {_digits(max(stage.seconds))}",
        share,
        _digits(stage.tflop) if stage.tflop else UNKNOWN,
        f"{rate:.1f}" if stage.tflop else UNKNOWN,
        f"{rate / peak:.1%}" if stage.tflop and peak else UNKNOWN,
        f"{stage.peak / 1e9:.1f}" if stage.peak else UNKNOWN,
    ]
    return f"| {' | '.join(cells)} |"


def _digits(value: float) -> str:
    """Three digits that count, or all before the point, and no exponent: 1514, 48.3, 0.0457."""
    places = max(2 - math.floor(math.log10(value)), 0) if value > 0 else 0
    return f"{value:.{places}f}"


def summary(found: list[Measured], options: Options) -> str:
    """All families in one table, with what the physical limit leaves and what the plain loop does."""
    passes = 2 if options.guidance else 1
    rows = []
    for each in found:
        numbers = ratios(each, options)
        rows.append(
            [
                f"{each.family.title}, {each.family.native} px",
                _digits(1 / each.inpaint.typical),
                _digits(numbers["limit"]) if numbers["limit"] else UNKNOWN,
                f"{numbers['reached']:.0%}" if numbers["reached"] else UNKNOWN,
                _digits(1 / each.naive.typical),
                f"{numbers['ratio']:.2f}",
                f"{numbers['ratio per pass']:.2f} ({each.family.passes} to {passes})",
                _digits(1 / whole_seconds(each)),
            ]
        )
    return "\n".join(
        [
            "\n### All families",
            "",
            "| | instances/s | physical limit | reached | plain loop | ratio | ratio per pass | with CPU stages |",
            "|---|---|---|---|---|---|---|---|",
            *(f"| {' | '.join(row)} |" for row in rows),
            "",
            "Instances per second from encode to decode; the limit is the device's peak over the operations of these "
            "stages. The ratio compares inpainting with inpainting, no "
            "segmenter in either; per pass, it leaves out what the plain loop's guidance costs.",
        ]
    )


def ratios(found: Measured, options: Options) -> dict[str, float]:
    """Limit in instances per second and the share of it reached (0 where the peak is not known), and both ratios."""
    peak = options.peak_tflops or 0.0
    ratio = found.naive.typical / found.inpaint.typical
    return {
        "limit": peak / found.inpaint.tflop,
        "reached": found.inpaint.tflop / (found.inpaint.typical * peak) if peak else 0.0,
        "ratio": ratio,
        "ratio per pass": ratio * (2 if options.guidance else 1) / found.family.passes,
    }


def record(found: Measured, options: Options) -> dict[str, Any]:
    """A family's numbers for the JSON file; seconds per instance, every measurement."""
    stages = {**found.stages, "encode to decode": found.inpaint, "plain loop": found.naive}
    return {
        "family": found.family.title,
        "native": found.family.native,
        "pipeline": found.family.pipeline,
        "parameters": found.parameters,
        "tflop_per_pass": found.tflop_per_pass,
        "stages": {name: {**vars(stage), "median": stage.typical} for name, stage in stages.items()},
        **ratios(found, options),
    }
