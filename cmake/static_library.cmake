# static_library(VAR name): the archive of a library, or its shared form where
# the distribution ships no archive.
function(static_library var name)
  find_library(${var} NAMES lib${name}.a ${name} REQUIRED)
  set(${var} ${${var}} PARENT_SCOPE)
endfunction()
