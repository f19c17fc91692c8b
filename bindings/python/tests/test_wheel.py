"""The wheel itself: what it carries, and which systems it claims to run on."""

from __future__ import annotations

import os
import platform
import re
import zipfile
from pathlib import Path

import pytest

WHEEL = os.environ.get("NANOGRAD_WHEEL")


@pytest.mark.skipif(not WHEEL, reason="NANOGRAD_WHEEL names no wheel")
def test_wheel():
    wheel = Path(WHEEL)
    system = rf"(manylinux\w+|linux)_{platform.machine()}"
    assert re.fullmatch(rf"nanograd-\d+\.\d+\.\d+-py3-none-{system}[\w.]*\.whl", wheel.name), (
        wheel.name
    )
    names = set(zipfile.ZipFile(wheel).namelist())
    sources = Path(__file__).resolve().parent.parent / "src" / "nanograd"
    expected = {f"nanograd/{file.name}" for file in sources.glob("*.py")}
    expected |= {"nanograd/py.typed", "nanograd/libnanograd.so"}
    files = {name for name in names if ".dist-info/" not in name and not name.endswith("/")}
    assert files == expected
