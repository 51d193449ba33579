/* test_tensor_numbers.c - fused operators in f64 against loops that follow their definitions. */

#include "tensor_kit.h"

#define MUST(call) kit_must(call, &err)

static er_tensors *ts;
static er_err err;

static int set_up(void **s) {
  (void)s;
  ts = kit_engine(1, true);
  return 0;
}

static int tear_down(void **s) {
  int64_t left = er_tensors_memory_of(ts).tensors;
  (void)s;
  er_tensors_close(ts);
  return left == 0 ? 0 : -1;
}

static double *numbers(const char *name, int64_t n, double lo, double hi) {
  double *x = malloc((size_t)(n + 1) * sizeof *x);
  er_rng r;
  er_rng_seed(&r, 5, name);
  for (int64_t i = 0; i < n; i++) x[i] = kit_number(&r, lo, hi);
  return x;
}

/* Takes got. */
static void assert_numbers(er_tensor *got, const double *want, double bar) {
  double *values = kit_values(got);
  for (int64_t i = 0; i < er_tensor_count(got); i++)
    if (!(fabs(values[i] - want[i]) <= bar * (1 + fabs(want[i]))))
      fail_msg("number %lld is %.17g, not %.17g", (long long)i, values[i], want[i]);
  free(values);
  er_tensor_unref(got);
}

/* ---- attention ------------------------------------------------------------------------------------ */

enum { N = 2, HEADS = 4, GROUPS = 2, QT = 70, KT = 140, D = 6 };

static double score(const double *q, const double *k, const er_sdpa *o, double slope, double mask, int64_t t, int64_t u) {
  double s = 0;
  int64_t place = t + KT - QT;
  for (int i = 0; i < D; i++) s += q[i] * k[i];
  s /= sqrt(D);
  if (o->softcap > 0) s = o->softcap * tanh(s / o->softcap);
  s += slope * (double)(u - place) + mask;
  return o->causal && (u > place || (o->window > 0 && u <= place - o->window)) ? -INFINITY : s;
}

static void attend(const double *q, const double *k, const double *v, const double *slopes, const double *mask,
                   const er_sdpa *o, double *out) {
  for (int64_t row = 0; row < N * HEADS * QT; row++) {
    int64_t t = row % QT, h = row / QT % HEADS, b = row / QT / HEADS, first = (b * GROUPS + h * GROUPS / HEADS) * KT;
    double p[KT], sum = 0;
    for (int64_t u = 0; u < KT; u++) {
      p[u] = exp(score(q + row * D, k + (first + u) * D, o, slopes[h], mask[t * KT + u], t, u));
      sum += p[u];
    }
    for (int i = 0; i < D; i++) {
      double y = 0;
      for (int64_t u = 0; u < KT; u++) y += p[u] / sum * v[(first + u) * D + i];
      out[row * D + i] = y;
    }
  }
}

static void attention_is_what_its_definition_says(void **s) {
  int64_t qs[4] = {N, HEADS, QT, D}, ks[4] = {N, GROUPS, KT, D}, heads = HEADS, ms[2] = {QT, KT};
  double *q = numbers("q", kit_count(4, qs), -2, 2), *k = numbers("k", kit_count(4, ks), -2, 2),
         *v = numbers("v", kit_count(4, ks), -2, 2), *slopes = numbers("slopes", HEADS, 0, 0.3),
         *mask = numbers("mask", QT * KT, -1, 1), out[N * HEADS * QT * D];
  er_tensor *x[5] = {kit_tensor(ts, ER_F64, 4, qs, q), kit_tensor(ts, ER_F64, 4, ks, k), kit_tensor(ts, ER_F64, 4, ks, v),
                     kit_tensor(ts, ER_F64, 1, &heads, slopes), kit_tensor(ts, ER_F64, 2, ms, mask)};
  const er_sdpa options[] = {{.causal = false}, {.causal = true}, {.causal = true, .window = 31, .softcap = 1.5}};
  (void)s;
  for (int i = 0; i < 3; i++) {
    er_sdpa o = options[i];
    o.slopes = x[3];
    o.mask = x[4];
    attend(q, k, v, slopes, mask, &o, out);
    assert_numbers(MUST(er_tensor_sdpa(x[0], x[1], x[2], &o, &err)), out, 1e-12);
  }
  for (int i = 0; i < 5; i++) er_tensor_unref(x[i]);
  free(q), free(k), free(v), free(slopes), free(mask);
}

