"""detect: boxes of objects in an image. What its two decoders share: the options, the classes, the check of labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from unisono.heads import base
from unisono.heads.base import Example, Head, Row, UnfitRow
from unisono.heads.names import unknown
from unisono.heads.places import grid_of
from unisono.views import TURN


class DetectOptions(base.Options):
    """What a recipe may say about a detection head."""

    only_with: ClassVar[base.OnlyWith] = {
        **dict.fromkeys(("hidden", "radius", "overlap"), ("decoder", "dense")),
        **dict.fromkeys(("queries", "layers", "heads", "feedforward"), ("decoder", "set")),
    }

    decoder: Literal["dense", "set"] = Field(
        "dense", description="dense: a guess at each patch, learns from few images; set: queries that share out objects"
    )
    hidden: int | None = Field(None, gt=0, description="dense: width of the hidden layer; default: the trunk's")
    radius: float = Field(1.5, gt=0, description="dense: in patches; what is so near an object's middle stands for it")
    overlap: float = Field(
        0.5, gt=0, le=1, description="dense: of two boxes of a class that overlap more, the better stays"
    )
    queries: int = Field(100, ge=1, le=4096, description="set: guesses of an image, no fewer than an image has objects")
    layers: int = Field(6, ge=1, description="set: decoder layers")
    heads: int | None = Field(None, ge=1, description="set: attention heads; default: one per 32 of the trunk's width")
    feedforward: int | None = Field(None, ge=1, description="set: feed-forward width; default: 4 times the trunk's")
    threshold: float = Field(0.05, ge=0, lt=1, description="boxes of a lower score are not predicted")
    most: int = Field(100, ge=1, description="boxes of an image at most")
    turn: bool = Field(
        False, description="in training, turn images by quarters (unless square: by halves); for what has no up"
    )
    labels: tuple[str, ...] | None = Field(None, description="the class names; default: those of the data, sorted")


class Detect(Head):
    """Boxes with a class and a score.

    A row's label is a list of ``{"label": name, "box": [left, top, right, bottom]}`` in pixels of the image, an empty
    list for an image without objects, ``None`` where nobody has looked. The unit is an image.

    ``fitted``: ``labels`` (V names in the order of the logits).
    """

    Options: ClassVar[type[base.Options]] = DetectOptions
    labels_in: ClassVar[tuple[str, ...]] = ("boxes",)

    options: DetectOptions

    def __init__(self, width: int, options: DetectOptions, fitted: dict[str, Any]) -> None:
        super().__init__()
        self.options, self.fitted = options, fitted
        self.labels: tuple[str, ...] = tuple(fitted["labels"])

    @classmethod
    def make(cls, width: int, options: Any, fitted: dict[str, Any]) -> Head:
        """The decoder that the options ask for."""
        from unisono.heads.detect_dense import DetectDense  # both are built on this file
        from unisono.heads.detect_set import DetectSet

        return {"dense": DetectDense, "set": DetectSet}[options.decoder](width, options, fitted)

    @classmethod
    def fit(cls, rows: Iterable[Row], options: DetectOptions) -> dict[str, Any]:
        names: set[str] = set()
        most = 0
        for row in rows:
            said = row.get("boxes") or ()
            names.update(str(b["label"]) for b in said)
            most = max(most, len(said))
        if not (names or options.labels):
            raise ValueError("no training row has a box; see where the boxes come from, or name labels: head.labels")
        if options.decoder == "set" and most > options.queries:
            raise ValueError(f"an image has {most} objects, and head.queries is {options.queries}: ask for more")
        return {"labels": list(options.labels or sorted(names))}

    def encode(self, row: Row, tokens: Mapping[str, np.ndarray]) -> Example:
        """``boxes``: (n * 4,) float32 sides of each object, from -1 to 1 over the image; ``objects``: (n,) int32 their
        classes; ``known``: (1,) int32, 0 for an image without labels; ``turn``, where the image has no up.
        """
        _, _, height, width = grid_of(tokens)
        found, named = self.boxes(row)
        example = {
            "boxes": (found / ([width / 2, height / 2] * 2) - 1).astype(np.float32).reshape(-1),
            "objects": named.astype(np.int32),
            "known": np.array([row.get("boxes") is not None], np.int32),
        }
        return {**example, TURN: np.ones(1, np.int32)} if self.options.turn else example

    def boxes(self, row: Row) -> tuple[np.ndarray, np.ndarray]:
        """A row's boxes (n, 4) float64, as they came, and the numbers of their classes (n,).

        Raises:
            UnfitRow: an unknown class, or a box without an area.
        """
        said = row.get("boxes") or ()
        for one in said:
            if str(one["label"]) not in self.labels:
                raise unknown("label", str(one["label"]), self.labels)
        boxes = np.array([b["box"] for b in said], np.float64).reshape(-1, 4)
        if not np.isfinite(boxes).all() or (boxes[:, 2:] <= boxes[:, :2]).any():
            raise UnfitRow("a box without an area")
        return boxes, np.array([self.labels.index(str(b["label"])) for b in said], np.int64)
