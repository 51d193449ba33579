/* tensor.h - tensors: strided views on counted storage, with gradients.
 * For engine/lua, engine/model and tests.  An er_tensors is an engine: an
 * allocator, a pool of threads, a generator of random numbers, one column of the
 * operator table.  It is used by one thread at a time.
 *
 * Ownership: every function that returns an er_tensor* gives the caller one
 * reference (er_tensor_unref); arguments are borrowed.  NULL means failure, and
 * err says which operator, which shapes and which dtypes; nothing was changed.
 * Running out of memory is such a failure; for that of kernels see er_tensors_broken.  Dims in this interface count from 0
 * and may be negative (-1 is the last); the Lua face counts from 1.
 *
 * Gradients: an operator on a tensor that requires them adds a node to the tape,
 * which is held by its result alone.  er_tensor_backward walks from a result to
 * the leaves, in reverse order of creation, and frees what each node has saved as
 * soon as it has run; a second walk over the same nodes is an error.  The gradient
 * of a leaf accumulates until it is cleared.  An in-place change of a tensor that a
 * node has saved is found by its version and is an error.
 *
 * Random numbers: Philox 4x32-10, keyed by the seed and the number of the call;
 * draws depend on neither threads nor instruction set. */
#ifndef ER_TENSOR_TENSOR_H
#define ER_TENSOR_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "tensor/backend.h"

typedef struct er_tensors er_tensors;
typedef struct er_tensor er_tensor;

/* ---- the engine ---------------------------------------------------------------------- */
typedef struct {
  int threads;                   /* 0: what the machine and OMP_NUM_THREADS allow */
  int64_t seed;
  bool zeroed;                   /* new storage is zeroed: for code that must see nothing of others */
  int64_t most;                  /* bytes in tensors; 0: as many as there are */
  const er_backend *backend;     /* NULL: the CPU's */
  bool own_products;             /* without oneDNN */
} er_tensors_options;

er_tensors *er_tensors_open(const er_tensors_options *opt);
void er_tensors_close(er_tensors *ts);                    /* after its last tensor; NULL is fine */
const er_backend *er_tensors_backend(const er_tensors *ts);
er_pool *er_tensors_pool(const er_tensors *ts);
const char *er_tensors_gemm(er_tensors *ts);              /* who multiplies: "oneDNN 2.6.3", "erlua avx2" */

typedef struct {
  int64_t live, cached, peak;    /* bytes in tensors, kept for reuse, most ever in tensors */
  int64_t tensors;               /* storages alive */
} er_tensors_memory;
er_tensors_memory er_tensors_memory_of(const er_tensors *ts);
void er_tensors_trim(er_tensors *ts);                     /* gives cached memory back */
void er_tensors_set_zeroed(er_tensors *ts, bool zeroed);
void er_tensors_set_soiled(er_tensors *ts, bool soiled);  /* for tests: storage that nobody has set is full of NaNs */
/* Was a kernel broken off since this was asked last, for want of memory to work in or by the pool's watch?  Then err
 * says so of `op`, and what operators gave since is to be thrown away: ask before it is used. */
bool er_tensors_broken(er_tensors *ts, const char *op, er_err *err);
/* For tests: the n-th storage from now is refused as if memory were out; 0: none.  Returns what was left of n. */
int64_t er_tensors_refuse_at(er_tensors *ts, int64_t n);

er_key er_tensors_random(const er_tensors *ts);           /* the generator's whole state */
void er_tensors_set_random(er_tensors *ts, er_key key);
er_key er_tensors_draw(er_tensors *ts);                   /* the key of the next call */

bool er_tensors_grad(const er_tensors *ts);               /* are gradients being recorded? */
bool er_tensors_set_grad(er_tensors *ts, bool on);        /* returns what it was */

/* ---- tensors ---------------------------------------------------------------------------- */
er_tensor *er_tensor_ref(er_tensor *t);
void er_tensor_unref(er_tensor *t);                       /* NULL is fine */

const er_view *er_tensor_view_of(const er_tensor *t);     /* shape, strides, dtype, data */
er_tensors *er_tensor_home(const er_tensor *t);
int64_t er_tensor_count(const er_tensor *t);
bool er_tensor_contiguous(const er_tensor *t);
size_t er_tensor_bytes(const er_tensor *t);               /* of its elements, not of the storage */

