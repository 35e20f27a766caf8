"""hf and saved: Hugging Face data sets, by name (``hf://NAME``) or as a folder that ``save_to_disk`` wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from unisono.data.errors import DataError
from unisono.data.readers.base import Column, Reader, Record, Settings, split_of
from unisono.data.readers.jsonl import flat, pick
from unisono.data.readers.names import names_in_features, renamed


class Hub(Reader):
    """A source is ``NAME/SPLIT``; the split is the one on the hub, slices like ``train[:10%]`` included."""

    name = "hf"
    heeds = ("config", "revision")
    counts = "row"

    def read(self, source: Path, settings: Settings) -> Iterator[Record]:
        yield from _records(self._dataset(source, settings), settings, f"hf://{source.parent}")

    def peek(self, source: Path, settings: Settings, count: int = 300) -> list[dict[Column, Any]]:
        return _first(self._dataset(source, settings), count)

    def files(self, source: Path, settings: Settings) -> list[Path]:
        return []

    def state(self, source: Path, settings: Settings) -> str:
        dataset = self._dataset(source, settings)
        return f"{getattr(dataset, '_fingerprint', '')} {len(dataset)}"

    def pick(self, root: Path, pattern: str) -> list[Path]:
        return [root / pattern]

    def splits(self, root: Path, settings: Settings) -> dict[str, list[Path]]:
        names = list(_hub(str(root), settings.config, None, settings.revision))
        return _by_split({name: root / name for name in names}, f"hf://{root}")

    def _dataset(self, source: Path, settings: Settings) -> Any:
        return _hub(str(source.parent), settings.config, source.name, settings.revision)


class Saved(Reader):
    """A folder written by ``Dataset.save_to_disk`` or ``DatasetDict.save_to_disk``."""

    name = "saved"
    counts = "row"

    def read(self, source: Path, settings: Settings) -> Iterator[Record]:
        yield from _records(_saved(source), settings, str(source))

    def peek(self, source: Path, settings: Settings, count: int = 300) -> list[dict[Column, Any]]:
        return _first(_saved(source), count)

    def files(self, source: Path, settings: Settings) -> list[Path]:
        return sorted(p for p in source.iterdir() if p.is_file()) if source.is_dir() else [source]

    def splits(self, root: Path, settings: Settings) -> dict[str, list[Path]]:
        index = root / "dataset_dict.json"
        if not index.is_file():
            return {"train": [root]}
        try:
            names = [str(n) for n in json.loads(index.read_text("utf-8"))["splits"]]
        except (ValueError, KeyError, TypeError) as e:
            raise DataError(f"{index} does not list the splits of a saved data set") from e
        return _by_split({name: root / name for name in names}, str(root))


def _records(dataset: Any, settings: Settings, where: str) -> Iterator[Record]:
    columns = tuple(settings.wanted)
    settings.require(dataset.column_names, where)
    tops = {str(c) if c in dataset.column_names else str(c).split(".")[0] for c in columns}
    dataset = _as_files(dataset.select_columns([c for c in dataset.column_names if c in tops]))
    names = names_in_features(dataset.features)
    number = 0
    for batch in dataset.iter(batch_size=1000):
        for values in zip(*batch.values(), strict=True):
            number += 1
            yield Record(number, pick(renamed(dict(zip(batch, values, strict=True)), names), columns))


def _first(dataset: Any, count: int) -> list[dict[Column, Any]]:
    dataset, names = _as_files(dataset), names_in_features(dataset.features)
    return [flat(renamed(dict(dataset[i]), names)) for i in range(min(count, len(dataset)))]


def _as_files(dataset: Any) -> Any:
    """Images and sounds as names or bytes of files: what is read of them, and how, is for the stems to decide."""
    import datasets

    for name, feature in dataset.features.items():
        if isinstance(feature, (datasets.Image, datasets.Audio)):
            dataset = dataset.cast_column(name, type(feature)(decode=False))
    return dataset


def _by_split(found: dict[str, Path], where: str) -> dict[str, list[Path]]:
    """Names like validation_matched stand for validation where they are the only ones that do."""
    out: dict[str, list[Path]] = {s: [found[s]] for s in ("train", "validation", "test") if s in found}
    for split in ("train", "validation", "test"):
        near = [name for name in found if split_of(name) == split]
        if split not in out and len(near) > 1:
            raise DataError(f"{where} has several splits for {split}: {', '.join(near)}; say which one under splits:")
        if split not in out and near:
            out[split] = [found[near[0]]]
    if not out:
        raise DataError(f"{where} has the splits {', '.join(found)}; say which is train under splits:")
    return out


@lru_cache(maxsize=8)
def _hub(name: str, config: str | None, split: str | None, revision: str | None) -> Any:
    import datasets

    try:
        return datasets.load_dataset(name, config, split=split, revision=revision)
    except Exception as e:  # the hub client raises errors of many libraries
        said = str(e).strip().splitlines()
        raise DataError(
            f"hf://{name} cannot be loaded ({type(e).__name__}: {said[0][:300] if said else ''}); "
            "are the name, config: and revision: right, and is the hub within reach?"
        ) from e


def _saved(folder: Path) -> Any:
    import datasets

    try:
        return datasets.load_from_disk(str(folder))
    except Exception as e:  # whatever a damaged folder leads to
        said = str(e).strip().splitlines()
        raise DataError(
            f"{folder} is not a saved data set ({type(e).__name__}: {said[0][:300] if said else ''})"
        ) from e
