"""Readers: one file per format family, and the registry that knows them by name."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points

from unisono.data.errors import DataError, nearest
from unisono.data.readers.arrow import Arrow, Parquet
from unisono.data.readers.base import Bad, Column, Reader, Record, Settings
from unisono.data.readers.captions import Captions
from unisono.data.readers.coco import Coco
from unisono.data.readers.conll import Conll
from unisono.data.readers.conllu import Conllu
from unisono.data.readers.fasta import Fasta
from unisono.data.readers.folders import Folders
from unisono.data.readers.hub import Hub, Saved
from unisono.data.readers.idx import Idx
from unisono.data.readers.images import Images
from unisono.data.readers.json_array import JsonArray
from unisono.data.readers.jsonl import JsonLines
from unisono.data.readers.kaldi import Kaldi
from unisono.data.readers.ljspeech import LJSpeech
from unisono.data.readers.made import Made
from unisono.data.readers.masks import Masks
from unisono.data.readers.parallel import Parallel
from unisono.data.readers.plain import Lines
from unisono.data.readers.recordings import Recordings
from unisono.data.readers.sphinx import Sphinx
from unisono.data.readers.squad import Squad
from unisono.data.readers.table import Table
from unisono.data.readers.voc import Voc

_OURS = (
    Table(),
    JsonLines(),
    JsonArray(),
    Squad(),
    Parquet(),
    Arrow(),
    Conll(),
    Conllu(),
    Fasta(),
    Lines(),
    Parallel(),
    Folders(),
    Images(),
    Idx(),
    Masks(),
    Voc(),
    Coco(),
    Captions(),
    Recordings(),
    Kaldi(),
    LJSpeech(),
    Sphinx(),
    Hub(),
    Saved(),
    Made(),
)
_READERS: dict[str, Reader] = {r.name: r for r in _OURS}
_ALIASES = {
    "tsv": "csv",
    "json": "jsonl",
    "txt": "lines",
    "text": "lines",
    "conll2003": "conll",
    "folder": "folders",
    "feather": "arrow",
    "an4": "sphinx",
}


def register(reader: Reader) -> None:
    """Adds a format. Raises ValueError for a name that is taken."""
    if reader.name in _READERS or reader.name in _ALIASES:
        raise ValueError(f'there is a reader for the format "{reader.name}" already')
    _READERS[reader.name] = reader


@cache
def _plugins() -> None:
    """Installed packages add formats under the entry point group ``unisono.readers``; each is a Reader class."""
    for point in entry_points(group="unisono.readers"):
        register(point.load()())


def readers() -> dict[str, Reader]:
    """Format name -> reader, those of installed plug-ins included."""
    _plugins()
    return dict(_READERS)


def reader(name: str) -> Reader:
    """The reader of a format. Raises DataError with the nearest name."""
    known = readers()
    name = _ALIASES.get(name.lower(), name.lower())
    if name not in known:
        raise DataError(
            f'there is no format "{name}"{nearest(name, [*known, *_ALIASES])} (there are: {", ".join(sorted(known))})'
        )
    return known[name]


__all__ = ["Bad", "Column", "Reader", "Record", "Settings", "reader", "readers", "register"]
