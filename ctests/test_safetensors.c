/* Reading safetensors files, good ones and every kind of damaged ones. */
#include "checkpoint.h"

#include <fcntl.h>

/* ---- What a good file holds ------------------------------------------------------------------ */

static const char good[] =
    "{\"__metadata__\":{\"made by\":\"\\u00e9\\ud83d\\ude00\\\\\\/\\n\",\"step\":\"-12\"},"
    "\"w\" : { \"shape\":[2, 1],\"data_offsets\" : [8,16],\n\t\"dtype\":\"F32\"} ,"
    "\"half\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[0,4]},"
    "\"none\":{\"dtype\":\"I64\",\"shape\":[3,0],\"data_offsets\":[4,4]},"
    "\"deep\":{\"dtype\":\"I32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[4,8]}}   ";

static void test_good_file(void **state) {
  (void)state;
  unsigned char bytes[1024];
  const size_t size = make_file(bytes, sizeof bytes, good, 16);
  ng_safetensors *file = ng_safetensors_open_memory(bytes, (int64_t)size);
  memset(bytes, 0, sizeof bytes); /* it is a copy */
  assert_int_equal(ng_safetensors_count(file), 4);
  const char *names[] = {"w", "half", "none", "deep"};
  char text[32];
  for (int i = 0; i < 4; i++) {
    assert_int_equal(ng_safetensors_name(file, i, text, sizeof text), strlen(names[i]));
    assert_string_equal(text, names[i]);
    assert_int_equal(ng_safetensors_contains(file, names[i]), 1);
  }
  assert_int_equal(ng_safetensors_contains(file, "W"), 0);
  assert_int_equal(ng_safetensors_dtype(file, "w"), NG_FLOAT32);
  assert_int_equal(ng_safetensors_rank(file, "w"), 2);
  int64_t shape[9] = {0};
  expect_ok(ng_safetensors_shape(file, "w", 9, shape));
  assert_true(shape[0] == 2 && shape[1] == 1);

  ng_tensor *w = ng_safetensors_tensor(file, "w");
  expect_shape(w, SHAPE(2, 1));
  unsigned char elements[8];
  expect_ok(ng_read(w, elements, 8));
  for (int i = 0; i < 8; i++)
    assert_int_equal(elements[i], 8 + i);
  assert_int_equal(ng_tag(w, text, sizeof text), 1);
  assert_string_equal(text, "w");
  expect_shape(ng_safetensors_tensor(file, "none"), SHAPE(3, 0));

  /* What nanograd has not is in nobody's way until it is asked for. */
  assert_int_equal(ng_safetensors_rank(file, "half"), 1);
  assert_int_equal(ng_safetensors_dtype(file, "half"), NG_ERROR_DTYPE);
  expect_words(NG_ERROR_DTYPE, "ng_safetensors_dtype", "'half' is BF16, expected one of F32");
  assert_null(ng_safetensors_tensor(file, "half"));
  expect_words(NG_ERROR_DTYPE, "ng_safetensors_tensor", "'half' is BF16");
  assert_int_equal(ng_safetensors_rank(file, "deep"), 9);
  expect_ok(ng_safetensors_shape(file, "deep", 9, shape));
  assert_int_equal(ng_safetensors_shape(file, "deep", 8, shape), NG_ERROR_ARGUMENT);
  expect_words(NG_ERROR_ARGUMENT, "ng_safetensors_shape", "room for 8");
  assert_null(ng_safetensors_tensor(file, "deep"));
  expect_words(NG_ERROR_SHAPE, "ng_safetensors_tensor", "'deep': rank 9");
  assert_null(ng_safetensors_tensor(file, "u"));
  expect_words(NG_ERROR_ARGUMENT, "ng_safetensors_tensor",
               "no tensor 'u' in the file, which has 'w'");

  assert_int_equal(ng_safetensors_text_count(file), 2);
  assert_int_equal(ng_safetensors_key(file, 0, text, sizeof text), 7);
  assert_string_equal(text, "made by");
  ng_safetensors_text(file, "made by", text, sizeof text);
  assert_string_equal(text, "é😀\\/\n");
  int64_t step = 7;
  expect_ok(ng_safetensors_integer(file, "step", &step));
  assert_int_equal(step, -12);
  assert_int_equal(ng_safetensors_integer(file, "made by", &step), NG_ERROR_FORMAT);
  expect_words(NG_ERROR_FORMAT, "ng_safetensors_integer", "expected an integer");
  assert_int_equal(step, -12);
  expect_ok(ng_safetensors_release(file));
}

