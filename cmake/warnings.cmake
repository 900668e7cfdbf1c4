option(FERKERN_WERROR "Treat warnings as errors" OFF)

function(fk_enable_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Wcast-align
    -Wunused -Woverloaded-virtual -Wformat=2 -Wno-psabi -Wno-ignored-attributes)
  if(FERKERN_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
endfunction()
