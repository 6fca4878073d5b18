"""Every family in small with random weights, one module each: they show whether a set-up runs, and nothing else."""
