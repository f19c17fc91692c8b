"""No function that computes is left out of the comparisons with other libraries."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from nanograd import _abi

HERE = Path(__file__).resolve().parent
CHAPTERS = {
    "Elementwise operators",
    "Matrix products",
    "Shapes",
    "Reductions",
    "Losses",
    "Recurrent networks",
}


def functions() -> set[str]:
    """The functions of these chapters, by the comments of the package's table."""
    found, inside = set(), False
    for line in _abi._FUNCTIONS.splitlines():
        line = line.strip()
        if line.startswith("#"):
            inside = line[2:] in CHAPTERS
        elif inside and line:
            found.add(line.split("(")[0].rstrip("*").removeprefix("ng_"))
    return found


def test_every_function_that_computes_is_compared(tmp_path):
    tests = ["test_operators.py", "test_selections.py", "test_recurrent.py"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "counting", "-p", "no:cacheprovider", *tests],
        cwd=HERE,
        env={
            **os.environ,
            "NANOGRAD_CASES": "1",
            "NANOGRAD_COUNTED": str(tmp_path / "called"),
            "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]),
        },
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert run.returncode == 0, run.stdout
    called = set((tmp_path / "called").read_text().split())
    assert len(functions()) > 70
    assert functions() - called == set()
