"""A benchmark harness for amodal segmentation."""

from amodal_bench.core.version import __version__ as __version__
