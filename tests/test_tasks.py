"""What can be seen to be wrong with a recipe's heads and stems without a look at the data."""

from __future__ import annotations

import pytest

from unisono.recipe import RecipeError, parse
from unisono.tasks import Task, resolve

RECIPE = """
trunk: {layers: 1, width: 16, heads: 2}
tasks:
  light: {kind: classify, data: nowhere/photos, columns: {image: image, label: label}}
"""


@pytest.mark.parametrize(
    ("stems", "said"),
    [
        ("image: {pach: 4}", 'stems.image.pach: "pach" is not a setting here; did you mean "patch"?'),
        ("image: {patch: nought}", "stems.image.patch: input should be a valid integer"),
        ("image: {encoder: some/encoder, patch: 4}", 'stems.image.patch: "patch" is not a setting here'),
        ("imge: {patch: 4}", 'stems.imge: no task needs it; did you mean "image"?'),
        ("audio: {seconds: 2}", "stems.audio: no task needs it; valid: image"),
        ("text: {}", "stems.text: no task needs it; valid: image"),
    ],
)
def test_a_wrong_stem_is_told_with_the_files_name(stems, said):
    with pytest.raises(RecipeError) as error:
        resolve(parse(f"{RECIPE}\nstems: {{{stems}}}"), "photos.yaml")
    assert str(error.value).startswith(f"photos.yaml: {said}")


def test_all_that_is_wrong_is_told_at_once():
    stems = "stems: {image: {pach: 4, longest: -1}, audio: {}}"
    both = RECIPE.replace("image: image,", "image: image, text: text,").replace(
        "label}}", "label}, head: {mixup: 0.2}}"
    )
    with pytest.raises(RecipeError) as error:
        resolve(parse(both + stems), "photos.yaml")
    told = [line.split(": ")[1] for line in str(error.value).splitlines()]
    assert sorted(told) == ["stems.audio", "stems.image.longest", "stems.image.pach", "tasks.light.head.mixup"]


def test_mixup_is_for_images():
    text = RECIPE.replace("{image: image, label: label}", "{text: text, label: label}, head: {mixup: 0.2}")
    with pytest.raises(RecipeError, match=r"^photos.yaml: tasks.light.head.mixup: mixes images; this task reads text$"):
        resolve(parse(text), "photos.yaml")


def test_a_recipe_may_not_have_an_option_that_changes_nothing_but_a_saved_model_may():
    head = ", head: {hidden: 8, layers: 0, threshold: 0.3}}"
    with pytest.raises(RecipeError) as error:
        resolve(parse(RECIPE.replace("label}}", "label}" + head)), "photos.yaml")
    assert str(error.value).splitlines() == [
        "photos.yaml: tasks.light.head.hidden: belongs to layers: 1 or more, this one is 0",
        "photos.yaml: tasks.light.head.threshold: belongs to multi: true, this one is false",
    ]
    (task,) = resolve(parse(RECIPE)).values()
    config = task.config()
    config["options"] |= {"hidden": 8, "layers": 0}  # saved by a version that did not look
    assert Task.from_config("light", config).options.idle()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (
            "values: {lable: [cat, dog]}",
            'tasks.light.data.values.lable: no task reads that column; did you mean "label"?',
        ),
        (
            'files: {imge: "photos/{}.png"}',
            'tasks.light.data.files.imge: no task reads that column; did you mean "image"?',
        ),
    ],
)
def test_what_is_said_of_a_column_that_nobody_reads(data, says):
    with pytest.raises(RecipeError) as error:
        resolve(parse(RECIPE.replace("nowhere/photos", f"{{path: nowhere, {data}}}")), "photos.yaml")
    assert str(error.value) == f"photos.yaml: {says}"


def test_tasks_of_the_same_data_may_share_what_is_said_of_columns():
    more = (
        "  dark: {kind: regress, data: {path: nowhere, values: {label: [cat]}}, columns: {image: image, label: age}}\n"
    )
    text = RECIPE.replace("nowhere/photos", "{path: nowhere, values: {label: [cat]}}") + more
    assert len(resolve(parse(text))) == 2
