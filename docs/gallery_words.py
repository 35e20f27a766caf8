"""The gallery's sections on texts and molecules: everyday requests, symptoms, questions about a text, chemistry."""

from __future__ import annotations

import io

from gallery_runs import PICTURES, Run, block
from rich.console import Console
from rich.text import Text

from unisono.metrics.spans import score_spans

LIKE_THOSE = (  # put together by the grammar's own rules
    "Wake me up on Friday at half past six, please.",
    "Play something by Queen in the kitchen.",
    "What will the weather be like in Hamburg tomorrow?",
)
UNLIKE_THOSE = (
    "My flight to Paris leaves at nine, book me a taxi.",
    "Angela asked whether the train is late again.",
)


def everyday(run: Run) -> str:
    """Sentences as a terminal shows them, in colour."""
    screen = Console(record=True, width=96, file=io.StringIO(), highlight=False)
    for sentences in (LIKE_THOSE, UNLIKE_THOSE):
        screen.print(Text.from_ansi(run.asked(*sentences, colour=True)), end="\n\n")
    PICTURES.mkdir(exist_ok=True)
    screen.save_svg(str(PICTURES / "everyday.svg"), title="unisono predict")
    scores = {name: run.judged(name).scores for name in ("intent", "slots", "en-de")}
    return (
        f"The quickstart's model: intent accuracy {scores['intent']['accuracy']:.3f}, slots F1 "
        f"{scores['slots']['f1']:.3f}, en-de BLEU "
        f"{scores['en-de']['bleu']:.0f} on sentences of its own grammar that training never saw.\n\n![entities in "
        f"colour](gallery/everyday.svg)"
    )


def symptoms(run: Run) -> str:
    """Texts of our own: complaints, and what is none."""
    good = run.asked(
        "I have itchy patches with silvery scales on my elbows and knees.",
        "My head throbs on one side, light hurts my eyes and I feel sick.",
        "It burns when I pass water and I have to go all the time.",
    )
    bad = run.asked("My car will not start in the morning.", "I feel wonderful today.", "My grandmother broke her arm.")
    return f"{block(good)}\n\n**Not what it learned:**\n\n{block(bad)}"


def spans(run: Run) -> str:
    """Questions of paragraphs that training has not seen: the first right answers, the first wrong ones."""
    found = run.judged("qa")
    rows: dict[bool, list[str]] = {True: [], False: []}
    for row, prediction in found:
        f1 = score_spans([prediction], [row])["f1"]
        if f1 in (0.0, 1.0) and len(rows[f1 == 1]) < 4:
            golds = " / ".join(dict.fromkeys(a["text"] for a in row["answers"]))
            rows[f1 == 1].append(f"| {_cell(row['question'])} | {_cell(prediction['text'])} | {_cell(golds)} |")
    head = "| question | said | right |\n|---|---|---|\n"
    return (
        f"F1 {found.scores['f1']:.2f}, exact match {found.scores['exact_match']:.2f} over {len(found.rows)} "
        f"questions. The first four that were "
        f"right and the first four that share no word with the right answer:\n\n{head}"
        + "\n".join(rows[True] + rows[False])
    )


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "/").split())


def molecules(run: Run) -> str:
    """Known molecules, and the worst of the test set's."""
    known = run.asked("CC(=O)Oc1ccccc1C(=O)O", "CN1C=NC2=C1C(=O)N(C(=O)N2C)C", "Clc1ccc(cc1)C(c1ccc(Cl)cc1)C(Cl)(Cl)Cl")
    found = run.judged("esol")
    errors = sorted((abs(row["label"] - p["value"]), at) for at, (row, p) in enumerate(found))
    lines = []
    for name, (_, at) in (("best", errors[0]), ("middle", errors[len(errors) // 2]), ("worst", errors[-1])):
        row, prediction = found.rows[at], found.predictions[at]
        lines.append(f"| {name} | `{row['sequence']}` | {prediction['value']:.2f} | {row['label']:.2f} |")
    return (
        f"Aspirin, caffeine and DDT. `bbbp`: whether it passes the blood-brain barrier; `esol`: log10 of mol per "
        f"litre that dissolve in water.\n\n"
        f"{block(known)}\n\nSolubility of {len(found.rows)} molecules of the test set, RMSE "
        f"{found.scores['rmse']:.2f}:\n\n"
        "| | molecule | said | measured |\n|---|---|---|---|\n" + "\n".join(lines)
    )
