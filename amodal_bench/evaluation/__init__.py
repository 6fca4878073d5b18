"""One command's work: baselines and model on one dataset, then tables, contact sheet and loggers."""
