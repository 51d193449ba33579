# The tensor room, and its kernels: the same sources compiled once a set of
# instructions, chosen at run time; once more in f64 with plain loops, for tests.
room(tensor er_base)
target_compile_options(er_tensor PRIVATE -O2)

file(GLOB kernel_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/engine/tensor/kernels/*.c)
function(kernels isa)
  add_library(er_kernels_${isa} OBJECT ${kernel_sources})
  target_include_directories(er_kernels_${isa} PRIVATE ${CMAKE_SOURCE_DIR}/engine)
  target_compile_definitions(er_kernels_${isa} PRIVATE ER_ISA=${isa})
  target_compile_options(er_kernels_${isa} PRIVATE -O3 -fno-math-errno -fno-trapping-math -fopenmp-simd ${ARGN})
endfunction()

kernels(plain)
target_sources(er_tensor PRIVATE $<TARGET_OBJECTS:er_kernels_plain>)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  kernels(avx2 -mavx2 -mfma)
  kernels(avx512 -mavx512f -mavx512vl -mavx512dq -mavx512bw -mfma -mprefer-vector-width=512)
  target_sources(er_tensor PRIVATE $<TARGET_OBJECTS:er_kernels_avx2> $<TARGET_OBJECTS:er_kernels_avx512>)
  target_compile_definitions(er_tensor PRIVATE ER_WITH_X86)
endif()

kernels(f64)
target_compile_definitions(er_kernels_f64 PRIVATE ER_KERNELS_F64)
add_library(er_tensor_f64 STATIC EXCLUDE_FROM_ALL $<TARGET_OBJECTS:er_kernels_f64>)
target_link_libraries(er_tensor_f64 PUBLIC er_tensor)

# oneDNN is opened at run time; only its header is needed here.  The leak sanitizer
# crashes on the thread-local data of a library opened like that.
find_path(DNNL_INCLUDE dnnl.h)
if(DNNL_INCLUDE AND NOT ERLUA_SANITIZE MATCHES "leak|address")
  target_compile_definitions(er_tensor PRIVATE ER_WITH_DNNL)
else()
  message(STATUS "without oneDNN: matrix products are erlua's own")
endif()
