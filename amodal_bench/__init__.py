"""A benchmark harness for amodal segmentation."""

__version__ = "0.1.0"
