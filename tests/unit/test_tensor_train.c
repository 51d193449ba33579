/* test_tensor_train.c - whole training steps: the same bits for any number of threads, and after a resume. */

#include "tensor_kit.h"

enum { V = 96, C = 96, H = 4, B = 4, T = 32, STEPS = 3, PARAMS = 6 };
enum { WTE, QKV, OUT, FC, PROJ, NORM };

static const struct { int nd; int64_t size[2]; } shapes[PARAMS] = {
  [WTE] = {2, {V, C}}, [QKV] = {2, {3 * C, C}}, [OUT] = {2, {C, C}}, [FC] = {2, {4 * C, C}}, [PROJ] = {2, {C, 4 * C}},
  [NORM] = {1, {C}}};

typedef struct {
  er_tensors *ts;
  er_tensor *p[PARAMS], *m[PARAMS], *v[PARAMS], *master[PARAMS];           /* master: of bf16 alone */
  int step;
} run;

static er_err err;
#define MUST(call) kit_must(call, &err)

/* Lets go of x; hands y on. */
static er_tensor *then(er_tensor *x, er_tensor *y) {
  er_tensor_unref(x);
  return y;
}

static er_tensors *engine(int threads, bool own) {
  return er_tensors_open(&(er_tensors_options){.threads = threads, .seed = 3, .own_products = own});
}

static run start(er_tensors *ts, er_dtype d) {
  run r = {.ts = ts};
  for (int i = 0; i < PARAMS; i++) {
    er_tensor *w = i == NORM ? MUST(er_tensor_full(ts, ER_F32, 1, shapes[i].size, 1, &err))
                             : MUST(er_tensor_random(ts, ER_F32, 2, shapes[i].size, ER_RAND_NORMAL, 0, 0.1, &err));
    r.p[i] = MUST(er_tensor_to(w, d, &err));
    if (d == ER_BF16) r.master[i] = er_tensor_ref(w);
    er_tensor_unref(w);
    r.m[i] = MUST(er_tensor_full(ts, ER_F32, shapes[i].nd, shapes[i].size, 0, &err));
    r.v[i] = MUST(er_tensor_full(ts, ER_F32, shapes[i].nd, shapes[i].size, 0, &err));
    assert_int_equal(er_tensor_set_requires_grad(r.p[i], true, &err), 0);
  }
  return r;
}

static void end(run *r) {
  for (int i = 0; i < PARAMS; i++) {
    er_tensor *mine[] = {r->p[i], r->m[i], r->v[i], r->master[i]};
    for (int k = 0; k < 4; k++) er_tensor_unref(mine[k]);
  }
  er_tensors_close(r->ts);
}

static er_tensor *tokens(const run *r, int shift) {
  int64_t size[2] = {B, T};
  er_tensor *t = MUST(er_tensor_empty(r->ts, ER_I32, 2, size, &err));
  for (int i = 0; i < B * T; i++) ((int32_t *)er_tensor_view_of(t)->data)[i] = (i + shift) * (i + r->step) % V;
  return t;
}

/* Queries, keys or values of the packed projection, with rotary positions. */
static er_tensor *heads(er_tensor *qkv, int which) {
  int64_t size[4] = {B, T, H, C / H};
  er_tensor *x = MUST(er_tensor_narrow(qkv, 2, which * C, C, &err));
  x = then(x, MUST(er_tensor_view(x, 4, size, &err)));
  x = then(x, MUST(er_tensor_transpose(x, 1, 2, &err)));
  return which == 2 ? x : then(x, MUST(er_tensor_rope(x, &(er_rope){.base = 0}, &err)));
}

static er_tensor *attended(const run *r, er_tensor *x) {
  int64_t flat[3] = {B, T, C};
  er_tensor *qkv = MUST(er_tensor_linear(x, r->p[QKV], NULL, ER_ACT_NONE, &err)), *q = heads(qkv, 0), *k = heads(qkv, 1),
            *v = heads(qkv, 2), *y;
  er_tensor_unref(qkv);
  y = MUST(er_tensor_sdpa(q, k, v, &(er_sdpa){.causal = true, .dropout = 0.1}, &err));
  er_tensor_unref(q);
  er_tensor_unref(k);
  er_tensor_unref(v);
  y = then(y, MUST(er_tensor_transpose(y, 1, 2, &err)));
  y = then(y, MUST(er_tensor_reshape(y, 3, flat, &err)));
  return then(y, MUST(er_tensor_linear(y, r->p[OUT], NULL, ER_ACT_NONE, &err)));
}

