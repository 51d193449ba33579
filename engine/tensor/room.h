/* room.h - private to engine/tensor: what operators are made of.
 * An operator is a function in ops_*.c that
 *   1. checks its arguments (er_tensor_refuse names operator, shapes and dtypes),
 *   2. allocates its result (er_make, er_like),
 *   3. calls one row of the operator table (home->backend),
 *   4. calls er_tape_record; where that returns a node, saves in it what backward needs.
 * Its er_grad_class has the backward function, which gives one gradient to each input
 * that wants one (er_tape_needs, er_tape_give).  Gradients are never recorded there. */
#ifndef ER_TENSOR_ROOM_H
#define ER_TENSOR_ROOM_H

#include "tensor/backend.h"
#include "tensor/tensor.h"

/* ---- storage --------------------------------------------------------------------------- */
typedef struct er_storage er_storage;
struct er_storage {
  int refs;
  uint32_t version;              /* counts in-place changes */
  int class;                     /* of the allocator's free lists */
  size_t bytes;
  void *data;
  er_tensors *home;
  er_storage *next;              /* in a free list */
};

enum { ER_CLASSES = 8 * 48 };    /* eight sizes a power of two */

/* A table of rotary angles: the same few are asked for at every step. */
typedef struct { double base, scale; int64_t first, rows, rotated; er_tensor *table; } er_angles;
enum { ER_ANGLES = 4 };

struct er_tensors {
  const er_backend *backend;
  er_pool *pool;
  bool grad, zeroed;
  bool soiled;                   /* for tests: storage that nobody has set is full of NaNs */
  int64_t most;                  /* bytes in tensors; 0: as many as there are */
  er_key random;
  uint64_t next_node, next_walk;
  int64_t refuse_at;             /* for tests: this many storages from now one is refused; 0: none */
  er_storage *cache[ER_CLASSES];
  er_tensors_memory memory;
  er_angles angles[ER_ANGLES];
  int next_angles;
  struct er_dnnl *dnnl;          /* opened at the first product that is worth it */
  bool dnnl_looked;
};

er_storage *er_storage_new(er_tensors *ts, size_t bytes, er_err *err);          /* not set, whatever the engine */
void er_storage_unref(er_storage *s);

/* ---- tensors ------------------------------------------------------------------------------ */
typedef struct er_node er_node;

struct er_tensor {
  int refs;
  bool requires_grad;            /* a leaf's wish */
  er_view v;
  er_storage *storage;
  er_node *node;                 /* who made it; NULL: a leaf, or nobody asks */
  er_tensor *grad;               /* a leaf's */
};

int er_tensor_refuse(er_err *err, const char *code, const char *op, int n, er_tensor *const *xs, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));

/* A tensor on the storage of t, not on the tape; sizes and strides are to be set. */
er_tensor *er_alias(er_tensor *t);
er_tensor *er_make(er_tensors *ts, er_dtype d, int nd, const int64_t *size, er_err *err);
er_tensor *er_like(const er_tensor *t, er_err *err);                     /* same shape and dtype, contiguous */
er_tensor *er_like_as(const er_tensor *t, er_dtype d, er_err *err);

/* The same for a kernel that sets every element, of which nothing is zeroed before; then `filled` must be called. */
er_tensor *er_make_bare(er_tensors *ts, er_dtype d, int nd, const int64_t *size, er_err *err);
er_tensor *er_like_bare(const er_tensor *t, er_err *err);
void er_filled(er_tensor *t);                                            /* zeroes t if the kernel was broken off */
er_tensor *er_zeros(er_tensors *ts, er_dtype d, int nd, const int64_t *size, er_err *err);

bool er_same_shape(const er_view *a, const er_view *b);
bool er_view_contiguous(const er_view *v);
int er_dim_of(const char *op, er_tensor *t, int dim, int nd, er_err *err);    /* 0..nd-1, or -1 and err */
int er_want_float(const char *op, er_tensor *t, er_err *err);
er_dtype er_promote(er_dtype a, er_dtype b);

