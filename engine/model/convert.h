/* convert.h - the dtypes that files have, and numbers of them read into tensors.
 * For the rest of engine/model. */
#ifndef ER_MODEL_CONVERT_H
#define ER_MODEL_CONVERT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "tensor/tensor.h"

typedef enum {
  ER_STORED_F64, ER_STORED_F32, ER_STORED_F16, ER_STORED_BF16, ER_STORED_I64, ER_STORED_I32, ER_STORED_I16,
  ER_STORED_I8, ER_STORED_U64, ER_STORED_U32, ER_STORED_U16, ER_STORED_U8, ER_STORED_BOOL, ER_STORED_F8_E4M3,
  ER_STORED_F8_E5M2, ER_STORED_DTYPES
} er_stored_dtype;

typedef struct {
  const char *name;              /* as safetensors spells it */
  size_t size;                   /* bytes a number */
  int becomes;                   /* an er_dtype, or -1: cannot be read */
  er_stored_dtype dtype;
} er_stored;

const er_stored *er_stored_of(const char *name, size_t n);         /* NULL: unknown */
const er_stored *er_stored_for(er_dtype d);                        /* how a tensor of d is written */

/* Numbers in a file: where they are, and what messages call them. */
typedef struct {
  int fd;
  const char *name;              /* of the file */
  int64_t at;
  const char *what;              /* of the tensor */
} er_convert_source;

/* Reads a tensor; its bytes are known to lie in the file. */
er_tensor *er_convert_read(const er_convert_source *from, const er_stored *stored, int nd, const int64_t *size,
                           er_tensors *ts, er_err *err);

#endif
