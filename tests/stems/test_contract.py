"""What every stem promises: a pack is its rows alone, lengths are true, chance is seeded, bad rows have a reason."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from tests.stems.contract import CASES, WIDTH, Case, embedded, folder_of, read
from unisono.stems import ENCODERS, STEMS, Stem, TextStem, find_stem

each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    return folder_of(tmp_path_factory)


@pytest.fixture
def stem(case: Case, folder: Callable[[str], str]) -> Stem:
    return case.build(folder)


def plain(examples: Any) -> list[Any]:
    return [one if isinstance(one, str) else {n: (v.dtype, v.tobytes()) for n, v in one.items()} for one in examples]


def test_every_stem_is_here():
    assert {case.stem for case in CASES} == set(STEMS)
    assert {case.stem for case in CASES if case.encoder} == set(ENCODERS)


def test_no_two_stems_have_a_field_of_one_name():
    for one, other in combinations(STEMS.values(), 2):
        assert not set(one.fields) & set(other.fields)


@each
def test_a_pack_is_its_rows_alone_in_any_order(case, stem):
    examples = read(stem, case.rows)
    alone = [embedded(stem, [e]) for e in examples]
    assert_close(embedded(stem, examples), torch.cat(alone), rtol=1e-4, atol=1e-5)
    assert_close(embedded(stem, examples[::-1]), torch.cat(alone[::-1]), rtol=1e-4, atol=1e-5)


@each
def test_lengths_are_true_and_bounded(case, stem):
    examples = read(stem, case.rows)
    for example in examples:
        assert embedded(stem, [example]).shape == (stem.length(example), WIDTH)
        assert 1 <= stem.length(example) <= stem.most


@each
def test_what_is_kept_depends_on_the_row_alone(case, stem):
    together = plain(stem.tokens(case.rows))
    assert plain(stem.train().tokens(case.rows)) == together
    assert [plain(stem.tokens([row]))[0] for row in case.rows] == together
    for example in read(stem, case.rows):
        assert set(example) <= set(stem.fields) and set(stem.reads) <= set(stem.fields)
        assert all(value.ndim == 1 and value.dtype in (np.uint8, np.int32, np.float32) for value in example.values())


@each
def test_chance_comes_from_torch_and_in_training_alone(case, stem):
    examples = read(stem, case.rows)
    assert torch.equal(embedded(stem, examples), embedded(stem, examples))
    stem.train()
    torch.manual_seed(3)
    first, second = embedded(stem, examples), embedded(stem, examples)
    assert torch.equal(first, second) is not case.chance
    torch.manual_seed(3)
    assert torch.equal(embedded(stem, examples), first)


@each
def test_it_is_built_again_from_its_config(case, stem, tmp_path):
    if isinstance(stem, TextStem):
        stem.save(tmp_path)
        again: Any = TextStem(TextStem.load_tokenizer(tmp_path), torch.nn.Embedding(300, WIDTH), **stem.config())
        again.embedding = stem.embedding
    else:
        told = json.loads(json.dumps(stem.config()))
        kind: Any = find_stem(case.stem, told["options"])
        if case.encoder:
            told["options"]["encoder"] = "no/such-encoder"  # it must not be needed again
        again = kind(WIDTH, kind.Options(**told["options"]), told["fitted"])
    again.load_state_dict(stem.state_dict())
    examples = read(again.eval(), case.rows)
    assert plain(examples) == plain(read(stem, case.rows))
    assert torch.equal(embedded(again, examples), embedded(stem, examples))
    assert again.key() == stem.key()


@each
def test_a_copy_says_the_same(case, stem):
    again = copy.deepcopy(stem)
    assert plain(again.tokens(case.rows)) == plain(stem.tokens(case.rows))
    assert torch.equal(embedded(again, read(again, case.rows)), embedded(stem, read(stem, case.rows)))


@each
def test_a_row_that_cannot_be_used_has_a_reason_and_the_others_stay(case, stem):
    good = plain(stem.tokens(case.rows))
    for broken in case.broken:
        found = plain(stem.tokens([*case.rows, broken, *case.rows]))
        reason = found.pop(len(good))
        assert isinstance(reason, str) and 0 < len(reason) < 200 and "\n" not in reason
        assert found == good * 2


@each
def test_fit_takes_rows_that_are_broken_or_lack_the_input(case, folder):
    if case.stem != "text":
        said = {**case.options, **({"encoder": folder(case.encoder)} if case.encoder else {})}
        kind = find_stem(case.stem, said)
        values = [None, *(row[case.stem] for row in [*case.broken, *case.rows])]
        told = kind.fit(iter(values), kind.Options(**said))
        assert json.loads(json.dumps(told)) == told == kind.fit(iter(values), kind.Options(**said))


@each
def test_gradients_reach_what_learns(case, stem):
    embedded(stem, read(stem, case.rows)).square().sum().backward()
    learning = {name for name, p in stem.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert learning and all(p.grad is None or p.grad.isfinite().all() for p in stem.parameters())


@each
def test_half_precision_is_close(case, stem):
    examples = read(stem, case.rows)
    exact = embedded(stem, examples)
    with torch.autocast("cpu", torch.bfloat16):
        assert_close(embedded(stem, examples).float(), exact, rtol=0.1, atol=0.2)
