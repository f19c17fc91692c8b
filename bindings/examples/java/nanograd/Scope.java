package nanograd;

/** Releases, when it is closed, the tensors made since: {@code try (Scope scope = new Scope()) …}. */
public final class Scope implements AutoCloseable {
  // Scopes belong to the thread, in the library and so here.
  private static final ThreadLocal<Integer> open = ThreadLocal.withInitial(() -> 0);

  public Scope() {
    Native.scopeBegin();
    open.set(open.get() + 1);
  }

  /** To be called once, on the thread that made it, as try-with-resources does. */
  @Override
  public void close() {
    Native.scopeEnd();
    open.set(open.get() - 1);
  }

  static boolean isOpen() {
    return open.get() > 0;
  }
}