const char *er_dtype_name(er_dtype d);                    /* "f32" */
int er_dtype_of(const char *name);                        /* also PyTorch's names; -1: unknown */
size_t er_dtype_size(er_dtype d);
bool er_dtype_is_float(er_dtype d);
void er_tensor_describe(er_buf *out, const er_tensor *t); /* "(2, 3) f32" */

/* Shapes hold sizes of at least 0; fresh storage is not set (zeroed engines: 0). */
er_tensor *er_tensor_empty(er_tensors *ts, er_dtype d, int nd, const int64_t *size, er_err *err);
er_tensor *er_tensor_full(er_tensors *ts, er_dtype d, int nd, const int64_t *size, double value, er_err *err);
er_tensor *er_tensor_arange(er_tensors *ts, er_dtype d, double from, double to, double step, er_err *err);
er_tensor *er_tensor_linspace(er_tensors *ts, er_dtype d, double from, double to, int64_t n, er_err *err);
er_tensor *er_tensor_eye(er_tensors *ts, er_dtype d, int64_t rows, int64_t columns, er_err *err);
er_tensor *er_tensor_from(er_tensors *ts, er_dtype d, int nd, const int64_t *size, const void *bytes, er_err *err);

/* One element; index has nd numbers counting from 0, inside the shape. */
double er_tensor_get(const er_tensor *t, const int64_t *index);
void er_tensor_set(er_tensor *t, const int64_t *index, double value);    /* bumps the version */
int er_tensor_item(const er_tensor *t, double *out, er_err *err);        /* the only element */

/* ---- views: no element moves; gradients pass ------------------------------------------- */
er_tensor *er_tensor_view(er_tensor *t, int nd, const int64_t *size, er_err *err);      /* one size may be -1 */
er_tensor *er_tensor_reshape(er_tensor *t, int nd, const int64_t *size, er_err *err);   /* copies if it must */
er_tensor *er_tensor_permute(er_tensor *t, int nd, const int *dims, er_err *err);
er_tensor *er_tensor_transpose(er_tensor *t, int a, int b, er_err *err);
er_tensor *er_tensor_narrow(er_tensor *t, int dim, int64_t start, int64_t length, er_err *err);
er_tensor *er_tensor_select(er_tensor *t, int dim, int64_t index, er_err *err);
er_tensor *er_tensor_step(er_tensor *t, int dim, int64_t step, er_err *err);            /* every step-th */
er_tensor *er_tensor_expand(er_tensor *t, int nd, const int64_t *size, er_err *err);    /* -1: as it is */
er_tensor *er_tensor_unsqueeze(er_tensor *t, int dim, er_err *err);
er_tensor *er_tensor_squeeze(er_tensor *t, int dim, er_err *err);
er_tensor *er_tensor_unfold(er_tensor *t, int dim, int64_t size, int64_t step, er_err *err);
er_tensor *er_tensor_contiguous_of(er_tensor *t, er_err *err);          /* itself where it is already */
er_tensor *er_tensor_detach(er_tensor *t);

/* ---- gradients --------------------------------------------------------------------------- */
bool er_tensor_requires_grad(const er_tensor *t);
bool er_tensor_is_leaf(const er_tensor *t);
int er_tensor_set_requires_grad(er_tensor *t, bool on, er_err *err);    /* leaves of a float dtype only */
er_tensor *er_tensor_grad(const er_tensor *t);            /* borrowed; NULL: none yet */
int er_tensor_set_grad(er_tensor *t, er_tensor *grad, er_err *err);     /* NULL clears */

/* From t, which has one element unless dy is given.  On failure the tape from t is spent. */
int er_tensor_backward(er_tensor *t, er_tensor *dy, er_err *err);

/* Recomputation: y = fn's result on xs, of which nothing is kept but the inputs.  run is called once more by
 * backward, with gradients recorded, and returns the same result; free is called when the node goes. */
typedef er_tensor *(*er_checkpoint_run)(void *ud, er_tensor **xs, int n, er_err *err);
er_tensor *er_tensor_checkpoint(er_tensors *ts, er_checkpoint_run run, void (*free_ud)(void *), void *ud,
                                er_tensor **xs, int n, er_err *err);

#endif
