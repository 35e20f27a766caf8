"""What every test gets: the same seeds, no network, its own cache, and the folder of real data where there is one."""

from __future__ import annotations

import importlib.util
import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

import hypothesis
import numpy as np
import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Before anything is imported that reads these."""
    os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    # No example is too slow: how long one takes says how busy the machine is.
    hypothesis.settings.register_profile("calm", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
    hypothesis.settings.load_profile("calm")
    config.cache_home = os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="unisono-tests-")


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(config.cache_home, ignore_errors=True)


@pytest.fixture(autouse=True)
def _seeds() -> None:
    random.seed(0)
    np.random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data; without one, the test is skipped."""
    folder = os.environ.get("UNISONO_DATA")
    if not folder:
        pytest.skip("UNISONO_DATA is not set: no real data here")
    return Path(folder)


@pytest.fixture(scope="session")
def small_model(tmp_path_factory) -> Path:
    """The folder of an untrained model of many kinds of task: text, pairs, words, pictures, sounds, tables."""
    pytest.importorskip("PIL")
    pytest.importorskip("soundfile")
    path = Path(__file__).parents[1] / "benchmarks" / "serve_model.py"
    spec = importlib.util.spec_from_file_location("serve_model", path)
    assert spec and spec.loader
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made.save(tmp_path_factory.mktemp("small"))
