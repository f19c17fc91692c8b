# Run by cpack when the packages are made: takes out the scripts that it gives a package with a shared
# library. They call ldconfig, for which the package has a trigger, as policy wants it.
if(NOT CPACK_GENERATOR STREQUAL "DEB")
  return()
endif()

function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY OUTPUT_QUIET)
endfunction()

foreach(package IN LISTS CPACK_PACKAGE_FILES)
  set(tree ${CPACK_TEMPORARY_DIRECTORY}/finish)
  file(REMOVE_RECURSE ${tree})
  run(dpkg-deb -R ${package} ${tree})
  if(EXISTS ${tree}/DEBIAN/postinst OR EXISTS ${tree}/DEBIAN/postrm)
    file(REMOVE ${tree}/DEBIAN/postinst ${tree}/DEBIAN/postrm)
    run(dpkg-deb --root-owner-group -Zxz -b ${tree} ${package})
  endif()
  file(REMOVE_RECURSE ${tree})
endforeach()
