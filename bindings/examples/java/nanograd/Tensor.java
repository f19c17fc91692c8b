package nanograd;

import java.lang.ref.Cleaner;

/**
 * Owns one handle, or has it from the scope in which it was made. The collector sees a few bytes of
 * Java where the library holds a tensor, and comes too late: a loop makes its temporaries in a Scope.
 */
public final class Tensor {
  static final Cleaner cleaner = Cleaner.create();
  final long handle; // read by nanograd.c, whose callers are thus known to the collector

  private Tensor(long handle) {
    this.handle = handle;
    // The action must not know the object, or the object would live as long as the action.
    if (!Scope.isOpen()) cleaner.register(this, () -> Native.release(handle));
  }

  public static Tensor variable(long[] shape, double[] data, String tag) {
    return new Tensor(Native.leaf(false, shape, data, Native.utf8(tag)));
  }

  public static Tensor parameter(long[] shape, double[] data, String tag) {
    return new Tensor(Native.leaf(true, shape, data, Native.utf8(tag)));
  }

  public static Tensor zeros(long... shape) {
    return new Tensor(Native.zeros(shape));
  }

  public Tensor add(Tensor other) {
    return new Tensor(Native.add(this, other));
  }

  public Tensor matmul(Tensor other) {
    return new Tensor(Native.matmul(this, other));
  }

  public Tensor binaryCrossEntropyLogits(Tensor targets) {
    return new Tensor(Native.binaryCrossEntropyLogits(this, targets));
  }

  public void backward() {
    Native.backward(this);
  }

  public double item() {
    return Native.item(this);
  }
}
