# frozen_string_literal: true

# A logistic regression in Ruby. Temporaries are released by a scope, the rest by the collector.
require_relative "nanograd"
include Nanograd

# The same numbers in every language: see ../c/logistic.c.
NUMBERS = Enumerator.produce(16_807) { |state| state * 16_807 % 2_147_483_647 }
                    .lazy.map { |state| state % 2001 - 1000 }

def train
  rows = NUMBERS.first(4 * 500).each_slice(4)
  examples = rows.flat_map { |a, b, c, _| [a, b, c].map { |feature| feature / 1000.0 } }
  targets = rows.map { |a, b, c, noise| (3 * a - 2 * b + c + noise).positive? ? 1 : 0 }
  x = Tensor.variable([500, 3], examples, "x")
  t = Tensor.variable([500, 1], targets, "t")
  w = Tensor.parameter([3, 1], [0, 0, 0], "w")
  b = Tensor.parameter([], [0], "b")
  optimizer = SGD.new(0.5)
  optimizer.add([w, b])

  (0..200).each do |step|
    Nanograd.scope do
      loss = (x.matmul(w) + b).binary_cross_entropy_logits(t)
      puts format("step %3d  loss %.12f", step, loss.item) if (step % 100).zero?
      loss.backward
      optimizer.step
      optimizer.zero_grad
    end
  end
end

train
begin
  a = Tensor.zeros([2, 3])
  a.matmul(a)
rescue Nanograd::Error => e
  puts "error: #{e.message}"
end
1000.times { Tensor.zeros([100]) } # outside of scopes: the collector's
GC.start
puts "handles alive: #{Nanograd.live_handles}"
