#!/usr/bin/env bash
# Usage: scripts/check-abi.sh
# Holds nanograd.h against the record in abi/ with scripts/abi.sh, and then scripts/abi.sh itself against
# headers that were changed in ways that it has to find, or to allow.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

scripts/abi.sh

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

changed() { # EXPECTED-STATUS WHAT SED-COMMAND
  local status=0
  sed "$3" include/nanograd.h >"$work/nanograd.h"
  if cmp -s include/nanograd.h "$work/nanograd.h"; then
    echo "$2: the header has nothing that $3 changes"
    failed=1
    return
  fi
  scripts/abi.sh "$work/nanograd.h" >"$work/output" 2>&1 || status=$?
  if [[ $status != "$1" ]]; then
    echo "$2: scripts/abi.sh ends with status $status, expected $1"
    cat "$work/output"
    failed=1
  fi
}

changed 1 "a parameter of another type" 's/\(ng_arange(ng_dtype dtype, \)double/\1int64_t/'
changed 1 "a parameter of another signedness" 's/ng_seed(uint64_t/ng_seed(int64_t/'
changed 1 "another kind of handle" 's/ng_keep(ng_tensor/ng_keep(ng_schedule/'
changed 1 "a parameter more" 's/ng_exp(ng_tensor \*a)/ng_exp(ng_tensor *a, int32_t b)/'
changed 1 "a parameter that became const" 's/ng_exp(ng_tensor/ng_exp(const ng_tensor/'
changed 1 "another result" 's/int64_t ng_live_bytes/int32_t ng_live_bytes/'
changed 1 "another type behind a name" 's/typedef int32_t ng_status/typedef int64_t ng_status/'
changed 1 "a function that is gone" '/ng_live_handles(void);/d'
changed 1 "a constant of another value" 's/NG_INT64 = 4/NG_INT64 = 5/'
changed 1 "a constant that is gone" '/#define NG_MAX_RANK/d'
changed 0 "a function more" 's/^NG_API const char \*ng_version(void);/&\nNG_API void ng_one_more(void);/'
changed 0 "a constant more" 's/NG_OK = 0,/&\n NG_ONE_MORE = 1,/'
changed 0 "a parameter of another name" 's/ng_exp(ng_tensor \*a)/ng_exp(ng_tensor *exponent)/'

((failed)) || echo "scripts/abi.sh finds each change that breaks programs, and allows the others"
exit "$failed"
