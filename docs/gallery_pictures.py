"""The gallery's sections on pictures and sounds: cells, questions about pictures, spoken digits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gallery_runs import Run, beside, block, picture

from unisono.draw import drawn
from unisono.draw.palette import PAGE, colour
from unisono.draw.words import Font, legend
from unisono.runtime.boxes import iou
from unisono.said import LEAST, said


def cells(run: Run) -> str:
    """Boxes on blood cells: the best, the middle and the worst of the test images."""
    found = run.judged("cells")
    judged = sorted(((_agreement(row["boxes"], p["boxes"]), at) for at, (row, p) in enumerate(found)), reverse=True)
    shown = {"best": judged[0], "middle": judged[len(judged) // 2], "worst": judged[-1]}
    labels = getattr(run.model.heads["cells"], "labels", ())
    lines = []
    for name, ((f1, hits, extra), at) in shown.items():
        row, prediction = found.rows[at], found.predictions[at]
        image = drawn(row["image"], prediction, classes=labels)
        place = picture(image.resize((image.width * 2 // 3, image.height * 2 // 3)), f"cells_{name}", colours=64)
        told = f"{hits} of {len(row['boxes'])} labelled cells found, {extra} boxes without a label (F1 {f1:.2f})"
        lines.append(f"**The {name} of {len(found.rows)}:** {told}.\n\n![{name} image]({place})")
    return (
        f"`unisono predict runs/{run.name} BloodImage.jpg --draw out.png` on the test images of BCCD, learned from 137 "
        f"images beside three other tasks: mAP@50 {found.scores['map50']:.2f}. A cell counts as found when a box of "
        f"its class of score {LEAST:g} or more covers it (IoU 0.5). By that the images are ranked:\n\n"
        + "\n\n".join(lines)
    )


def _agreement(golds: Sequence[Mapping[str, Any]], said: Sequence[Mapping[str, Any]]) -> tuple[float, int, int]:
    """F1, how many are found, how many boxes are none; each box takes the nearest that is left, the surest first."""
    left, hits, boxes = list(golds), 0, [b for b in said if b["score"] >= LEAST]
    for box in sorted(boxes, key=lambda b: -b["score"]):
        same = [g for g in left if g["label"] == box["label"]]
        if not same:
            continue
        overlaps = iou(np.array([box["box"]]), np.array([g["box"] for g in same]))[0]
        if overlaps.max() >= 0.5:
            left.remove(same[int(overlaps.argmax())])
            hits += 1
    return 2 * hits / max(1, len(boxes) + len(golds)), hits, len(boxes) - hits


def answers(run: Run) -> str:
    """Questions about pictures: the first that were right, the first that were wrong."""
    found = run.judged("question", limit=600)
    groups: dict[bool, list[Any]] = {True: [], False: []}
    kinds: dict[bool, set[str]] = {True: set(), False: set()}
    wrong = 0
    for row, prediction in found:
        gold, told = _gold(row), prediction.get("label", prediction.get("text"))
        wrong += told != gold
        group, seen = groups[told == gold], kinds[told == gold]
        if len(group) < 3 and gold not in seen:  # three different answers say more than one three times
            seen.add(gold)
            question = row.get("question", row.get("text"))
            told = f"{said(prediction, '').plain}" + ("" if told == gold else f"   (it is: {gold})")
            group.append(drawn(row["image"], {}, lines=[question, told]))
    parts = []
    for right, name in ((True, "right"), (False, "wrong")):
        if groups[right]:
            place = picture(beside(groups[right], 3), f"answers_{name}", colours=64)
            parts.append(f"**{name.capitalize()}:**\n\n![{name} answers]({place})")
    return (
        f"Questions about pictures of easy-VQA that training has not seen, `unisono predict runs/{run.name} "
        f"picture.png --"
        f'{"question" if "question" in found.rows[0] else "text"} "What shape is this?" --draw out.png`: {wrong} of '
        f"{len(found.rows)} were wrong. "
        "The first three of either sort (where there are any) with different answers:\n\n" + "\n\n".join(parts)
    )


def _gold(row: Mapping[str, Any]) -> str:
    gold = row.get("label", row.get("answer"))
    return gold if isinstance(gold, str) else gold[0]


def digits(run: Run) -> str:
    """Recordings: what was heard, who it was."""
    heard, voices = run.judged("digit"), run.judged("speaker")
    wrong = [(row, p) for row, p in heard if row["text"] != p["text"]]
    files = [found["audio"]["path"] for found in (heard.rows[0], heard.rows[-1])]
    names = [file.rsplit("/", 1)[-1] for file in files]
    table = [
        f"| `{row['audio']['path'].rsplit('/', 1)[-1]}` | {row['text']} | {p['text'] or '(nothing)'} |"
        for row, p in wrong[:6]
    ]
    mistaken = sum(row["label"] != p["label"] for row, p in voices)
    return (
        f"{block(run.asked(*files, shown=names))}\n\nOf {len(heard.rows)} recordings kept from training, {len(wrong)} "
        f"were heard wrong, and "
        f"{mistaken} of {len(voices.rows)} were taken for another speaker. The digit is spelled letter by letter "
        f"(CTC), with no list of "
        "ten words to choose from, so that mistakes are misspellings as often as confusions:\n\n"
        "| recording | said | heard |\n|---|---|---|\n" + "\n".join(table)
    )


def speech(run: Run) -> str:
    """Spoken digits beside recorded ones, as pictures of their frames."""
    from unisono.sounds import Analysis

    found = run.judged("say", limit=60)
    pairs, seen = [], set()
    for row, prediction in found:
        if row["text"] in seen or len(seen) == 3:
            continue
        seen.add(row["text"])
        analysis = Analysis.from_config(prediction["analysis"])
        recorded = analysis.frames(row["audio"], seconds=10).numpy()
        for frames, what in ((recorded, "recorded"), (np.array(prediction["mel"]), "spoken by the model")):
            pairs.append(_spectrum(frames, f"{row['text']}, {row['speaker']}: {what}", analysis))
    place = picture(beside(pairs, 2), "speech", colours=64)
    return (
        f"`unisono predict runs/{run.name} seven --task say --input speaker=jackson --output seven.wav` writes a "
        f"sound. Beside recordings of the "
        f"test set, as log-mel frames (time to the right, pitch upwards):\n\n![recorded and spoken digits]({place})"
    )


def _spectrum(frames: np.ndarray, title: str, analysis: Any) -> Any:
    """(T, M) log-mel frames as a Pillow image with a title."""
    from PIL import Image

    quiet, loud = frames.max() - 10, frames.max()
    share = ((frames - quiet) / (loud - quiet)).clip(0, 1).T[::-1, :, None]  # (M, T, 1), low bands below
    shade = np.array(PAGE) + share * (np.array(colour(4)) - np.array(PAGE))
    image = Image.fromarray(shade.round().astype(np.uint8))
    width = round(len(frames) * analysis.hop / analysis.rate * 480)  # pixels of a second: all pictures alike
    image = image.resize((width, 2 * frames.shape[1]), Image.Resampling.NEAREST)
    below = legend([(None, title)], 360, Font(13))
    out = Image.new("RGB", (360, image.height + below.height), PAGE)
    out.paste(image, (0, 0))
    out.paste(below, (0, image.height))
    return out
