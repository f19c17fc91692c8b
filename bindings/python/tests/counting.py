"""A plugin for pytest that counts which functions of the library are called: see test_completeness.py."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

called: set[str] = set()


class Counted:
    def __init__(self, name, function):
        self.name, self.function = name, function

    def __call__(self, *arguments):
        called.add(self.name)
        return self.function(*arguments)


# The package finds this module in place of its own, and takes its functions from there.
package = importlib.util.find_spec("nanograd")
where = Path(package.origin).with_name("_abi.py")
spec = importlib.util.spec_from_file_location("nanograd._abi", where)
abi = importlib.util.module_from_spec(spec)
sys.modules["nanograd._abi"] = abi
spec.loader.exec_module(abi)
for name, function in vars(abi.lib).items():
    setattr(abi.lib, name, Counted(name, function))


def pytest_sessionfinish():
    Path(os.environ["NANOGRAD_COUNTED"]).write_text("\n".join(sorted(called)))
