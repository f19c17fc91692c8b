"""Results as tables in Markdown, with ratios and goals."""

import pathlib

QUIET = 0.05  # the share of the machine that others may use if goals are to be judged
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def table(head, rows):
    """A table whose first column is text and whose others are figures."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def number(value):
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if value >= 0.1 else f"{value:.4f}"


class Judge:
    """Says whether a goal is met, unless the machine was too busy to say."""

    quiet = True

    def __call__(self, value, goal, at_least=False, timed=True):
        met = value >= goal if at_least else value <= goal
        word = "yes" if met else "**no**"
        return f"{value:.2f}", self.goal(goal, at_least), word if self.quiet or not timed else "?"

    def goal(self, goal, at_least=False):
        return f"{'≥' if at_least else '≤'} {goal:g}"


verdict = Judge()


def matching(rows, **wanted):
    return [row for row in rows if all(row.get(k) == v for k, v in wanted.items())]


def versus(title, ours, others, goals):
    """nanograd beside its peers. `goals`: the largest ratio for a peer, or for "best"."""
    apart = lambda row: f"{row['handover_ns']:.0f}" if "handover_ns" in row else ""
    rows = [[title, "nanograd", number(ours["median_ms"]), number(ours["min_ms"]), apart(ours),
             "", "", ""]]  # fmt: skip
    for other in others:
        ratio = ours["median_ms"] / other["median_ms"]
        goal = goals.get(other["library"])
        judged = verdict(ratio, goal) if goal else (f"{ratio:.2f}", "", "")
        rows.append(["", other["library"], number(other["median_ms"]), number(other["min_ms"]),
                     apart(other), *judged])  # fmt: skip
    frameworks = [row for row in others if not row["library"].startswith("oneDNN")]
    if "best" in goals and frameworks:
        best = min(row["median_ms"] for row in frameworks)
        rows.append(["", "the fastest framework", number(best), "", "",
                     *verdict(ours["median_ms"] / best, goals["best"])])  # fmt: skip
    return rows


VERSUS_HEAD = ["work", "library", "median ms", "least ms", "ns apart", "ratio", "goal", "met"]


def gru(rows):
    frameworks = {"jax.jit": 0.45, "torch.compile": 0.40, "torch eager": 0.30}
    goals = {
        (32, 2): {**frameworks, "oneDNN products": 0.90, "oneDNN stacked": 0.90},
        (32, 1): {"jax.jit": 0.60, "oneDNN products": 0.90, "oneDNN stacked": 0.90},
        (256, 2): {"best": 0.70},
    }
    lines = []
    for ours in matching(rows, bench="gru_step", library="nanograd"):
        key = ours["batch"], ours["threads"]
        peers = matching(rows, bench="gru_step", batch=key[0], threads=key[1])
        title = f"batch {key[0]}, {key[1]} thread{'s' if key[1] > 1 else ''}"
        others = [row for row in peers if row is not ours]
        lines += versus(title, ours, others, goals.get(key, {}))
    return table(VERSUS_HEAD, lines) if lines else ""


def glm(rows):
    lines = []
    for ours in matching(rows, bench="glm_step", library="nanograd"):
        peers = matching(rows, bench="glm_step", dtype=ours["dtype"])
        others = [row for row in peers if row["library"] != "nanograd"]
        title = f"{ours['dtype']}, graph {ours['graph']}"
        lines += versus(title, ours, others, {"jax.jit": 0.25, "C loop": 3})
    return table(VERSUS_HEAD, lines) if lines else ""


def recipe(rows):
    """The whole of the quick recipe, which counts only if both learn enough."""
    found = matching(rows, bench="recipe")
    lines = []
    for row in found:
        ratio = ["", "", ""]
        if row["library"] == "nanograd":
            for other in matching(found, library="torch eager"):
                ratio = verdict(row["median_ms"] / other["median_ms"], 0.30)
        lines.append([row["library"], number(row["median_ms"] / 1e3), f"{row['accuracy']:.2%}",
                      "yes" if row["accuracy"] >= 0.97 else "**no**", *ratio])  # fmt: skip
    head = ["library", "seconds", "accuracy", "97 % reached", "ratio", "goal", "met"]
    return table(head, lines) if lines else ""


def gemm(rows):
    """Speeds, and how many times the peer's: oneDNN's for float32, MKL's for float64."""
    shapes = {}
    for row in matching(rows, bench="gemm"):
        shape = row["m"], row["n"], row["k"], row["dtype"], row["threads"]
        shapes.setdefault(shape, {})[row["library"], row["transposes"]] = row
    lines = []
    for (m, n, k, dtype, threads), found in shapes.items():
        peer = "oneDNN" if dtype == "float32" else "torch (MKL)"
        cells, ratios = [], []
        for transposes in "NN", "TN", "NT", "TT":
            ours, other = found.get(("nanograd", transposes)), found.get((peer, transposes))
            cell = number(ours["gflops"]) if ours else ""
            if ours and other:
                ratios.append(other["median_ms"] / ours["median_ms"])
                cell += f" ({ratios[-1]:.2f})"
            cells.append(cell)
        goal = 1.0 if m * n * k <= 512**3 else 0.9
        judged = verdict(min(ratios), goal, True)[1:] if ratios else ("", "")
        lines.append([f"{m}×{n}×{k}", dtype, str(threads), *cells, *judged])
    head = ["m×n×k", "dtype", "threads", "NN", "TN", "NT", "TT", "goal", "met"]
    return table(head, lines) if lines else ""


