/* ops.h - the operators, forward and backward.
 * For engine/lua, engine/model and tests.  Names and the order of arguments are
 * PyTorch's; ownership, errors and dims are as tensor.h says.  Shapes are in
 * docs/tensors.md.  Unless said otherwise a result has the dtype of the first
 * operand, sums are f32 or better, and every floating-point operand gets its gradient. */
#ifndef ER_TENSOR_OPS_H
#define ER_TENSOR_OPS_H

#include "tensor/tensor.h"

/* ---- element by element --------------------------------------------------------------- */
/* Any of the one-operand rows of er_ew; p0 and p1 as that row says. */
er_tensor *er_tensor_unary(er_ew op, er_tensor *x, double p0, double p1, er_err *err);
/* Two operands that broadcast; p0: the scale of ER_EW_ADD_SCALED. */
er_tensor *er_tensor_binary(er_ew op, er_tensor *a, er_tensor *b, double p0, er_err *err);
er_tensor *er_tensor_where(er_tensor *c, er_tensor *a, er_tensor *b, er_err *err);
er_tensor *er_tensor_lerp(er_tensor *a, er_tensor *b, er_tensor *w, er_err *err);
/* op: ER_EW_ADDCMUL or ER_EW_ADDCDIV. */
er_tensor *er_tensor_addc(er_ew op, er_tensor *a, er_tensor *b, er_tensor *c, double scale, er_err *err);
er_tensor *er_tensor_to(er_tensor *x, er_dtype d, er_err *err);
er_tensor *er_tensor_clone(er_tensor *x, er_err *err);
const char *er_ew_name(er_ew op);

/* x = f(x, others...): only outside of gradients.  Returns 0 or -1. */
int er_tensor_inplace(er_ew op, er_tensor *x, int n, er_tensor *const *others, const double *p, er_err *err);
int er_tensor_copy(er_tensor *to, er_tensor *from, er_err *err);          /* broadcast and converted */
int er_tensor_fill(er_tensor *x, double value, er_err *err);

/* ---- reductions: dims as a bit mask (0: all) ---------------------------------------------- */
typedef enum { ER_SUM, ER_MEAN, ER_SUM_SQUARES, ER_PROD } er_reduction;
er_tensor *er_tensor_reduce(er_reduction r, er_tensor *x, unsigned dims, bool keep, er_err *err);
er_tensor *er_tensor_any(er_tensor *x, unsigned dims, bool keep, bool all, er_err *err);      /* u8: any, or all, not 0 */
/* The largest (or smallest) of a dim and where it is; index may be NULL. */
er_tensor *er_tensor_extreme(er_red op, er_tensor *x, int dim, bool keep, er_tensor **index, er_err *err);
er_tensor *er_tensor_argextreme(er_red op, er_tensor *x, int dim, bool keep, er_err *err);
er_tensor *er_tensor_var(er_tensor *x, unsigned dims, double correction, bool keep, er_err *err);
er_tensor *er_tensor_root(er_tensor *x, er_err *err);        /* of a norm: its gradient at 0 is 0, as in PyTorch */
er_tensor *er_tensor_cumsum(er_tensor *x, int dim, er_err *err);
er_tensor *er_tensor_logsumexp(er_tensor *x, int dim, bool keep, er_err *err);
er_tensor *er_tensor_softmax(er_tensor *x, int dim, bool log, er_err *err);

/* ---- products ---------------------------------------------------------------------------- */
er_tensor *er_tensor_matmul(er_tensor *a, er_tensor *b, er_err *err);
er_tensor *er_tensor_linear(er_tensor *x, er_tensor *w, er_tensor *bias, er_act act, er_err *err);   /* w (out, in) */
int er_act_of(const char *name);                                          /* -1: unknown */
er_tensor *er_tensor_conv1d(er_tensor *x, er_tensor *w, er_tensor *bias, er_err *err);

/* ---- norms over the last dim; w and b may be NULL ------------------------------------------- */
er_tensor *er_tensor_layer_norm(er_tensor *x, er_tensor *w, er_tensor *b, double eps, er_err *err);
er_tensor *er_tensor_rms_norm(er_tensor *x, er_tensor *w, double eps, er_err *err);
/* *sum = x + r, and its norm in the same pass. */
er_tensor *er_tensor_add_norm(er_tensor *x, er_tensor *r, er_tensor *w, er_tensor *b, double eps, bool layer,
                              er_tensor **sum, er_err *err);

/* ---- attention ------------------------------------------------------------------------------- */
typedef struct {
  bool causal;
  int64_t window;                /* keys a query sees at most, itself included; 0: all */
  double scale, softcap;         /* scale 0: 1/sqrt(D) */
  double dropout;                /* share of the probabilities that become 0, the others growing */
  er_tensor *mask, *slopes;      /* added to the scores: (B,H,T,S) by broadcast, or truths (u8); (H) times key - query */
} er_sdpa;
er_tensor *er_tensor_sdpa(er_tensor *q, er_tensor *k, er_tensor *v, const er_sdpa *opt, er_err *err);

typedef struct {
  double base, scale;            /* 10000 and 1 unless told */
  bool interleaved;
  int64_t offset, rotated;       /* rotated: 0 is the whole of the last dim */
  er_tensor *positions;          /* i32 (T), or NULL: offset, offset + 1, ... */
} er_rope;
er_tensor *er_tensor_rope(er_tensor *x, const er_rope *opt, er_err *err);

