package nanograd;

import java.nio.charset.StandardCharsets;

/**
 * What nanograd.c does with JNI. It is given objects and not their handles, so that the collector
 * cannot release them during a call. All but the releases throw NanogradException.
 */
public final class Native {
  static {
    System.loadLibrary("nanograd_jni");
  }

  /** JNI's own strings are not quite UTF-8: they cross as bytes, with a final 0. */
  static byte[] utf8(String text) {
    return (text + "\0").getBytes(StandardCharsets.UTF_8);
  }

  static NanogradException error(int code, byte[] message) {
    return new NanogradException(code, new String(message, StandardCharsets.UTF_8));
  }

  static native void scopeBegin();
  static native void scopeEnd();
  static native void release(long tensor);
  static native void releaseOptimizer(long optimizer);
  static native long leaf(boolean parameter, long[] shape, double[] data, byte[] tag);
  static native long zeros(long[] shape);
  static native long add(Tensor a, Tensor b);
  static native long matmul(Tensor a, Tensor b);
  static native long binaryCrossEntropyLogits(Tensor z, Tensor t);
  static native void backward(Tensor loss);
  static native double item(Tensor tensor);
  static native long sgd(double rate);
  static native void optimizerAdd(Optimizer optimizer, Tensor parameter);
  static native void step(Optimizer optimizer);
  static native void zeroGrad(Optimizer optimizer);
  /** Handles alive in the process. */
  public static native long liveHandles();
}
