/* table.c - one variant of the CPU's kernels as a column of the operator table. */

#include "tensor/kernels/kernel.h"

#define TEXT2(x) #x
#define TEXT(x) TEXT2(x)
#define ENTRY(result, name, arguments) .name = K(name),

extern const er_backend K(table);
const er_backend K(table) = {.name = TEXT(ER_ISA), .real = ER_REAL, ER_BACKEND_ROWS(ENTRY)};
