"""Pictures of predictions: boxes, masks and captions on an image, and PNG files of them."""

from unisono.draw.picture import drawn
from unisono.draw.target import DrawError, Target

__all__ = ["DrawError", "Target", "drawn"]
