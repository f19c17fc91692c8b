"""The same work in JAX, each step compiled as a whole by jax.jit.

The number of threads follows from the processors that the process may use: compare.py sees to it.
"""

import functools
import math

import jax
import numpy
from jax import numpy as jnp

import measure as m

RATE, CLIP = 0.1, 1.0
jax.config.update("jax_enable_x64", True)  # for float64; arrays of float32 stay what they are


class Functions:
    sigmoid = staticmethod(jax.nn.sigmoid)
    tanh = staticmethod(jnp.tanh)


def loss_of(p, images, labels):
    logits = m.gru_logits(Functions, p, images, jnp.broadcast_to)
    chosen = jnp.take_along_axis(logits, labels[:, None], 1)[:, 0]
    return jnp.mean(jax.nn.logsumexp(logits, axis=1) - chosen)


@functools.partial(jax.jit, donate_argnums=0)
def gru_step(p, images, labels):
    loss, g = jax.value_and_grad(loss_of)(p, images, labels)
    norm = jnp.sqrt(sum(jnp.sum(v * v) for v in g.values()))
    scale = jnp.float32(RATE) * jnp.minimum(1, CLIP / norm).astype(jnp.float32)
    return {k: v - scale * g[k] for k, v in p.items()}, loss


def gru(options):
    random = numpy.random.default_rng(1)
    p = {k: jnp.asarray(v) for k, v in m.gru_parameters(random).items()}
    images = jnp.asarray(random.uniform(-1, 1, (options.batch, m.PIXELS)).astype("float32"))
    labels = jnp.arange(options.batch) % m.CLASSES
    loss = None

    def step():
        nonlocal p, loss
        p, loss = gru_step(p, images, labels)
        jax.block_until_ready((p, loss))

    timing = m.measure(step, options.steps, 2)
    assert math.isfinite(loss) and loss.dtype == jnp.float32
    m.report(
        "gru_step", "jax.jit", timing, batch=options.batch, threads=options.threads,
        gflops=1e-6 * m.step_flops(options.batch) / timing[0], loss=float(loss),
    )  # fmt: skip


@functools.partial(jax.jit, donate_argnums=0)
def glm_step(w, x, t):
    def loss_of(w):
        y = jax.nn.sigmoid(x @ w)
        return -jnp.mean(t * jnp.log(y + 1e-12) + (1 - t) * jnp.log(1 - y + 1e-12))

    loss, g = jax.value_and_grad(loss_of)(w)
    return w - 0.5 * g, loss


def glm(options):
    random = numpy.random.default_rng(1)
    for dtype in "float32", "float64":
        x = jnp.asarray(random.uniform(-1, 1, (m.ROWS, m.WEIGHTS)).astype(dtype))
        t = jax.nn.sigmoid(x @ jnp.asarray(m.TRUTH, dtype)[:, None])
        w = jnp.zeros((m.WEIGHTS, 1), dtype)
        loss = None

        def step():
            nonlocal w, loss
            w, loss = glm_step(w, x, t)
            jax.block_until_ready((w, loss))

        timing = m.measure(step, options.steps)
        assert w.dtype == dtype
        m.report("glm_step", "jax.jit", timing, dtype=dtype, threads=options.threads,
                 loss=float(loss))  # fmt: skip


def main():
    tasks = {"gru": gru, "glm": glm}
    options = m.arguments(__doc__, tasks)
    tasks[options.task](options)


main()
