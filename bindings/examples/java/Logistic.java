import java.util.Locale;
import nanograd.*;

/** A logistic regression in Java. Temporaries are released by a scope, the rest by a Cleaner. */
public final class Logistic {
  private static long state = 1;

  /** The same numbers in every language: see ../c/logistic.c. */
  private static long next() {
    state = state * 16807 % 2147483647;
    return state % 2001 - 1000;
  }

  private static void train() {
    double[] examples = new double[500 * 3], targets = new double[500];
    for (int row = 0; row < 500; row++) {
      long a = next(), b = next(), c = next(), noise = next();
      examples[3 * row] = a / 1000.0;
      examples[3 * row + 1] = b / 1000.0;
      examples[3 * row + 2] = c / 1000.0;
      targets[row] = 3 * a - 2 * b + c + noise > 0 ? 1 : 0;
    }
    Tensor x = Tensor.variable(new long[] {500, 3}, examples, "x");
    Tensor t = Tensor.variable(new long[] {500, 1}, targets, "t");
    Tensor w = Tensor.parameter(new long[] {3, 1}, new double[3], "w");
    Tensor b = Tensor.parameter(new long[] {}, new double[1], "b");
    Optimizer optimizer = new Optimizer(0.5);
    optimizer.add(w, b);

    for (int step = 0; step <= 200; step++) {
      try (Scope scope = new Scope()) {
        Tensor loss = x.matmul(w).add(b).binaryCrossEntropyLogits(t);
        if (step % 100 == 0)
          System.out.printf(Locale.ROOT, "step %3d  loss %.12f%n", step, loss.item());
        loss.backward();
        optimizer.step();
        optimizer.zeroGrad();
      }
    }
  }

  public static void main(String[] arguments) throws InterruptedException {
    train();
    try {
      Tensor a = Tensor.zeros(2, 3);
      a.matmul(a);
    } catch (NanogradException error) {
      System.out.println("error: " + error.getMessage());
    }
    for (int i = 0; i < 1000; i++) Tensor.zeros(100); // outside of scopes: the Cleaner's
    for (int i = 0; i < 100 && Native.liveHandles() > 0; i++) { // which runs some time after
      System.gc();
      Thread.sleep(10);
    }
    System.out.println("handles alive: " + Native.liveHandles());
  }
}
