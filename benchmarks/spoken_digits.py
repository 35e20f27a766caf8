"""Are digits that the model speaks understood? A recogniser that has heard real recordings alone writes them down.

python benchmarks/spoken_digits.py runs/fsdd      trains the recogniser first: recipes/speech/fsdd.yaml without `say`
python benchmarks/spoken_digits.py runs/fsdd --recogniser runs/heard      one that is there; a minute
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import torch

import unisono
from unisono.recipe import read
from unisono.sounds import Analysis, wav_bytes

RECIPE = Path(__file__).parents[1] / "recipes" / "speech" / "fsdd.yaml"
DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def heard(recogniser: Any, frames: torch.Tensor, analysis: Analysis) -> str:
    """What the recogniser writes when it hears frames, made a WAV file."""
    content = wav_bytes(analysis.samples(frames), analysis.rate)
    return str(recogniser.predict("digit", [{"audio": content}])[0]["text"])


def trained(scratch: Path) -> Path:
    """A recogniser: the recipe's digits and speakers, without the task that speaks."""
    plain = read(RECIPE)
    tasks = {name: task for name, task in plain.tasks.items() if task.kind != "speak"}
    return unisono.train(plain.model_copy(update={"tasks": tasks, "run": str(scratch / "heard")})).run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="with a task `say` that speaks")
    parser.add_argument("--recogniser", help="a run with a task `digit` that has heard real recordings alone")
    parser.add_argument("--keep", type=Path, help="a folder for the WAV files")
    asked = parser.parse_args()
    speaking = unisono.load(asked.run)
    with tempfile.TemporaryDirectory() as scratch:
        run = asked.recogniser or trained(Path(scratch))
        recogniser = unisono.load(run)
        if any(task.kind.name == "speak" for task in recogniser.tasks.values()):
            raise SystemExit(f"{run}: has a task that speaks; the recogniser must know real recordings alone")
        real = unisono.evaluate(run, tasks=["digit"])["digit"].scores
    print(f"real test recordings: word accuracy {real['word_accuracy']:.3f} of {real['rows']:.0f}")

    head = speaking.head("say")
    analysis: Analysis = head.analysis  # type: ignore[assignment]
    voices: list[str] = sorted(head.speakers)  # type: ignore[arg-type]
    test = sorted(_recordings().glob("*_[0-4].wav"))
    again = [heard(recogniser, analysis.frames(str(p), seconds=4), analysis) == _digit(p) for p in test]
    print(f"the same, made frames and sounds again: {sum(again) / len(again):.3f} of {len(again)}")

    rows = [{"text": digit, "speaker": voice} for voice in voices for digit in DIGITS]
    right, wrong = Counter[str](), []
    for row, said in zip(rows, speaking.predict("say", rows), strict=True):
        frames = torch.tensor(said["mel"])
        if asked.keep:
            asked.keep.mkdir(parents=True, exist_ok=True)
            name = f"{row['text']}_{row['speaker']}.wav"
            (asked.keep / name).write_bytes(wav_bytes(analysis.samples(frames), analysis.rate))
        answer = heard(recogniser, frames, analysis)
        right[row["speaker"]] += answer == row["text"]
        if answer != row["text"]:
            wrong.append(f"{row['text']} ({row['speaker']}): {answer or '-'}")
    print(f"spoken digits: {right.total()} of {len(rows)} recognised: {right.total() / len(rows):.3f}")
    print("  " + " · ".join(f"{voice} {right[voice]}" for voice in voices))
    print("  taken for others: " + ("; ".join(wrong) or "none"))


def _recordings() -> Path:
    return Path(read(RECIPE).tasks["digit"].data.path)


def _digit(path: Path) -> str:
    return DIGITS[int(path.stem.split("_")[0])]


if __name__ == "__main__":
    main()
