"""pix2gestalt (Ozguroglu et al., CVPR 2024): a diffusion model that paints the whole object on a white background.

The model itself is in `model`: who lists weights needs the backbone, and no image library.
"""

from amodal_bench.models.pix2gestalt.backbone import Pix2GestaltBackbone

__all__ = ["Pix2GestaltBackbone"]
