"""Image encoder: a pretrained Vision Transformer as a stem; its last states become vectors, in reading order.

ViT (Dosovitskiy et al. 2021), DeiT (Touvron et al. 2021) and DINOv2 (Oquab et al. 2024), as transformers has them. An
image goes in as the encoder's own processor would have it; of another size, the encoder's table of places is
interpolated as its authors do.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from transformers import AutoImageProcessor

from unisono.packed import Layout
from unisono.runtime.stems.tiling import Tiling
from unisono.runtime.stems.whole import CUT, WholeImage
from unisono.runtime.tiles import TILE
from unisono.stems.augment import Augmentation, Blending, augmented, drawn, views
from unisono.stems.base import Stem, Tokens
from unisono.stems.pretrained import Encoder, EncoderOptions, fetching, fill, shape
from unisono.views import TURN, VIEW

_FAMILIES = ("vit", "deit", "dinov2", "dinov2_with_registers")


class ImageEncoderOptions(EncoderOptions, Augmentation):
    """What a recipe may say under ``stems: image:`` with ``encoder``."""

    size: tuple[int, int] | None = Field(
        None,
        description="height and width that the whole image is resized to, multiples of the encoder's patch; default: "
        "as the encoder's processor does it, which may cut out the middle",
    )


class ImageEncoder(Blending, Tiling, Stem):
    """Turns an image of h x w patches into 1 + h * w vectors: the state of the encoder's class token, then of patches.

    All images have one size. ``fitted``: ``config``, the encoder's shape, and ``processor``, what is done to an image
    before: ``resize`` ([height, width], or the shorter side), ``crop``, ``resample``, ``scale``, ``mean``, ``spread``.
    """

    Options = ImageEncoderOptions
    fields = ("pixels", "grid", TURN, TILE, CUT)

    def __init__(self, width: int, options: ImageEncoderOptions, fitted: dict[str, Any]) -> None:
        super().__init__()
        self.options, self.fitted = options, fitted
        config, self.processor = fitted["config"], fitted["processor"]
        if options.size:
            self.processor = {**self.processor, "resize": list(options.size), "crop": None}
        self.patch, self.channels = int(config["patch_size"]), int(config["num_channels"])
        self.size: tuple[int, int] = tuple(self.processor["crop"] or self.processor["resize"])
        self.encoder = Encoder(width, config, frozen=options.freeze)
        self.most = 1 + self.size[0] // self.patch * (self.size[1] // self.patch)
        told = self.processor["resize"]
        self.reader = WholeImage(
            self.patch, self.size, self.channels, tuple(told) if isinstance(told, list) else told,
            self.processor["crop"] is not None, self.processor["resample"], self.most,
        )  # fmt: skip
        own = config["image_size"]
        self._stretched = self.size != (tuple(own) if isinstance(own, list) else (own, own))
        self.mean: Tensor  # (C, 1, 1)
        self.spread: Tensor  # (C, 1, 1)
        for name, values in (("mean", self.processor["mean"]), ("spread", self.processor["spread"])):
            self.register_buffer(name, torch.tensor(values[: self.channels]).view(-1, 1, 1), persistent=False)

    @classmethod
    def fit(cls, values: Iterable[Any], options: ImageEncoderOptions) -> dict[str, Any]:
        """Looks at the encoder, not at the rows."""
        config = shape(options, _FAMILIES, "images")
        fitted = {"config": config, "processor": processor(options)}
        _check(fitted, options)
        return fitted

    def begin(self) -> None:
        fill(self.encoder.model, self.options)

    @property
    def rates(self) -> Mapping[str, float]:
        return {} if self.options.lr is None else {"encoder.model.": self.options.lr}

    def tokens(
        self, rows: Sequence[Mapping[str, Any]], *, words: bool = False, max_length: int | None = None
    ) -> list[Tokens | str]:
        """Per row ``pixels`` (H * W * C,) uint8 and ``grid`` (4,) int32: patches down and across, and the height and
        width of the image as it came; with ``cut`` (1,) where only its middle is seen; or why there is no such image.
        """
        return self.reader.tokens(rows)

    def kept(self, image: np.ndarray, size: tuple[int, int], most: int | None = None) -> Tokens:
        return self.reader.kept(image, size, most)

    def length(self, tokens: Mapping[str, np.ndarray]) -> int:
        return self.most

    def draw(self, examples: Sequence[Mapping[str, np.ndarray]]) -> Sequence[Mapping[str, np.ndarray]]:
        """In training, ``view`` for each image that is moved: how it is looked at this time."""
        return drawn(examples, self.options, self.patch) if self.training else examples

    def collate(self, tokens: Sequence[Mapping[str, np.ndarray]]) -> dict[str, Tensor]:
        """``pixels``: all rows' bytes end to end; ``grid`` (B, 4) int64; ``view`` (B, 6)."""
        return {
            "pixels": torch.from_numpy(np.concatenate([t["pixels"] for t in tokens])),
            "grid": torch.from_numpy(np.stack([t["grid"] for t in tokens]).astype(np.int64)),
            VIEW: views(tokens),
        }

    def embed(self, fields: Mapping[str, Tensor], layout: Layout) -> Tensor:
        """(N, D_in), of each image the class token's vector and then its patches', row by row from the top."""
        return self.encoder(self.states(fields, layout.count)).flatten(0, 1)

    def states(self, fields: Mapping[str, Tensor], count: int) -> Tensor:
        """(B, 1 + h * w, E) the encoder's last hidden states; what tokens it has of its own besides is left out."""
        images = fields["pixels"].view(count, *self.size, self.channels).permute(0, 3, 1, 2)
        images = images.to(self.encoder.project.weight.dtype)
        if self.training:
            images = augmented(images / 255, fields[VIEW], self.options) * 255
        return self.seen(images)

    def seen(self, images: Tensor) -> Tensor:
        """(B, C, H, W) between 0 and 255 -> the last hidden states, as ``states``."""
        images = (images * self.processor["scale"] - self.mean) / self.spread
        more = {"interpolate_pos_encoding": True} if self._stretched and self._family in ("vit", "deit") else {}
        found = self.encoder.states(lambda model: model(pixel_values=images, **more).last_hidden_state)
        spare = found.shape[1] - self.most  # DeiT's distillation token, DINOv2's registers
        return torch.cat([found[:, :1], found[:, 1 + spare :]], 1) if spare else found

    @property
    def _family(self) -> str:
        return str(self.fitted["config"]["model_type"])

    def config(self) -> dict[str, Any]:
        return {"options": self.options.model_dump(mode="json"), "fitted": self.fitted}

    def key(self) -> str:
        kept = {name: self.processor[name] for name in ("resize", "crop", "resample")}
        return json.dumps(["image encoder", 1, kept, self.patch, self.channels], sort_keys=True)


