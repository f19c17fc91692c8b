/* What the tests of checkpoints share: a folder of their own, files made by hand, and errors whose
 * words matter. */
#ifndef NANOGRAD_CTESTS_CHECKPOINT_H
#define NANOGRAD_CTESTS_CHECKPOINT_H

#include "support.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

/* Fixtures of a group: a new folder, which is taken away with what is in it. */
int make_folder(void **state);
int remove_folder(void **state);
/* The path of something in the folder; good until the fourth call from here. */
const char *in_folder(const char *name);
/* The files in the folder, hidden ones included. */
int count_files(void);

/* A file's size, and its contents at `*data` (to be freed). */
int64_t read_file(const char *path, unsigned char **data);
void write_file(const char *path, const void *data, size_t bytes);

/* A safetensors file made of a header as it stands here and as many bytes of data. */
size_t make_file(unsigned char *file, size_t room, const char *header, size_t data);

/* The error, as `expect_error`, and a part of its message. */
#define expect_words(code, function, words)                                                        \
  check_words((code), (function), (words), __FILE__, __LINE__)
void check_words(ng_status code, const char *function, const char *words, const char *file,
                 int line);

#endif
