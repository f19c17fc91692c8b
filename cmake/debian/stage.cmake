# Run by cpack between installing and packing: gives each Debian package the files that policy asks
# for, which an ordinary installation has no use for.
if(NOT CPACK_GENERATOR STREQUAL "DEB")
  return()
endif()

function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)
set(changelog "nanograd (${CPACK_NANOGRAD_DEBIAN_VERSION}) unstable; urgency=medium

  * Version ${CPACK_PACKAGE_VERSION}; changelog.gz says what is new.

 -- ${CPACK_PACKAGE_CONTACT}  ${date}
")

foreach(component IN ITEMS RUNTIME DEVELOPMENT)
  string(TOLOWER ${component} folder)
  set(share ${CPACK_TEMPORARY_DIRECTORY}/${folder}/usr/share)
  set(doc ${share}/doc/${CPACK_DEBIAN_${component}_PACKAGE_NAME})
  file(MAKE_DIRECTORY ${share}/doc)
  if(EXISTS ${share}/doc/nanograd)
    file(RENAME ${share}/doc/nanograd ${doc})
    file(REMOVE ${doc}/LICENSE ${doc}/CHANGELOG.md) # as copyright and changelog.gz below
  endif()
  configure_file(${CPACK_NANOGRAD_SOURCE}/cmake/debian/copyright ${doc}/copyright COPYONLY)
  configure_file(${CPACK_NANOGRAD_SOURCE}/CHANGELOG.md ${doc}/changelog COPYONLY)
  file(WRITE ${doc}/changelog.Debian "${changelog}")
  file(GLOB_RECURSE pages ${share}/man/*.3)
  run(gzip -9n ${doc}/changelog ${doc}/changelog.Debian ${pages})
  run(chmod -R u=rwX,go=rX ${CPACK_TEMPORARY_DIRECTORY}/${folder})
endforeach()
run(sh -c "chmod a-x \"$0\"/lib*.so.*.*" ${CPACK_TEMPORARY_DIRECTORY}/runtime/usr/${CPACK_NANOGRAD_LIBDIR})
