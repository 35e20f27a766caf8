"""An export answers what its model answers."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.runtime.conftest import WORDS
from tests.runtime.twins import alike
from unisono import together
from unisono.runtime import BadInput, ExportedError, NoTask, Question, Runtime, Unanswerable

TEXTS = [
    "Wake me up at seven, please!", "", " ", "Hi", "naïve café — 你好 🤖 İstanbul", "a\u0000b \u200b c\u0301",
    " ".join(WORDS * 9), "x" * 400, "UPPER lower 1,234.5 don't", "\n\ttabs and\r\nlines",
]  # fmt: skip
PLAIN = [text for text in TEXTS if text.strip()]
LONG = " ".join(WORDS * 6)
ROWS: dict[str, list[Any]] = {
    "intent": PLAIN,
    "Encoder": [{"text": text} for text in PLAIN] + [{"text": "a pair", "pair": "it was never taught"}],
    "flags": PLAIN,
    "heat": [{"text": t, "pair": p} for t, p in zip(PLAIN, reversed(PLAIN), strict=True)] + [{"text": "alone"}],
    "slots": [{"tokens": text.split()} for text in PLAIN] + [{"tokens": "A raw text, at eight."}, "Some words"],
    "strict": [{"tokens": ["\u0000", "at", "\u0000", "eight", "\u0000"]}, {"tokens": WORDS * 9}, "at 8 ."],
    "where": [
        {"question": "when?", "context": LONG}, {"question": LONG, "context": LONG},
        {"question": "?", "context": "yes"},
        {"question": "who is it " * 3, "context": "İki  çocuk\n— 你好, and they skated."},
    ],
    "en-de": PLAIN,
    "reply": [{"question": "when?", "context": LONG}, {"question": "who?"}],
    "say": [{"source": text} for text in PLAIN],
    "alike": [{"text": "one", "other": "two"}, {"text": LONG, "other": "two"}, {"text": "one"}, {"other": LONG}],
}  # fmt: skip


@pytest.mark.parametrize("task", ROWS)
def test_every_task_answers_what_the_model_answers(shipped, task):
    wanted = shipped.model.predict(task, ROWS[task])
    assert alike(shipped.runtime.predict(task, ROWS[task]), wanted, apart=1e-4)
    for row, alone in zip(ROWS[task], wanted, strict=True):  # and a row alone what it answers among others
        assert alike(shipped.runtime.predict(task, [row]), [alone], apart=1e-4)


@pytest.mark.parametrize(
    ("task", "options"),
    [
        ("en-de", {"beams": 1}), ("en-de", {"beams": 5, "max_new": 6}), ("en-de", {"min_new": 9}),
        ("say", {"language": "twice", "beams": 3}), ("say", {"language": "up"}), ("reply", {"beams": None}),
    ],
)  # fmt: skip
def test_options_of_tasks_that_write(shipped, task, options):
    rows = ROWS[task]
    assert shipped.runtime.predict(task, rows, **options) == shipped.model.predict(task, rows, **options)


def test_a_text_is_streamed_as_it_grows(shipped):
    questions = [Question("en-de", {"source": text}, partial=True) for text in PLAIN[:3]]
    questions += [
        Question("say", {"source": PLAIN[0]}, {"language": "up"}, partial=True),
        Question("intent", {"text": PLAIN[0]}, partial=True),
    ]
    ours = [answer for answer in shipped.runtime.answers(questions) if answer is not None]
    theirs = [answer for answer in together.answers(shipped.model, questions) if answer is not None]
    for at in range(len(questions)):
        grown, wanted = ([a for a in some if a.at == at] for some in (ours, theirs))
        assert alike([[a.found, a.last] for a in grown], [[a.found, a.last] for a in wanted], apart=1e-4)
    assert len(ours) > 10 and [a.last for a in ours if a.at == 4] == [True]
    ends = [a.at for a in ours if a.last]
    assert ends.index(4) < ends.index(0), "labels overtake texts"


def test_all_tasks_of_a_text_at_once(shipped):
    assert shipped.runtime.text_tasks == shipped.model.text_tasks
    assert alike(shipped.runtime.predict_all(TEXTS), shipped.model.predict_all(TEXTS), apart=1e-4)
    assert alike(shipped.runtime.predict_all(TEXTS[0]), shipped.model.predict_all(TEXTS[0]), apart=1e-4)


def last(given, count: int) -> list[Any]:
    out: list[Any] = [None] * count
    for answer in given:
        if answer is not None and answer.last:
            assert out[answer.at] is None, "one last answer to each question"
            out[answer.at] = answer.found
    return out


def test_questions_of_all_tasks_in_one_go(shipped):
    questions = [Question(task, row) for task, rows in ROWS.items() for row in rows if not isinstance(row, str)] + [
        Question(task, {"text": text}) for task in ("intent", "flags") for text in PLAIN
    ]
    ours = last(shipped.runtime.answers(questions), len(questions))
    theirs = last(together.answers(shipped.model, questions), len(questions))
    assert alike(ours, theirs, apart=1e-4)


def test_equal_inputs_share_a_sequence_and_like_lengths_a_pass(shipped, monkeypatch):
    seen: list[list[int]] = []
    run = shipped.runtime._graphs

    def watched(pack, asked):
        seen.append(pack.lengths.tolist())
        return run(pack, asked)

    monkeypatch.setattr(shipped.runtime, "_graphs", watched)
    text = {"text": "the same text"}
    questions = [
        Question("intent", text),
        Question("flags", text),
        Question("Encoder", text),
        Question("flags", {"text": LONG}),
    ]
    last(shipped.runtime.answers(questions), 4)
    assert [len(lengths) for lengths in seen] == [2]
    seen.clear()
    last(shipped.runtime.answers([Question("flags", {"text": f"{i} {LONG}"}) for i in range(200)]), 200)
    assert len(seen) > 1 and all(len(lengths) * max(lengths) <= 8192 for lengths in seen)


def test_what_cannot_be_answered_is_told_and_the_rest_answered(shipped):
    questions = [
        Question("intent", {"text": "fine"}), Question("intent", {}), Question("intent", {"text": 3}),
        Question("none", {"text": "x"}), Question("flags", {"text": "fine"}, {"beams": 2}),
        Question("where", {"question": "when?"}), Question("where", {"question": "when?", "context": "  "}),
        Question("say", {"source": "a"}, {"language": "de"}), Question("say", {"source": "a"}, {"beams": 0}),
        Question("say", {"source": "a"}, {"beams": [2]}), Question("en-de", {"source": "a"}, {"language": "up"}),
        Question("slots", {"tokens": ["a", 3]}), Question("intent", {"text": "x" * 1_000_001}),
    ]  # fmt: skip
    found = last(shipped.runtime.answers(questions), len(questions))
    assert isinstance(found[0], dict)
    assert [answer.reason for answer in found[1:] if isinstance(answer, Unanswerable)] == [
        "no input: text missing",
        '"text" must be a text, not int',
        'no task "none"',
        'task "flags" has no option "beams": it takes none',
        "no input: context missing",
        "no token was found in the context",
        "language 'de': this task translates into up, twice",
        'option "beams" cannot be 0',
        'option "beams" cannot be [2]',
        "language 'up': this task translates into one language",
        '"tokens" must be a list of words, not list',
        '"text" has 1,000,001 characters, more than 1,000,000',
    ]


def test_wrong_requests_are_one_line(shipped):
    with pytest.raises(NoTask, match='^this export has no task "intend"; did you mean "intent"\\?$'):
        shipped.runtime.predict("intend", ["x"])
    with pytest.raises(
        BadInput, match='^task "where": row 1: "context" is missing or empty; it has \\[\'question\'\\]$'
    ):
        shipped.runtime.predict("where", [{"question": "a", "context": "b"}, {"question": "c"}])
    with pytest.raises(BadInput, match='^task "intent": row 1: "text" must be a text, not list$'):
        shipped.runtime.predict("intent", ["fine", {"text": ["no"]}])
    with pytest.raises(ExportedError, match='^task "intent" has no option "beams": it takes none$'):
        shipped.runtime.predict("intent", ["x"], beams=2)


@pytest.mark.slow
def test_threads_may_share_it(exported):
    runtime = Runtime.load(exported)
    texts = [" ".join(WORDS[i % 9 : i % 9 + 2 + i % 5]) for i in range(60)]
    wanted = [runtime.predict_all(text) for text in texts]
    with ThreadPoolExecutor(4) as pool:
        assert alike(list(pool.map(runtime.predict_all, texts)), wanted)


BLOCKED = """
import builtins, sys
usual = builtins.__import__
def only(name, globals=None, locals=None, fromlist=(), level=0):
    top = name.partition(".")[0]
    if level == 0 and top in ("torch", "transformers", "safetensors", "pydantic", "onnx", "datasets", "pyarrow"):
        raise ImportError(f"{name} is not installed here")
    return usual(name, globals, locals, fromlist, level)
builtins.__import__ = only
"""


@pytest.mark.slow
def test_it_needs_nothing_else(exported):
    """The command answers where neither PyTorch nor anything else of ours can be imported."""
    code = f"""{BLOCKED}
sys.argv = ["unisono-runtime", {str(exported)!r}, "Wake me up at seven, please!"]
from unisono.runtime.__main__ import main
main()
ours = {{n.split(".")[1] for n in sys.modules if n.startswith("unisono.")}}
assert ours == {{"runtime"}}, ours
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert '"intent": {"label":' in done.stdout and len(done.stdout.splitlines()) == 1
