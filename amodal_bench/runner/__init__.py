"""The runner: every sample once, every prediction kept."""
