/* test_tensor_tape.c - the tape, memory, randomness, optimisers, and what is refused. */

#include <signal.h>
#include <sys/time.h>

#include "tensor_kit.h"

#define MUST(call) kit_must(call, &err)
#define OK(call) do { if ((call) < 0) fail_msg("%s: %s", #call, err.msg); } while (0)

static er_tensors *ts;
static er_err err;

static int set_up(void **s) {
  (void)s;
  ts = kit_engine(2, false);
  memset(&err, 0, sizeof err);
  return 0;
}

/* Every test gives back what it took. */
static int tear_down(void **s) {
  int64_t left = er_tensors_memory_of(ts).tensors;
  (void)s;
  er_tensors_close(ts);
  if (left != 0) print_error("%lld storages were left\n", (long long)left);
  return left == 0 ? 0 : -1;
}

static er_tensor *numbers(int64_t n, double first) {
  er_tensor *t = MUST(er_tensor_empty(ts, ER_F32, 1, &n, &err));
  for (int64_t i = 0; i < n; i++) er_tensor_set(t, &i, first + (double)i);
  return t;
}

static er_tensor *leaf(int64_t n, double first) {
  er_tensor *t = numbers(n, first);
  OK(er_tensor_set_requires_grad(t, true, &err));
  return t;
}

/* Takes x. */
static er_tensor *sum_of(er_tensor *x) {
  er_tensor *y = MUST(er_tensor_reduce(ER_SUM, x, 0, false, &err));
  er_tensor_unref(x);
  return y;
}

static double at(const er_tensor *t, int64_t i) { return er_tensor_get(t, &i); }
static void drop(er_tensor *t) { er_tensor_unref(t); }
static er_tensor *exp_of(er_tensor *x) { return MUST(er_tensor_unary(ER_EW_EXP, x, 0, 0, &err)); }
static er_tensor *mul(er_tensor *a, er_tensor *b) { return MUST(er_tensor_binary(ER_EW_MUL, a, b, 1, &err)); }