def processor(options: EncoderOptions) -> dict[str, Any]:
    """What the encoder's image processor does, as plain JSON.

    Raises:
        OSError: not to be had. ValueError: it asks for something else.
    """
    with fetching(options) as asked:
        told = AutoImageProcessor.from_pretrained(**asked).to_dict()
    size = told.get("size") or {}
    if told.get("do_pad") or "longest_edge" in size:
        raise ValueError(f'"{options.encoder}" wants images of several sizes, padded; name one size: [height, width]')
    resize = crop = None
    if told.get("do_resize"):
        resize = [int(size["height"]), int(size["width"])] if "height" in size else int(size["shortest_edge"])
    if told.get("do_center_crop"):
        crop = [int(told["crop_size"][side]) for side in ("height", "width")]
    normal = bool(told.get("do_normalize"))
    return {
        "resize": resize,
        "crop": crop,
        "resample": int(told.get("resample", 2)),
        "scale": float(told["rescale_factor"]) if told.get("do_rescale") else 1.0,
        "mean": [float(x) for x in told["image_mean"]] if normal else [0.0] * 3,
        "spread": [float(x) for x in told["image_std"]] if normal else [1.0] * 3,
    }


def _check(fitted: Mapping[str, Any], options: ImageEncoderOptions) -> None:
    config, told = fitted["config"], fitted["processor"]
    patch, size = config["patch_size"], options.size or told["crop"] or told["resize"]
    if not isinstance(patch, int):
        raise ValueError(f'"{options.encoder}" has patches that are not square')
    if config["num_channels"] not in (1, 3):
        raise ValueError(f'"{options.encoder}" takes images of {config["num_channels"]} channels, not 1 or 3')
    if not isinstance(size, (list, tuple)):
        raise ValueError(f'"{options.encoder}" does not say the size of an image; name one: size: [height, width]')
    if any(side < patch or side % patch or side > 4096 for side in size):
        raise ValueError(f"size {list(size)}: no multiple of the encoder's patch {patch} up to 4096")
    own = config["image_size"]
    if isinstance(own, list) and own[0] != own[1] and list(size) != own:
        raise ValueError(f'"{options.encoder}" knows images of {own} alone')
