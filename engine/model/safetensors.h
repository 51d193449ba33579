/* safetensors.h - named tensors in a file, in the format that Hugging Face uses:
 * a length, a JSON header, the elements.
 * For engine/lua, which reads checkpoints into whichever tensor engine it names: the
 * trainer's own, or the one of a restricted state.
 *
 * Ownership: an er_safetensors owns its descriptor and its copy of the header, and
 * nothing of the tensors that were read through it.  What it hands out as const char *
 * lives as long as it does.  Tensors read belong to the caller (one reference).
 *
 * A file is material from strangers.  Opening checks the whole header against the
 * size of the file: every tensor lies inside, none overlaps another, no byte belongs to
 * none, sizes multiply without overflow, no name comes twice.  Elements are read with
 * pread, not mapped, so that a file which shrinks meanwhile is an error and no signal.
 * A path is opened without following a last link and without waiting for a FIFO; what is
 * no regular file is refused.
 *
 * Dtypes: F32, BF16, I32, U16 and U8 are read as they are; F16 and F64 become f32, BOOL
 * becomes u8, I8, I16, and I64, U32, U64 where all numbers fit, become i32; others (F8_*)
 * are refused when they are read.  Codes: "format", "dtype", "range", errno names. */
#ifndef ER_MODEL_SAFETENSORS_H
#define ER_MODEL_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "tensor/tensor.h"

typedef struct er_safetensors er_safetensors;

er_safetensors *er_safetensors_open(const char *path, er_err *err);

/* Takes fd over, also on failure; name is for messages. */
er_safetensors *er_safetensors_open_fd(int fd, const char *name, er_err *err);
void er_safetensors_close(er_safetensors *s);             /* NULL is fine */

/* The tensors, sorted by name. */
typedef struct {
  const char *name;
  const char *dtype;             /* as the file says it: "F32" */
  int nd;
  int64_t size[ER_DIMS];
  int64_t count;                 /* of numbers */
} er_safetensors_entry;

size_t er_safetensors_count(const er_safetensors *s);
er_safetensors_entry er_safetensors_at(const er_safetensors *s, size_t i);
int64_t er_safetensors_find(const er_safetensors *s, const char *name);   /* -1: there is none */
int64_t er_safetensors_numbers(const er_safetensors *s);                  /* of all tensors together */
int64_t er_safetensors_header(const er_safetensors *s);                   /* bytes of names, shapes and metadata */

/* The i-th pair of the file's own texts; false behind the last. */
typedef struct { const char *key, *value; size_t value_len; } er_safetensors_text;
bool er_safetensors_metadata(const er_safetensors *s, size_t i, er_safetensors_text *out);

/* Reads the i-th tensor into the engine ts. */
er_tensor *er_safetensors_read(er_safetensors *s, size_t i, er_tensors *ts, er_err *err);

/* Writes a file, whole or not at all: beside `path`, synced, renamed; on failure (no
 * space, say) what was at `path` is still there.  The tensors are borrowed, may be strided
 * and share storage; names are UTF-8, each once.  Bytes depend on the arguments alone. */
typedef struct { const char *name; er_tensor *t; } er_named_tensor;
int er_safetensors_save(const char *path, const er_named_tensor *list, size_t n, const er_safetensors_text *metadata,
                        size_t n_metadata, er_err *err);

#endif
