"""The page in a real browser: it asks what its address says, shows every answer, and loads nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from itertools import pairwise

import numpy as np
import pytest

from tests.serve import chromium
from tests.serve.chromium import Browser
from tests.serve.live import live
from unisono.serve.engine import ModelEngine

pytestmark = pytest.mark.slow
TASKS = ["intent", "slots", "en-de", "same", "size"]  # that a text will do for
READY = "document.querySelectorAll('option').length > 1"
ANSWERED = (
    "[...document.querySelectorAll('article')].length && !document.querySelector('#go').disabled && "
    "![...document.querySelectorAll('article header')].some(head => head.innerText.includes('…'))"
)
ARTICLES = "Object.fromEntries([...document.querySelectorAll('article')].map(a => [a.id, a.innerText]))"


@pytest.fixture(scope="module")
def server(small_model):
    with live(ModelEngine(small_model, threads=1)) as (url, server):
        yield url, server


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Browser]:
    program = chromium.found()
    if program is None:
        pytest.skip(f"no Chromium on the PATH ({', '.join(chromium.NAMES)})")
    made = Browser(program, tmp_path_factory.mktemp("browser"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def asked(browser, server) -> Browser:
    """The page once all tasks have answered the sentence in its address."""
    browser.open(f"{server[0]}/#text=Wake me at seven.")
    browser.until(ANSWERED)
    return browser


def test_every_task_that_takes_a_text_shows_its_answer(asked):
    shown = asked.said(ARTICLES)
    assert list(shown) and set(shown) == {f"answer-{task}" for task in TASKS}
    assert all(task in shown[f"answer-{task}"] and " ms" in shown[f"answer-{task}"] for task in TASKS), shown
    assert "Wake" in shown["answer-slots"] and asked.said("document.querySelector('#trouble').hidden")
    assert float(shown["answer-size"].split()[-1])


def test_words_stand_as_they_stood(asked):
    words = asked.said("(() => { const a = document.querySelector('#answer-slots .words').cloneNode(true);"
                       " a.querySelectorAll('small').forEach(s => s.remove()); return a.textContent })()")  # fmt: skip
    assert words == "Wake me at seven."


def test_nothing_is_asked_of_anybody_else(asked, server):
    url = server[0]
    own = {address.removeprefix(url) for address in asked.loaded if address.startswith(url)}
    assert {"/page.css", "/page.js", "/v1/tasks", "/v1/card", "/v1/all?stream=true"} <= own
    assert [a for a in asked.loaded if not a.startswith((f"{url}/", "data:"))] == []


def test_every_control_has_a_name_and_headings_have_an_order(asked):
    assert asked.said("document.documentElement.lang") == "en" and asked.said("document.title")
    controls = "[...document.querySelectorAll('input:not([type=hidden]), select, textarea')]"
    unnamed = f"{controls}.filter(c => !c.labels.length && !c.ariaLabel).map(c => c.outerHTML)"
    assert asked.said(unnamed) == [] and asked.said(f"{controls}.length") >= 4
    assert asked.said("[...document.querySelectorAll('button, a')].every(b => b.textContent.trim())")
    assert asked.said("[...document.querySelectorAll('img')].every(i => i.alt)")
    assert asked.said("[...document.querySelectorAll('[tabindex], [onclick], [style*=outline]')].length") == 0
    levels = asked.said("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])")
    assert levels[0] == 1 and all(after <= before + 1 for before, after in pairwise(levels))
    told = asked.said("[...document.querySelectorAll('[role=alert], [aria-live]')].map(e => e.id)")
    assert set(told) == {"locked", "trouble", "answers"}


def test_the_keyboard_is_enough(browser, server):
    browser.open(server[0])
    browser.until(READY)
    order = []
    for _ in range(7):
        browser.press("Tab")
        order.append(browser.said("document.activeElement.id"))
        ring = browser.said("getComputedStyle(document.activeElement).outlineStyle")
        assert order[-1] == "" or ring not in ("", "none"), f"nothing shows that {order[-1]} has the focus"
        if order[-1] == "input-text":
            browser.type("Dim the light.")
    assert order[:6] == ["task", "input-text", "input-image", "input-audio", "go", "example"]
    browser.said("document.querySelector('#input-text').focus()")
    browser.press("Enter", control=True)
    browser.until(ANSWERED)
    assert set(browser.said(ARTICLES)) == {f"answer-{task}" for task in TASKS}


def test_a_token_is_asked_for_and_a_wrong_one_is_told(browser, small_model):
    with live(ModelEngine(small_model, threads=1), token="secret") as (url, _):
        browser.open(url)
        for token, then in (("wrong", "document.querySelector('#locked').textContent"), ("secret", READY)):
            browser.until("document.activeElement?.id == 'token'")
            assert browser.said("document.querySelector('main').hidden") and not browser.said("location.search")
            browser.said("document.querySelector('#token').value = ''")
            browser.type(token)
            browser.press("Enter")
            browser.until(then)
        assert not browser.said("document.querySelector('main').hidden")
        browser.said("sessionStorage.clear()")


def test_one_task_may_be_asked_by_the_address(browser, server):
    browser.open(f"{server[0]}/#task=intent&text=Wake me.")
    browser.until(ANSWERED)
    assert list(browser.said(ARTICLES)) == ["answer-intent"]


def test_a_file_may_be_chosen(browser, server, small_model):
    browser.open(f"{server[0]}/#task=shade")
    browser.until("document.querySelector('#task').value == 'shade'")
    browser.choose("#input-image", small_model.parent / "classes" / "train" / "dark" / "0.png")
    browser.until("document.querySelector('.drop img')?.naturalWidth == 8")
    browser.said("document.querySelector('#go').click()")
    browser.until(ANSWERED)
    assert "bright" in browser.said(ARTICLES)["answer-shade"]


def test_what_is_refused_is_told_and_the_next_question_is_answered(browser, server):
    browser.open(f"{server[0]}/#task=en-de&source={'x' * 150_000}")
    assert "100000 characters" in browser.until("document.querySelector('#trouble').textContent")
    assert browser.said(ARTICLES) == {}
    browser.said("document.querySelector('#input-source').value = 'Wake me.'; document.querySelector('#go').click()")
    browser.until(ANSWERED)
    assert browser.said("document.querySelector('#trouble').hidden")


def test_markup_in_a_text_is_text(browser, server):
    browser.open(f"{server[0]}/#task=slots&text=<img src=x onerror=document.title=1> <b>bold</b>")
    browser.until(ANSWERED)
    assert browser.said("document.title") == "Unisono" and "<" in browser.said(ARTICLES)["answer-slots"]
    assert browser.said("document.querySelectorAll('#answers img, #answers b').length") == 0


@pytest.mark.parametrize("width", [1200, 390])
def test_light_and_dark_differ_and_nothing_is_wider_than_the_window(browser, server, width):
    from PIL import Image

    seen = []
    for dark in (False, True):
        browser.open(f"{server[0]}/#text=Wake me at seven.", dark=dark, width=width)
        browser.until(ANSWERED)
        assert browser.said("document.documentElement.scrollWidth") <= width
        seen.append(np.asarray(Image.open(BytesIO(browser.picture())).convert("L")))
    light, dark_ = seen
    assert light[:20].min() > 240 and dark_[:20].max() < 40  # the margin
    assert light.std() > 5 and dark_.std() > 5  # and there is something on the page
