"""Writes docs/gallery.md from trained runs: ``python docs/gallery.py cells=RUN everyday=RUN ...``.

Each section is made of the run that is named for it; sections without one stay as they are.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass

import gallery_pictures as pictures
import gallery_words as words
from gallery_runs import DOCS, Run

PAGE = DOCS / "gallery.md"
OPENING = """# What it says: a gallery

Real answers of models that the recipes make, good ones and bad ones, chosen by rules that the text gives. Numbers are
of one run on two CPU cores. `docs/gallery.py` writes this page; each section is of the run that it was given.
"""


@dataclass(frozen=True)
class Section:
    """A part of the page. ``recipe`` is what its run was trained from; ``why``: what goes wrong, and why."""

    title: str
    recipe: str
    make: Callable[[Run], str]
    why: str
    source: str


SECTIONS = {
    "everyday": Section(
        "Requests: intent, entities, translation",
        "recipes/quickstart.yaml",
        words.everyday,
        "The first three sentences are like those of the grammar that wrote the training data; the others are not. "
        "Such a "
        "grammar teaches its words and patterns, not English: of what lies outside it the intent is the nearest one "
        "that "
        "exists, and the translation says something of the grammar's own.",
        "Data: Unisono's own grammar, Apache-2.0.",
    ),
    "spans": Section(
        "Questions about a text",
        "recipes/nlp/xquad.yaml",
        words.spans,
        "From some 950 questions the model learns what kind of thing is asked for (a number, a name, a place) before "
        "it learns which of "
        "those in the paragraph is meant: wrong answers are mostly of the right kind, from the wrong sentence.",
        "Data: [XQuAD](https://github.com/google-deepmind/xquad) (Artetxe et al. 2020), English part, CC BY-SA 4.0.",
    ),
    "symptoms": Section(
        "Symptoms",
        "recipes/medicine/symptoms.yaml",
        words.symptoms,
        "Where diseases share symptoms (a headache with nausea, passing water often) the first guess can be wrong, "
        "and surely "
        "so. And the model knows 24 diagnoses and no other answer, so that a car gets one, too: probabilities that "
        "sum to "
        "one do not say whether the question made sense. Not for use on people.",
        "Texts: ours. Trained on Symptom2Disease.",
    ),
    "molecules": Section(
        "Molecules",
        "recipes/medicine/molecules.yaml",
        words.molecules,
        "`none` for `tox21` means that no test reached one half; most tests are rarely positive, and probabilities "
        "stay low even for "
        "molecules that are: rank by them instead.",
        "Data: [MoleculeNet](https://moleculenet.org) (Wu et al. 2018), CC0 1.0.",
    ),
    "cells": Section(
        "Blood cells: boxes",
        "recipes/vision/joint.yaml",
        pictures.cells,
        "Red cells that touch or lie over one another share patches, and each patch speaks for one box alone; where "
        "a patch "
        "is far from a cell's middle it guesses the far sides badly, and a second box, a little aside, survives "
        "beside the "
        "first. Many boxes without a label are on cells all the same: the labels leave out many red cells, most of "
        "all in "
        "the images that come out worst.",
        "Images: [BCCD](https://github.com/Shenggan/BCCD_Dataset), MIT licence; boxes drawn by Unisono.",
    ),
    "answers": Section(
        "Questions about pictures",
        "recipes/multimodal/easy_vqa.yaml",
        pictures.answers,
        "In training colours come first: they are seen in every patch. Which shape it is takes several patches "
        "together; half-way, answers about small shapes are the wrong ones.",
        "Images and questions: [easy-VQA](https://github.com/vzhou842/easy-VQA), MIT licence.",
    ),
    "digits": Section(
        "Spoken digits: what and who",
        "recipes/speech/fsdd.yaml",
        pictures.digits,
        "",
        "Recordings: [Free Spoken Digit Dataset](https://github.com/Jakobovski/free-spoken-digit-dataset), CC BY-SA "
        "4.0.",
    ),
    "speech": Section(
        "Digits spoken by the model",
        "recipes/speech/fsdd.yaml",
        pictures.speech,
        "Frames come out smoother than recorded ones: where takes differ, the loss is least at their average. The "
        "phase is guessed by "
        "Griffin-Lim, which is heard as a metallic ring.",
        "Recordings: [Free Spoken Digit Dataset](https://github.com/Jakobovski/free-spoken-digit-dataset), CC BY-SA "
        "4.0; the frames shown "
        "are derived from them, under the same licence.",
    ),
}


def main() -> None:
    runs = dict(argument.split("=", 1) for argument in sys.argv[1:])
    unknown = set(runs) - set(SECTIONS)
    if unknown or not runs:
        sys.exit(f"usage: python docs/gallery.py SECTION=RUN ...   sections: {', '.join(SECTIONS)}")
    old = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    kept = dict(re.findall(r"<!-- (\w+) -->\n(.*?)(?=\n<!-- |\Z)", old, re.S))
    for name, folder in runs.items():
        section = SECTIONS[name]
        place = f"`{section.recipe}`"
        place = f"[{place}](../{section.recipe})" if (DOCS.parent / section.recipe).exists() else place
        parts = [
            f"## {section.title}",
            f"Recipe: {place}.",
            section.make(Run(folder, name)),
        ]
        kept[name] = "\n\n".join([*parts, *([section.why] if section.why else []), f"*{section.source}*"]) + "\n"
        print(f"made {name}")
    body = "\n".join(f"<!-- {name} -->\n{kept[name].rstrip()}\n" for name in SECTIONS if name in kept)
    PAGE.write_text(f"{OPENING}\n{body}", encoding="utf-8")


if __name__ == "__main__":
    main()
