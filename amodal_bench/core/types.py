"""The arrays that every room of the harness passes to the next."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Image: TypeAlias = NDArray[np.uint8]
"""RGB, (H, W, 3) uint8."""

Mask: TypeAlias = NDArray[np.bool_]
"""(H, W) bool."""

Floats: TypeAlias = NDArray[np.floating[Any]]
Integers: TypeAlias = NDArray[np.int64]
