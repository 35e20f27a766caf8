"""Pictures of predictions: boxes, masks and captions on an image."""

from unisono.draw.picture import drawn, png

__all__ = ["drawn", "png"]
