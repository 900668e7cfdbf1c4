# The one file that knows instruction-set flags.
#
# fk_build_isa_sources(files): each file named scalar.cpp, avx2.cpp, avx512.cpp or avx512icl.cpp is compiled for that
# instruction set with FK_ISA (the namespace) and FK_ISA_LEVEL defined, without link-time optimisation. Everything
# else is built for the plain target. On a processor that is not x86-64 the vector files are left out.

set(FK_FLAGS_scalar "")
set(FK_FLAGS_avx2 -mavx2 -mfma -mf16c -mbmi -mbmi2 -mpopcnt -mlzcnt)
set(FK_FLAGS_avx512 ${FK_FLAGS_avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512cd -mprefer-vector-width=512)
set(FK_FLAGS_avx512icl ${FK_FLAGS_avx512} -mavx512vnni -mavx512vbmi -mavx512vbmi2 -mavx512bitalg -mavx512vpopcntdq)
# Instrumented templates at -O3 take the compiler minutes each and find nothing more.
if(FERKERN_SANITIZE STREQUAL "")
  set(FK_KERNEL_OPTIMISATION -O3)
else()
  set(FK_KERNEL_OPTIMISATION -O1)
endif()
set(FK_LEVEL_scalar 0)
set(FK_LEVEL_avx2 1)
set(FK_LEVEL_avx512 2)
set(FK_LEVEL_avx512icl 3)

string(TOLOWER "${CMAKE_SYSTEM_PROCESSOR}" FK_PROCESSOR)
if(FK_PROCESSOR MATCHES "^(x86_64|amd64)$")
  set(FK_X86 1)
else()
  set(FK_X86 0)
endif()

function(fk_build_isa_sources files)
  foreach(file ${files})
    get_filename_component(isa ${file} NAME_WE)
    if(NOT DEFINED FK_LEVEL_${isa})
      continue()
    endif()
    if(NOT FK_X86 AND NOT isa STREQUAL "scalar")
      set_source_files_properties(${file} PROPERTIES HEADER_FILE_ONLY ON)
      continue()
    endif()
    set_source_files_properties(${file} PROPERTIES
      # GCC 12 warns of variables that its own intrinsics headers leave undefined on purpose.
      COMPILE_OPTIONS "${FK_FLAGS_${isa}};-fno-lto;-fno-exceptions;${FK_KERNEL_OPTIMISATION};-Wno-uninitialized;-Wno-maybe-uninitialized"
      COMPILE_DEFINITIONS "FK_ISA=${isa};FK_ISA_LEVEL=${FK_LEVEL_${isa}}")
  endforeach()
endfunction()