/* Each output averages kept values, scaled so that the mean over draws stays. */
static void attention_drops_the_share_it_was_told(void **s) {
  int64_t size[4] = {1, 1, 400, 2}, vs[4] = {1, 1, 400, 1};
  er_tensor *q = MUST(er_tensor_full(ts, ER_F64, 4, size, 0, &err)),
            *v = MUST(er_tensor_full(ts, ER_F64, 4, vs, 1, &err)), *y;
  double *values, mean = 0, square = 0;
  (void)s;
  y = MUST(er_tensor_sdpa(q, q, v, &(er_sdpa){.dropout = 0.25}, &err));
  values = kit_values(y);
  for (int i = 0; i < 400; i++) {
    mean += values[i] / 400;
    square += values[i] * values[i] / 400;
  }
  assert_float_equal(mean, 1, 0.01);
  assert_float_equal(square - mean * mean, 0.25 / 0.75 / 400, 0.25 / 0.75 / 400 / 3);
  free(values);
  er_tensor_unref(q), er_tensor_unref(v), er_tensor_unref(y);
}

/* ---- losses ------------------------------------------------------------------------------------------- */

enum { ROWS = 33, WIDTH = 12, CLASSES = 50 };

typedef struct { double loss, lse[ROWS], each[ROWS], weights; } losses;

static losses by_hand(const double *h, const double *w, const double *weight, const int32_t *target, const er_loss *o) {
  losses l = {0};
  for (int r = 0; r < ROWS; r++) {
    double z[CLASSES], sum = 0, mean = 0;
    if (target[r] == o->ignore) continue;
    for (int c = 0; c < CLASSES; c++) {
      z[c] = 0;
      for (int i = 0; i < WIDTH; i++) z[c] += h[r * WIDTH + i] * w[c * WIDTH + i];
      if (o->softcap > 0) z[c] = o->softcap * tanh(z[c] / o->softcap);
      sum += exp(z[c]);
      mean += z[c] / CLASSES;
    }
    l.lse[r] = log(sum);
    l.each[r] = l.lse[r] - (1 - o->smoothing) * z[target[r]] - o->smoothing * mean + o->z_loss * l.lse[r] * l.lse[r];
    l.each[r] *= weight[r];
    l.weights += weight[r];
    l.loss += l.each[r];
  }
  return l;
}

static void losses_are_what_their_definitions_say(void **s) {
  int64_t hs[2] = {ROWS, WIDTH}, ws[2] = {CLASSES, WIDTH}, rows = ROWS;
  double *h = numbers("h", ROWS * WIDTH, -1, 1), *w = numbers("w", CLASSES * WIDTH, -1, 1),
         *weight = numbers("weight", ROWS, -1, 3);
  int32_t target[ROWS];
  er_tensor *x[4], *z, *lse, *y;
  const er_loss options[] = {{.total = 0}, {.softcap = 2}, {.z_loss = 0.1}, {.smoothing = 0.2},
                             {.softcap = 3, .z_loss = 0.1, .smoothing = 0.2}};
  (void)s;
  for (int i = 0; i < ROWS; i++) target[i] = i % 6 == 2 ? -1 : i * 7 % CLASSES;
  x[0] = kit_tensor(ts, ER_F64, 2, hs, h);
  x[1] = kit_tensor(ts, ER_F64, 2, ws, w);
  x[2] = kit_tensor(ts, ER_F32, 1, &rows, weight);
  x[3] = MUST(er_tensor_from(ts, ER_I32, 1, &rows, target, &err));
  z = MUST(er_tensor_linear(x[0], x[1], NULL, ER_ACT_NONE, &err));
  for (int i = 0; i < 5; i++) {
    er_loss o = options[i];
    o.weight = x[2];
    o.ignore = -1;
    losses want = by_hand(h, w, weight, target, &o);
    double mean = want.loss / want.weights, part = want.loss / 40;
    y = MUST(er_tensor_lm_loss(x[0], x[1], x[3], &o, &lse, &err));
    assert_numbers(y, &mean, 1e-12);
    assert_numbers(lse, want.lse, 1e-6);                     /* f32, as it is meant to be looked at */
    assert_numbers(MUST(er_tensor_cross_entropy(z, x[3], &o, &err)), &mean, 1e-12);
    o.reduction = ER_REDUCE_SUM;
    assert_numbers(MUST(er_tensor_lm_loss(x[0], x[1], x[3], &o, NULL, &err)), &want.loss, 1e-12);
    o.total = 40;
    assert_numbers(MUST(er_tensor_lm_loss(x[0], x[1], x[3], &o, NULL, &err)), &part, 1e-12);
    o.total = 0;
    o.reduction = ER_REDUCE_NONE;
    assert_numbers(MUST(er_tensor_lm_loss(x[0], x[1], x[3], &o, NULL, &err)), want.each, 1e-12);
    assert_numbers(MUST(er_tensor_cross_entropy(z, x[3], &o, &err)), want.each, 1e-12);
  }
  for (int i = 0; i < 4; i++) er_tensor_unref(x[i]);
  er_tensor_unref(z);
  free(h), free(w), free(weight);
}

