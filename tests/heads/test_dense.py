"""dense: what becomes of values for pixels, good, missing and bad; a real map of distances follows its image."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from unisono.heads import UnfitRow
from unisono.heads.dense import Dense, DenseOptions
from unisono.metrics import score_dense
from unisono.packed import Layout, Packed
from unisono.pictures import BadPicture, values
from unisono.views import view

Image = pytest.importorskip("PIL.Image")

GRID = {"grid": np.array([2, 3, 8, 12], np.int32)}


def npy(found: np.ndarray) -> dict[str, bytes]:
    file = io.BytesIO()
    np.save(file, found)
    return {"bytes": file.getvalue()}


def picture(found: np.ndarray, kind: str) -> dict[str, bytes]:
    file = io.BytesIO()
    Image.fromarray(found).save(file, kind)
    return {"bytes": file.getvalue()}


def head(**options) -> Dense:
    torch.manual_seed(0)
    return Dense(8, DenseOptions(**{"doublings": 1, **options}), {"mean": 2.0, "spread": 3.0}).eval()


def targets(made: Dense, *masks: dict | None) -> dict[str, torch.Tensor]:
    return made.collate([{**GRID, **made.encode({"mask": mask}, GRID)} for mask in masks])


def states(count: int = 1) -> Packed:
    return Packed(torch.randn(7 * count, 8, generator=torch.Generator().manual_seed(1)), Layout([7] * count))


DEPTH = np.arange(96, dtype=np.float32).reshape(8, 12) * 100


@pytest.mark.parametrize(
    "mask",
    [npy(DEPTH), npy(DEPTH[..., None].astype(np.float64)), npy(DEPTH.astype(np.int32)), picture(DEPTH, "TIFF"),
     picture(DEPTH.astype(np.uint16), "PNG")],
)  # fmt: skip
def test_values_of_every_kind_of_file_are_the_same(mask):
    np.testing.assert_array_equal(values(mask), DEPTH)


@pytest.mark.parametrize(
    ("mask", "reason"),
    [
        ({"bytes": b"\x93NUMPYjunk"}, "a damaged array"),
        (npy(np.zeros((2, 2, 3))), r"an array of the shape \[2, 2, 3\]"),
        (npy(np.array([["a"]])), "an array of the shape"),
        ({"bytes": npy(DEPTH)["bytes"].replace(b"(8, 12)", b"(99999, 99999)")}, "a damaged array"),
        (picture(np.zeros((2, 2, 3), np.uint8), "PNG"), "the colours RGB"),
        ({"bytes": b"junk"}, "not an image"),
    ],
)
def test_files_that_hold_no_values_have_a_reason(mask, reason):
    with pytest.raises(BadPicture, match=reason):
        values(mask)
    with pytest.raises(UnfitRow, match=reason):
        head().encode({"mask": mask}, GRID)


def test_an_array_of_objects_is_not_unpickled():
    file = io.BytesIO()
    np.save(file, np.array([[{}]], dtype=object), allow_pickle=True)
    with pytest.raises(BadPicture, match="a damaged array"):
        values({"bytes": file.getvalue()})


def test_mean_and_spread_are_those_of_all_known_pixels():
    rng = np.random.default_rng(0)
    maps = [rng.normal(5, 2, (4, 6)), rng.normal(-1, 1, (8, 8))]
    maps[0][0, :3] = np.nan
    maps[1][2] = 7.0
    rows = [{"mask": npy(m)} for m in maps] + [{"mask": None}, {"mask": {"bytes": b"junk"}}]
    fitted = Dense.fit(rows, DenseOptions(void=(7.0,)))
    known = np.concatenate([m.flatten() for m in maps])
    known = known[np.isfinite(known) & (known != 7)]
    assert fitted["mean"] == pytest.approx(known.mean(), rel=1e-5)
    assert fitted["spread"] == pytest.approx(known.std(), rel=1e-5)
    with pytest.raises(ValueError, match="no training row has a mask with values"):
        Dense.fit(rows[2:], DenseOptions())


@pytest.mark.parametrize("loss", ["l1", "berhu", "l2"])
def test_the_loss_is_the_formula_over_known_pixels(loss):
    made = head(doublings=2, loss=loss)
    mask = DEPTH / 1000
    mask[1, :4] = np.nan
    given = targets(made, npy(mask), None)
    (_, maps), *_ = [(rows, found.detach()) for rows, found in made.maps(states(2), given)]
    total = 0.0
    errors = [abs(float(maps[0, 0, y, x]) - (mask[y, x] - 2) / 3) for y in range(8) for x in range(12)]
    errors = [e for e in errors if np.isfinite(e)]
    bend = 0.2 * max(errors)
    for e in errors:
        bent = e if e <= bend else (e * e + bend * bend) / (2 * bend)
        total += {"l1": e, "l2": e * e, "berhu": bent}[loss]
    found = made.loss(states(2), given)
    assert found.units == len(errors) == 92
    assert float(found.total.detach()) == pytest.approx(total, rel=1e-4)


def test_values_follow_the_view_of_their_image():
    made = head(doublings=2)
    mirrored = view((8, 12), mirror=True, quarters=0, scale=1.0, right=0.0, down=0.0)
    followed = made.collate([{**GRID, **made.encode({"mask": npy(DEPTH)}, GRID), "view": mirrored}])
    assert_close(followed["mask"], targets(made, npy(DEPTH[:, ::-1]))["mask"])


def test_predictions_are_in_the_units_of_the_data_and_scored_there():
    made = head()
    given = targets(made, npy(DEPTH))
    (found,) = made.predict(states(), given)
    assert found["size"] == [4, 6]
    (_, maps), *_ = list(made.maps(states(), given))
    np.testing.assert_allclose(found["values"], maps.detach().flatten() * 3 + 2, rtol=1e-5)
    assert score_dense([found], [{"mask": npy(DEPTH)}])["rmse"] > 0
