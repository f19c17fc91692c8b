package nanograd;

/** Stochastic gradient descent. The library keeps its own references to the Parameters. */
public final class Optimizer {
  final long handle; // read by nanograd.c

  public Optimizer(double rate) {
    long made = Native.sgd(rate);
    handle = made;
    Tensor.cleaner.register(this, () -> Native.releaseOptimizer(made));
  }

  public void add(Tensor... parameters) {
    for (Tensor parameter : parameters) Native.optimizerAdd(this, parameter);
  }

  public void step() {
    Native.step(this);
  }

  public void zeroGrad() {
    Native.zeroGrad(this);
  }
}
