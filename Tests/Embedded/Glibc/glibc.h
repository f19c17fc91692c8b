/* What the kernels and their tests use of Glibc, for the headers of another architecture. */
#include <math.h>
#include <stdlib.h>
