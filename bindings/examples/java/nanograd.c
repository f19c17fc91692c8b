/// The native side of the Java classes: objects to handles, and errors to exceptions.
#include <jni.h>
#include <nanograd.h>
#include <string.h>

#define NATIVE(type, name) JNIEXPORT type JNICALL Java_nanograd_Native_##name

/// Throws what is on record for this thread, and leaves the record clear for the next call.
static void fail(JNIEnv *env) {
  const char *message = ng_error_message();
  const jsize length = (jsize)strlen(message);
  const ng_status code = ng_error();
  jbyteArray bytes = (*env)->NewByteArray(env, length);
  if (bytes != NULL) {
    (*env)->SetByteArrayRegion(env, bytes, 0, length, (const jbyte *)message);
    jclass native = (*env)->FindClass(env, "nanograd/Native");
    jmethodID make =
        native == NULL
            ? NULL
            : (*env)->GetStaticMethodID(env, native, "error", "(I[B)Lnanograd/NanogradException;");
    if (make != NULL) {
      jobject error = (*env)->CallStaticObjectMethod(env, native, make, (jint)code, bytes);
      if (!(*env)->ExceptionCheck(env) && error != NULL)
        (*env)->Throw(env, (jthrowable)error);
    }
  }
  ng_clear_error();
}

static void check(JNIEnv *env, ng_status status) {
  if (status < 0)
    fail(env);
}

static jlong made(JNIEnv *env, void *handle) {
  if (handle == NULL)
    fail(env);
  return (jlong)(intptr_t)handle;
}

/// The handle in a Tensor or Optimizer; NULL, which the library reports, for Java's null.
static void *handle(JNIEnv *env, jobject object) {
  if (object == NULL)
    return NULL;
  jclass type = (*env)->GetObjectClass(env, object);
  return (void *)(intptr_t)(*env)->GetLongField(env, object,
                                                (*env)->GetFieldID(env, type, "handle", "J"));
}

NATIVE(void, scopeBegin)(JNIEnv *env, jclass c) { check(env, ng_scope_begin()); }
NATIVE(void, scopeEnd)(JNIEnv *env, jclass c) { check(env, ng_scope_end()); }
NATIVE(void, release)(JNIEnv *env, jclass c, jlong t) { ng_release((ng_tensor *)(intptr_t)t); }
NATIVE(void, releaseOptimizer)(JNIEnv *env, jclass c, jlong o) {
  ng_optimizer_release((ng_optimizer *)(intptr_t)o);
}

NATIVE(jlong, leaf)
(JNIEnv *env, jclass c, jboolean parameter, jlongArray shape, jdoubleArray data, jbyteArray tag) {
  jlong *dims = (*env)->GetLongArrayElements(env, shape, NULL);
  jdouble *elements = (*env)->GetDoubleArrayElements(env, data, NULL);
  jbyte *name = (*env)->GetByteArrayElements(env, tag, NULL);
  ng_tensor *leaf = NULL;
  if (dims != NULL && elements != NULL && name != NULL) {
    const int32_t rank = (*env)->GetArrayLength(env, shape);
    const int64_t bytes = (int64_t)(*env)->GetArrayLength(env, data) * (int64_t)sizeof(double);
    leaf = (parameter ? ng_parameter : ng_variable)(NG_FLOAT64, rank, (const int64_t *)dims, NULL,
                                                    (const char *)name);
    // The library cannot see how long the data is, so ng_write is given it with its size.
    if (leaf != NULL && ng_write(leaf, elements, bytes) < 0) {
      ng_release(leaf);
      leaf = NULL;
    }
  }
  if (dims != NULL)
    (*env)->ReleaseLongArrayElements(env, shape, dims, JNI_ABORT);
  if (elements != NULL)
    (*env)->ReleaseDoubleArrayElements(env, data, elements, JNI_ABORT);
  if (name != NULL)
    (*env)->ReleaseByteArrayElements(env, tag, name, JNI_ABORT);
  return (*env)->ExceptionCheck(env) ? 0 : made(env, leaf);
}

NATIVE(jlong, zeros)(JNIEnv *env, jclass c, jlongArray shape) {
  jlong *dims = (*env)->GetLongArrayElements(env, shape, NULL);
  if (dims == NULL)
    return 0; // with an exception of Java's
  ng_tensor *t = ng_zeros(NG_FLOAT64, (*env)->GetArrayLength(env, shape), (const int64_t *)dims);
  (*env)->ReleaseLongArrayElements(env, shape, dims, JNI_ABORT);
  return made(env, t);
}

NATIVE(jlong, add)(JNIEnv *env, jclass c, jobject a, jobject b) {
  return made(env, ng_add(handle(env, a), handle(env, b)));
}
NATIVE(jlong, matmul)(JNIEnv *env, jclass c, jobject a, jobject b) {
  return made(env, ng_matmul(handle(env, a), handle(env, b)));
}
NATIVE(jlong, binaryCrossEntropyLogits)(JNIEnv *env, jclass c, jobject z, jobject t) {
  return made(env, ng_binary_cross_entropy_logits(handle(env, z), handle(env, t)));
}
NATIVE(void, backward)(JNIEnv *env, jclass c, jobject t) {
  check(env, ng_backward(handle(env, t)));
}
NATIVE(jdouble, item)(JNIEnv *env, jclass c, jobject t) {
  const double value = ng_item(handle(env, t));
  // NaN may be a value, so the record is asked whether it is one.
  if (value != value && ng_error() != NG_OK)
    fail(env);
  return value;
}
NATIVE(jlong, sgd)(JNIEnv *env, jclass c, jdouble rate) { return made(env, ng_sgd(rate)); }
NATIVE(void, optimizerAdd)(JNIEnv *env, jclass c, jobject o, jobject t) {
  ng_tensor *parameter = handle(env, t);
  check(env, ng_optimizer_add(handle(env, o), &parameter, 1));
}
NATIVE(void, step)(JNIEnv *env, jclass c, jobject o) {
  check(env, ng_optimizer_step(handle(env, o)));
}
NATIVE(void, zeroGrad)(JNIEnv *env, jclass c, jobject o) {
  check(env, ng_optimizer_zero_grad(handle(env, o)));
}
NATIVE(jlong, liveHandles)(JNIEnv *env, jclass c) { return ng_live_handles(); }
