"""Indexes of datasets that are made up, for tests of what is chosen of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd


def pictures(rates: npt.NDArray[np.float64], each: int) -> pd.DataFrame:
    """Rows of an index, one for each occlusion rate; `each` of them in a picture, in their order."""
    number = np.arange(len(rates))
    return pd.DataFrame(
        {
            "id": [f"i{n}" for n in number],
            "image_id": [f"p{n // each}" for n in number],
            "video_id": "",
            "stuff": False,
            "crowd": False,
            "hidden": False,
            "occlusion_rate": rates,
        }
    )
