/// nanograd for C++17: handles that release themselves, operators, and exceptions. A sketch to
/// start from: what it does not wrap is wrapped like its neighbours.
#pragma once

#include <nanograd.h>

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace nanograd {

/// What the library reports: its message, and its code.
class Error : public std::runtime_error {
public:
  Error(ng_status code, const std::string &message) : std::runtime_error(message), code(code) {}
  const ng_status code;

  /// Throws what is on record for this thread, and leaves the record clear for the next call.
  [[noreturn]] static void raise() {
    Error error(ng_error(), ng_error_message());
    ng_clear_error();
    throw error;
  }
};

inline void check(ng_status status) {
  if (status < 0)
    Error::raise();
}

using Shape = std::vector<std::int64_t>;

/// Owns one handle. Copies of a tensor are further owners of the same handle.
class Tensor {
public:
  /// Takes a handle that the library returned, or throws why it returned none.
  explicit Tensor(ng_tensor *handle) : handle(handle, ng_release) {
    if (!handle)
      Error::raise();
  }
  static Tensor variable(const Shape &shape, const std::vector<double> &data, const char *tag) {
    return leaf(ng_variable, shape, data.data(), data.size(), tag);
  }
  static Tensor parameter(const Shape &shape, const std::vector<double> &data, const char *tag) {
    return leaf(ng_parameter, shape, data.data(), data.size(), tag);
  }
  static Tensor zeros(const Shape &shape) {
    return Tensor(ng_zeros(NG_FLOAT64, static_cast<std::int32_t>(shape.size()), shape.data()));
  }

  ng_tensor *get() const { return handle.get(); }
  void backward() const { check(ng_backward(get())); }
  Tensor grad() const { return Tensor(ng_grad(get())); }
  /// NaN may be a value, so the record is asked whether it is one.
  double item() const {
    const double value = ng_item(get());
    if (value != value && ng_error() != NG_OK)
      Error::raise();
    return value;
  }
  std::vector<double> read() const {
    std::vector<double> data(static_cast<std::size_t>(ng_size(get())));
    check(ng_read(get(), data.data(), static_cast<std::int64_t>(data.size() * sizeof(double))));
    return data;
  }

private:
  /// The library cannot see how long `data` is, so that is for the binding to compare.
  template <typename Make>
  static Tensor leaf(Make make, const Shape &shape, const double *data, std::size_t count,
                     const char *tag) {
    Tensor made(
        make(NG_FLOAT64, static_cast<std::int32_t>(shape.size()), shape.data(), nullptr, tag));
    check(ng_write(made.get(), data, static_cast<std::int64_t>(count * sizeof(double))));
    return made;
  }

  std::shared_ptr<ng_tensor> handle;
};

inline Tensor operator+(const Tensor &a, const Tensor &b) {
  return Tensor(ng_add(a.get(), b.get()));
}
inline Tensor operator-(const Tensor &a, const Tensor &b) {
  return Tensor(ng_subtract(a.get(), b.get()));
}
inline Tensor operator*(const Tensor &a, const Tensor &b) {
  return Tensor(ng_multiply(a.get(), b.get()));
}
inline Tensor operator*(const Tensor &a, double b) {
  return Tensor(ng_multiply_scalar(a.get(), b));
}
inline Tensor matmul(const Tensor &a, const Tensor &b) {
  return Tensor(ng_matmul(a.get(), b.get()));
}
inline Tensor sigmoid(const Tensor &a) { return Tensor(ng_sigmoid(a.get())); }
inline Tensor binary_cross_entropy_logits(const Tensor &z, const Tensor &t) {
  return Tensor(ng_binary_cross_entropy_logits(z.get(), t.get()));
}

class Optimizer {
public:
  static Optimizer sgd(double rate) { return Optimizer(ng_sgd(rate)); }
  void add(std::initializer_list<Tensor> parameters) {
    for (const Tensor &parameter : parameters) {
      ng_tensor *handle = parameter.get();
      check(ng_optimizer_add(this->handle.get(), &handle, 1));
    }
  }
  void step() { check(ng_optimizer_step(handle.get())); }
  void zero_grad() { check(ng_optimizer_zero_grad(handle.get())); }

private:
  struct Release {
    void operator()(ng_optimizer *optimizer) const { ng_optimizer_release(optimizer); }
  };
  explicit Optimizer(ng_optimizer *handle) : handle(handle) {
    if (!handle)
      Error::raise();
  }
  std::unique_ptr<ng_optimizer, Release> handle;
};

} // namespace nanograd
