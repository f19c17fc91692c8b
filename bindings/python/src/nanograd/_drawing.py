"""A graph as an expression, as a text tree, in DOT, in Mermaid, and as a picture for notebooks."""

from __future__ import annotations

import re
import shutil
import subprocess

from . import _data
from ._abi import lib
from ._leaves import Parameter
from ._tensor import Tensor
from ._tracing import order

#: The longest expression, in characters; shared parts are written out wherever they stand.
_LONGEST = 1_000_000
#: The most tensors in a notebook's picture, those nearest to the one that is shown.
_MOST = 150


def notation(tensor: Tensor, limit: int = _LONGEST) -> str:
    """The expression, such as `((x @ w) + b)`; cut with "…" after a million characters."""
    parts: list[str] = []
    length = visited = 0
    pending: list[str | Tensor] = [tensor]
    while pending:
        piece = pending.pop()
        if isinstance(piece, str):
            if length + len(piece) > limit:
                return "".join(parts) + piece[: limit - length] + "…"
            parts.append(piece)
            length += len(piece)
            continue
        visited += 1
        if visited > limit:
            return "".join(parts) + "…"
        if not piece._operands:
            pending.append(piece.tag)
            continue
        operation = piece._operation
        inner = piece._arguments if operation.named else piece._operands
        for part in reversed(operation.pieces(piece._arguments)):
            pending.append(part if isinstance(part, str) else inner[part])
    return "".join(parts)


class _Level:
    """A tensor whose operands are being drawn."""

    def __init__(self, tensor: Tensor, margin: str) -> None:
        self.margin = margin
        self.tensor = tensor
        self.rest = list(dict.fromkeys(tensor.operands))
        self.only = len(self.rest) == 1
        self.left_out = False


def tree(root: Tensor) -> str:
    """Operands below their consumer; `...` stands for what was drawn before, further consumers behind `<-`."""
    tensors = order(root)
    names = {tensor: notation(tensor, 200) for tensor in tensors}
    consumers: dict[Tensor, list[Tensor]] = {tensor: [] for tensor in tensors}
    for tensor in tensors:
        for operand in dict.fromkeys(tensor.operands):
            consumers[operand].append(tensor)
    lines: list[str] = []
    drawn: set[Tensor] = set()

    def draw(prefix: str, tensor: Tensor, consumer: Tensor | None) -> None:
        others = [names[other] for other in consumers[tensor] if other is not consumer]
        lines.append(prefix + names[tensor] + (" <- " + ", ".join(others) if others else ""))
        drawn.add(tensor)

    draw("+-- ", root, None)
    levels = [_Level(root, "    ")]
    while levels:
        level = levels[-1]
        margin = level.margin
        if not level.rest:
            if level.left_out:
                lines.append(margin + "L->  ...")
            levels.pop()
            continue
        operand = level.rest.pop()
        if operand in drawn:
            level.left_out = True
        elif level.only:
            lines.append(margin + "!")
            draw(margin, operand, level.tensor)
            levels.append(_Level(operand, margin))
        else:
            # Where something is left out, the last line is the one that says so.
            last = not level.rest and not level.left_out
            draw(margin + ("L-> " if last else "|-> "), operand, level.tensor)
            levels.append(_Level(operand, margin + ("    " if last else "|   ")))
    return "\n".join(lines) + "\n"


def _numbered(root: Tensor) -> tuple[list[Tensor], list[tuple[int, int]]]:
    """The tensors of a graph, and its edges as (operand, consumer)."""
    tensors = order(root)
    numbers = {tensor: i for i, tensor in enumerate(tensors)}
    edges = [
        (numbers[operand], i)
        for i, tensor in enumerate(tensors)
        for operand in dict.fromkeys(tensor.operands)
    ]
    return tensors, edges


def _label(tensor: Tensor, newline: str) -> str:
    text = notation(tensor, 60)
    return text + newline + str(list(tensor.shape)).replace("[]", "scalar")


def dot(root: Tensor) -> str:
    """Edges go from operands to consumers. Parameters are filled boxes, other leaves boxes, operators ellipses."""
    tensors, edges = _numbered(root)
    lines = ["digraph nanograd {", '  node [fontname="monospace"];']
    for i, tensor in enumerate(tensors):
        label = _label(tensor, "\n").replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        style = "shape=ellipse" if tensor._operands else "shape=box"
        if isinstance(tensor, Parameter):
            style = "shape=box, style=filled, fillcolor=lightblue"
        lines.append(f'  n{i} [label="{label}", {style}];')
    lines += [f"  n{a} -> n{b};" for a, b in edges]
    return "\n".join([*lines, "}"]) + "\n"


#: What HTML, Markdown or Mermaid itself may take for something else in a label.
_ODD = re.compile(r"[^\n \w()\[\],.:=^/@|·…∂Σ+-]|[.+-](?= )|_|[\x00-\x09\x0b-\x1f\x7f]")


def mermaid(root: Tensor) -> str:
    """The same as a flowchart; operators have round corners."""
    tensors, edges = _numbered(root)
    lines = ["flowchart TD"]
    for i, tensor in enumerate(tensors):
        label = _ODD.sub(lambda found: f"#{ord(found[0])};", _label(tensor, "\n"))
        label = label.replace("\n", "<br/>")
        before, after = ("([", "])") if tensor._operands else ("[", "]")
        parameter = ":::parameter" if isinstance(tensor, Parameter) else ""
        lines.append(f'  n{i}{before}"{label}"{after}{parameter}')
    lines += [f"  n{a} --> n{b}" for a, b in edges]
    lines.append("  classDef parameter fill:#add8e6,color:#000000")
    return "\n".join(lines) + "\n"


_LANGUAGES = {"dot": lib.graph_dot, "mermaid": lib.graph_mermaid, "tree": lib.graph_tree}


def picture(
    *tensors: Tensor,
    language: str = "dot",
    shapes: bool = False,
    values: bool = False,
    gradients: bool = False,
    expressions: bool = False,
    depth: int = 0,
    limit: int = 1000,
) -> str:
    """Tensors and all they depend on as the library computes them, in DOT, in Mermaid, or as a text "tree". Losses and
    recurrent networks are one box, unless `depth` levels are opened; values, and gradients of the first tensor's sum,
    are computed for it. Of a graph of more than `limit` nodes, those nearest to the tensors are drawn."""
    draw = _LANGUAGES.get(language)
    if draw is None:
        raise ValueError(f"language {language!r}, expected one of {', '.join(_LANGUAGES)}")
    flags = sum(1 << i for i, on in enumerate((shapes, values, gradients, expressions)) if on)
    depth, limit = _data.int32(depth, "depth"), _data.int64(limit, "limit")
    return _data.written(draw, _data.handles(tensors), len(tensors), flags, depth, limit)


def svg(root: Tensor) -> str | None:
    """The graph drawn by Graphviz, composites closed; None where that is not installed."""
    program = shutil.which("dot")
    if program is None:
        return None
    source = picture(root, shapes=True, limit=_MOST)
    try:
        drawn = subprocess.run(
            [program, "-Tsvg"], input=source, capture_output=True, text=True, timeout=20
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return drawn.stdout if drawn.returncode == 0 else None


def markdown(root: Tensor) -> str | None:
    """The graph for notebooks that draw Mermaid, where there is no Graphviz."""
    if shutil.which("dot") is not None:
        return None
    return f"```mermaid\n{picture(root, language='mermaid', shapes=True, limit=_MOST)}```\n"
