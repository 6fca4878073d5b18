"""Versions of the libraries that compute: what a description says of them."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version


def versions(*libraries: str) -> dict[str, str]:
    """The version of each library by its name, such as `{"torch": "2.13.0"}`; one that is not installed is left out.

    Args:
        libraries: names as on PyPI; `opencv` stands for whichever of OpenCV's packages is installed.
    """
    return {name: found for name in libraries if (found := _version(name)) is not None}


@cache
def _version(library: str) -> str | None:
    if library == "opencv":  # four packages have the module
        import cv2

        return str(cv2.__version__)
    try:
        return version(library)
    except PackageNotFoundError:
        return None
