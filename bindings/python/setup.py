"""Puts libnanograd.so into the wheel: the one NANOGRAD_LIBRARY names, else that of build/, else it is built."""

import atexit
import ctypes
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py

try:
    from setuptools.command.bdist_wheel import bdist_wheel
except ImportError:  # before setuptools 70.1
    from wheel.bdist_wheel import bdist_wheel

ROOT = Path(__file__).resolve().parents[2]
HEADER = ROOT / "include" / "nanograd.h"


def version() -> str:
    text = HEADER.read_text(encoding="utf-8")
    parts = [
        re.search(rf"#define NG_VERSION_{part} +(\d+)", text)[1]
        for part in ("MAJOR", "MINOR", "PATCH")
    ]
    return ".".join(parts)


def library() -> Path:
    named = os.environ.get("NANOGRAD_LIBRARY")
    path = Path(named) if named else ROOT / "build" / "lib" / "libnanograd.so"
    if not named and not path.exists():
        options = [f"-DNANOGRAD_BUILD_{part}=OFF" for part in ("EXAMPLES", "TESTS", "BENCH")]
        subprocess.run([ROOT / "scripts" / "install-tools.sh", "--no-tests"], check=True)
        subprocess.run([ROOT / "scripts" / "build.sh", *options], check=True)
    if not path.is_file():
        raise SystemExit(f"there is no {path}")
    found = ctypes.CDLL(str(path))
    declared = re.findall(r"^NG_API .*?\b(ng_\w+)\(", HEADER.read_text(encoding="utf-8"), re.M)
    missing = [name for name in declared if not hasattr(found, name)]
    if missing:
        raise SystemExit(f"{path} has no {missing[0]}, which the header has: build it again")
    return path.resolve()


class WithLibrary(build_py):
    def run(self) -> None:
        super().run()
        folder = Path(self.build_lib) / "nanograd"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(library(), folder / "libnanograd.so")


class AnyPython(bdist_wheel):
    """The library is for one platform, but calls nothing of Python's."""

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", super().get_tag()[2]


class Binary(Distribution):
    def has_ext_modules(self) -> bool:
        return True


# What building leaves behind is not for the project's folders.
scratch = tempfile.mkdtemp(prefix="nanograd-wheel-")
atexit.register(shutil.rmtree, scratch, ignore_errors=True)
setup(
    version=version(),
    distclass=Binary,
    cmdclass={"build_py": WithLibrary, "bdist_wheel": AnyPython},
    options={"build": {"build_base": scratch}, "egg_info": {"egg_base": scratch}},
)