static er_tensor *loss_of(const run *r) {
  er_loss o = er_loss_defaults();
  er_tensor *ids = tokens(r, 0), *targets = tokens(r, 1), *x = MUST(er_tensor_embedding(ids, r->p[WTE], &err)), *h, *a, *sum;
  h = MUST(er_tensor_rms_norm(x, r->p[NORM], 1e-6, &err));
  a = then(h, attended(r, h));
  h = MUST(er_tensor_add_norm(x, a, r->p[NORM], NULL, 1e-6, false, &sum, &err));
  er_tensor_unref(x);
  er_tensor_unref(a);
  h = then(h, MUST(er_tensor_linear(h, r->p[FC], NULL, ER_ACT_GELU_TANH, &err)));
  h = then(h, MUST(er_tensor_dropout(h, 0.1, &err)));
  h = then(h, MUST(er_tensor_linear(h, r->p[PROJ], NULL, ER_ACT_NONE, &err)));
  h = then(h, MUST(er_tensor_binary(ER_EW_ADD, h, sum, 1, &err)));
  er_tensor_unref(sum);
  h = then(h, MUST(er_tensor_lm_loss(h, r->p[WTE], targets, &o, NULL, &err)));
  er_tensor_unref(ids);
  er_tensor_unref(targets);
  return h;
}

static void train(run *r, int steps) {
  for (int i = 0; i < steps; i++) {
    er_tensor *loss = loss_of(r);
    er_state list[PARAMS];
    double norm;
    r->step++;
    er_adamw h = {0.01, 0.9, 0.95, 1e-8, 0.1, 1 - pow(0.9, r->step), 1 - pow(0.95, r->step), 1};
    if (er_tensor_backward(loss, NULL, &err) < 0) fail_msg("%s", err.msg);
    er_tensor_unref(loss);
    assert_int_equal(er_tensor_grad_norm(r->p, PARAMS, &norm, &err), 0);
    h.grad_scale = norm > 1 ? 1 / norm : 1;
    for (int p = 0; p < PARAMS; p++) list[p] = (er_state){r->p[p], r->m[p], r->v[p], r->master[p]};
    assert_int_equal(er_tensor_adamw(list, PARAMS, &h, &err), 0);
    for (int p = 0; p < PARAMS; p++) er_tensor_set_grad(r->p[p], NULL, &err);
  }
}

static void assert_same(const run *a, const run *b, const char *what) {
  for (int i = 0; i < PARAMS; i++) {
    er_tensor *const pairs[3][2] = {{a->p[i], b->p[i]}, {a->m[i], b->m[i]}, {a->v[i], b->v[i]}};
    for (int k = 0; k < 3; k++)
      if (memcmp(er_tensor_view_of(pairs[k][0])->data, er_tensor_view_of(pairs[k][1])->data, er_tensor_bytes(pairs[k][0])))
        fail_msg("%s: parameter %d differs (%d)", what, i, k);
  }
}

static void threads_change_no_bit(void **s) {
  (void)s;
  for (int kind = 0; kind < 4; kind++) {
    bool own = kind & 1;
    er_dtype d = kind & 2 ? ER_BF16 : ER_F32;
    run one = start(engine(1, own), d);
    train(&one, STEPS);
    for (int threads = 2; threads <= 3; threads++) {
      run many = start(engine(threads, own), d);
      train(&many, STEPS);
      assert_same(&one, &many, own ? "erlua's own products" : er_tensors_gemm(many.ts));
      end(&many);
    }
    end(&one);
  }
}

