#include "checkpoint.h"

#include <dirent.h>

static char folder[64];

int make_folder(void **state) {
  (void)state;
  strcpy(folder, "/tmp/nanograd-test-XXXXXX");
  return mkdtemp(folder) == NULL ? -1 : 0;
}

/* Visits the entries of the folder, and takes them away if they are to go. */
static int visit(int removing) {
  int count = 0;
  DIR *entries = opendir(folder);
  assert_non_null(entries);
  for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
      continue;
    count++;
    if (removing)
      remove(in_folder(entry->d_name));
  }
  closedir(entries);
  return count;
}

int remove_folder(void **state) {
  (void)state;
  visit(1);
  return rmdir(folder);
}

int count_files(void) { return visit(0); }

const char *in_folder(const char *name) {
  static char paths[4][512];
  static int next;
  char *path = paths[next++ % 4];
  snprintf(path, sizeof paths[0], "%s/%s", folder, name);
  return path;
}

int64_t read_file(const char *path, unsigned char **data) {
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  assert_int_equal(fseek(file, 0, SEEK_END), 0);
  long size = ftell(file);
  rewind(file);
  *data = malloc((size_t)size + 1);
  assert_non_null(*data);
  assert_int_equal(fread(*data, 1, (size_t)size, file), size);
  fclose(file);
  return size;
}

void write_file(const char *path, const void *data, size_t bytes) {
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(data, 1, bytes, file), bytes);
  assert_int_equal(fclose(file), 0);
}

size_t make_file(unsigned char *file, size_t room, const char *header, size_t data) {
  const size_t length = strlen(header);
  assert_true(8 + length + data <= room);
  for (int i = 0; i < 8; i++)
    file[i] = (unsigned char)(length >> 8 * i);
  memcpy(file + 8, header, length);
  for (size_t i = 0; i < data; i++)
    file[8 + length + i] = (unsigned char)i;
  return 8 + length + data;
}

void check_words(ng_status code, const char *function, const char *words, const char *file,
                 int line) {
  if (strstr(ng_error_message(), words) == NULL) {
    print_error("expected \"…%s…\", got error %d, \"%s\"\n", words, (int)ng_error(),
                ng_error_message());
    _fail(file, line);
  }
  check_error(code, function, file, line);
}
