"""Runs nanograd's measurements and its peers' in turn, and prints them side by side.

Everybody gets the same processors, and the same number of threads. In each round everybody runs
once, in an order that changes from round to round; what is shown are medians over the rounds.
"""

import argparse
import collections
import datetime
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import time

import tables

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
NEAR = 60  # nanoseconds from processor to processor, if they share a cache
CONTESTS = ("gru", "glm", "overhead", "gemm", "elementwise", "memory", "depth", "load", "recipe")


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("contests", nargs="*", metavar="CONTEST",
                        help="some of: " + ", ".join(CONTESTS))  # fmt: skip
    parser.add_argument("--build", default=ROOT / "build", help="where nanograd is built")
    parser.add_argument("--onednn", help="the program compiled from onednn_peer.cpp")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, help="samples in a round")
    parser.add_argument("--threads", type=int, help="only what uses so many")
    parser.add_argument("--near", type=float, default=0, metavar="SECONDS",
                        help="wait so long, at most, until the processors share a cache")  # fmt: skip
    parser.add_argument("--most", type=int, default=2048, help="the largest square in gemm")
    parser.add_argument("--data", default=os.environ.get("NANOGRAD_MNIST"), help="MNIST's folder")
    parser.add_argument("--output", default=HERE / "results.json", help="where the figures go")
    parser.add_argument("--from", dest="source", help="show the figures of an earlier run")
    parser.add_argument("--docs", nargs="?", const=ROOT / "docs/performance.md", metavar="FILE",
                        help="write the tables into docs/performance.md")  # fmt: skip
    options = parser.parse_args()
    for contest in options.contests:
        if contest not in CONTESTS:
            parser.error(f"no contest is called {contest!r}")
    options.contests = options.contests or list(CONTESTS)
    return options


def commands(contest, options):
    """(threads, command) of all who take part in a contest."""
    ours = lambda name, *more: [str(pathlib.Path(options.build) / "bench" / name), "--json", *more]
    torch = lambda task, *more: [sys.executable, str(HERE / "torch_peer.py"), task, *more]
    jax = lambda task, *more: [sys.executable, str(HERE / "jax_peer.py"), task, *more]
    onednn = lambda task, *more: [options.onednn, task, *more] if options.onednn else None
    once = ["--rounds", "1"]
    both = min(2, len(os.sched_getaffinity(0)))

    def steps(number):
        return ["--steps", str(options.steps or number)]

    if contest == "gru":
        for batch, threads, number in (32, both, 200), (32, 1, 200), (256, both, 40):
            more = ["--batch", str(batch), *steps(number)]
            yield threads, ours("gru_step", *more, *once)
            yield threads, torch("gru", *more)
            yield threads, torch("gru-compile", *more)
            yield threads, jax("gru", *more)
            yield threads, onednn("gru", *more)
    elif contest == "glm":
        yield both, ours("glm_step", *steps(500), *once)
        yield both, torch("glm", *steps(500))
        yield both, jax("glm", *steps(500))
    elif contest == "overhead":
        more = ["--operators", "300", *steps(100)]
        yield both, ours("op_overhead", *more, *once)
        yield both, torch("overhead", *more)
    elif contest == "gemm":
        more = [*steps(20), "--most", str(options.most)]
        for threads in {both, 1}:
            yield threads, ours("gemm", *more, *once)
            yield threads, torch("gemm", *more)
            yield threads, onednn("gemm", *more)
    elif contest == "elementwise":
        yield both, ours("elementwise", *steps(20), *once)
    elif contest == "memory":
        yield both, ours("memory", *(["--data", options.data] if options.data else []))
    elif contest == "depth":
        yield both, ours("depth", *once)
    elif contest == "load":
        yield both, ours("load", *steps(20), *once)
    elif contest == "recipe" and options.data:
        program = str(pathlib.Path(options.build) / "examples" / "gru_mnist")
        yield both, [program, "--data", options.data]
        yield both, torch("recipe", "--data", options.data)


def read_gru_mnist(text, threads):
    """The training program prints for people: its time and its accuracy are read from that."""
    seconds = re.search(r"trained in ([\d.]+) s", text)
    accuracy = re.search(r"(\d+\.\d+) ?%", text)
    if not seconds or not accuracy:
        sys.exit(f"gru_mnist printed neither time nor accuracy:\n{text}")
    return [{
        "bench": "recipe", "library": "nanograd", "threads": threads, "batch": 32,
        "median_ms": 1e3 * float(seconds[1]), "accuracy": float(accuracy[1]) / 100,
    }]  # fmt: skip


