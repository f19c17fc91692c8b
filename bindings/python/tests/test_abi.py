"""The table of functions against the header: a function of the header that is not declared, or otherwise, fails."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import re
from pathlib import Path

import pytest

from nanograd import _abi

HEADER = Path(__file__).resolve().parents[3] / "include" / "nanograd.h"
LETTERS = {
    "int32_t": "i",
    "ng_status": "i",
    "ng_dtype": "i",
    "int64_t": "l",
    "uint64_t": "u",
    "double": "d",
    "void": "v",
    "const char *": "s",
}


def letter(c_type: str) -> str:
    if c_type in LETTERS:
        return LETTERS[c_type]
    if re.fullmatch(r"ng_(tensor|optimizer|schedule|[a-z]+) \*", c_type):
        return "t"
    assert c_type.endswith("*"), f"no letter for {c_type}"
    return "p"


def declared() -> dict[str, tuple[str, str]]:
    text = re.sub(r"/\*.*?\*/|//[^\n]*", " ", HEADER.read_text(), flags=re.DOTALL)
    found = {}
    for result, name, arguments in re.findall(r"NG_API ([^;()]+?)(ng_\w+)\(([^)]*)\);", text):
        letters = ""
        for argument in arguments.split(","):
            c_type = re.sub(r"\s+", " ", argument.strip())
            if c_type != "void":
                letters += letter(re.sub(r"\w+$", "", c_type).strip())
        found[name] = (letters, letter(re.sub(r"\s+", " ", result).strip()))
    return found


@pytest.mark.skipif(not HEADER.exists(), reason="the header is not here")
def test_every_function_of_the_header_is_declared():
    functions = declared()
    assert len(functions) > 140
    table = {
        name: (arguments, result) for name, (arguments, result, _) in _abi.signatures().items()
    }
    missing = [
        f"{name}({arguments}) {result}"
        for name, (arguments, result) in functions.items()
        if table.get(name) != (arguments, result)
    ]
    assert not missing, "put into _abi.py:\n" + "\n".join(missing)
    assert not table.keys() - functions.keys(), "the header has none of these"


def test_types_have_the_sizes_of_the_header():
    sizes = {"i": 4, "l": 8, "u": 8, "d": 8, "t": 8, "p": 8, "s": 8}
    for code, size in sizes.items():
        assert ctypes.sizeof(_abi._TYPES[code]) == size


@pytest.mark.skipif(not HEADER.exists(), reason="the header is not here")
def test_constants():
    from nanograd import _data, _errors

    numbers = dict(re.findall(r"(NG_[A-Z0-9_]+) = (-?\d+)", HEADER.read_text()))
    for name in ("FLOAT32", "FLOAT64", "INT32", "INT64"):
        assert getattr(_data, name) == int(numbers["NG_" + name])
    statuses = {int(number) for name, number in numbers.items() if name.startswith("NG_ERROR")}
    assert statuses <= _errors._CLASSES.keys(), "a status without an exception"
    assert f"NG_MAX_RANK {_data.MAX_RANK}" in HEADER.read_text()


def test_a_library_of_another_version_is_refused(tmp_path, monkeypatch):
    with pytest.raises(ImportError, match="no ng_version"):
        _abi._Library(Path(ctypes.util.find_library("m") or "libm.so.6"))
    with pytest.raises(ImportError, match="cannot be loaded"):
        _abi._Library(tmp_path)
    monkeypatch.setitem(os.environ, "NANOGRAD_LIBRARY", str(tmp_path / "none"))
    with pytest.raises(ImportError, match="there is no"):
        _abi._path()
