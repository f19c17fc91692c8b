"""What the README shows, run as printed; a block of text after a program is what it prints."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import nanograd as ng

PACKAGE = Path(__file__).resolve().parent.parent
PAGES = [PACKAGE / "README.md", PACKAGE.parents[1] / "README.md"]


def programs(page: Path) -> list[tuple[str, str]]:
    """The Python programs of a page, each with the text that follows before the next."""
    found: list[tuple[str, str]] = []
    for language, block in re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text(), re.S | re.M):
        if language == "python":
            found.append((block, ""))
        elif language == "text" and found and not found[-1][1]:
            found[-1] = (found[-1][0], block)
    return found


blocks = [
    pytest.param(program, output, id=f"{page.parent.name}-{i}")
    for page in PAGES
    if page.exists()
    for i, (program, output) in enumerate(programs(page))
]


@pytest.mark.parametrize(("program", "output"), blocks)
def test_readme(program, output):
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == output


def test_there_are_programs():
    assert len(blocks) >= 3


def test_names_exist():
    text = (PACKAGE / "README.md").read_text()
    table = text[text.index("## What is there") :]
    names = set(re.findall(r"`([A-Za-z_][A-Za-z_0-9]+)`", table))
    names -= {"str", "abs", "ctypes"} | {n for n in names if n.endswith("Error") and n[0] != "N"}
    assert len(names) > 60
    assert not {name for name in names if not hasattr(ng, name)}
    assert not {name for name in ng.__all__ if not hasattr(ng, name)}