/* ---- norms, convolution ---------------------------------------------------------------------------------- */

static void norms_are_what_their_definitions_say(void **s) {
  int64_t size[2] = {7, 40}, n = 40;
  double *x = numbers("x", 280, -3, 5), *r = numbers("r", 280, -3, 3), *w = numbers("w", 40, 0, 2),
         *b = numbers("b", 40, -1, 1), layer[280], rms[280];
  er_tensor *tx = kit_tensor(ts, ER_F64, 2, size, x), *tr = kit_tensor(ts, ER_F64, 2, size, r),
            *tw = kit_tensor(ts, ER_F64, 1, &n, w), *tb = kit_tensor(ts, ER_F64, 1, &n, b), *sum;
  (void)s;
  for (int i = 0; i < 7; i++) {
    double mean = 0, var = 0, square = 0, *row = x + 40 * i;
    for (int j = 0; j < 40; j++) row[j] += r[40 * i + j];
    for (int j = 0; j < 40; j++) mean += row[j] / 40;
    for (int j = 0; j < 40; j++) var += (row[j] - mean) * (row[j] - mean) / 40;
    for (int j = 0; j < 40; j++) square += row[j] * row[j] / 40;
    for (int j = 0; j < 40; j++) layer[40 * i + j] = (row[j] - mean) / sqrt(var + 1e-5) * w[j] + b[j];
    for (int j = 0; j < 40; j++) rms[40 * i + j] = row[j] / sqrt(square + 1e-6) * w[j];
  }
  assert_numbers(MUST(er_tensor_add_norm(tx, tr, tw, tb, 1e-5, true, &sum, &err)), layer, 1e-12);
  assert_numbers(MUST(er_tensor_layer_norm(sum, tw, tb, 1e-5, &err)), layer, 1e-12);
  assert_numbers(sum, x, 1e-15);
  assert_numbers(MUST(er_tensor_add_norm(tx, tr, tw, NULL, 1e-6, false, &sum, &err)), rms, 1e-12);
  assert_numbers(MUST(er_tensor_rms_norm(sum, tw, 1e-6, &err)), rms, 1e-12);
  er_tensor_unref(sum);
  er_tensor_unref(tx), er_tensor_unref(tr), er_tensor_unref(tw), er_tensor_unref(tb);
  free(x), free(r), free(w), free(b);
}

static void a_convolution_sees_the_past_alone(void **s) {
  int64_t xs[3] = {2, 9, 5}, ws[2] = {5, 4};
  double *x = numbers("x", 90, -1, 1), *w = numbers("w", 20, -1, 1), want[90];
  er_tensor *tx = kit_tensor(ts, ER_F64, 3, xs, x), *tw = kit_tensor(ts, ER_F64, 2, ws, w);
  (void)s;
  for (int i = 0; i < 90; i++) {
    int c = i % 5, t = i / 5 % 9;
    want[i] = 0;
    for (int k = 0; k < 4; k++)
      if (t - 3 + k >= 0) want[i] += w[c * 4 + k] * x[i + (k - 3) * 5];
  }
  assert_numbers(MUST(er_tensor_conv1d(tx, tw, NULL, &err)), want, 1e-14);
  er_tensor_unref(tx), er_tensor_unref(tw);
  free(x), free(w);
}

/* ---- what needs particular numbers ------------------------------------------------------------------------ */

static er_tensor *leaf(int64_t n, const double *values) {
  er_tensor *t = kit_tensor(ts, ER_F64, 1, &n, values);
  assert_int_equal(er_tensor_set_requires_grad(t, true, &err), 0);
  return t;
}

static void the_gradient_of_a_product_knows_its_zeros(void **s) {
  static const double in[3][4] = {{2, -3, 4, 5}, {2, 0, 4, 5}, {2, 0, 4, 0}},
                      want[3][4] = {{-60, 40, -30, -24}, {0, 40, 0, 0}, {0, 0, 0, 0}};
  (void)s;
  for (int i = 0; i < 3; i++) {
    er_tensor *x = leaf(4, in[i]), *y = MUST(er_tensor_reduce(ER_PROD, x, 0, false, &err));
    assert_int_equal(er_tensor_backward(y, NULL, &err), 0);
    assert_numbers(er_tensor_ref(er_tensor_grad(x)), want[i], 1e-15);
    er_tensor_unref(x), er_tensor_unref(y);
  }
}