/* ---- losses -------------------------------------------------------------------------------------- */
typedef enum { ER_REDUCE_MEAN, ER_REDUCE_SUM, ER_REDUCE_NONE } er_loss_reduction;
typedef struct {
  er_loss_reduction reduction;   /* mean: by the sum of the weights of rows that count */
  double smoothing, z_loss, softcap;
  int64_t ignore;                /* target of rows that do not count */
  er_tensor *weight;             /* a row's, or NULL */
  double total;                  /* divide by this instead; 0: not */
} er_loss;
er_loss er_loss_defaults(void);                                           /* ignore -100 */
er_tensor *er_tensor_cross_entropy(er_tensor *logits, er_tensor *target, const er_loss *opt, er_err *err);
/* cross_entropy(linear(h, w), target), without ever holding the logits; lse: of each row, without gradient, or NULL. */
er_tensor *er_tensor_lm_loss(er_tensor *h, er_tensor *w, er_tensor *target, const er_loss *opt, er_tensor **lse,
                             er_err *err);

/* nats[i] = -log softmax(row i of logits)[target[i]], in f64 throughout; a NaN where the row is not finite throughout.
 * Targets are in the last dim's range; the logits need not be ts's own, and nothing is recorded. */
int er_tensor_nats(er_tensors *ts, const er_view *logits, const int32_t *target, double *nats, er_err *err);

/* ---- moving elements -------------------------------------------------------------------------------- */
er_tensor *er_tensor_cat(er_tensor *const *xs, int n, int dim, er_err *err);
er_tensor *er_tensor_stack(er_tensor *const *xs, int n, int dim, er_err *err);
/* pads: before and after, from the last dim backwards, as in PyTorch; negative ones cut. */
er_tensor *er_tensor_pad(er_tensor *x, int n, const int64_t *pads, double value, er_err *err);
er_tensor *er_tensor_roll(er_tensor *x, int64_t shift, int dim, er_err *err);
er_tensor *er_tensor_flip(er_tensor *x, int dim, er_err *err);
er_tensor *er_tensor_repeat(er_tensor *x, int nd, const int64_t *times, er_err *err);
er_tensor *er_tensor_tri(er_tensor *x, int64_t diagonal, bool upper, er_err *err);
er_tensor *er_tensor_embedding(er_tensor *ids, er_tensor *w, er_err *err);
er_tensor *er_tensor_index_select(er_tensor *x, int dim, er_tensor *ids, er_err *err);
er_tensor *er_tensor_index_add(er_tensor *x, int dim, er_tensor *ids, er_tensor *source, er_err *err);
er_tensor *er_tensor_gather(er_tensor *x, int dim, er_tensor *index, er_err *err);
er_tensor *er_tensor_scatter_add(er_tensor *x, int dim, er_tensor *index, er_tensor *source, er_err *err);
/* x with elements of the source in the places of the index; of several for one place the last stays. */
er_tensor *er_tensor_scatter(er_tensor *x, int dim, er_tensor *index, er_tensor *source, er_err *err);
/* The first k of each row, all if k is negative. */
er_tensor *er_tensor_sort(er_tensor *x, int dim, bool descending, int64_t k, er_tensor **index, er_err *err);
er_tensor *er_tensor_nonzero(er_tensor *x, er_err *err);                  /* (n, dims) of places, from 0 */
er_tensor *er_tensor_bincount(er_tensor *ids, int64_t least, er_err *err);
er_tensor *er_tensor_one_hot(er_tensor *ids, int64_t classes, er_err *err);
er_tensor *er_tensor_multinomial(er_tensor *p, int64_t n, er_err *err);   /* with replacement */
er_tensor *er_tensor_randperm(er_tensors *ts, int64_t n, er_err *err);

/* ---- random ---------------------------------------------------------------------------------------------- */
er_tensor *er_tensor_random(er_tensors *ts, er_dtype d, int nd, const int64_t *size, er_rand kind, double a, double b,
                            er_err *err);
/* Normal numbers of [a, b], the others being left out. */
int er_tensor_trunc_normal(er_tensor *x, double mean, double std, double a, double b, er_err *err);
int er_tensor_random_fill(er_tensor *x, er_rand kind, double a, double b, er_err *err);
er_tensor *er_tensor_dropout(er_tensor *x, double p, er_err *err);

/* ---- optimisers: on leaves with a gradient; those without one are left alone --------------------------------- */
typedef struct {
  er_tensor *p, *m, *v, *master; /* state: f32, as p; v (AdamW only) and master may be NULL */
} er_state;
int er_tensor_adamw(const er_state *list, int n, const er_adamw *h, er_err *err);
int er_tensor_sgd(const er_state *list, int n, const er_sgd *h, er_err *err);
/* Momentum, then the nearest orthogonal matrix by `steps` Newton-Schulz iterations; p has two dims. */
typedef struct { double lr, momentum, decay, grad_scale; bool nesterov; int steps; } er_muon;
int er_tensor_muon(const er_state *list, int n, const er_muon *h, er_err *err);
er_tensor *er_tensor_orthogonal(er_tensor *g, int steps, er_err *err);
int er_tensor_grad_norm(er_tensor *const *list, int n, double *norm, er_err *err);
int er_tensor_scale_grads(er_tensor *const *list, int n, double by, er_err *err);

#endif
