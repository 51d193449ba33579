/* test_tensor_nats.c - the cross-entropy that scores are made of, against libm in long double, for each set of instructions. */

#include "tensor_kit.h"

#define OK(call) do { if ((call) < 0) fail_msg("%s: %s", #call, err.msg); } while (0)

static const char *const sets[] = {"plain", "avx2", "avx512"};    /* those that the CPU lacks stand for the best it has */
static er_err err;

static er_tensors *engine(const char *isa, int threads) {
  setenv("ERLUA_ISA", isa, 1);
  er_tensors *ts = kit_engine(threads, false);
  unsetenv("ERLUA_ISA");
  return ts;
}

static double by_libm(const float *x, int64_t n, int64_t target) {
  long double most = (long double)x[0], sum = 0;
  for (int64_t i = 1; i < n; i++) most = (long double)x[i] > most ? (long double)x[i] : most;
  for (int64_t i = 0; i < n; i++) sum += expl((long double)x[i] - most);
  return (double)(logl(sum) + (most - (long double)x[target]));
}

static er_view rows_of(float *x, int64_t rows, int64_t n) {
  return (er_view){.data = x, .dtype = ER_F32, .nd = 2, .size = {rows, n}, .stride = {n, 1}};
}

static void check_row(er_tensors *ts, float *x, int64_t n, int32_t target) {
  er_view v = rows_of(x, 1, n);
  double got, want = by_libm(x, n, target);
  OK(er_tensor_nats(ts, &v, &target, &got, &err));
  if (!(fabs(got - want) <= 1e-12 * fabs(want) + 2e-15))
    fail_msg("%lld numbers, target %d: %.17g and not %.17g", (long long)n, target, got, want);
}

/* A row whose sum is made of one exponential, many times: an error of it is one of the loss. */
static void each_exponential_is_right(void **s) {
  enum { SAME = 4096 };
  static float x[SAME + 1];
  (void)s;
  for (int k = 0; k < 3; k++) {
    er_tensors *ts = engine(sets[k], 1);
    for (int i = 0; i <= 400; i++) {
      for (int j = 1; j <= SAME; j++) x[j] = -(float)i * 0.03021f;
      check_row(ts, x, SAME + 1, 1);
    }
    er_tensors_close(ts);
  }
}

static void rows_of_any_length_and_scale_are_right(void **s) {
  static const int64_t lengths[] = {1, 2, 3, 15, 16, 17, 31, 255, 256, 300, 1000, 50257};
  static const double scales[] = {0, 0.01, 1, 20, 300, 1e5, 1e30};
  static float x[50257];
  er_rng r;
  (void)s;
  er_rng_seed(&r, 3, "logits");
  for (int k = 0; k < 3; k++) {
    er_tensors *ts = engine(sets[k], 1);
    for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++)
      for (size_t a = 0; a < sizeof scales / sizeof *scales; a++) {
        for (int64_t i = 0; i < lengths[l]; i++) x[i] = (float)(scales[a] * (2 * er_rng_unit(&r) - 1.5));
        check_row(ts, x, lengths[l], (int32_t)er_rng_below(&r, (uint64_t)lengths[l]));
      }
    er_tensors_close(ts);
  }
}

/* What there is of logits, with steps between them and as bf16, is read where it is. */
static void strides_and_dtypes_are_read(void **s) {
  enum { B = 3, N = 37 };
  er_tensors *ts = engine("", 1);
  static const int32_t targets[B] = {0, 36, 11};
  double values[B * N], plain[B], got[B];
  er_rng r;
  (void)s;
  er_rng_seed(&r, 4, "logits");
  for (int i = 0; i < B * N; i++) values[i] = (double)((int)er_rng_below(&r, 200) - 100) / 16;
  er_tensor *x = kit_tensor(ts, ER_F32, 2, (int64_t[]){B, N}, values), *half = kit_must(er_tensor_to(x, ER_BF16, &err), &err),
            *turned = kit_must(er_tensor_transpose(x, 0, 1, &err), &err), *packed = kit_must(er_tensor_contiguous_of(turned, &err), &err),
            *back = kit_must(er_tensor_transpose(packed, 0, 1, &err), &err);
  OK(er_tensor_nats(ts, er_tensor_view_of(x), targets, plain, &err));
  for (int i = 0; i < B; i++)
    assert_true(fabs(plain[i] - by_libm((const float *)er_tensor_view_of(x)->data + i * N, N, targets[i])) < 1e-13);
  OK(er_tensor_nats(ts, er_tensor_view_of(half), targets, got, &err));
  assert_memory_equal(got, plain, sizeof got);
  OK(er_tensor_nats(ts, er_tensor_view_of(back), targets, got, &err));
  assert_memory_equal(got, plain, sizeof got);
  er_tensor *all[] = {x, half, turned, packed, back};
  for (int i = 0; i < 5; i++) er_tensor_unref(all[i]);
  er_tensors_close(ts);
}

static void a_row_with_a_number_that_is_not_finite_has_no_loss(void **s) {
  static const float bad[] = {NAN, INFINITY, -INFINITY};
  (void)s;
  for (int k = 0; k < 3; k++) {
    er_tensors *ts = engine(sets[k], 1);
    for (int i = 0; i < 3; i++)
      for (int at = 0; at < 35; at++) {
        float x[70] = {0};
        int32_t targets[2] = {3, 3};
        double got[2];
        er_view v = rows_of(x, 2, 35);
        x[35 + at] = bad[i];
        OK(er_tensor_nats(ts, &v, targets, got, &err));
        assert_true(got[0] > 3.5 && got[0] < 3.6 && isnan(got[1]));
      }
    er_tensors_close(ts);
  }
}

static void the_bits_do_not_depend_on_the_number_of_threads(void **s) {
  enum { B = 500, N = 257 };
  static float x[B * N];
  static int32_t targets[B];
  static double one[B], three[B];
  er_view v = rows_of(x, B, N);
  er_tensors *a = engine("", 1), *b = engine("", 3);
  er_rng r;
  (void)s;
  er_rng_seed(&r, 5, "logits");
  for (int i = 0; i < B * N; i++) x[i] = (float)(8 * er_rng_unit(&r));
  OK(er_tensor_nats(a, &v, targets, one, &err));
  OK(er_tensor_nats(b, &v, targets, three, &err));
  assert_memory_equal(one, three, sizeof one);
  er_tensors_close(a);
  er_tensors_close(b);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(each_exponential_is_right),
    cmocka_unit_test(rows_of_any_length_and_scale_are_right),
    cmocka_unit_test(strides_and_dtypes_are_read),
    cmocka_unit_test(a_row_with_a_number_that_is_not_finite_has_no_loss),
    cmocka_unit_test(the_bits_do_not_depend_on_the_number_of_threads),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
