# include/nanograd.h is where the version and the list of exported functions are written down.
# Nothing here repeats them.
set(NANOGRAD_HEADER ${CMAKE_CURRENT_SOURCE_DIR}/include/nanograd.h)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${NANOGRAD_HEADER})
file(READ ${NANOGRAD_HEADER} _header)

foreach(_part MAJOR MINOR PATCH)
  if(NOT _header MATCHES "#define NG_VERSION_${_part} +([0-9]+)")
    message(FATAL_ERROR "${NANOGRAD_HEADER} does not define NG_VERSION_${_part}")
  endif()
  set(_${_part} ${CMAKE_MATCH_1})
endforeach()
set(NANOGRAD_VERSION ${_MAJOR}.${_MINOR}.${_PATCH})

# Comments mention functions, and macros may call them: what is left after both are taken out are
# the declarations. Continued lines go first, so that a macro is one line.
string(REGEX REPLACE "\\\\\r?\n" " " _header "${_header}")
string(REGEX REPLACE "/\\*([^*]|\\*+[^*/])*\\*+/" " " _header "${_header}")
string(REGEX REPLACE "//[^\n]*" " " _header "${_header}")
string(REGEX REPLACE "(^|\n)[ \t]*#[^\n]*" "\n" _header "${_header}")
string(REGEX MATCHALL "ng_[a-z0-9_]+[ \t\n]*\\(" _functions "${_header}")
list(TRANSFORM _functions REPLACE "[ \t\n]*\\(" "")
list(REMOVE_DUPLICATES _functions)
list(SORT _functions)
if(NOT _functions)
  message(FATAL_ERROR "${NANOGRAD_HEADER} declares no function")
endif()
set(NANOGRAD_FUNCTIONS ${_functions})

list(JOIN _functions ";\n    " _functions)
file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/nanograd.map @ONLY CONTENT
"{
  global:
    @_functions@;
  local:
    *;
};
")
