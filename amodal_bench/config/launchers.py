"""Hydra's launchers, which run the cells of a sweep or of a table: what they could not start with is said before."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from amodal_bench.core.errors import UsageError

if TYPE_CHECKING:
    from omegaconf import DictConfig


def check_jobs(config: DictConfig) -> None:
    """Raise `UsageError` where joblib's number of cells beside each other is none."""
    from omegaconf import OmegaConf

    jobs = OmegaConf.select(config, "hydra.launcher.n_jobs")
    if jobs is not None and (not isinstance(jobs, int) or jobs == 0):
        raise UsageError(
            f"hydra.launcher.n_jobs={jobs}: must be how many cells run side by side; -1 is one for a core"
        )


def check_place(config: DictConfig) -> None:
    """Raise `UsageError` where jobs for SLURM are to be started from a machine that has no SLURM."""
    from omegaconf import OmegaConf

    launcher = str(OmegaConf.select(config, "hydra.launcher._target_"))
    if launcher.endswith(".SlurmLauncher") and shutil.which("srun") is None:
        name = OmegaConf.select(config, "hydra.runtime.choices.hydra/launcher") or "submitit_slurm"
        raise UsageError(
            f"hydra/launcher={name}: this machine has no srun, so it is not of a SLURM cluster; start it on one that "
            "is, or take hydra/launcher=submitit_local or joblib"
        )
