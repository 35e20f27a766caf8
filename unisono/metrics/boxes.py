"""Scores of boxes: mean average precision as COCO computes it, by the package faster-coco-eval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from unisono.metrics.gold import Prediction, Row, Scores, labelled


def score_boxes(predictions: Sequence[Prediction], rows: Sequence[Row]) -> Scores:
    """Compares ``boxes``: ``map`` over overlaps from 0.5 to 0.95, ``map50`` at 0.5, and ``ap50/NAME`` of each class.

    Lin et al. 2014 and its evaluation code: precision at 101 levels of recall, 100 boxes an image, averaged over the
    classes that occur. Fractions. ``rows`` counts the rows with a label; without any box in them there are no scores.

    Raises:
        ImportError: the package is absent; the message says what to install.
    """
    pairs = labelled(predictions, rows, "boxes")
    names = sorted({str(b["label"]) for _, boxes in pairs for b in boxes})
    if not names:
        return {}
    try:
        from faster_coco_eval import COCO, COCOeval_faster
    except ImportError:
        raise ImportError("scores of boxes need faster-coco-eval: pip install 'unisono[image]'") from None
    number = {name: i for i, name in enumerate(names, 1)}
    gold: list[dict[str, Any]] = []
    said: list[dict[str, Any]] = []
    for image, (prediction, boxes) in enumerate(pairs, 1):
        gold += [{**_box(b["box"]), "image_id": image, "category_id": number[str(b["label"])]} for b in boxes]
        for b in prediction["boxes"]:
            if b["label"] in number:
                known = {"image_id": image, "category_id": number[b["label"]], "score": b["score"]}
                said.append({**_box(b["box"]), **known})
    for at, one in enumerate(gold, 1):
        one |= {"id": at, "iscrowd": 0}
    truth = COCO(
        {
            "images": [{"id": image} for image in range(1, len(pairs) + 1)],
            "annotations": gold,
            "categories": [{"id": i, "name": name} for name, i in number.items()],
        }
    )
    if not said:
        return {"map": 0.0, "map50": 0.0, **{f"ap50/{n}": 0.0 for n in names}, "rows": float(len(pairs))}
    judge = COCOeval_faster(truth, truth.loadRes(said), "bbox")
    judge.evaluate()
    judge.accumulate()
    precision = np.asarray(judge.eval["precision"])[:, :, :, 0, -1]  # overlap x recall x class, all sizes, 100 boxes
    at_half = precision[0].mean(0)
    return {
        "map": float(precision.mean()),
        "map50": float(at_half.mean()),
        **{f"ap50/{name}": float(p) for name, p in zip(names, at_half, strict=True)},
        "rows": float(len(pairs)),
    }


def _box(box: Sequence[float]) -> dict[str, Any]:
    left, top, right, bottom = (float(v) for v in box)
    return {"bbox": [left, top, right - left, bottom - top], "area": (right - left) * (bottom - top)}