/* The shape that a and b broadcast to; -1: they do not. */
int er_broadcast(const er_view *a, const er_view *b, int *nd, int64_t *size);

/* t as a contiguous tensor (itself, referenced, where it is one); not on the tape. */
er_tensor *er_packed(er_tensor *t, er_err *err);
er_tensor *er_cast(er_tensor *t, er_dtype d, er_err *err);               /* likewise, of another dtype */
void er_run(er_ew op, er_tensor *y, int n, er_tensor *const *xs, const double *p);   /* elementwise into y */
er_tensor *er_sum_to(er_tensor *t, int nd, const int64_t *size, er_err *err);        /* undoes a broadcast */
void er_bump(er_tensor *t);                                              /* t's elements have changed */

/* May t be changed in place now?  -1: gradients flow through it. */
int er_writable(const char *op, er_tensor *t, er_err *err);

/* Ids in 0..n-1 as contiguous i32, checked; NULL names the first that is outside. */
er_tensor *er_ids(const char *op, er_tensor *ids, int64_t n, bool negative_ok, er_err *err);

/* ---- the tape -------------------------------------------------------------------------------- */
typedef struct {
  const char *name;
  int (*backward)(er_node *n, er_tensor *dy, er_err *err);
  void (*free)(er_node *n);      /* what the context owns, or NULL */
} er_grad_class;

enum { ER_SAVED = 7 };

typedef struct { er_node *node; er_tensor *leaf; } er_edge;    /* both NULL: wants no gradient */

struct er_node {
  const er_grad_class *class;
  const char *name;              /* the class's, or a better one */
  er_tensors *home;
  int refs;
  uint64_t seq, walk;            /* order of creation; the last backward that met it */
  bool spent, running;
  er_tensor *grad;               /* during backward: what has arrived */
  er_view shape;                 /* of the result; its data is NULL */
  struct { er_tensor *t; uint32_t version; } saved[ER_SAVED];
  er_node *dead;                 /* in the list of nodes to free */
  int n;
  er_edge *edges;
  void *ctx;
};

/* Makes y the result of `class` on xs, if gradients are recorded and any of xs (which may be NULL) wants one;
 * else NULL.  ctx_size bytes of zeroed context come with the node. */
er_node *er_tape_record(er_tensor *y, const er_grad_class *class, size_t ctx_size, int n, er_tensor *const *xs);
bool er_tape_wants(int n, er_tensor *const *xs);
void er_tape_save(er_node *n, int slot, er_tensor *t);                  /* NULL is fine */
er_tensor *er_tape_saved(er_node *n, int slot);                         /* borrowed */
bool er_tape_needs(const er_node *n, int i);

/* Adds g (whose reference it takes, also on failure; NULL is a failure handed on) to the gradient of input i,
 * summed over the dims that were broadcast, converted to the input's dtype. */
int er_tape_give(er_node *n, int i, er_tensor *g, er_err *err);

/* Where a kernel may build or add to the gradient of input i itself; hand the result to er_tape_give. */
er_tensor *er_tape_slot(er_node *n, int i, bool *accumulate, er_err *err);
er_tensor *er_tape_slot_zeroed(er_node *n, int i, er_err *err);         /* always to be added to */
er_tensor *er_tape_slot_viewed(er_node *n, int i, er_err *err);         /* likewise, for views: any order of memory */

void er_node_unref(er_node *n);

/* ---- oneDNN ------------------------------------------------------------------------------------- */
/* Does the product if oneDNN is there and worth it; bias, activation and a wider accumulator are left to it. */
bool er_dnnl_gemm(er_tensors *ts, const er_gemm *g);
void er_dnnl_close(er_tensors *ts);

/* One matrix product by whoever is best. */
void er_multiply(er_tensors *ts, const er_gemm *g);

#endif
