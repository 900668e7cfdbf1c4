# fk_enable_sanitizers(target "address,undefined"): empty means none.
function(fk_enable_sanitizers target sanitizers)
  if(sanitizers STREQUAL "")
    return()
  endif()
  target_compile_options(${target} PRIVATE -fsanitize=${sanitizers} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(${target} PRIVATE -fsanitize=${sanitizers})
endfunction()