/* Spellings of é that look alike are two names. */
static void test_names_are_bytes(void **state) {
  (void)state;
  unsigned char bytes[512];
  const size_t size =
      make_file(bytes, sizeof bytes,
                "{\"\xC3\xA9\":{\"dtype\":\"I32\",\"shape\":[],\"data_offsets\":[0,4]},"
                "\"e\xCC\x81\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
                8);
  ng_safetensors *file = ng_safetensors_open_memory(bytes, (int64_t)size);
  assert_int_equal(ng_safetensors_dtype(file, "\xC3\xA9"), NG_INT32);
  assert_int_equal(ng_safetensors_dtype(file, "e\xCC\x81"), NG_FLOAT32);
  expect_ok(ng_safetensors_release(file));
}

/* ---- Damaged files --------------------------------------------------------------------------- */

#define F32(offsets) "\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":" offsets
#define ONE(fields) "{\"a\":{" fields "}}"
#define TWO(first, second) "{\"a\":{" F32(first) "},\"b\":{" F32(second) "}}"

static const struct {
  const char *header;
  size_t data;
  const char *words;
} damaged[] = {
    /* JSON that is none, or is more than the format allows */
    {"", 0, "the header ends, expected '{'"},
    {" {}", 0, "found byte 32, expected '{'"},
    {"{", 0, "the header ends"},
    {"{}x", 0, "found 'x', expected the end of the header"},
    {"{}{}", 0, "expected the end of the header"},
    {"[]", 0, "expected '{'"},
    {"null", 0, "expected '{'"},
    {"\xEF\xBB\xBF{}", 0, "expected '{'"},
    {"{\"a\"}", 0, "found '}', expected ':'"},
    {"{\"a\":}", 0, "expected '{'"},
    {"{\"a\":[[[[[[[[[[[[[[[[", 0, "found '[', expected '{'"},
    {"{\"a\":{\"a\":{\"a\":{", 0, "'a' in tensor 'a'"},
    {"{a:1}", 0, "found 'a', expected '\"'"},
    {"{'a':1}", 0, "expected '\"'"},
    {"{\"a", 0, "a text without an end"},
    {"{\"a\\", 0, "a text without an end"},
    {"{\"\\x\":{}}", 0, "an unknown escape"},
    {"{\"\\u12g4\":{}}", 0, "an unknown escape"},
    {"{\"\\u12", 0, "an unknown escape"},
    {"{\"\\u12\xC3\xA9\":{}}", 0, "an unknown escape"},
    {"{\"\\ud800\":{}}", 0, "half a character"},
    {"{\"\\ud800\\n\":{}}", 0, "half a character"},
    {"{\"\\ud800\\ud800\":{}}", 0, "half a character"},
    {"{\"\\udc00\":{}}", 0, "half a character"},
    {"{\"a\\u0000\":{}}", 0, "a text with a NUL"},
    {"{\"a\nb\":{}}", 0, "a control character"},
    {"{\"\xFF\":{}}", 0, "not UTF-8"},
    {"{\"\xC0\x80\":{}}", 0, "not UTF-8"},
    {"{\"\xED\xA0\x80\":{}}", 0, "not UTF-8"},
    {"{\"\xF4\x90\x80\x80\":{}}", 0, "not UTF-8"},
    {"{,}", 0, "found ',', expected '\"'"},
    {"{\"__metadata__\":{},}", 0, "found '}', expected '\"'"},
    {"{\"__metadata__\":{} \"a\":{}}", 0, "expected ',' or '}'"},
    /* metadata */
    {"{\"__metadata__\":null}", 0, "expected '{'"},
    {"{\"__metadata__\":{\"a\":1}}", 0, "found '1', expected '\"'"},
    {"{\"__metadata__\":{\"a\":{}}}", 0, "expected '\"'"},
    {"{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}}", 0, "the metadata 'a' for the second time"},
    {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "the name '__metadata__' for the second time"},
    /* fields of a tensor */
    {ONE(""), 0, "lacks dtype, shape or two data_offsets"},
    {ONE("\"dtype\":\"F32\",\"shape\":[2]"), 8, "lacks"},
    {ONE("\"dtype\":\"F32\",\"data_offsets\":[0,8]"), 8, "lacks"},
    {ONE("\"shape\":[2],\"data_offsets\":[0,8]"), 8, "lacks"},
    {ONE(F32("[0]")), 8, "lacks"},
    {ONE(F32("[]")), 8, "lacks"},
    {ONE(F32("[0,4,8]")), 8, "lacks"},
    {ONE(F32("[0,8],\"dtype\":\"F32\"")), 8, "'dtype' in tensor 'a', expected dtype, shape"},
    {ONE(F32("[0,8],\"shape\":[2]")), 8, "each once"},
    {ONE(F32("[0,8],\"data_offsets\":[0,8]")), 8, "each once"},
    {ONE(F32("[0,8],\"more\":1")), 8, "'more' in tensor 'a'"},
    {ONE("\"dtype\":\"F31\",\"shape\":[2],\"data_offsets\":[0,8]"), 8, "has dtype 'F31'"},
    {ONE("\"dtype\":\"f32\",\"shape\":[2],\"data_offsets\":[0,8]"), 8, "has dtype 'f32'"},
    {ONE("\"dtype\":32,\"shape\":[2],\"data_offsets\":[0,8]"), 8, "found '3', expected '\"'"},
    {ONE("\"dtype\":\"F32\",\"shape\":2,\"data_offsets\":[0,8]"), 8, "expected '['"},
    {ONE("\"dtype\":\"F32\",\"shape\":[\"2\"],\"data_offsets\":[0,8]"), 8, "whole number"},
    {ONE("\"dtype\":\"F32\",\"shape\":[[2]],\"data_offsets\":[0,8]"), 8, "whole number"},
    {ONE("\"dtype\":\"F32\",\"shape\":[2,],\"data_offsets\":[0,8]"), 8, "whole number"},
    {ONE("\"dtype\":\"F32\",\"shape\":[2 2],\"data_offsets\":[0,8]"), 8, "expected ',' or ']'"},
    {ONE("\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]"), 8,
     "found '-', expected a whole"},
    {ONE("\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]"), 8, "not whole"},
    {ONE("\"dtype\":\"F32\",\"shape\":[2e0],\"data_offsets\":[0,8]"), 8, "not whole"},
    {ONE("\"dtype\":\"F32\",\"shape\":[02],\"data_offsets\":[0,8]"), 8, "begins with 0"},
    {ONE("\"dtype\":\"F32\",\"shape\":[9223372036854775808],\"data_offsets\":[0,8]"), 8, "2^63"},
    {ONE("\"dtype\":\"F32\",\"shape\":[99999999999999999999999],\"data_offsets\":[0,8]"), 8,
     "2^63"},
    {ONE("\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]"), 0,
     "has 0 bytes"},
    {ONE("\"dtype\":\"F64\",\"shape\":[2305843009213693952],\"data_offsets\":[0,0]"), 0,
     "has 0 bytes"},
    {ONE("\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,1]"), 1, "F4 [3] does not"},
    {"{\"a\":{" F32("[0,8]") "},\"a\":{" F32("[8,16]") "}}", 16,
     "the name 'a' for the second time"},
    {"{\"a\":{" F32("[0,8]") "},\"\\u0061\":{" F32("[8,16]") "}}", 16, "for the second time"},
    /* offsets */
    {ONE(F32("[0,4]")), 8, "has 4 bytes, which F32 [2] does not"},
    {ONE(F32("[0,16]")), 16, "has 16 bytes"},
    {ONE(F32("[8,0]")), 8, "begins at 8 and ends at 0"},
    {ONE(F32("[9223372036854775799,9223372036854775807]")), 8, "after a gap that begins at 0"},
    {ONE(F32("[18446744073709551608,0]")), 8, "2^63"},
    {ONE(F32("[8,16]")), 16, "begins at byte 8 of the data, after a gap"},
    {TWO("[0,8]", "[16,24]"), 24,
     "'b' begins at byte 16 of the data, after a gap that begins at 8"},
    {TWO("[0,8]", "[4,12]"), 12, "inside of another that ends at 8"},
    {TWO("[0,8]", "[0,8]"), 8, "inside of another"},
    {TWO("[0,8]", "[0,8]"), 16, "inside of another"},
    {ONE(F32("[0,8]")), 7, "7 bytes of data, expected 8: the file was cut"},
    {ONE(F32("[0,8]")), 0, "0 bytes of data"},
    {ONE(F32("[0,8]")), 9, "9 bytes of data, expected 8: something follows"},
    {"{}", 1, "something follows"},
};

