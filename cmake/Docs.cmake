# cmake --build build --target docs: the header as a manual in HTML, in build/manual/html. Doxygen is
# looked for only then: scripts/install-tools.sh --docs installs it.
set(NANOGRAD_DOCS ${CMAKE_CURRENT_BINARY_DIR}/manual)
configure_file(docs/Doxyfile.in Doxyfile @ONLY)
add_custom_target(docs
  COMMAND ${CMAKE_COMMAND} -E rm -rf ${NANOGRAD_DOCS}
  COMMAND ${CMAKE_COMMAND} -E make_directory ${NANOGRAD_DOCS}
  COMMAND doxygen ${CMAKE_CURRENT_BINARY_DIR}/Doxyfile
  COMMAND ${CMAKE_COMMAND} -E echo "The manual is ${NANOGRAD_DOCS}/html/index.html"
  WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
  COMMENT "Making the manual (scripts/install-tools.sh --docs installs Doxygen)" VERBATIM)