def overhead(rows):
    lines = []
    for row in matching(rows, bench="op_overhead"):
        ours = row.get("library") is None
        what = ", structure ".join(filter(None, [row["work"], row.get("structure")]))
        judged = ("", "", "")
        # Training repeats one structure; the other row tells what a new one costs.
        if ours and row["work"] == "forward+backward" and row["structure"] == "seen before":
            judged = verdict(row["ns_per_op"], 500)
        lines.append([what, row.get("library", "nanograd"), number(row["ns_per_op"]), *judged[1:]])
    return table(["work", "library", "ns per operator", "goal", "met"], lines) if lines else ""


def elementwise(rows):
    lines = []
    for row in matching(rows, bench="elementwise"):
        judged = ("", "", "")
        if row["work"].startswith("10"):
            judged = verdict(row["of_copy"], 0.8, True)
        graph = "" if row["graph"] == "none" else f", graph {row['graph']}"
        lines.append([row["work"] + graph, number(row["median_ms"]),
                      number(row["gb_per_s"]), number(row["of_copy"]), *judged[1:]])  # fmt: skip
    head = ["work", "median ms", "GB/s", "of the copy", "goal", "met"]
    return table(head, lines) if lines else ""


def memory(rows):
    goals = {"gru_mnist": 300, "own share": 40}
    lines = [[row["process"], number(row["peak_mb"]),
              *(verdict(row["peak_mb"], goals[row["process"]], timed=False)[1:]
                if row["process"] in goals else ("", ""))]
             for row in matching(rows, bench="memory")]  # fmt: skip
    return table(["process", "peak MB", "goal", "met"], lines) if lines else ""


def depth(rows):
    found = sorted(matching(rows, bench="depth"), key=lambda row: row["nodes"])
    lines = []
    for row in found:
        growth = row["total_ns"] / found[0]["total_ns"]
        judged = verdict(growth, 1.5) if row["nodes"] == 1_000_000 else (f"{growth:.2f}", "", "")
        parts = [number(row[k]) for k in ("build_ns", "backward_ns", "release_ns", "total_ns")]
        lines.append([f"{row['nodes']:,}", *parts, *judged])
    head = ["nodes", "build", "backward", "release", "ns per node", "growth", "goal", "met"]
    return table(head, lines) if lines else ""


def load(rows):
    lines = []
    for row in matching(rows, bench="load"):
        judged = ("", "", "")
        if row["work"] == "to first result":
            judged = verdict(row["median_ms"], 10)
        lines.append([row["work"], number(row["median_ms"]), number(row["min_ms"]), *judged[1:]])
    return table(["work", "median ms", "least ms", "goal", "met"], lines) if lines else ""


CHAPTERS = [
    ("A training step of the recurrent network", gru),
    ("Logistic regression, 2,000 × 5", glm),
    ("Tiny operators", overhead),
    ("Matrix products, GFLOP/s (and how many times oneDNN's, or MKL's for float64)", gemm),
    ("Ten operators over 10,000,000 floats", elementwise),
    ("Peak memory", memory),
    ("Long chains", depth),
    ("Loading", load),
    ("Training to 97 %: the quick recipe", recipe),
]


def describe(results):
    """All tables, with where and when they are from."""
    names = ", ".join(f"{k} {v}" for k, v in results["versions"].items())
    parts = [
        f"{results['date']}, {results['processor']}, {results['processors']} processors; "
        f"{names}; {results['rounds']} rounds. A ratio is nanograd's time divided by the other's "
        "(for matrix products: its speed).\n"
    ]
    verdict.quiet = results["busy"] <= QUIET
    if not verdict.quiet:
        parts.append(
            f"**Times are not to be judged: others kept {results['busy']:.0%} of the machine busy, "
            "which those suffer most whose threads spin.**\n"
        )
    for title, chapter in CHAPTERS:
        text = chapter(results["rows"])
        if text:
            parts.append(f"### {title}\n\n{text}")
    return "\n".join(parts)


def write(path, text):
    """Puts the text between the two marks in a file."""
    path = pathlib.Path(path)
    whole = path.read_text()
    before, _, rest = whole.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise SystemExit(f"{path} lacks {BEGIN} or {END}")
    path.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}")
