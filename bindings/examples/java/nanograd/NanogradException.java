package nanograd;

/** What the library reports: its message, and its code. Thrown by nanograd.c. */
public final class NanogradException extends RuntimeException {
  private static final long serialVersionUID = 1;
  public final int code;

  public NanogradException(int code, String message) {
    super(message);
    this.code = code;
  }
}
