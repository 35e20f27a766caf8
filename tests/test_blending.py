"""blending: images are mixed pixel by pixel, labels by the same share, and what has no label or no match is left."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

import unisono
from tests.stems.contract import ppm
from unisono.blending import blended
from unisono.heads import Targets
from unisono.heads.classify import Classify, ClassifyOptions
from unisono.heads.regress import Regress, RegressOptions
from unisono.packed import Layout, Packed
from unisono.recipe import RecipeError
from unisono.stems import ImageStem

LABELS = ["a", "b", "a", None, "c", "a", "b"]
SIZES = [(8, 8)] * 5 + [(8, 12), (4, 4)]
WIDTH = 6


def classify(**options) -> Classify:
    torch.manual_seed(0)
    counts = {"labels": ["a", "b", "c"], "counts": [3, 2, 1], "known": [6, 6, 6]}
    return Classify(WIDTH, ClassifyOptions(dropout=0, mixup=0.5, **options), counts)


def images() -> tuple[ImageStem, list[dict[str, np.ndarray]]]:
    stem = ImageStem(WIDTH, ImageStem.Options(patch=4, longest=16), {})
    return stem, stem.tokens([{"image": ppm(*size, seed)} for seed, size in enumerate(SIZES)])


def test_images_and_labels_are_mixed_by_one_share():
    stem, tokens = images()
    head = classify()
    examples = [{**t, **head.encode({"label": label}, t)} for t, label in zip(tokens, LABELS, strict=True)]
    torch.manual_seed(1)
    found = blended(examples, stem, head)
    shares = [float(e["share"][0]) for e in found if "share" in e]
    assert len(shares) == 6 and len(set(shares)) == 6 and min(shares) > 0 and max(shares) < 1
    assert found[3] is examples[3]  # no label
    for at in (5, 6):  # alone in its size, so mixed with itself
        assert np.array_equal(found[at]["pixels"], examples[at]["pixels"])
    partners = set()
    for at in (0, 1, 2, 4):
        share = found[at]["share"][0]
        close = [
            number
            for number in (0, 1, 2, 4)
            if np.abs(share * tokens[at]["pixels"] + (1 - share) * tokens[number]["pixels"] - found[at]["pixels"]).max()
            <= 0.51
            and found[at]["other/label"][0] == examples[number]["label"][0]
        ]
        assert close
        partners.add(close[0])
    assert partners == {0, 1, 2, 4}
    torch.manual_seed(1)
    again = blended(examples, stem, head)
    assert all(np.array_equal(a["pixels"], b["pixels"]) for a, b in zip(found, again, strict=True))


@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.2}, {"multi": True, "class_weights": "balanced"}])
def test_the_loss_of_classes_is_that_of_the_mixed_label(options):
    head = classify(**options)
    states = Packed(torch.randn(3, WIDTH), Layout([1, 1, 1]))
    plain = [head.encode({"label": [label] if head.options.multi else label}, {}) for label in "abc"]
    mixed = [{**plain[0], "other/label": plain[1]["label"], "share": np.array([0.3], np.float32)}, *plain[1:]]
    targets = head.collate(mixed)
    logits = head.logits(states)
    hard = torch.eye(3)
    soft = torch.stack([0.3 * hard[0] + 0.7 * hard[1], hard[1], hard[2]])
    smooth = head.options.label_smoothing
    if head.options.multi:
        expected = F.binary_cross_entropy_with_logits(logits, soft, pos_weight=head.weights, reduction="sum")
    else:
        expected = F.cross_entropy(logits, soft, label_smoothing=smooth, reduction="sum")
    assert_close(head.loss(states, targets).total, expected)
    assert head.loss(states, targets).units == head.loss(states, head.collate(plain)).units


def test_the_loss_of_numbers_is_that_of_both():
    head = Regress(WIDTH, RegressOptions(dropout=0, mixup=1.0), {"mean": 1.0, "deviation": 2.0})
    states = Packed(torch.randn(2, WIDTH), Layout([1, 1]))
    one, other = (head.encode({"label": label}, {}) for label in (3.0, 7.0))
    loss = {n: head.loss(states, head.collate([e, one])).total for n, e in (("one", one), ("other", other))}
    mixed = {**one, "other/value": other["value"], "share": np.array([0.25], np.float32)}
    both = head.loss(states, head.collate([mixed, one])).total
    assert_close(both, 0.25 * loss["one"] + 0.75 * loss["other"])


def recipe(folder, **task) -> dict:
    for at in range(12):
        path = folder / "photos" / ("light" if at % 2 else "dark") / f"{at}.ppm"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(at).integers(0, 100, (8, 8, 3), dtype=np.uint8) + 150 * (at % 2)
        path.write_bytes(b"P6\n8 8\n255\n" + noise.astype(np.uint8).tobytes())
    return {
        "run": str(folder / "run"),
        "cache": str(folder / "cache"),
        "trunk": {"layers": 1, "width": 16, "heads": 2, "dropout": 0.0, "vocabulary": 300},
        "tasks": {"light": {"kind": "classify", "data": str(folder / "photos"), "head": {"mixup": 0.3}, **task}},
        "train": {"steps": 30, "rows_per_step": 8, "trunk_lr": 3e-3, "head_lr": 3e-3, "device": "cpu"},
    }


def test_it_trains_on_mixed_rows_and_says_what_it_is_not_for(tmp_path, monkeypatch):
    learned: list[Targets] = []
    loss = Classify.loss
    monkeypatch.setattr(
        Classify, "loss", lambda head, states, targets: learned.append(targets) or loss(head, states, targets)
    )
    image = {"columns": {"image": "image"}}
    trained = unisono.train({**recipe(tmp_path, **image), "stems": {"image": {"patch": 4, "longest": 8}}})
    assert sum("share" in targets for targets in learned) == 30  # in each step
    model = unisono.load(trained.run)
    says = {n: model.predict("light", [{"image": str(p)}])[0]["label"] for n in ("light", "dark")
            for p in [next((tmp_path / "photos" / n).iterdir())]}  # fmt: skip
    assert says == {"light": "light", "dark": "dark"}
    (tmp_path / "x.csv").write_text("text,label\na,b\nc,d\n" * 20)
    with pytest.raises(RecipeError, match=r"tasks.light.head.mixup: mixes images; this task reads text"):
        unisono.train({**recipe(tmp_path, data=str(tmp_path / "x.csv")), "run": str(tmp_path / "other")})
