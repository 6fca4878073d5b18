"""Datasets: one module per benchmark, each reading its authors' files as they are."""
