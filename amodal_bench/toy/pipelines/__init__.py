"""Tiny pipelines with random weights, one module per family: they show whether a set-up runs, and nothing else."""
