"""SAIL-VOS: frames of a video game, as JSON files or raw folders."""