def handover(options, threads):
    """Nanoseconds from one processor to another: virtual ones share a cache at times, and at times do not."""
    program = pathlib.Path(options.build) / "bench/handover"
    if threads < 2 or not program.exists():
        return {}
    end = time.monotonic() + options.near
    while True:
        done = subprocess.run([program, "--json"], capture_output=True, text=True)
        if done.returncode != 0:
            return {}  # it may not choose its processors here
        apart = json.loads(done.stdout)["median_ns"]
        if apart < NEAR or time.monotonic() > end:
            return {"handover_ns": apart}
        time.sleep(0.5)


def run(command, threads):
    """The rows that a program reports."""
    processors = sorted(os.sched_getaffinity(0))[:threads]
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads),
                       OPENBLAS_NUM_THREADS=str(threads))  # fmt: skip
    if threads == 1:
        environment["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    done = subprocess.run(
        [*command, "--threads", str(threads)], env=environment, capture_output=True, text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, processors),
    )  # fmt: skip
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed with {done.returncode}:\n{done.stderr}")
    if command[0].endswith("gru_mnist"):
        return read_gru_mnist(done.stdout, threads)
    return [{"threads": threads, **json.loads(line)} for line in done.stdout.splitlines()]


FIGURES = {
    "median_ms", "min_ms", "gflops", "loss", "ns_per_op", "gb_per_s", "of_copy", "peak_mb",
    "build_ns", "backward_ns", "release_ns", "total_ns", "accuracy", "flops", "isa",
    "handover_ns",
}  # fmt: skip


def medians(rows):
    """One row for all rounds' rows about the same thing."""
    groups = collections.defaultdict(list)
    for row in rows:
        groups[tuple(sorted((k, v) for k, v in row.items() if k not in FIGURES))].append(row)
    result = []
    for group in groups.values():
        merged = dict(group[0])
        for key in FIGURES - {"isa"}:
            values = [row[key] for row in group if isinstance(row.get(key), (int, float))]
            if values:
                merged[key] = min(values) if key == "min_ms" else statistics.median(values)
        merged["rounds"] = len(group)
        result.append(merged)
    return result


def show(text):
    """Says on a terminal what is going on, on a line that the next text replaces."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def busy():
    """The share of all processors, from 0 to 1, that others use just now, while we use none."""

    def ticks():
        first = pathlib.Path("/proc/stat").read_text().splitlines()[0]
        return [int(word) for word in first.split()[1:9]]

    before = ticks()
    time.sleep(0.25)
    passed = [b - a for a, b in zip(before, ticks())]
    idle = passed[3] + passed[4]  # of which the second waits for a disk
    return 1 - idle / max(1, sum(passed))


def measure(options):
    """All rows, and how busy others kept the machine on the average."""
    rows, others = [], []
    for contest in options.contests:
        entries = [
            (threads, command)
            for threads, command in commands(contest, options)
            if command is not None and options.threads in (None, threads)
        ]
        if not entries:
            print(f"{contest}: left out, for want of --data or by --threads", file=sys.stderr)
        rounds = 1 if contest in ("memory", "recipe") else options.rounds
        for number in range(rounds):
            turn = number % max(1, len(entries))
            for threads, command in entries[turn:] + entries[:turn]:
                name = " ".join(pathlib.Path(c).name for c in command[:3])
                show(f"{contest} {number + 1}/{rounds}: {name}")
                others.append(busy())
                apart = handover(options, threads)
                rows += [{**row, **apart} for row in run(command, threads)]
    show("")
    return medians(rows), statistics.mean(others or [0])


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.machine()


def versions():
    import importlib.metadata as metadata

    return {name: metadata.version(name) for name in ("torch", "jax", "numpy")}


def main():
    options = read_arguments()
    if options.onednn and not os.access(options.onednn, os.X_OK):
        options.onednn = None
    if options.source:
        results = json.loads(pathlib.Path(options.source).read_text())
    else:
        rows, others = measure(options)
        results = {
            "date": datetime.date.today().isoformat(), "processor": processor(),
            "processors": len(os.sched_getaffinity(0)), "busy": others,
            "rounds": options.rounds, "versions": versions(), "rows": rows,
        }  # fmt: skip
        pathlib.Path(options.output).write_text(json.dumps(results, indent=1) + "\n")
    text = tables.describe(results)
    print(text)
    if options.docs:
        tables.write(options.docs, text)


main()