static void of_several_for_one_place_the_last_stays(void **s) {
  static const double x0[] = {1, 2, 3, 4}, s0[] = {10, 20, 30}, want[] = {1, 30, 3, 10}, dx[] = {1, 0, 1, 0},
                      ds[] = {1, 0, 1};
  static const int32_t at[] = {3, 1, 1};
  int64_t three = 3;
  er_tensor *x = leaf(4, x0), *source = leaf(3, s0), *y, *sum,
            *index = MUST(er_tensor_from(ts, ER_I32, 1, &three, at, &err));
  (void)s;
  y = MUST(er_tensor_scatter(x, 0, index, source, &err));
  sum = MUST(er_tensor_reduce(ER_SUM, y, 0, false, &err));
  assert_int_equal(er_tensor_backward(sum, NULL, &err), 0);
  assert_numbers(y, want, 0);
  assert_numbers(er_tensor_ref(er_tensor_grad(x)), dx, 0);
  assert_numbers(er_tensor_ref(er_tensor_grad(source)), ds, 0);
  er_tensor_unref(x), er_tensor_unref(source), er_tensor_unref(index), er_tensor_unref(sum);
}

/* Mean and variance of normal numbers between -1 and 2 deviations, from the density at the ends. */
static void truncated_normal_numbers_have_their_moments(void **s) {
  int64_t n = 40000;
  er_tensor *x = MUST(er_tensor_full(ts, ER_F64, 1, &n, 0, &err));
  double *v, mean = 0, square = 0, phi_a = exp(-0.5) / sqrt(2 * M_PI), phi_b = exp(-2) / sqrt(2 * M_PI);
  double z = 0.5 * (erf(sqrt(2)) - erf(-sqrt(0.5))), m = (phi_a - phi_b) / z, var = 1 + (-phi_a - 2 * phi_b) / z - m * m;
  (void)s;
  assert_int_equal(er_tensor_trunc_normal(x, 5, 2, 3, 9, &err), 0);
  v = kit_values(x);
  for (int64_t i = 0; i < n; i++) {
    assert_true(v[i] >= 3 && v[i] <= 9);
    mean += v[i] / (double)n;
  }
  for (int64_t i = 0; i < n; i++) square += (v[i] - mean) * (v[i] - mean) / (double)n;
  assert_float_equal(mean, 5 + 2 * m, 0.03);
  assert_float_equal(square, 4 * var, 0.05);
  assert_int_equal(er_tensor_trunc_normal(x, 0, 1, 40, 50, &err), -1);
  assert_string_equal(err.code, "range");
  free(v);
  er_tensor_unref(x);
}

/* In f32, where 1 + erf(x) would have cancelled; a linear layer makes y and its slope in one pass. */
static void gelu_keeps_its_digits_far_below_zero(void **s) {
  enum { COUNT = 201 };
  er_tensors *f32 = kit_engine(1, false);
  int64_t shape[2] = {COUNT, 1}, one[2] = {1, 1};
  er_tensor *x = MUST(er_tensor_full(f32, ER_F32, 2, shape, 0, &err));
  er_tensor *w = MUST(er_tensor_full(f32, ER_F32, 2, one, 1, &err));
  (void)s;
  for (int i = 0; i < COUNT; i++) ((float *)er_tensor_view_of(x)->data)[i] = (float)(i - 100) / 20;
  assert_int_equal(er_tensor_set_requires_grad(x, true, &err), 0);
  er_tensor *y = MUST(er_tensor_linear(x, w, NULL, ER_ACT_GELU, &err));
  er_tensor *ones = MUST(er_tensor_full(f32, ER_F32, 2, shape, 1, &err));
  double *values = kit_values(y), *slopes;
  assert_int_equal(er_tensor_backward(y, ones, &err), 0);
  slopes = kit_values(er_tensor_grad(x));
  for (int i = 0; i < COUNT; i++) {
    double v = (i - 100) / 20.0, below = 0.5 * erfc(-v / sqrt(2));
    assert_true(fabs(values[i] - v * below) <= 2e-6 * fabs(v * below));
    assert_true(fabs(slopes[i] - below - v * exp(-v * v / 2) / sqrt(2 * 3.14159265358979323846)) <= 1e-6);
  }
  free(values);
  free(slopes);
  er_tensor_unref(x);
  er_tensor_unref(w);
  er_tensor_unref(y);
  er_tensor_unref(ones);
  er_tensors_close(f32);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
    T(attention_is_what_its_definition_says),
    T(attention_drops_the_share_it_was_told),
    T(losses_are_what_their_definitions_say),
    T(norms_are_what_their_definitions_say),
    T(a_convolution_sees_the_past_alone),
    T(the_gradient_of_a_product_knows_its_zeros),
    T(of_several_for_one_place_the_last_stays),
    T(truncated_normal_numbers_have_their_moments),
    T(gelu_keeps_its_digits_far_below_zero),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
