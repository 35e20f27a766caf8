"""``unisono report``: what a person types, what comes back."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET

from tests.commands import unisono
from tests.report.folders import write_run


def test_the_report_is_written_and_named(tmp_path):
    run = write_run(tmp_path / "run", steps=20)
    done = unisono("report", str(run))
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.strip() == f"wrote {run / 'report.html'}"
    ET.parse(run / "report.html")
    elsewhere = tmp_path / "page.html"
    done = unisono("report", str(run), "--out", str(elsewhere), "--json")
    assert json.loads(done.stdout) == {"report": str(elsewhere)} and elsewhere.exists()


def test_what_is_no_run_is_one_line_and_exit_code_2(tmp_path):
    done = unisono("report", str(tmp_path))
    assert done.returncode == 2 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and done.stderr.startswith("error: ") and "events.jsonl" in done.stderr


def test_no_torch_is_needed(tmp_path):
    run = write_run(tmp_path / "run", steps=20)
    code = f"import sys; sys.argv = ['unisono', 'report', {str(run)!r}]\nfrom unisono.cli import main\n"
    code += "try: main()\nexcept SystemExit: pass\nassert not {'torch', 'transformers'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