static void both_kinds_of_products_agree(void **s) {
  run a = start(engine(2, false), ER_F32), b = start(engine(2, true), ER_F32);
  (void)s;
  assert_string_equal(er_tensors_gemm(b.ts), er_tensors_backend(b.ts)->name);
  train(&a, 1);
  train(&b, 1);
  for (int i = 0; i < PARAMS; i++) {
    double *x = kit_values(a.m[i]), *y = kit_values(b.m[i]);
    assert_true(kit_rel(x, y, er_tensor_count(a.m[i]), 0) < 1e-5);
    free(x);
    free(y);
  }
  end(&a);
  end(&b);
}

/* A tensor's bytes in another engine. */
static void bring(er_tensor *to, const er_tensor *from) {
  memcpy(er_tensor_view_of(to)->data, er_tensor_view_of(from)->data, er_tensor_bytes(from));
}

static void a_resumed_run_goes_on_bit_for_bit(void **s) {
  (void)s;
  for (er_dtype d = ER_F32; d <= ER_BF16; d++) {
    run whole = start(engine(2, false), d), first = start(engine(2, false), d), second = start(engine(1, false), d);
    train(&whole, 2 * STEPS);
    train(&first, STEPS);
    for (int i = 0; i < PARAMS; i++) {
      bring(second.p[i], first.p[i]);
      bring(second.m[i], first.m[i]);
      bring(second.v[i], first.v[i]);
      if (d == ER_BF16) bring(second.master[i], first.master[i]);
    }
    second.step = first.step;
    er_tensors_set_random(second.ts, er_tensors_random(first.ts));
    train(&second, STEPS);
    assert_same(&whole, &second, "resumed");
    end(&whole);
    end(&first);
    end(&second);
  }
}

static void bf16_with_masters_follows_f32(void **s) {
  run f = start(engine(2, false), ER_F32), h = start(engine(2, false), ER_BF16);
  (void)s;
  train(&f, 2 * STEPS);
  train(&h, 2 * STEPS);
  for (int i = 0; i < PARAMS; i++) {
    double *x = kit_values(h.master[i]), *y = kit_values(f.p[i]);
    assert_true(kit_rel(x, y, er_tensor_count(f.p[i]), 0) < 3e-2);
    free(x);
    free(y);
  }
  end(&f);
  end(&h);
}

static void memory_is_the_same_after_every_step(void **s) {
  run r = start(engine(2, false), ER_F32);
  er_tensors_memory after[2];
  (void)s;
  for (int i = 0; i < 2; i++) {
    train(&r, i == 0 ? 2 : 10);
    after[i] = er_tensors_memory_of(r.ts);
  }
  assert_int_equal(after[1].live, after[0].live);
  assert_int_equal(after[1].cached, after[0].cached);
  assert_int_equal(after[1].peak, after[0].peak);
  end(&r);
}

/* Wherever memory ends in a step, the step ends with an error, and what is left is a model that trains on. */
static void a_step_without_memory_can_be_taken_again(void **s) {
  run r = start(engine(1, false), ER_F32), whole = start(engine(1, false), ER_F32);
  int64_t before = er_tensors_memory_of(r.ts).tensors;
  (void)s;
  for (int64_t n = 5; n < 60; n += 7) {
    er_key key = er_tensors_random(r.ts);
    er_tensor *loss = loss_of(&r);
    int rc;
    er_tensors_refuse_at(r.ts, n);
    rc = er_tensor_backward(loss, NULL, &err);
    assert_true((rc < 0) == (er_tensors_refuse_at(r.ts, 0) == 0));
    assert_true(er_tensors_grad(r.ts));
    er_tensor_unref(loss);
    for (int i = 0; i < PARAMS; i++) er_tensor_set_grad(r.p[i], NULL, &err);
    assert_true(er_tensors_memory_of(r.ts).tensors <= before + 2);         /* the two tables of rotary angles stay */
    er_tensors_set_random(r.ts, key);
  }
  train(&r, 1);
  train(&whole, 1);
  assert_same(&r, &whole, "after failed steps");
  end(&r);
  end(&whole);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(threads_change_no_bit),
    cmocka_unit_test(both_kinds_of_products_agree),
    cmocka_unit_test(a_resumed_run_goes_on_bit_for_bit),
    cmocka_unit_test(bf16_with_masters_follows_f32),
    cmocka_unit_test(memory_is_the_same_after_every_step),
    cmocka_unit_test(a_step_without_memory_can_be_taken_again),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
