#!/bin/bash
# One run on all GPUs of a SLURM job: sbatch deploy/slurm-ray.sh dataset=kins model=sdxl results=/shared/results
# The working folder, the datasets and the results lie where all nodes see them. Requeued, the job goes on.
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=64
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:TERM@120
set -euo pipefail

export RAY_USAGE_STATS_ENABLED=0
# Nobody else on these nodes may use the cluster: the token lies in the home folder, which the nodes share.
export RAY_AUTH_MODE=token
[ -e "$HOME/.ray/auth_token" ] || ray get-auth-token --generate > /dev/null

head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
host=$(srun --nodes=1 --ntasks=1 --nodelist="$head" hostname --ip-address | awk '{print $1}')
port=$((20000 + SLURM_JOB_ID % 20000)) # two jobs may share a node
address=$host:$port

srun --nodes=1 --ntasks=1 --nodelist="$head" \
  ray start --head --node-ip-address="$host" --port="$port" --include-dashboard=false --disable-usage-stats --block &
until ray status --address="$address" > /dev/null 2>&1; do sleep 1; done
if [ "$SLURM_JOB_NUM_NODES" -gt 1 ]; then
  others=$((SLURM_JOB_NUM_NODES - 1))
  srun --nodes="$others" --ntasks="$others" --exclude="$head" ray start --address="$address" --disable-usage-stats --block &
fi

# The driver: batches that are done are committed, so a SIGTERM costs those in flight alone.
srun --overlap --nodes=1 --ntasks=1 --nodelist="$head" amodal-bench "$@" engine=ray "engine.address=$address" &
driver=$! status=0 stopped=false
trap 'stopped=true; kill -TERM "$driver"' TERM
wait "$driver" || status=$?
if $stopped; then # the wait ended at the signal, and not with the driver
  status=0
  wait "$driver" || status=$?
fi
kill $(jobs -p) 2> /dev/null || true
exit "$status"
