// oneDNN: matrix products of the shapes that bench/gemm.c has, and those that a training step of
// the recurrent network needs, without anything between them. The step comes in two forms: product
// by product, as the network is written, and stacked, as well as one can do by hand: gates side by
// side, and inputs and weights' gradients for all time steps at once.
#include <dnnl.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <tuple>
#include <vector>

namespace {

using dnnl::memory;

dnnl::engine engine(dnnl::engine::kind::cpu, 0);
dnnl::stream stream(engine);
double flops; // of all products so far

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// c = a @ b, or c += a @ b. Leading dimensions are those of dense matrices unless given.
class Product {
public:
  Product(memory::dim m, memory::dim n, memory::dim k, bool ta, bool tb, bool add)
      : size(2.0 * double(m) * double(n) * double(k)),
        a({m, k}, memory::data_type::f32, ta ? memory::dims{1, m} : memory::dims{k, 1}),
        b({k, n}, memory::data_type::f32, tb ? memory::dims{1, k} : memory::dims{n, 1}),
        c({m, n}, memory::data_type::f32, memory::dims{n, 1}) {
    dnnl::post_ops ops;
    if (add)
      ops.append_sum();
    dnnl::primitive_attr attributes;
    attributes.set_post_ops(ops);
    primitive =
        dnnl::matmul(dnnl::matmul::primitive_desc(dnnl::matmul::desc(a, b, c), attributes, engine));
  }

