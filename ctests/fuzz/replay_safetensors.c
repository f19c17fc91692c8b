/* Runs fuzz_safetensors.c without libFuzzer: the files of a folder, then what becomes of them by
 * changing, cutting, repeating and inserting some bytes. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { most_files = 64, most_bytes = 1 << 14 };
static struct {
  uint8_t bytes[most_bytes];
  size_t size;
} files[most_files];
static int file_count;

/* SplitMix64: any numbers do, but the same on every machine. */
static uint64_t random_word(uint64_t *state) {
  uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
  z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
  return z ^ z >> 31;
}

static int read_all(const char *folder) {
  DIR *open = opendir(folder);
  if (open == NULL)
    return -1;
  for (struct dirent *entry; file_count < most_files && (entry = readdir(open)) != NULL;) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "rb");
    if (file == NULL)
      continue;
    files[file_count].size = fread(files[file_count].bytes, 1, most_bytes, file);
    file_count++;
    fclose(file);
  }
  closedir(open);
  return file_count;
}

/* Changes a file a little. What a header is made of comes more often than chance would have it. */
static size_t mutate(uint8_t *bytes, size_t size, uint64_t *state) {
  static const char *const parts[] = {"{",       "}",
                                      "[",       "]",
                                      ",",       ":",
                                      "\"",      "\\",
                                      "\\u0000", "\\ud800",
                                      "null",    "1e999",
                                      "-1",      "00",
                                      "\xff",    "\xc0\x80",
                                      "F32",     "__metadata__",
                                      "shape",   "18446744073709551616"};
  for (int changes = 1 + (int)(random_word(state) % 4); changes > 0; changes--) {
    const uint64_t word = random_word(state);
    const size_t place = size ? (size_t)(word >> 8) % size : 0;
    const char *part = parts[(word >> 40) % (sizeof parts / sizeof *parts)];
    const size_t length = word % 5 == 3 ? strlen(part) : 1 + (size_t)(word >> 48) % 16;
    switch (word % 5) {
    case 0:
      if (size > 0)
        bytes[place] ^= (uint8_t)(1u << (word >> 56) % 8);
      break;
    case 1:
      if (size > 0)
        bytes[place] = (uint8_t)(word >> 56);
      break;
    case 2:
      size = place;
      break;
    default: /* a part of a header, or once more what stands there */
      if (size + length > most_bytes || place + length > size)
        break;
      memmove(bytes + place + length, bytes + place, size - place);
      if (word % 5 == 3)
        memcpy(bytes + place, part, length);
      size += length;
      /* Mostly the header says how long it is now. */
      if (size > 8 && bytes[7] == 0 && word >> 61 != 0) {
        uint64_t header = 0;
        memcpy(&header, bytes, 8);
        header += length;
        memcpy(bytes, &header, 8);
      }
    }
  }
  return size;
}

int main(int count, char **arguments) {
  if (count != 3 || read_all(arguments[2]) <= 0) {
    fprintf(stderr, "Usage: replay_safetensors SECONDS FOLDER\n");
    return 2;
  }
  for (int i = 0; i < file_count; i++)
    LLVMFuzzerTestOneInput(files[i].bytes, files[i].size);
  const clock_t end = clock() + (clock_t)(atof(arguments[1]) * CLOCKS_PER_SEC);
  uint64_t state = 1;
  long changed = 0;
  for (; clock() < end; changed++) {
    uint8_t *bytes = malloc(most_bytes);
    if (bytes == NULL)
      return 1;
    const int i = (int)(random_word(&state) % (uint64_t)file_count);
    memcpy(bytes, files[i].bytes, files[i].size);
    const size_t size = mutate(bytes, files[i].size, &state);
    /* Exactly as long as it is, for AddressSanitizer. */
    uint8_t *exact = realloc(bytes, size ? size : 1);
    LLVMFuzzerTestOneInput(exact ? exact : bytes, size);
    free(exact ? exact : bytes);
  }
  printf("%d files, and %ld changed ones\n", file_count, changed);
  return 0;
}
