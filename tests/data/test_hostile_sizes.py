"""Files that say they are enormous, or become it once unpacked, cost little memory. See ``enormous.py``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("PIL")
pytest.importorskip("soundfile")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the size of a process is read from /proc")
def test_no_more_memory_than_a_few_rows(tmp_path: Path) -> None:
    """A process that may take 160 MB more reads them all: one that crashed, or ran out of memory, would not say so."""
    here = Path(__file__).parents[2]
    pool = {"ARROW_DEFAULT_MEMORY_POOL": "system"}  # the others reserve far more than they use
    path = os.pathsep.join([str(here), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-m", "tests.data.enormous", str(tmp_path)],
        env={**os.environ, **pool, "PYTHONPATH": path},
        cwd=here,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert len(found) > 40
    assert {what: said for what, said in found.items() if said != "DataError" and not said.endswith(" rows")} == {}