static void test_damaged_files(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(damaged); i++) {
    unsigned char bytes[512];
    const size_t size = make_file(bytes, sizeof bytes, damaged[i].header, damaged[i].data);
    ng_safetensors *file = ng_safetensors_open_memory(bytes, (int64_t)size);
    if (file != NULL)
      fail_msg("this was accepted: %s", damaged[i].header);
    expect_words(NG_ERROR_FORMAT, "ng_safetensors_open_memory", damaged[i].words);
    write_file(in_folder("damaged"), bytes, size);
    assert_null(ng_safetensors_open(in_folder("damaged")));
    expect_words(NG_ERROR_FORMAT, "ng_safetensors_open", damaged[i].words);
  }
  print_message("%d files refused\n", (int)COUNT(damaged));
}

static void test_damaged_beginnings(void **state) {
  (void)state;
  unsigned char bytes[1024];
  const int64_t size = (int64_t)make_file(bytes, sizeof bytes, good, 16);
  /* However far it is cut; and with every length that one wrong bit makes. */
  for (int64_t cut = 0; cut < size; cut++) {
    assert_null(ng_safetensors_open_memory(bytes, cut));
    expect_words(NG_ERROR_FORMAT, "ng_safetensors_open_memory", "bytes");
  }
  for (int bit = 0; bit < 64; bit++) {
    bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
    assert_null(ng_safetensors_open_memory(bytes, size));
    expect_error(NG_ERROR_FORMAT, "ng_safetensors_open_memory");
    bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
  }
  bytes[7] = 0x80;
  assert_null(ng_safetensors_open_memory(bytes, size));
  expect_words(NG_ERROR_FORMAT, "ng_safetensors_open_memory", "at most 100000000");
}

