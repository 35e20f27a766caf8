"""predicting: the answers to a person's inputs, one after the other: printed, as JSON, as pictures and sounds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from unisono import draw, said, show
from unisono.ask import Given, Takes
from unisono.targets import Target, TargetError

if TYPE_CHECKING:
    from unisono.heads import Prediction


def console(colour: bool | None) -> Console:
    """Standard output, in colours: true, false, or None: when it is a terminal."""
    if colour is None:
        return Console(highlight=False, soft_wrap=True)
    return Console(highlight=False, soft_wrap=True, force_terminal=colour, color_system="standard" if colour else None)


def tell(
    answers: Iterable[tuple[Given, dict[str, Prediction] | str]],
    givens: Sequence[Given],
    tasks: Mapping[str, Takes],
    *,
    classes: Mapping[str, Sequence[str]] | None = None,
    pictures: Path | None = None,
    sounds: Path | None = None,
    least: float = said.LEAST,
    colour: bool | None = None,
    as_json: bool = False,
) -> int:
    """Answers each input; gives back how many could not be used, each told on standard error.

    Args:
        answers: each input with what is said of it, or why nothing is. ``givens``: all the inputs.
        tasks: those that are asked.
        classes: task -> the names of its classes in their order, so that pictures agree in their colours.
        pictures, sounds: the file or folder for what is drawn, and for what is spoken.
        least: boxes of a lower score are neither drawn nor told.
    """
    drawing = Target(pictures, ".png", inputs=len(givens), sources=_images(tasks, givens)) if pictures else None
    speaking = Target(sounds, ".wav", inputs=len(givens)) if sounds else None
    if speaking and not any(task.kind == "speak" for task in tasks.values()):
        raise TargetError("--output is for what a task speaks, and no task asked here does")
    lines, documents, refused = console(colour), [], 0
    for given, found in answers:
        if isinstance(found, str):
            refused += 1
            show.failed(f"{said.heading(given.shown).plain}: {found}")
            documents.append({"input": given.shown, "error": found})
            continue
        if not as_json:
            lines.print(said.heading(given.shown))
            for name, prediction in found.items():
                lines.print(Text(f"  {name:<12} ").append_text(said.said(prediction, _seen(given), least=least)))
        paths = _drawn(_image(tasks, given), given, found, drawing, least, classes or {}) if drawing else []
        if speaking:
            found, written = _spoken(given, found, speaking)
            paths += written
        documents.append({"input": given.shown, **found})
        if not as_json:
            for path in paths:
                lines.print(Text(f"  written      {path}", style="dim"))
        if not as_json:
            lines.print()
    if as_json:
        show.document(documents)
    return refused


def _drawn(
    image: Any,
    given: Given,
    found: Mapping[str, Prediction],
    target: Target,
    least: float,
    classes: Mapping[str, Sequence[str]],
) -> list[Path]:
    """A picture for each task whose answer lies on the image; where there is none, one with the words below."""
    if image is None:
        return []
    on = [name for name, prediction in found.items() if "boxes" in prediction or "runs" in prediction]
    asked = [str(value) for role, value in given.named.items() if value is not image]
    words = [f"{name}: {said.said(p, _seen(given)).plain}" for name, p in found.items() if name not in on]
    paths = []
    for name in on or [""]:
        picture = draw.drawn(
            image, found[name] if name else {}, classes=classes.get(name, ()), lines=asked + words, least=least
        )  # fmt: skip
        path = target.path(image if isinstance(image, str) else "", name if len(on) > 1 else "")
        target.write(draw.png(picture), path)
        paths.append(path)
    return paths


def _spoken(given: Given, found: Mapping[str, Prediction], target: Target) -> tuple[dict[str, Prediction], list[Path]]:
    """A WAV file for each task that spoke; the answers with the files' names in place of what was spoken."""
    from unisono.sounds import kept

    told, paths = dict(found), []
    said = [name for name, prediction in found.items() if "mel" in prediction]
    for name in said:
        text = given.value or next((v for v in given.named.values() if isinstance(v, str)), "")
        path = target.path(text, name if len(said) > 1 else "")
        told[name] = kept(found[name], path)
        paths.append(path)
    return told, paths


def _seen(given: Given) -> Any:
    """What answers refer to: the sentence, or role -> value."""
    return (
        given.named if given.kind is None else {**given.named, given.kind: given.value} if given.named else given.value
    )


def _image(tasks: Mapping[str, Takes], given: Given) -> Any:
    if given.kind == "image":
        return given.value
    kinds = {role: kind for task in tasks.values() for role, kind in task.reads.items()}
    return next((value for role, value in given.named.items() if kinds.get(role) == "image"), None)


def _images(tasks: Mapping[str, Takes], givens: Sequence[Given]) -> list[str]:
    """The images' files.

    Raises:
        TargetError: there is none to draw on.
    """
    found = [image for given in givens if (image := _image(tasks, given)) is not None]
    if not found:
        raise TargetError("--draw draws on images, and none is given")
    return [image for image in found if isinstance(image, str)]
