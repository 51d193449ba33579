# embed_tree(target): a library that holds every file of lua/ and envs/ as bytes,
# so that the erlua binary works alone.  embed.c is written by cmake/embed_write.cmake.
function(embed_tree target)
  file(GLOB_RECURSE files CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}
       ${CMAKE_SOURCE_DIR}/lua/* ${CMAKE_SOURCE_DIR}/envs/*)
  list(SORT files)
  set(out ${CMAKE_BINARY_DIR}/embedded.c)
  set(absolute ${files})
  list(TRANSFORM absolute PREPEND ${CMAKE_SOURCE_DIR}/)
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DSOURCE=${CMAKE_SOURCE_DIR} -DOUT=${out} "-DFILES=${files}" -P ${CMAKE_SOURCE_DIR}/cmake/embed_write.cmake
    DEPENDS ${absolute} ${CMAKE_SOURCE_DIR}/cmake/embed_write.cmake VERBATIM)
  add_library(${target} STATIC ${out})
  target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR}/engine)
endfunction()
