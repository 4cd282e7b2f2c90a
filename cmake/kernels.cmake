# Builds unrolled.kernels._native.

# pip install -e . -C "cmake.define.UNROLLED_SANITIZE=address;undefined", and then, since Python itself is not built so:
# LD_PRELOAD="$(g++ -print-file-name=libasan.so) $(g++ -print-file-name=libstdc++.so)" ASAN_OPTIONS=detect_leaks=0 ...
set(UNROLLED_SANITIZE "" CACHE STRING "Sanitizers to build with: address;undefined")
set(PACKAGE_DIR unrolled/kernels)

# A macro, so that return() leaves this file and no other: what follows each call needs what was missing.
macro(install_without_native reason)
  message(STATUS "Installing without native kernels: ${reason}")
  file(WRITE "${CMAKE_CURRENT_BINARY_DIR}/_native_absent.py" "REASON = \"${reason}\"\n")
  install(FILES "${CMAKE_CURRENT_BINARY_DIR}/_native_absent.py" DESTINATION ${PACKAGE_DIR})
  return()
endmacro()

# --- What this machine offers ---------------------------------------------------------------------------------------

include(CheckLanguage)
check_language(CXX)
if(NOT CMAKE_CXX_COMPILER)
  install_without_native("no working C++ compiler was found (install one, such as g++, and then unrolled again)")
endif()
enable_language(CXX)

if(NOT CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang" OR CMAKE_CXX_SIMULATE_ID STREQUAL "MSVC")
  install_without_native("they need GCC or Clang, and the C++ compiler that was found is ${CMAKE_CXX_COMPILER_ID}")
endif()

find_package(Python 3.11 COMPONENTS Interpreter OPTIONAL_COMPONENTS Development.Module)
if(NOT Python_Development.Module_FOUND)
  install_without_native(
    "the headers of Python were not found (install them, such as python3-dev, and then unrolled again)")
endif()

include(CheckCXXSourceCompiles)
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
# Old compilers lack some of the vector extensions. Only this is tried: an error in our own sources must stay an error.
check_cxx_source_compiles([[
#include <thread>
typedef float Lanes __attribute__((vector_size(32)));
typedef int Mask __attribute__((vector_size(32)));
template <class T> Lanes choose(Mask mask, Lanes a, Lanes b) {
  if constexpr (sizeof(T) == 4) return mask ? a : b;
  return a;
}
int main(int count, char**) {
  Lanes a = Lanes{} + float(count);
  return int(choose<float>(a < 1.0f, a, -a)[0]) + __builtin_convertvector(a, Mask)[0];
}]] UNROLLED_HAS_VECTORS)
if(NOT UNROLLED_HAS_VECTORS)
  install_without_native(
    "${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION} is too old (install a newer g++, and then unrolled again)")
endif()

# --- How everything is compiled -------------------------------------------------------------------------------------

add_library(flags INTERFACE)
target_compile_features(flags INTERFACE cxx_std_17)
target_compile_options(flags INTERFACE -O3 -fvisibility=hidden -Wall -Wextra -Wno-psabi
  # Not -ffast-math: NaN and infinity in the data must come out as PyTorch's own routines give them.
  -ffp-contract=fast -fno-math-errno -fno-trapping-math)
if(UNROLLED_SANITIZE)
  list(JOIN UNROLLED_SANITIZE "," sanitizers)
  # -fexpensive-optimizations: without it multiplications and additions are not contracted, and round twice.
  target_compile_options(flags INTERFACE -fsanitize=${sanitizers} -fno-omit-frame-pointer -g1 -O1 -fexpensive-optimizations)
  target_link_options(flags INTERFACE -fsanitize=${sanitizers})
  if("undefined" IN_LIST UNROLLED_SANITIZE)
    target_compile_options(flags INTERFACE -fno-sanitize-recover=all)
  endif()
  set(strip NOSTRIP)
endif()

# --- The module -----------------------------------------------------------------------------------------------------

find_package(nanobind CONFIG REQUIRED)
# NOMINSIZE: nanobind would compile our sources for size.
nanobind_add_module(_native NB_STATIC NOMINSIZE ${strip} NB_SUPPRESS_WARNINGS
  csrc/module.cpp csrc/isa.cpp csrc/threads.cpp csrc/workspace.cpp)
target_link_libraries(_native PRIVATE flags)

# Linked by its plain soname, so that the OpenMP runtime is the one that PyTorch has loaded before, with its threads.
# Clang's own runtime would be a second one: with GCC's library at hand, csrc/threads.cpp calls that.
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  set(CMAKE_REQUIRED_LIBRARIES gomp)
  check_cxx_source_compiles([[
extern "C" void GOMP_parallel(void (*)(void*), void*, unsigned, unsigned);
int main() { GOMP_parallel([](void*) {}, nullptr, 1, 0); }]] UNROLLED_LINKS_LIBGOMP)
  unset(CMAKE_REQUIRED_LIBRARIES)
endif()
if(UNROLLED_LINKS_LIBGOMP)
  set_property(SOURCE csrc/threads.cpp APPEND PROPERTY COMPILE_DEFINITIONS UNROLLED_CALLS_LIBGOMP=1)
  target_link_libraries(_native PRIVATE gomp)
else()
  find_package(OpenMP COMPONENTS CXX)
  if(OpenMP_CXX_FOUND)
    target_link_libraries(_native PRIVATE OpenMP::OpenMP_CXX)
  endif()
endif()

# The kernels once more for each instruction set; csrc/isa.cpp, told which there are, picks one at run time.
include(CheckCXXCompilerFlag)
function(add_kernels isa)
  string(TOUPPER ${isa} ISA)
  if(ARGN)
    list(JOIN ARGN " " options)
    check_cxx_compiler_flag("${options}" UNROLLED_KNOWS_${ISA})
    if(NOT UNROLLED_KNOWS_${ISA})
      return()
    endif()
  endif()
  add_library(kernels_${isa} OBJECT csrc/kernels.cpp)
  target_compile_definitions(kernels_${isa} PRIVATE UNROLLED_ISA=${isa})
  target_compile_options(kernels_${isa} PRIVATE ${ARGN})
  target_link_libraries(kernels_${isa} PRIVATE flags)
  set_target_properties(kernels_${isa} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  target_sources(_native PRIVATE $<TARGET_OBJECTS:kernels_${isa}>)
  set_property(SOURCE csrc/isa.cpp APPEND PROPERTY COMPILE_DEFINITIONS UNROLLED_HAS_${ISA}=1)
endfunction()

# The compiler is asked, since the machine's name says nothing of 32-bit and cross builds.
check_cxx_source_compiles("#ifndef __x86_64__\n#error\n#endif\nint main() {}" UNROLLED_X86_64)
check_cxx_source_compiles("#ifndef __aarch64__\n#error\n#endif\nint main() {}" UNROLLED_ARM64)
if(UNROLLED_X86_64)
  set(avx2 -mavx2 -mfma)
  set(avx512 ${avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512)
  add_kernels(baseline)
  add_kernels(avx2 ${avx2} -mbmi2)
  add_kernels(avx512 ${avx512})
  add_kernels(avx512bf16 ${avx512} -mavx512bf16)
elseif(UNROLLED_ARM64)
  add_kernels(neon)
else()
  add_kernels(baseline)
endif()

install(TARGETS _native LIBRARY DESTINATION ${PACKAGE_DIR})
