"""What schemathesis makes of the server's document, right or wrong, is answered as the document says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serve.live import live
from unisono.client import Client
from unisono.heads.speak import Speak
from unisono.runtime.questions import Question
from unisono.serve.engine import ModelEngine
from unisono.serve.faces import face_of


def test_a_row_may_lack_an_input_of_several(small_model):
    """Alone in its pass, so that no row of the pass has a table."""
    with live(ModelEngine(small_model, threads=1)) as (url, _), Client(url) as client:
        for row in ({"text": "room 1"}, {"table": {"age": 3}}, {"text": "room 1", "table": {"age": 3, "wing": None}}):
            assert isinstance(client.predict("size", [row])[0]["value"], float)


def test_what_a_task_may_be_told_stands_beside_its_inputs():
    from tests.serve.pretend import task

    face = face_of("say", task("say", "speak"), Speak)
    asked = face.ask.model_validate({"text": "hi", "speaker": "jo"})
    assert face.question(asked) == Question("say", {"text": "hi", "speaker": "jo"}) and face.told == {
        "speaker": "label"
    }
    with pytest.raises(ValueError, match="nothing to look at"):
        face.question(face.ask.model_construct(speaker="jo"))


@pytest.mark.slow
def test_generated_requests_are_answered_as_documented():
    """The whole figure is that of the benchmark: 10,000."""
    pytest.importorskip("schemathesis")
    script = Path(__file__).parents[2] / "benchmarks" / "serve_fuzz.py"
    ran = subprocess.run([sys.executable, script, "--requests", "400"], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-4000:]
    assert json.loads(ran.stdout)["requests"] >= 400