/* A name of a million bytes does not come back in the message. */
static void test_long_names(void **state) {
  (void)state;
  enum { length = 1000000 };
  char *header = malloc(length + 100);
  unsigned char *bytes = malloc(length + 200);
  assert_true(header != NULL && bytes != NULL);
  strcpy(header, "{\"");
  memset(header + 2, 'n', length);
  strcpy(header + 2 + length, "\":{}}");
  const size_t size = make_file(bytes, length + 200, header, 0);
  assert_null(ng_safetensors_open_memory(bytes, (int64_t)size));
  assert_true(strlen(ng_error_message()) < 300);
  expect_words(NG_ERROR_FORMAT, "ng_safetensors_open_memory", "nnn…' lacks");
  free(header);
  free(bytes);
}

/* ---- What is no file, or stops being one ----------------------------------------------------- */

static void test_paths(void **state) {
  (void)state;
  assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
  const struct {
    const char *path;
    ng_status code;
    const char *words;
  } cases[] = {
      {in_folder("missing"), NG_ERROR_FILE, "cannot be opened: No such file or directory"},
      {in_folder("missing/file"), NG_ERROR_FILE, "No such file or directory"},
      {in_folder("."), NG_ERROR_FILE, "is a folder, expected a file"},
      {in_folder("pipe"), NG_ERROR_FILE, "is a pipe, expected a file"},
      {"/dev/zero", NG_ERROR_FILE, "is a device, expected a file"},
      {"/dev/null/file", NG_ERROR_FILE, "Not a directory"},
      {"", NG_ERROR_ARGUMENT, "the path is empty"},
      {"/tmp/\xFF", NG_ERROR_ARGUMENT, "the path is not UTF-8"},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    assert_null(ng_safetensors_open(cases[i].path));
    expect_words(cases[i].code, "ng_safetensors_open", cases[i].words);
  }
  expect_ok(unlink(in_folder("pipe")));
}

static void test_file_that_becomes_shorter(void **state) {
  (void)state;
  unsigned char bytes[512];
  const size_t size = make_file(bytes, sizeof bytes, ONE(F32("[0,8]")), 8);
  const char *path = in_folder("shorter");
  write_file(path, bytes, size);
  ng_safetensors *file = ng_safetensors_open(path);
  assert_int_equal(truncate(path, (off_t)size - 3), 0);
  assert_null(ng_safetensors_tensor(file, "a"));
  expect_words(NG_ERROR_FILE, "ng_safetensors_tensor", "has become shorter");
  /* Taken away, it is still there for who has opened it. */
  write_file(path, bytes, size);
  expect_ok(unlink(path));
  assert_null(ng_safetensors_tensor(file, "b"));
  expect_error(NG_ERROR_ARGUMENT, "ng_safetensors_tensor");
  expect_shape(ng_safetensors_tensor(file, "a"), SHAPE(2));
  expect_ok(ng_safetensors_release(file));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_good_file),
      TEST(test_names_are_bytes),
      TEST(test_damaged_files),
      TEST(test_damaged_beginnings),
      TEST(test_long_names),
      TEST(test_paths),
      TEST(test_file_that_becomes_shorter),
  };
  return cmocka_run_group_tests_name("safetensors", tests, make_folder, remove_folder);
}
