"""Keeping pages: the second buffer of a size costs the kernel nothing. In a child process, as the setting stays."""

from __future__ import annotations

import subprocess
import sys

import pytest

CHILD = """
import resource, torch
from unisono.memory import keep_pages
def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def grow(): torch.empty(16_000_000).fill_(1.0)
def settled():
    for _ in range(12): grow()  # the heap takes a few rounds to find its size
    before = faults(); grow(); return faults() - before
print(settled(), keep_pages(), settled())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a setting of glibc")
def test_a_buffer_is_used_again_without_page_faults():
    out = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True).stdout.split()
    default, took, kept = int(out[0]), out[1] == "True", int(out[2])
    if not took:
        pytest.skip("another C library")
    assert kept < 100 and kept <= default
