"""A small untrained model of several kinds of task, for the benchmarks and tests that ask a server of all it has."""

from __future__ import annotations

from pathlib import Path

ROWS = {"path": "builtin:everyday", "limit": {"train": 60, "validation": 12, "test": 12}}


def save(folder: Path) -> Path:
    """Writes the model to ``folder/model``: a label, tags, a translation, a label of a pair, classes of pictures and
    sounds, and a number of a text and a table.
    """
    import numpy as np
    from PIL import Image

    from unisono.prepare import build_model, read_tables
    from unisono.recipe import build
    from unisono.sounds import write_wav

    for split in ("train", "validation"):
        for name in ("dark", "bright"):
            (folder / "classes" / split / name).mkdir(parents=True)
            for i in range(3):
                shade = np.full((8, 8, 3), 200 * (name == "bright") + i, np.uint8)
                Image.fromarray(shade).save(folder / "classes" / split / name / f"{i}.png")
    lines = [f"room {i},{i % 7},{'ab'[i % 2]},{i / 10},{i % 3}" for i in range(30)]
    (folder / "rooms.csv").write_text("told,age,wing,size,other\n" + "\n".join(lines) + "\n")
    for i in range(6):
        write_wav(folder / f"{i}.wav", np.sin(np.arange(4000) * 0.1 * (1 + i % 2)), 8000)
    (folder / "sounds.csv").write_text(
        "file,label\n" + "".join(f"{i}.wav,{['low', 'high'][i % 2]}\n" for i in range(6))
    )
    sounds = {"path": str(folder / "sounds.csv"), "ratio": {"validation": 0.2}}
    table = {"path": str(folder / "rooms.csv"), "ratio": {"validation": 0.2}}
    tasks = {
        "intent": {"kind": "classify", "data": ROWS, "columns": {"label": "intent"}},
        "slots": {"kind": "tag", "data": ROWS},
        "en-de": {
            "kind": "translate", "data": ROWS, "source": "text", "target": "german",
            "head": {"layers": 1, "width": 16, "heads": 2, "vocabulary": 300, "max_length": 16, "beams": 2},
        },
        "same": {
            "kind": "classify", "data": table, "columns": {"text": "told", "pair": "wing", "label": "other"},
        },
        "shade": {"kind": "classify", "data": str(folder / "classes"), "columns": {"image": "image"}},
        "heard": {"kind": "classify", "data": sounds, "columns": {"audio": "file", "label": "label"}},
        "size": {
            "kind": "regress", "data": table, "columns": {"text": "told", "table": ["age", "wing"], "label": "size"},
        },
    }  # fmt: skip
    recipe = build(
        {
            "run": str(folder / "run"),
            "trunk": {"layers": 1, "width": 16, "heads": 2, "vocabulary": 300, "max_length": 64},
            "tasks": tasks,
            "train": {"steps": 1},
            "max_bad_rows": 1.0,
        }
    )
    build_model(recipe, read_tables(recipe, run=None)).save_pretrained(folder / "model")
    return folder / "model"
