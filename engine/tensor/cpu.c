/* cpu.c - which of the CPU's columns this machine can run. */

#include <stdlib.h>
#include <string.h>

#include "tensor/backend.h"

extern const er_backend er_kernel_plain_table;
#ifdef ER_WITH_X86
extern const er_backend er_kernel_avx2_table, er_kernel_avx512_table;

static bool has_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

static bool has_avx512(void) {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
}
#endif

const er_backend *er_backend_cpu(void) {
#ifdef ER_WITH_X86
  const char *wish = getenv("ERLUA_ISA");
  if (wish == NULL) wish = "";
  if (strcmp(wish, "plain") == 0) return &er_kernel_plain_table;
  if (has_avx512() && strcmp(wish, "avx2") != 0) return &er_kernel_avx512_table;
  if (has_avx2()) return &er_kernel_avx2_table;
#endif
  return &er_kernel_plain_table;
}
