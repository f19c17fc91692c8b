# frozen_string_literal: true

# nanograd for Ruby with Fiddle, which comes with it: handles that the collector releases, operators,
# and exceptions. A sketch to start from: what it does not wrap is wrapped like its neighbours.
#
# The collector sees a few bytes of Ruby where the library holds a tensor, and comes too late. So a
# loop makes its temporaries inside Nanograd.scope, at whose end they are released.

require "fiddle"

module Nanograd
  # What the library reports: its message, and its code.
  class Error < StandardError
    attr_reader :code

    def initialize(code, message)
      super(message)
      @code = code
    end
  end

  # The C functions, by their own names.
  module C
    LIBRARY = Fiddle.dlopen(ENV["NANOGRAD_LIBRARY"] || "libnanograd.so.0")
    P, I, L, D = Fiddle::TYPE_VOIDP, Fiddle::TYPE_INT, Fiddle::TYPE_LONG_LONG, Fiddle::TYPE_DOUBLE
    NONE = Fiddle::TYPE_VOID
    FLOAT64 = 2

    def self.function(name, result, *arguments)
      function = Fiddle::Function.new(LIBRARY[name.to_s], arguments, result)
      define_singleton_method(name) { |*given| function.call(*given) }
    end

    function :ng_error, I
    function :ng_error_message, P
    function :ng_clear_error, NONE
    function :ng_scope_begin, I
    function :ng_scope_end, I
    function :ng_keep, P, P
    function :ng_release, I, P
    function :ng_live_handles, L
    function :ng_variable, P, I, I, P, P, P
    function :ng_parameter, P, I, I, P, P, P
    function :ng_zeros, P, I, I, P
    function :ng_write, I, P, P, L
    function :ng_item, D, P
    function :ng_add, P, P, P
    function :ng_subtract, P, P, P
    function :ng_multiply, P, P, P
    function :ng_matmul, P, P, P
    function :ng_binary_cross_entropy_logits, P, P, P
    function :ng_backward, I, P
    function :ng_sgd, P, D
    function :ng_optimizer_add, I, P, P, I
    function :ng_optimizer_step, I, P
    function :ng_optimizer_zero_grad, I, P
    function :ng_optimizer_release, I, P
  end

  # Raises what is on record for this thread, and leaves the record clear for the next call.
  def self.raise_recorded
    error = Error.new(C.ng_error, C.ng_error_message.to_s.force_encoding(Encoding::UTF_8))
    C.ng_clear_error
    raise error
  end

  def self.check(status)
    raise_recorded if status.negative?
  end

  # Scopes belong to the thread, in the library and so here. (Thread.current[] would be the fiber's.)
  def self.open_scopes = Thread.current.thread_variable_get(:nanograd_scopes) || 0

  def self.open_scopes=(count)
    Thread.current.thread_variable_set(:nanograd_scopes, count)
  end

  # Calls the block, then releases all tensors made in it but the one that it returns, if it does.
  def self.scope
    check(C.ng_scope_begin)
    self.open_scopes += 1
    begin
      result = yield
      kept = C.ng_keep(result.handle) if result.is_a?(Tensor)
    ensure
      self.open_scopes -= 1
      check(C.ng_scope_end)
    end
    result.own if kept && open_scopes.zero?
    result
  end

  def self.live_handles = C.ng_live_handles

  # Owns one handle, or has it from the scope in which it was made.
  class Tensor
    attr_reader :handle

    def initialize(handle)
      Nanograd.raise_recorded if handle.null?
      @handle = handle.to_i
      own if Nanograd.open_scopes.zero?
    end

    def self.leaf(make, shape, data, tag)
      made = new(C.public_send(make, C::FLOAT64, shape.size, shape.pack("q*"), nil, tag))
      # The library cannot see how long the data is, so ng_write is given it with its size.
      Nanograd.check(C.ng_write(made.handle, data.pack("d*"), 8 * data.size))
      made
    end

    def self.variable(shape, data, tag = nil) = leaf(:ng_variable, shape, data, tag)
    def self.parameter(shape, data, tag = nil) = leaf(:ng_parameter, shape, data, tag)
    def self.zeros(shape) = new(C.ng_zeros(C::FLOAT64, shape.size, shape.pack("q*")))

    # The finalizer must not know the object, or the object would live as long as the finalizer.
    def self.releasing(handle) = proc { C.ng_release(handle) }

    # Leaves the handle to the collector.
    def own
      return if @owned

      @owned = true
      ObjectSpace.define_finalizer(self, Tensor.releasing(@handle))
    end

    def +(other) = Tensor.new(C.ng_add(@handle, other.handle))
    def -(other) = Tensor.new(C.ng_subtract(@handle, other.handle))
    def *(other) = Tensor.new(C.ng_multiply(@handle, other.handle))
    def matmul(other) = Tensor.new(C.ng_matmul(@handle, other.handle))

    def binary_cross_entropy_logits(targets)
      Tensor.new(C.ng_binary_cross_entropy_logits(@handle, targets.handle))
    end

    def backward = Nanograd.check(C.ng_backward(@handle))

    # NaN may be a value, so the record is asked whether it is one.
    def item
      value = C.ng_item(@handle)
      Nanograd.raise_recorded if value.nan? && C.ng_error != 0
      value
    end
  end

  # Stochastic gradient descent.
  class SGD
    def initialize(rate)
      handle = C.ng_sgd(rate)
      Nanograd.raise_recorded if handle.null?
      @handle = handle.to_i
      ObjectSpace.define_finalizer(self, SGD.releasing(@handle))
    end

    def self.releasing(handle) = proc { C.ng_optimizer_release(handle) }

    def add(parameters)
      handles = parameters.map(&:handle).pack("J*")
      Nanograd.check(C.ng_optimizer_add(@handle, handles, parameters.size))
    end

    def step = Nanograd.check(C.ng_optimizer_step(@handle))
    def zero_grad = Nanograd.check(C.ng_optimizer_zero_grad(@handle))
  end
end
