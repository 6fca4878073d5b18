"""SAM 3 (Meta, 2025) prompted as SAM 2 is, on single images: facebook/sam3.

That repository holds one model for text, video and prompts; transformers takes the tracker's tensors from it, under
other names, and leaves the rest. Not run with the published weights yet: they are gated.
"""

from __future__ import annotations

from typing import Any

from amodal_bench.segmenters.framing import SYMMETRIC
from amodal_bench.segmenters.sam2 import Sam2


class Sam3(Sam2):
    """SAM 3's tracker: SAM 2's decoder on another encoder.

    The encoder's pyramid has a fourth level, which the decoder never sees. transformers' `Sam3TrackerModel.forward`
    adds the embedding for "no earlier frame" to that one, where it is lost; here the third level gets it, as in SAM 2
    and as in `Sam3VideoModel`.
    """

    FAMILY = "sam3"
    SCALING = SYMMETRIC

    def kind(self) -> Any:
        from transformers import Sam3TrackerModel

        return Sam3TrackerModel
