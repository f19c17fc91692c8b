// A logistic regression in C++. Temporaries are released by their destructors, step by step.
#include "nanograd.hpp"

#include <cinttypes>
#include <cstdio>

namespace ng = nanograd;

// The same numbers in every language: see ../c/logistic.c.
static std::int64_t next() {
  static std::int64_t state = 1;
  state = state * 16807 % 2147483647;
  return state % 2001 - 1000;
}

static void train() {
  std::vector<double> examples, targets;
  for (int row = 0; row < 500; row++) {
    const auto a = next(), b = next(), c = next(), noise = next();
    for (auto feature : {a, b, c})
      examples.push_back(static_cast<double>(feature) / 1000);
    targets.push_back(3 * a - 2 * b + c + noise > 0);
  }
  const auto x = ng::Tensor::variable({500, 3}, examples, "x");
  const auto t = ng::Tensor::variable({500, 1}, targets, "t");
  const auto w = ng::Tensor::parameter({3, 1}, {0, 0, 0}, "w");
  const auto b = ng::Tensor::parameter({}, {0}, "b");
  auto optimizer = ng::Optimizer::sgd(0.5);
  optimizer.add({w, b});

  for (int step = 0; step <= 200; step++) {
    const auto loss = ng::binary_cross_entropy_logits(matmul(x, w) + b, t);
    if (step % 100 == 0)
      std::printf("step %3d  loss %.12f\n", step, loss.item());
    loss.backward();
    optimizer.step();
    optimizer.zero_grad();
  }
}

int main() {
  train();
  try {
    const auto a = ng::Tensor::zeros({2, 3});
    matmul(a, a);
  } catch (const ng::Error &error) {
    std::printf("error: %s\n", error.what());
  }
  std::printf("handles alive: %" PRId64 "\n", ng_live_handles());
}