#define REFUSED(call, code_, words)                                                                     \
  do {                                                                                                  \
    memset(&err, 0, sizeof err);                                                                        \
    if ((call) != NULL) fail_msg("%s was not refused", #call);                                          \
    if (strcmp(err.code, code_) != 0 || strstr(err.msg, words) == NULL) fail_msg("%s: %s: %s", #call, err.code, err.msg); \
  } while (0)

#define REFUSED_RC(call, code_, words)                                                                  \
  do {                                                                                                  \
    memset(&err, 0, sizeof err);                                                                        \
    if ((call) != -1) fail_msg("%s was not refused", #call);                                            \
    if (strcmp(err.code, code_) != 0 || strstr(err.msg, words) == NULL) fail_msg("%s: %s: %s", #call, err.code, err.msg); \
  } while (0)

/* ---- the tape ------------------------------------------------------------------------------------------ */

static void gradients_of_a_leaf_add_up_until_they_are_cleared(void **s) {
  er_tensor *x = leaf(3, 1), *y;
  (void)s;
  for (int i = 0; i < 2; i++) {
    y = sum_of(mul(x, x));
    OK(er_tensor_backward(y, NULL, &err));
    drop(y);
  }
  assert_float_equal(at(er_tensor_grad(x), 2), 12, 1e-6);
  OK(er_tensor_set_grad(x, NULL, &err));
  assert_null(er_tensor_grad(x));
  drop(x);
}

static void backward_twice_is_refused_and_names_the_operator(void **s) {
  er_tensor *x = leaf(3, 1), *y = exp_of(x), *a = sum_of(mul(y, y)), *b = sum_of(mul(y, x));
  (void)s;
  OK(er_tensor_backward(a, NULL, &err));
  REFUSED_RC(er_tensor_backward(a, NULL, &err), "grad", "sum");
  REFUSED_RC(er_tensor_backward(b, NULL, &err), "grad", "exp");
  drop(a), drop(b), drop(y), drop(x);
}

static void nothing_is_recorded_in_no_grad_or_behind_detach(void **s) {
  er_tensor *x = leaf(3, 1), *d = er_tensor_detach(x), *y;
  bool was = er_tensors_set_grad(ts, false);
  (void)s;
  y = exp_of(x);
  er_tensors_set_grad(ts, was);
  assert_false(er_tensor_requires_grad(y));
  drop(y);
  y = sum_of(exp_of(d));
  REFUSED_RC(er_tensor_backward(y, NULL, &err), "grad", "nothing");
  drop(y), drop(d), drop(x);
}

static void a_saved_tensor_that_was_changed_in_place_is_found(void **s) {
  er_tensor *x = leaf(3, 1), *w = numbers(3, 5), *y = sum_of(mul(x, w));
  (void)s;
  OK(er_tensor_fill(w, 0, &err));
  REFUSED_RC(er_tensor_backward(y, NULL, &err), "grad", "mul");
  REFUSED_RC(er_tensor_fill(x, 0, &err), "grad", "no_grad");
  drop(y), drop(w), drop(x);
}

static void a_chain_of_100000_operators_runs_and_is_freed(void **s) {
  er_tensor *x = leaf(2, 1), *y = er_tensor_ref(x), *next, *loss;
  (void)s;
  for (int i = 0; i < 100000; i++) {
    next = MUST(er_tensor_unary(ER_EW_AFFINE, y, 1, 1, &err));
    drop(y);
    y = next;
  }
  loss = sum_of(er_tensor_ref(y));
  OK(er_tensor_backward(loss, NULL, &err));
  assert_float_equal(at(er_tensor_grad(x), 0), 1, 0);
  drop(loss), drop(y);
  for (y = er_tensor_ref(x); er_tensors_memory_of(ts).tensors < 100000; y = next) {      /* and one that never ran */
    next = MUST(er_tensor_unary(ER_EW_EXP, y, 0, 0, &err));
    drop(y);
  }
  drop(y), drop(x);
}

static void backward_frees_what_was_saved_as_it_goes(void **s) {
  int64_t before, held;
  er_tensor *x = leaf(1 << 16, 0), *y = er_tensor_ref(x), *next, *loss;
  (void)s;
  before = er_tensors_memory_of(ts).live;
  for (int i = 0; i < 20; i++) {
    next = MUST(er_tensor_unary(ER_EW_TANH, y, 0, 0, &err));
    drop(y);
    y = next;
  }
  loss = sum_of(y);
  held = er_tensors_memory_of(ts).live - before;
  assert_true(held >= 20 * (1 << 18));
  OK(er_tensor_backward(loss, NULL, &err));
  assert_true(er_tensors_memory_of(ts).live - before <= 2 * (1 << 18));
  assert_true(er_tensors_memory_of(ts).peak - before - held <= 4 * (1 << 18));
  drop(loss), drop(x);
}

/* ---- recomputation ------------------------------------------------------------------------------------------ */

static er_tensor *block(void *ud, er_tensor **xs, int n, er_err *e) {
  er_tensor *y = er_tensor_ref(xs[0]), *next;
  (void)n;
  ++*(int *)ud;
  for (int i = 0; i < 8; i++) {
    next = i == 3 ? er_tensor_dropout(y, 0.5, e) : er_tensor_binary(ER_EW_MUL, y, xs[1], 1, e);
    er_tensor_unref(y);
    y = next;
  }
  return y;
}

static void recomputation_gives_the_same_gradients_and_holds_less(void **s) {
  int runs = 0;
  double *want = NULL, *want_w = NULL;
  int64_t held[2];
  (void)s;
  for (int checkpointed = 0; checkpointed < 2; checkpointed++) {
    er_tensor *x = leaf(1000, -0.5), *w = MUST(er_tensor_full(ts, ER_F32, 0, NULL, 0.9, &err)), *xs[2] = {x, w}, *y;
    OK(er_tensor_set_requires_grad(w, true, &err));
    er_tensors_set_random(ts, (er_key){7, 3});
    int64_t before = er_tensors_memory_of(ts).live;
    y = sum_of(checkpointed ? MUST(er_tensor_checkpoint(ts, block, NULL, &runs, xs, 2, &err))
                            : MUST(block(&runs, xs, 2, &err)));
    held[checkpointed] = er_tensors_memory_of(ts).live - before;
    er_tensors_set_random(ts, (er_key){99, 0});
    OK(er_tensor_backward(y, NULL, &err));
    assert_int_equal(er_tensors_random(ts).seed, 99);
    double *got = kit_values(er_tensor_grad(x)), *got_w = kit_values(er_tensor_grad(w));
    if (checkpointed) {
      assert_memory_equal(got, want, 1000 * sizeof *got);
      assert_memory_equal(got_w, want_w, sizeof *got_w);
      free(want), free(want_w), free(got), free(got_w);
    } else {
      want = got;
      want_w = got_w;
    }
    drop(y), drop(x), drop(w);
  }
  assert_int_equal(runs, 3);
  assert_true(held[1] * 3 < held[0]);
}

/* ---- memory -------------------------------------------------------------------------------------------------- */

static void memory_is_flat_from_step_to_step(void **s) {
  int64_t size[2] = {64, 64}, live = 0, cached = 0;
  er_tensor *w = MUST(er_tensor_random(ts, ER_F32, 2, size, ER_RAND_NORMAL, 0, 0.1, &err));
  (void)s;
  OK(er_tensor_set_requires_grad(w, true, &err));
  for (int step = 0; step < 50; step++) {
    er_tensor *x = MUST(er_tensor_random(ts, ER_F32, 2, size, ER_RAND_NORMAL, 0, 1, &err));
    er_tensor *y = MUST(er_tensor_linear(x, w, NULL, ER_ACT_GELU, &err)), *loss = sum_of(mul(y, y));
    OK(er_tensor_backward(loss, NULL, &err));
    drop(loss), drop(y), drop(x);
    OK(er_tensor_set_grad(w, NULL, &err));
    if (step == 3) live = er_tensors_memory_of(ts).live, cached = er_tensors_memory_of(ts).cached;
  }
  assert_int_equal(er_tensors_memory_of(ts).live, live);
  assert_int_equal(er_tensors_memory_of(ts).cached, cached);
  drop(w);
}

static void attention_holds_no_matrix_of_scores(void **s) {
  int64_t size[4] = {1, 2, 2048, 16}, before;
  er_tensor *q = MUST(er_tensor_random(ts, ER_F32, 4, size, ER_RAND_NORMAL, 0, 1, &err)), *y, *loss;
  (void)s;
  OK(er_tensor_set_requires_grad(q, true, &err));
  before = er_tensors_memory_of(ts).peak;
  y = MUST(er_tensor_sdpa(q, q, q, &(er_sdpa){.causal = true}, &err));
  loss = sum_of(mul(y, y));
  OK(er_tensor_backward(loss, NULL, &err));
  assert_true(er_tensors_memory_of(ts).peak - before < 2048 * 2048 * 4);
  drop(loss), drop(y), drop(q);
}

static void a_zeroed_engine_shows_nothing_of_others(void **s) {
  er_tensor *t = numbers(1000, 5);
  (void)s;
  drop(t);
  er_tensors_set_zeroed(ts, true);
  t = MUST(er_tensor_empty(ts, ER_F32, 1, (int64_t[]){1000}, &err));
  for (int64_t i = 0; i < 1000; i++) assert_true(at(t, i) == 0);
  drop(t);
}

static void must_be_zero(er_tensor *y) {
  for (int64_t i = 0; i < er_tensor_count(y); i++) assert_true(((const float *)er_tensor_view_of(y)->data)[i] == 0);
  drop(y);
}

static void results_in_a_zeroed_engine_are_zero_where_there_is_nothing_to_add_up(void **s) {
  er_tensors_set_zeroed(ts, true);
  er_tensors_set_soiled(ts, true);
  er_tensor *a = MUST(er_tensor_empty(ts, ER_F32, 2, (int64_t[]){13, 0}, &err)),
            *b = MUST(er_tensor_empty(ts, ER_F32, 2, (int64_t[]){21, 0}, &err)), *bt = MUST(er_tensor_transpose(b, 0, 1, &err)),
            *q = MUST(er_tensor_full(ts, ER_F32, 4, (int64_t[]){2, 2, 70, 8}, 1, &err)),
            *k = MUST(er_tensor_empty(ts, ER_F32, 4, (int64_t[]){2, 2, 0, 8}, &err));
  (void)s;
  must_be_zero(MUST(er_tensor_matmul(a, bt, &err)));
  must_be_zero(MUST(er_tensor_linear(a, b, NULL, ER_ACT_GELU, &err)));
  must_be_zero(MUST(er_tensor_sdpa(q, k, k, &(er_sdpa){0}, &err)));
  drop(a), drop(b), drop(bt), drop(q), drop(k);
}

static bool at_once(void *ctx) {
  (void)ctx;
  return true;
}

static void results_in_a_zeroed_engine_are_zero_where_a_kernel_was_broken_off(void **s) {
  er_tensor *x = MUST(er_tensor_full(ts, ER_F32, 4, (int64_t[]){1, 2, 40, 40}, 3, &err)),
            *w = MUST(er_tensor_full(ts, ER_F32, 2, (int64_t[]){40, 40}, 3, &err));
  er_tensors_set_zeroed(ts, true);
  er_tensors_set_soiled(ts, true);
  er_pool_set_watch(er_tensors_pool(ts), at_once, NULL);
  (void)s;
  must_be_zero(mul(x, x));
  must_be_zero(MUST(er_tensor_matmul(x, x, &err)));
  must_be_zero(MUST(er_tensor_linear(x, w, NULL, ER_ACT_NONE, &err)));
  must_be_zero(MUST(er_tensor_rms_norm(x, NULL, 1e-6, &err)));
  must_be_zero(MUST(er_tensor_sdpa(x, x, x, &(er_sdpa){0}, &err)));
  assert_true(er_tensors_broken(ts, "all of them", &err));
  er_pool_set_watch(er_tensors_pool(ts), NULL, NULL);
  drop(x), drop(w);
}

static volatile sig_atomic_t ticks;

static void on_tick(int signal) {
  char frame[4096];                                          /* as a handler that does something needs */
  (void)signal;
  memset(frame, 0x5a, sizeof frame);
  ticks = ticks + (frame[17] == 0x5a);
}

/* oneDNN's AVX kernels use the stack pointer as any other register and let it point to their workspace. */
static void a_signal_during_a_product_does_no_harm(void **s) {
  struct itimerval every = {{0, 300}, {0, 300}}, never = {{0, 0}, {0, 0}};
  setenv("ERLUA_GEMM", "onednn", 1);                         /* also where our own kernels would do it */
  er_tensors *other = kit_engine(2, false);
  er_tensor *a = MUST(er_tensor_full(other, ER_F32, 2, (int64_t[]){256, 1024}, 1, &err)),
            *b = MUST(er_tensor_full(other, ER_F32, 2, (int64_t[]){1024, 768}, 2, &err));
  void (*was)(int) = signal(SIGALRM, on_tick);
  (void)s;
  ticks = 0;
  setitimer(ITIMER_REAL, &every, NULL);
  for (int i = 0; i < 1000 && (ticks < 40 || i < 20); i++) {
    er_tensor *y = MUST(er_tensor_matmul(a, b, &err));
    assert_true(er_tensor_get(y, (int64_t[]){255, 767}) == 2048);
    drop(y);
  }
  setitimer(ITIMER_REAL, &never, NULL);
  signal(SIGALRM, was);
  assert_true(ticks > 0);
  drop(a), drop(b);
  er_tensors_close(other);
  unsetenv("ERLUA_GEMM");
}

/* ---- refusals -------------------------------------------------------------------------------------------------- */

static void wrong_shapes_dtypes_and_ids_are_refused_with_names_and_numbers(void **s) {
  er_tensor *a = MUST(er_tensor_full(ts, ER_F32, 2, (int64_t[]){2, 3}, 1, &err)),
            *b = MUST(er_tensor_full(ts, ER_BF16, 2, (int64_t[]){4, 5}, 1, &err));
  er_tensor *i = MUST(er_tensor_full(ts, ER_I32, 1, (int64_t[]){2}, 7, &err)),
            *four = MUST(er_tensor_full(ts, ER_F32, 4, (int64_t[]){1, 3, 2, 4}, 1, &err));
  er_tensor *two = MUST(er_tensor_full(ts, ER_F32, 4, (int64_t[]){1, 2, 2, 4}, 1, &err)), *none;
  er_loss o = er_loss_defaults();
  (void)s;
  REFUSED(er_tensor_binary(ER_EW_ADD, a, b, 1, &err), "shape", "add of (2, 3) f32 and (4, 5) bf16");
  REFUSED(er_tensor_matmul(a, b, &err), "shape", "matmul of (2, 3) f32 and (4, 5) bf16: the inner sizes 3 and 4");
  REFUSED(er_tensor_matmul(a, i, &err), "dtype", "i32");
  REFUSED(er_tensor_embedding(i, a, &err), "range", "id 7 (element 1) is not in 0..1");
  REFUSED(er_tensor_embedding(a, a, &err), "dtype", "whole numbers");
  REFUSED(er_tensor_sdpa(four, two, two, &(er_sdpa){0}, &err), "shape", "(1, 3, 2, 4) f32");
  REFUSED(er_tensor_linear(a, b, NULL, ER_ACT_NONE, &err), "shape", "linear");
  REFUSED(er_tensor_layer_norm(a, i, NULL, 1e-5, &err), "shape", "layer_norm");
  REFUSED(er_tensor_cross_entropy(a, i, &o, &err), "range", "target 7");
  REFUSED(er_tensor_view(a, 1, (int64_t[]){7}, &err), "shape", "view of (2, 3)");
  REFUSED(er_tensor_narrow(a, 0, 1, 5, &err), "range", "narrow");
  REFUSED(er_tensor_select(a, 5, 0, &err), "range", "no dim 6");
  REFUSED(er_tensor_cat((er_tensor *[]){a, i}, 2, 0, &err), "shape", "cat");
  REFUSED(er_tensor_unary(ER_EW_SOFTCAP, a, -1, 0, &err), "range", "softcap");
  REFUSED_RC(er_tensor_set_requires_grad(i, true, &err), "dtype", "i32");
  REFUSED_RC(er_tensor_backward(a, NULL, &err), "grad", "requires a gradient");
  none = MUST(er_tensor_full(ts, ER_F32, 2, (int64_t[]){0, 3}, 1, &err));
  REFUSED(er_tensor_reduce(ER_MEAN, none, 0, false, &err), "shape", "no mean of nothing");
  REFUSED(er_tensor_argextreme(ER_RED_MAX, none, 0, false, &err), "shape", "empty");
  drop(a), drop(b), drop(i), drop(four), drop(two), drop(none);
}

static void sizes_that_overflow_and_memory_that_is_not_there_are_errors(void **s) {
  er_tensor *t = numbers(2, 0);
  (void)s;
  REFUSED(er_tensor_empty(ts, ER_F32, 2, (int64_t[]){INT64_MAX, 2}, &err), "shape", "too many");
  REFUSED(er_tensor_empty(ts, ER_F32, 2, (int64_t[]){-1, 2}, &err), "shape", "negative");
  REFUSED(er_tensor_empty(ts, ER_F32, 1, (int64_t[]){(int64_t)1 << 50}, &err), "memory", "no memory");
  REFUSED(er_tensor_repeat(t, 1, (int64_t[]){INT64_MAX}, &err), "shape", "repeat");
  REFUSED(er_tensor_pad(t, 2, (int64_t[]){INT64_MAX, 5}, 0, &err), "shape", "negative");
  REFUSED(er_tensor_arange(ts, ER_F32, 0, 1, 0, &err), "range", "no end");
  drop(t);
}

/* Rows without elements take no memory, and no time. */
static void any_number_of_empty_rows_is_nothing_to_do(void **s) {
  int64_t rows = (int64_t)1 << 44;
  er_tensor *x = MUST(er_tensor_empty(ts, ER_F32, 2, (int64_t[]){rows, 0}, &err)),
            *m = MUST(er_tensor_empty(ts, ER_F32, 3, (int64_t[]){rows, 0, 3}, &err)),
            *w = MUST(er_tensor_full(ts, ER_F32, 2, (int64_t[]){3, 4}, 1, &err)), *y[4];
  (void)s;
  OK(er_tensor_set_requires_grad(x, true, &err));
  y[0] = MUST(er_tensor_softmax(x, -1, false, &err));
  y[1] = MUST(er_tensor_cumsum(x, -1, &err));
  y[2] = MUST(er_tensor_matmul(m, w, &err));
  y[3] = sum_of(er_tensor_ref(y[0]));
  OK(er_tensor_backward(y[3], NULL, &err));
  for (int i = 0; i < 4; i++) drop(y[i]);
  drop(x), drop(m), drop(w);
}

static void a_step_may_be_larger_than_any_stride(void **s) {
  er_tensor *x = leaf(5, 1), *y = MUST(er_tensor_unfold(x, 0, 2, INT64_MAX, &err)), *loss = sum_of(er_tensor_ref(y));
  (void)s;
  assert_int_equal(er_tensor_view_of(y)->size[0], 1);
  OK(er_tensor_backward(loss, NULL, &err));
  assert_true(at(er_tensor_grad(x), 1) == 1 && at(er_tensor_grad(x), 2) == 0);
  drop(y), drop(loss);
  y = MUST(er_tensor_step(x, 0, INT64_MAX, &err));
  assert_int_equal(er_tensor_view_of(y)->size[0], 1);
  drop(y), drop(x);
}

static void empty_tensors_go_through(void **s) {
  er_tensor *x = MUST(er_tensor_full(ts, ER_F32, 2, (int64_t[]){0, 3}, 1, &err)),
            *w = MUST(er_tensor_full(ts, ER_F32, 2, (int64_t[]){4, 3}, 1, &err)), *y, *loss;
  (void)s;
  OK(er_tensor_set_requires_grad(w, true, &err));
  y = MUST(er_tensor_linear(x, w, NULL, ER_ACT_GELU, &err));
  assert_int_equal(er_tensor_view_of(y)->size[0], 0);
  loss = sum_of(y);
  OK(er_tensor_backward(loss, NULL, &err));
  assert_true(er_tensor_get(er_tensor_grad(w), (int64_t[]){3, 2}) == 0);
  drop(loss);
  y = MUST(er_tensor_softmax(x, -1, false, &err));
  drop(y), drop(x), drop(w);
}

/* ---- numbers ---------------------------------------------------------------------------------------------------- */

static void integers_are_exact(void **s) {
  er_tensor *a = MUST(er_tensor_full(ts, ER_I32, 1, (int64_t[]){3}, 16777217, &err)),
            *b = MUST(er_tensor_full(ts, ER_I32, 1, (int64_t[]){3}, 2, &err));
  er_tensor *y = MUST(er_tensor_binary(ER_EW_ADD, a, b, 1, &err)),
            *sum = MUST(er_tensor_reduce(ER_SUM, a, 0, false, &err));
  er_tensor *same = MUST(er_tensor_binary(ER_EW_EQ, a, y, 1, &err));
  (void)s;
  assert_true(at(y, 2) == 16777219);
  assert_true(er_tensor_get(sum, NULL) == 50331651);
  assert_true(at(same, 0) == 0);
  assert_int_equal(er_tensor_view_of(same)->dtype, ER_U8);
  drop(a), drop(b), drop(y), drop(sum), drop(same);
}

static void bf16_rounds_to_nearest_even_and_keeps_nan(void **s) {
  static const float in[] = {1.0f, 1.00390625f, 1.01171875f, 3.4e38f, -0.0f, 1e-40f, (float)NAN, (float)INFINITY};
  static const double want[] = {1.0, 1.0, 1.015625, INFINITY, 0, 1e-40, NAN, INFINITY};
  er_tensor *f = MUST(er_tensor_from(ts, ER_F32, 1, (int64_t[]){8}, in, &err)), *h = MUST(er_tensor_to(f, ER_BF16, &err));
  (void)s;
  for (int64_t i = 0; i < 8; i++) {
    double v = at(h, i);
    if (isnan(want[i]) ? !isnan(v) : isinf(want[i]) ? v < 3.3e38 : fabs(v - want[i]) > 1e-41 + fabs(want[i]) * 1e-9)
      fail_msg("%g became %g, not %g", (double)in[i], v, want[i]);
  }
  drop(f), drop(h);
}

static void the_ends_of_functions_are_kept(void **s) {
  static const float in[] = {-INFINITY, -200, -88, 0, 88, 200, INFINITY, NAN};
  er_tensor *x = MUST(er_tensor_from(ts, ER_F32, 1, (int64_t[]){8}, in, &err)), *e = exp_of(x),
            *l = MUST(er_tensor_unary(ER_EW_LOG, x, 0, 0, &err));
  er_tensor *t = MUST(er_tensor_unary(ER_EW_TANH, x, 0, 0, &err)),
            *p = MUST(er_tensor_unary(ER_EW_SOFTPLUS, x, 0, 0, &err));
  (void)s;
  assert_true(at(e, 0) == 0 && at(e, 1) == 0 && at(e, 3) == 1 && isinf(at(e, 5)) && isinf(at(e, 6)) && isnan(at(e, 7)));
  assert_true(isnan(at(l, 1)) && at(l, 3) == -INFINITY && isinf(at(l, 6)) && isnan(at(l, 7)));
  assert_true(at(t, 0) == -1 && at(t, 5) == 1 && isnan(at(t, 7)));
  assert_true(at(p, 1) == 0 && at(p, 5) == 200 && isnan(at(p, 7)));
  drop(x), drop(e), drop(l), drop(t), drop(p);
}

static void every_instruction_set_gives_the_same_to_six_digits(void **s) {
  double *want = NULL;
  (void)s;
  for (int plain = 0; plain < 2; plain++) {
    if (plain) setenv("ERLUA_ISA", "plain", 1);
    er_tensors *other = kit_engine(2, false);
    unsetenv("ERLUA_ISA");
    int64_t size[2] = {70, 90};
    er_tensor *x = MUST(er_tensor_random(other, ER_F32, 2, size, ER_RAND_NORMAL, 0, 1, &err)),
              *y = MUST(er_tensor_linear(x, x, NULL, ER_ACT_GELU, &err));
    er_tensor *z = MUST(er_tensor_softmax(y, -1, true, &err));
    double *got = kit_values(z);
    if (plain) assert_true(kit_rel(got, want, 4900, 0) < 1e-6);
    if (plain) assert_string_equal(er_tensors_backend(other)->name, "plain");
    free(want);
    want = got;
    drop(x), drop(y), drop(z);
    er_tensors_close(other);
  }
  free(want);
}

/* ---- randomness ---------------------------------------------------------------------------------------------------- */

static void draws_depend_on_seed_and_call_alone(void **s) {
  int64_t n = 100000;
  double mean = 0, square = 0;
  er_key start = er_tensors_random(ts);
  er_tensor *a = MUST(er_tensor_random(ts, ER_F32, 1, &n, ER_RAND_NORMAL, 0, 1, &err)),
            *b = MUST(er_tensor_random(ts, ER_F32, 1, &n, ER_RAND_NORMAL, 0, 1, &err)), *c;
  (void)s;
  er_pool_set_threads(er_tensors_pool(ts), 1);
  er_tensors_set_random(ts, start);
  c = MUST(er_tensor_random(ts, ER_F32, 1, &n, ER_RAND_NORMAL, 0, 1, &err));
  assert_memory_equal(er_tensor_view_of(a)->data, er_tensor_view_of(c)->data, (size_t)n * 4);
  assert_true(memcmp(er_tensor_view_of(a)->data, er_tensor_view_of(b)->data, (size_t)n * 4) != 0);
  for (int64_t i = 0; i < n; i++) {
    mean += at(a, i) / (double)n;
    square += at(a, i) * at(a, i) / (double)n;
  }
  assert_true(fabs(mean) < 0.015 && fabs(square - 1) < 0.02);
  drop(a), drop(b), drop(c);
}

/* Philox 4x32-10 of an all-zero counter and key, from the authors' own test vectors. */
static void the_generator_is_philox(void **s) {
  static const uint32_t want[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
  er_tensor *t;
  (void)s;
  er_tensors_set_random(ts, (er_key){0, 0});
  t = MUST(er_tensor_random(ts, ER_I32, 1, (int64_t[]){4}, ER_RAND_INT, -2147483648.0, 2147483648.0, &err));
  for (int64_t i = 0; i < 4; i++) assert_true(at(t, i) + 2147483648.0 == (double)want[i]);
  drop(t);
}

static void uniform_numbers_and_permutations_are_in_range(void **s) {
  int64_t n = 5000;
  er_tensor *u = MUST(er_tensor_random(ts, ER_F32, 1, &n, ER_RAND_UNIFORM, -1, 3, &err)),
            *p = MUST(er_tensor_randperm(ts, n, &err));
  char *seen = calloc(1, (size_t)n);
  (void)s;
  for (int64_t i = 0; i < n; i++) {
    assert_true(at(u, i) >= -1 && at(u, i) < 3);
    seen[(int)at(p, i)]++;
  }
  for (int64_t i = 0; i < n; i++) assert_int_equal(seen[i], 1);
  free(seen);
  drop(u), drop(p);
}

/* ---- optimisers ------------------------------------------------------------------------------------------------------ */

static void adamw_follows_its_formula(void **s) {
  const double lr = 0.01, b1 = 0.9, b2 = 0.95, eps = 1e-8, decay = 0.1;
  er_tensor *p = leaf(5, 1), *m = MUST(er_tensor_full(ts, ER_F32, 1, (int64_t[]){5}, 0, &err)),
            *v = MUST(er_tensor_full(ts, ER_F32, 1, (int64_t[]){5}, 0, &err));
  double w = 3, rm = 0, rv = 0;                              /* element 2 by hand */
  (void)s;
  for (int step = 1; step <= 20; step++) {
    er_tensor *loss = sum_of(mul(p, p));
    OK(er_tensor_set_grad(p, NULL, &err));
    OK(er_tensor_backward(loss, NULL, &err));
    drop(loss);
    er_adamw h = {lr, b1, b2, eps, decay, 1 - pow(b1, step), 1 - pow(b2, step), 1};
    OK(er_tensor_adamw(&(er_state){.p = p, .m = m, .v = v}, 1, &h, &err));
    double g = 2 * w;
    rm = b1 * rm + (1 - b1) * g;
    rv = b2 * rv + (1 - b2) * g * g;
    w = w * (1 - lr * decay) - lr * (rm / (1 - pow(b1, step))) / (sqrt(rv / (1 - pow(b2, step))) + eps);
  }
  assert_float_equal(at(p, 2), w, 1e-5);
  drop(p), drop(m), drop(v);
}

static void master_weights_keep_what_bf16_would_lose(void **s) {
  int64_t one = 1;
  er_tensor *p = MUST(er_tensor_full(ts, ER_BF16, 1, &one, 1, &err)),
            *master = MUST(er_tensor_full(ts, ER_F32, 1, &one, 1, &err)),
            *g = MUST(er_tensor_full(ts, ER_F32, 1, &one, 1, &err));
  (void)s;
  OK(er_tensor_set_requires_grad(p, true, &err));
  OK(er_tensor_set_grad(p, g, &err));
  for (int i = 0; i < 100; i++) OK(er_tensor_sgd(&(er_state){.p = p, .master = master}, 1, &(er_sgd){.lr = 1e-3,
      .grad_scale = 1}, &err));
  assert_float_equal(at(master, 0), 0.9, 1e-4);
  assert_float_equal(at(p, 0), 0.9, 4e-3);
  drop(p), drop(master), drop(g);
}

static void muon_makes_matrices_nearly_orthogonal(void **s) {
  int64_t size[2] = {40, 24};
  er_tensor *g = MUST(er_tensor_random(ts, ER_F32, 2, size, ER_RAND_NORMAL, 0, 1, &err)),
            *u = MUST(er_tensor_orthogonal(g, 5, &err));
  er_tensor *t = MUST(er_tensor_transpose(u, 0, 1, &err)), *gram = MUST(er_tensor_matmul(t, u, &err)), *p;
  (void)s;
  for (int64_t i = 0; i < 24; i++)
    for (int64_t j = 0; j < 24; j++) {
      double v = er_tensor_get(gram, (int64_t[]){i, j});
      assert_true(i == j ? v > 0.4 && v < 1.6 : fabs(v) < 0.45);
    }
  p = MUST(er_tensor_full(ts, ER_F32, 2, size, 0, &err));
  OK(er_tensor_set_requires_grad(p, true, &err));
  OK(er_tensor_set_grad(p, g, &err));
  drop(u);
  u = MUST(er_tensor_full(ts, ER_F32, 2, size, 0, &err));
  OK(er_tensor_muon(&(er_state){.p = p, .m = u}, 1, &(er_muon){.lr = 0.1, .momentum = 0.9, .grad_scale = 1,
      .nesterov = true, .steps = 5}, &err));
  er_tensor *along = er_tensor_detach(p);
  er_tensor *dot = sum_of(mul(along, g));                    /* down the gradient */
  assert_true(er_tensor_get(dot, NULL) < 0);
  drop(g), drop(t), drop(gram), drop(p), drop(u), drop(along), drop(dot);
}

static void a_clipped_gradient_has_the_norm_asked_for(void **s) {
  er_tensor *a = leaf(3, 1), *b = leaf(4, 2), *list[2] = {a, b}, *ga = numbers(3, 3), *gb = numbers(4, -1);
  double norm;
  (void)s;
  OK(er_tensor_set_grad(a, ga, &err));
  OK(er_tensor_set_grad(b, gb, &err));
  OK(er_tensor_grad_norm(list, 2, &norm, &err));
  assert_float_equal(norm, sqrt(9 + 16 + 25 + 1 + 0 + 1 + 4), 1e-9);
  OK(er_tensor_scale_grads(list, 2, 1 / norm, &err));
  OK(er_tensor_grad_norm(list, 2, &norm, &err));
  assert_float_equal(norm, 1, 1e-6);
  drop(a), drop(b), drop(ga), drop(gb);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      T(gradients_of_a_leaf_add_up_until_they_are_cleared),
      T(backward_twice_is_refused_and_names_the_operator),
      T(nothing_is_recorded_in_no_grad_or_behind_detach),
      T(a_saved_tensor_that_was_changed_in_place_is_found),
      T(a_chain_of_100000_operators_runs_and_is_freed),
      T(backward_frees_what_was_saved_as_it_goes),
      T(recomputation_gives_the_same_gradients_and_holds_less),
      T(memory_is_flat_from_step_to_step),
      T(attention_holds_no_matrix_of_scores),
      T(a_zeroed_engine_shows_nothing_of_others),
      T(results_in_a_zeroed_engine_are_zero_where_there_is_nothing_to_add_up),
      T(results_in_a_zeroed_engine_are_zero_where_a_kernel_was_broken_off),
      T(a_signal_during_a_product_does_no_harm),
      T(wrong_shapes_dtypes_and_ids_are_refused_with_names_and_numbers),
      T(sizes_that_overflow_and_memory_that_is_not_there_are_errors),
      T(any_number_of_empty_rows_is_nothing_to_do),
      T(a_step_may_be_larger_than_any_stride),
      T(empty_tensors_go_through),
      T(integers_are_exact),
      T(bf16_rounds_to_nearest_even_and_keeps_nan),
      T(the_ends_of_functions_are_kept),
      T(every_instruction_set_gives_the_same_to_six_digits),
      T(draws_depend_on_seed_and_call_alone),
      T(the_generator_is_philox),
      T(uniform_numbers_and_permutations_are_in_range),
      T(adamw_follows_its_formula),
      T(master_weights_keep_what_bf16_would_lose),
      T(muon_makes_matrices_nearly_orthogonal),
      T(a_clipped_gradient_has_the_norm_asked_for),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
