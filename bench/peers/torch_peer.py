"""The same work in PyTorch: eager, and compiled."""

import gzip
import json
import math
import pathlib
import time

import numpy
import torch
from torch.nn import functional

import measure as m

RATE, CLIP = 0.1, 1.0


def parameters():
    arrays = m.gru_parameters(numpy.random.default_rng(1))
    return {k: torch.from_numpy(v).requires_grad_() for k, v in arrays.items()}


def loss_of(p, images, labels):
    return functional.cross_entropy(m.gru_logits(torch, p, images, torch.broadcast_to), labels)


def gru(options, compiled):
    p = parameters()
    random = numpy.random.default_rng(2)
    images = torch.from_numpy(random.uniform(-1, 1, (options.batch, m.PIXELS)).astype("float32"))
    labels = torch.arange(options.batch) % m.CLASSES
    values = list(p.values())
    optimizer = torch.optim.SGD(values, lr=RATE)
    loss_function = torch.compile(loss_of) if compiled else loss_of

    def update():
        torch.nn.utils.clip_grad_norm_(values, CLIP)
        optimizer.step()

    if compiled:
        update = torch.compile(update)
    last = None

    def step():
        nonlocal last
        optimizer.zero_grad()
        loss = loss_function(p, images, labels)
        loss.backward()
        update()
        last = loss.item()

    timing = m.measure(step, options.steps, 2)
    assert math.isfinite(last)
    m.report(
        "gru_step", "torch.compile" if compiled else "torch eager", timing, batch=options.batch,
        threads=options.threads, gflops=1e-6 * m.step_flops(options.batch) / timing[0], loss=last,
    )  # fmt: skip


def glm(options):
    for dtype in torch.float32, torch.float64:
        x = torch.rand(m.ROWS, m.WEIGHTS, dtype=dtype) * 2 - 1
        t = torch.sigmoid(x @ torch.tensor(m.TRUTH, dtype=dtype)[:, None])
        w = torch.zeros(m.WEIGHTS, 1, dtype=dtype, requires_grad=True)
        optimizer = torch.optim.SGD([w], lr=0.5)

        def step():
            optimizer.zero_grad()
            loss = functional.binary_cross_entropy(torch.sigmoid(x @ w), t)
            loss.backward()
            optimizer.step()
            return loss.item()

        timing = m.measure(step, options.steps)
        m.report("glm_step", "torch eager", timing, dtype=str(dtype)[6:], threads=options.threads,
                 loss=step())  # fmt: skip


def gemm(options):
    for dtype in torch.float32, torch.float64:
        for transposes in "NN", "TN", "NT", "TT":
            for rows, columns, inner in m.SHAPES:
                if inner > options.most:
                    continue
                shape_a = (inner, rows) if transposes[0] == "T" else (rows, inner)
                shape_b = (columns, inner) if transposes[1] == "T" else (inner, columns)
                a, b = torch.rand(shape_a, dtype=dtype), torch.rand(shape_b, dtype=dtype)
                a = a.T if transposes[0] == "T" else a
                b = b.T if transposes[1] == "T" else b
                out = torch.empty(rows, columns, dtype=dtype)
                timing = m.measure(lambda: torch.matmul(a, b, out=out), options.steps, 0.1)
                m.report(
                    "gemm", "torch (MKL)", timing, dtype=str(dtype)[6:], transposes=transposes,
                    m=rows, n=columns, k=inner, threads=options.threads,
                    gflops=2e-6 * rows * columns * inner / timing[0],
                )  # fmt: skip


def overhead(options):
    w = torch.tensor(0.9, requires_grad=True)
    b = torch.tensor(0.1, requires_grad=True)

    def forward():
        y = w
        for i in range(options.operators):
            y = torch.tanh(y) if i % 3 == 2 else y * w if i % 3 == 0 else y + b
        return y

    def both():
        w.grad = b.grad = None
        y = forward()
        y.backward()
        return y.item()

    def only_forward():
        with torch.no_grad():
            forward().item()

    for name, work in ("forward", only_forward), ("forward+backward", both):
        timing = m.measure(work, options.steps)
        m.report(
            "op_overhead", "torch eager", timing, work=name, operators=options.operators,
            threads=options.threads, ns_per_op=1e6 * timing[0] / options.operators,
        )  # fmt: skip


def idx(folder, name, header):
    path = pathlib.Path(folder) / name
    data = path.read_bytes() if path.exists() else gzip.open(f"{path}.gz").read()
    return torch.from_numpy(numpy.frombuffer(data, "uint8", offset=header).copy())


def recipe(options):
    """The quick recipe of examples/gru_mnist.c: one epoch, whose rate falls on a cosine."""
    images = idx(options.data, "train-images-idx3-ubyte", 16).reshape(-1, m.PIXELS)
    labels = idx(options.data, "train-labels-idx1-ubyte", 8).long()
    p = parameters()
    values = list(p.values())
    optimizer = torch.optim.SGD(values, lr=0.5)
    steps = len(images) // options.batch
    order = torch.randperm(len(images))
    start = time.perf_counter()
    for step in range(steps):
        batch = order[step * options.batch : (step + 1) * options.batch]
        optimizer.param_groups[0]["lr"] = 0.25 * (1 + math.cos(math.pi * step / steps))
        optimizer.zero_grad()
        loss = loss_of(p, images[batch].float() / 255, labels[batch])
        loss.backward()
        loss.item()
        torch.nn.utils.clip_grad_norm_(values, CLIP)
        optimizer.step()
    taken = time.perf_counter() - start
    test = idx(options.data, "t10k-images-idx3-ubyte", 16).reshape(-1, m.PIXELS).float() / 255
    truth = idx(options.data, "t10k-labels-idx1-ubyte", 8).long()
    with torch.no_grad():
        predicted = m.gru_logits(torch, p, test, torch.broadcast_to).argmax(1)
    accuracy = (predicted == truth).float().mean().item()
    print(json.dumps({
        "bench": "recipe", "library": "torch eager", "batch": options.batch, "steps": steps,
        "threads": options.threads, "median_ms": 1e3 * taken, "accuracy": accuracy,
    }))  # fmt: skip


def main():
    tasks = {
        "gru": lambda o: gru(o, False), "gru-compile": lambda o: gru(o, True), "glm": glm,
        "gemm": gemm, "overhead": overhead, "recipe": recipe,
    }  # fmt: skip
    options = m.arguments(__doc__, tasks)
    torch.manual_seed(1)
    torch.set_num_threads(options.threads)
    tasks[options.task](options)


main()
