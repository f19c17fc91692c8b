"""A graph as notebooks show it, through Graphviz where there is one."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

import nanograd as ng
from nanograd import Parameter, Variable


@pytest.mark.parametrize("installed", [False, True])
def test_pictures_in_notebooks(installed, monkeypatch):
    if not installed:
        monkeypatch.setenv("PATH", "")
    elif shutil.which("dot") is None:
        pytest.skip("Graphviz is not installed")
    x, w = Variable([[1.0]], tag='x"'), Parameter([[2.0]], tag="w")
    y = ng.softmax(x @ w)
    for _ in range(1000):
        y = ng.tanh(y)
    for tensor, texts in [(ng.softmax(x @ w), ["softmax", "x", "w"]), (y, ["854 more left out"])]:
        svg, markdown = tensor._repr_svg_(), tensor._repr_markdown_()
        assert (svg is None) != installed and (markdown is None) == installed
        if installed:
            assert "<svg" in svg and "</svg>" in svg
        else:
            assert markdown.startswith("```mermaid\nflowchart") and markdown.endswith("```\n")
        for text in texts:
            assert text in (svg or markdown)


def test_a_recurrent_cell_is_one_box():
    x, h = Variable(np.ones((2, 3)), tag="x"), Parameter(np.zeros((2, 4)), tag="h")
    w, r = Parameter(np.ones((3, 12)), tag="W"), Parameter(np.ones((4, 12)), tag="R")
    y = ng.gru_cell(x, h, w, r)
    for language, arrow in [("dot", " -> "), ("mermaid", " --> ")]:
        assert ng.picture(y, language=language).count(arrow) == 4
        assert ng.picture(y, language=language, depth=1).count(arrow) > 20
    lines = ng.picture(y, language="tree").splitlines()
    assert lines == [
        "+-- GRU cell(·, ·)",
        *[f"    {b} {n}" for b, n in zip(["|->"] * 3 + ["L->"], "xhWR")],
    ]