  void run(const float *x, const float *y, float *z) {
    memory left(a, engine, const_cast<float *>(x)), right(b, engine, const_cast<float *>(y));
    memory result(c, engine, z);
    primitive.execute(stream,
                      {{DNNL_ARG_SRC, left}, {DNNL_ARG_WEIGHTS, right}, {DNNL_ARG_DST, result}});
    flops += size;
  }

private:
  double size;
  memory::desc a, b, c;
  dnnl::matmul primitive;
};

void multiply(const float *a, const float *b, float *c, memory::dim m, memory::dim n, memory::dim k,
              bool ta = false, bool tb = false, bool add = false) {
  static std::map<std::tuple<memory::dim, memory::dim, memory::dim, bool, bool, bool>, Product>
      products;
  const auto key = std::make_tuple(m, n, k, ta, tb, add);
  auto found = products.find(key);
  if (found == products.end())
    found = products.emplace(key, Product(m, n, k, ta, tb, add)).first;
  found->second.run(a, b, c);
}

// 64-byte aligned, never freed, filled with small numbers.
float *matrix(memory::dim rows, memory::dim columns) {
  const size_t count = (size_t(rows) * size_t(columns) + 15) / 16 * 16;
  float *data = static_cast<float *>(std::aligned_alloc(64, count * sizeof(float)));
  for (size_t i = 0; i < count; i++)
    data[i] = float(i * 2654435761u % 1000) * 1e-4f - 0.05f;
  return data;
}

constexpr memory::dim H = 256, T = 7, pixels = 112, classes = 10;

struct Layer {
  memory::dim inputs;
  float *W, *U, *dW, *dU;         // three gates, one behind the other or side by side
  float *x, *h, *rh, *pre, *grad; // of all time steps
  float *dx, *dh;
};

Layer layer(memory::dim inputs, memory::dim batch) {
  return {inputs,
          matrix(3 * inputs, H),
          matrix(3 * H, H),
          matrix(3 * inputs, H),
          matrix(3 * H, H),
          matrix(T * batch, inputs),
          matrix(T * batch, H),
          matrix(T * batch, H),
          matrix(T * batch, 3 * H),
          matrix(T * batch, 3 * H),
          matrix(T * batch, inputs),
          matrix(batch, H)};
}

void head(Layer &last, memory::dim batch, float *W, float *dW, float *logits) {
  multiply(last.h, W, logits, batch, classes, H);
  multiply(last.h, logits, dW, H, classes, batch, true);
  multiply(logits, W, last.dh, batch, H, classes, false, true);
}

void product_by_product(std::vector<Layer> &layers, memory::dim batch) {
  const memory::dim state = batch * H;
  for (Layer &l : layers)
    for (memory::dim t = 0; t < T; t++)
      for (memory::dim gate = 0; gate < 3; gate++) {
        float *pre = l.pre + (3 * t + gate) * state;
        const float *h = (gate == 2 ? l.rh : l.h) + t * state;
        multiply(l.x + t * batch * l.inputs, l.W + gate * l.inputs * H, pre, batch, H, l.inputs);
        multiply(h, l.U + gate * H * H, pre, batch, H, H, false, false, true);
      }
  for (size_t i = layers.size(); i-- > 0;) {
    Layer &l = layers[i];
    for (memory::dim t = T; t-- > 0;)
      for (memory::dim gate = 0; gate < 3; gate++) {
        const float *g = l.grad + (3 * t + gate) * state, *x = l.x + t * batch * l.inputs;
        const float *h = (gate == 2 ? l.rh : l.h) + t * state;
        const bool add = t < T - 1;
        multiply(g, l.U + gate * H * H, l.dh, batch, H, H, false, true, gate > 0);
        multiply(h, g, l.dU + gate * H * H, H, H, batch, true, false, add);
        multiply(x, g, l.dW + gate * l.inputs * H, l.inputs, H, batch, true, false, add);
        if (i > 0)
          multiply(g, l.W + gate * l.inputs * H, l.dx + t * batch * l.inputs, batch, l.inputs, H,
                   false, true, gate > 0);
      }
  }
}

void stacked(std::vector<Layer> &layers, memory::dim batch) {
  const memory::dim state = batch * H;
  for (Layer &l : layers) {
    multiply(l.x, l.W, l.pre, T * batch, 3 * H, l.inputs);
    for (memory::dim t = 0; t < T; t++) {
      multiply(l.h + t * state, l.U, l.grad, batch, 2 * H, H);
      multiply(l.rh + t * state, l.U + 2 * H * H, l.grad + 2 * state, batch, H, H);
    }
  }
  for (size_t i = layers.size(); i-- > 0;) {
    Layer &l = layers[i];
    for (memory::dim t = T; t-- > 0;) {
      const float *g = l.grad + 3 * t * state;
      multiply(g + 2 * state, l.U + 2 * H * H, l.dh, batch, H, H, false, true);
      multiply(g, l.U, l.dh, batch, H, 2 * H, false, true, true);
    }
    multiply(l.h, l.grad, l.dU, H, 2 * H, T * batch, true);
    multiply(l.rh, l.grad, l.dU + 2 * H * H, H, H, T * batch, true);
    multiply(l.x, l.grad, l.dW, l.inputs, 3 * H, T * batch, true);
    if (i > 0)
      multiply(l.grad, l.W, l.dx, T * batch, l.inputs, 3 * H, false, true);
  }
}

struct Timing {
  double median, min;
};

Timing measure(long steps, double warm_up, const std::function<void()> &work) {
  double once = 1e9;
  const double start = now();
  for (int calls = 0; calls < 2 || now() - start < warm_up; calls++) {
    const double before = now();
    work();
    once = std::min(once, now() - before);
  }
  const long calls = once > 50e-6 ? 1 : long(50e-6 / once) + 1;
  std::vector<double> samples;
  for (long step = 0; step < steps; step++) {
    const double before = now();
    for (long i = 0; i < calls; i++)
      work();
    samples.push_back(1e3 * (now() - before) / double(calls));
  }
  std::sort(samples.begin(), samples.end());
  return {samples[samples.size() / 2], samples[0]};
}

void step(memory::dim batch, long threads, long steps) {
  std::vector<Layer> layers = {layer(pixels, batch), layer(H, batch)};
  float *W = matrix(H, classes), *dW = matrix(H, classes), *logits = matrix(batch, classes);
  for (int form = 0; form < 2; form++) {
    const auto work = [&] {
      (form == 0 ? product_by_product : stacked)(layers, batch);
      head(layers[1], batch, W, dW, logits);
      stream.wait();
    };
    const Timing t = measure(steps, 1, work);
    flops = 0;
    work();
    std::printf("{\"bench\": \"gru_step\", \"library\": \"%s\", \"batch\": %ld, \"threads\": %ld, "
                "\"median_ms\": %.6f, \"min_ms\": %.6f, \"gflops\": %.3f, \"flops\": %.0f}\n",
                form == 0 ? "oneDNN products" : "oneDNN stacked", long(batch), threads, t.median,
                t.min, 1e-6 * flops / t.median, flops);
  }
}

void gemm(long threads, long steps, memory::dim most) {
  const memory::dim shapes[][3] = {
      {32, 256, 256},  {32, 768, 256},     {256, 256, 32},    {32, 256, 112},  {32, 10, 256},
      {2000, 1, 5},    {32, 32, 32},       {64, 64, 64},      {128, 128, 128}, {256, 256, 256},
      {512, 512, 512}, {1024, 1024, 1024}, {2048, 2048, 2048}};
  for (const char *transposes : {"NN", "TN", "NT", "TT"})
    for (const auto &s : shapes) {
      if (s[2] > most)
        continue;
      float *a = matrix(s[0], s[2]), *b = matrix(s[2], s[1]), *c = matrix(s[0], s[1]);
      const Timing t = measure(steps, 0.1, [&] {
        multiply(a, b, c, s[0], s[1], s[2], transposes[0] == 'T', transposes[1] == 'T');
        stream.wait();
      });
      std::printf("{\"bench\": \"gemm\", \"library\": \"oneDNN\", \"dtype\": \"float32\", "
                  "\"transposes\": \"%s\", \"m\": %ld, \"n\": %ld, \"k\": %ld, \"threads\": %ld, "
                  "\"median_ms\": %.6f, \"min_ms\": %.6f, \"gflops\": %.3f}\n",
                  transposes, long(s[0]), long(s[1]), long(s[2]), threads, t.median, t.min,
                  2e-6 * double(s[0] * s[1] * s[2]) / t.median);
      std::free(a);
      std::free(b);
      std::free(c);
    }
}

} // namespace

// onednn_peer gru|gemm [--batch N] [--threads N] [--steps N] [--most N]; OMP_NUM_THREADS is what
// sets the threads.
int main(int argc, char **argv) {
  long batch = 32, threads = 2, steps = 100, most = 2048;
  for (int i = 2; i + 1 < argc; i += 2) {
    const long value = std::atol(argv[i + 1]);
    if (std::strcmp(argv[i], "--batch") == 0)
      batch = value;
    else if (std::strcmp(argv[i], "--threads") == 0)
      threads = value;
    else if (std::strcmp(argv[i], "--steps") == 0)
      steps = value;
    else if (std::strcmp(argv[i], "--most") == 0)
      most = value;
  }
  if (argc >= 2 && std::strcmp(argv[1], "gru") == 0)
    step(batch, threads, steps);
  else if (argc >= 2 && std::strcmp(argv[1], "gemm") == 0)
    gemm(threads, steps, most);
  else
    return 2;
  return 0;
}
