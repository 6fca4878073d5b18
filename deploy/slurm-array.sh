#!/bin/bash
# One run in 16 shards, without Ray: sbatch deploy/slurm-array.sh dataset=kins model=sdxl results=/shared/results
# When all are done: amodal-bench results merge /shared/results/runs/RUN
#SBATCH --array=0-15
#SBATCH --gpus=1
#SBATCH --cpus-per-task=8
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=TERM@120
srun amodal-bench "$@" "engine.shard=$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT"
