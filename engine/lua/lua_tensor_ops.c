/* lua_tensor_ops.c - operators from Lua that go element by element, reduce, multiply and normalise. */

#include <math.h>
#include <string.h>

#include "lua/tensor_face.h"

#define RETURN(call)                    \
  do {                                  \
    er_err err;                         \
    er_tensor *y_ = (call);             \
    return er_face_push(L, y_, &err);   \
  } while (0)

/* ---- element by element ------------------------------------------------------------------------- */

static int unary(lua_State *L) {
  er_ew op = (er_ew)lua_tointeger(L, lua_upvalueindex(1));
  RETURN(er_tensor_unary(op, er_face_arg(L, 1), 0, 0, &err));
}

/* x op s, for a number s. */
static er_tensor *with_number(er_ew op, er_tensor *x, double s, double scale, er_err *err) {
  switch (op) {
    case ER_EW_ADD: case ER_EW_ADD_SCALED: return er_tensor_unary(ER_EW_AFFINE, x, 1, s * scale, err);
    case ER_EW_SUB: return er_tensor_unary(ER_EW_AFFINE, x, 1, -s * scale, err);
    case ER_EW_MUL: return er_tensor_unary(ER_EW_AFFINE, x, s, 0, err);
    case ER_EW_DIV: {
      if (er_dtype_is_float(er_tensor_view_of(x)->dtype)) return er_tensor_unary(ER_EW_AFFINE, x, 1 / s, 0, err);
      er_tensor *f = er_tensor_to(x, ER_F32, err),
                *y = f != NULL ? er_tensor_unary(ER_EW_AFFINE, f, 1 / s, 0, err) : NULL;
      er_tensor_unref(f);
      return y;
    }
    case ER_EW_POW: return er_tensor_unary(ER_EW_POW_S, x, s, 0, err);
    case ER_EW_MIN: return er_tensor_unary(ER_EW_CLAMP, x, -INFINITY, s, err);
    case ER_EW_MAX: return er_tensor_unary(ER_EW_CLAMP, x, s, INFINITY, err);
    default: return er_tensor_unary(ER_EW_CMP_S, x, s, op - ER_EW_EQ, err);
  }
}

/* s op x. */
static er_tensor *number_with(er_ew op, double s, er_tensor *x, er_err *err) {
  static const er_ew mirrored[] = {ER_EW_EQ, ER_EW_NE, ER_EW_GT, ER_EW_GE, ER_EW_LT, ER_EW_LE};
  switch (op) {
    case ER_EW_SUB: return er_tensor_unary(ER_EW_AFFINE, x, -1, s, err);
    case ER_EW_DIV: return er_tensor_unary(ER_EW_RDIV, x, s, 0, err);
    case ER_EW_POW: return er_tensor_unary(ER_EW_S_POW, x, s, 0, err);
    case ER_EW_EQ: case ER_EW_NE: case ER_EW_LT: case ER_EW_LE: case ER_EW_GT: case ER_EW_GE:
      return with_number(mirrored[op - ER_EW_EQ], x, s, 1, err);
    default: return with_number(op, x, s, 1, err);
  }
}

static er_tensor *alpha_scaled(er_ew op, er_tensor *a, er_tensor *b, double alpha, er_err *err) {
  if (alpha == 1) return er_tensor_binary(op, a, b, 1, err);
  return er_tensor_binary(ER_EW_ADD_SCALED, a, b, op == ER_EW_SUB ? -alpha : alpha, err);
}

/* add and sub take { alpha = } as in PyTorch, the others nothing. */
static double alpha_of(lua_State *L, er_ew op) {
  static const char *const names[] = {"alpha", NULL};
  bool sums = op == ER_EW_ADD || op == ER_EW_SUB;
  er_face_options(L, 3, sums ? names : names + 1);
  return er_face_number(L, 3, "alpha", 1);
}

/* (tensor, tensor), (tensor, number) or (number, tensor) */
static int binary(lua_State *L) {
  er_ew op = (er_ew)lua_tointeger(L, lua_upvalueindex(1));
  double alpha = alpha_of(L, op);
  if (lua_type(L, 1) == LUA_TNUMBER && lua_type(L, 2) != LUA_TNUMBER)
    RETURN(number_with(op, lua_tonumber(L, 1), er_face_arg(L, 2), &err));
  if (lua_type(L, 2) == LUA_TNUMBER && op != ER_EW_AND && op != ER_EW_OR && op != ER_EW_SWIGLU)
    RETURN(with_number(op, er_face_arg(L, 1), lua_tonumber(L, 2), alpha, &err));
  RETURN(alpha_scaled(op, er_face_arg(L, 1), er_face_arg(L, 2), alpha, &err));
}

static int op_gelu(lua_State *L) {
  const char *kind = luaL_optstring(L, 2, "none");
  if (strcmp(kind, "none") != 0 && strcmp(kind, "tanh") != 0)
    return luaL_argerror(L, 2, "gelu is computed by \"none\" or \"tanh\"");
  RETURN(er_tensor_unary(kind[0] == 't' ? ER_EW_GELU_TANH : ER_EW_GELU, er_face_arg(L, 1), 0, 0, &err));
}

static int op_softcap(lua_State *L) {
  RETURN(er_tensor_unary(ER_EW_SOFTCAP, er_face_arg(L, 1), luaL_checknumber(L, 2), 0, &err));
}

static int op_clamp(lua_State *L) {
  RETURN(er_tensor_unary(ER_EW_CLAMP, er_face_arg(L, 1), luaL_optnumber(L, 2, -INFINITY),
                         luaL_optnumber(L, 3, INFINITY), &err));
}

/* A number as a tensor of the dtype of `like`, or of f32 where that is of integers and it is none; held on the stack. */
static er_tensor *operand(lua_State *L, int arg, er_tensor *like) {
  er_dtype d = like != NULL ? er_tensor_view_of(like)->dtype : ER_F32;
  double v;
  er_err err;
  if (lua_type(L, arg) != LUA_TNUMBER) return er_face_arg(L, arg);
  v = lua_tonumber(L, arg);
  if (v != floor(v) || isinf(v)) d = er_dtype_is_float(d) ? d : ER_F32;
  er_face_push(L, er_tensor_full(er_face_tensors(L), d, 0, NULL, v, &err), &err);
  lua_replace(L, arg);
  return er_face_arg(L, arg);
}

static int op_where(lua_State *L) {
  er_tensor *a = er_face_test(L, 2), *b = er_face_test(L, 3);
  a = operand(L, 2, b);
  b = operand(L, 3, a);
  RETURN(er_tensor_where(er_face_arg(L, 1), a, b, &err));
}

/* masked_fill(x, mask, value): the value where the mask is not 0 */
static int op_masked_fill(lua_State *L) {
  er_tensor *x = er_face_arg(L, 1), *mask = er_face_arg(L, 2), *value = operand(L, 3, x);
  RETURN(er_tensor_where(mask, value, x, &err));
}

static int op_masked_fill_(lua_State *L) {
  er_tensor *x = er_face_arg(L, 1), *mask = er_face_arg(L, 2), *value = operand(L, 3, x), *y;
  bool was = er_tensors_set_grad(er_face_tensors(L), false);
  er_err err;
  y = er_tensor_where(mask, value, x, &err);
  er_tensors_set_grad(er_face_tensors(L), was);
  er_face_push(L, y, &err);
  er_face_check(L, er_tensor_copy(er_face_arg(L, 1), y, &err), &err);
  lua_settop(L, 1);
  return 1;
}

static int op_lerp(lua_State *L) {
  er_tensor *a = er_face_arg(L, 1), *b = er_face_arg(L, 2), *w = operand(L, 3, a);
  RETURN(er_tensor_lerp(a, b, w, &err));
}

static int op_addc(lua_State *L) {
  er_ew op = (er_ew)lua_tointeger(L, lua_upvalueindex(1));
  RETURN(er_tensor_addc(op, er_face_arg(L, 1), er_face_arg(L, 2), er_face_arg(L, 3), luaL_optnumber(L, 4, 1), &err));
}

static int op_to(lua_State *L) {
  er_tensor *t = er_face_arg(L, 1);
  if (lua_type(L, 2) == LUA_TSTRING && strcmp(lua_tostring(L, 2), "cpu") == 0) RETURN(er_tensor_ref(t));
  RETURN(er_tensor_to(t, er_face_dtype_at(L, 2), &err));
}

static int op_clone(lua_State *L) { RETURN(er_tensor_clone(er_face_arg(L, 1), &err)); }

/* ---- in place: each returns its tensor ------------------------------------------------------------------ */

static int inplace(lua_State *L, er_ew op, int n, er_tensor *const *others, const double *p) {
  er_err err;
  er_face_check(L, er_tensor_inplace(op, er_face_arg(L, 1), n, others, p, &err), &err);
  lua_settop(L, 1);
  return 1;
}

static int inplace_unary(lua_State *L) {
  return inplace(L, (er_ew)lua_tointeger(L, lua_upvalueindex(1)), 0, NULL, NULL);
}

static int inplace_binary(lua_State *L) {
  er_ew op = (er_ew)lua_tointeger(L, lua_upvalueindex(1));
  er_tensor *x = er_face_arg(L, 1), *other;
  double alpha = alpha_of(L, op), p[4] = {op == ER_EW_SUB ? -alpha : alpha, 0, 0, 0};
  other = operand(L, 2, er_dtype_is_float(er_tensor_view_of(x)->dtype) ? x : NULL);
  if (alpha != 1 && (op == ER_EW_ADD || op == ER_EW_SUB)) op = ER_EW_ADD_SCALED;
  return inplace(L, op, 1, &other, p);
}

static int inplace_lerp(lua_State *L) {
  er_tensor *x = er_face_arg(L, 1), *others[2] = {er_face_arg(L, 2), operand(L, 3, x)};
  return inplace(L, ER_EW_LERP, 2, others, NULL);
}

static int inplace_addc(lua_State *L) {
  er_tensor *others[2] = {er_face_arg(L, 2), er_face_arg(L, 3)};
  double p[4] = {luaL_optnumber(L, 4, 1), 0, 0, 0};
  return inplace(L, (er_ew)lua_tointeger(L, lua_upvalueindex(1)), 2, others, p);
}

static int inplace_clamp(lua_State *L) {
  double p[4] = {luaL_optnumber(L, 2, -INFINITY), luaL_optnumber(L, 3, INFINITY), 0, 0};
  return inplace(L, ER_EW_CLAMP, 0, NULL, p);
}

static int fill_with(lua_State *L, double value) {
  er_err err;
  er_face_check(L, er_tensor_fill(er_face_arg(L, 1), value, &err), &err);
  lua_settop(L, 1);
  return 1;
}

static int op_zero_(lua_State *L) { return fill_with(L, 0); }
static int op_fill_(lua_State *L) { return fill_with(L, luaL_checknumber(L, 2)); }

static int op_copy_(lua_State *L) {
  er_err err;
  er_face_check(L, er_tensor_copy(er_face_arg(L, 1), er_face_arg(L, 2), &err), &err);
  lua_settop(L, 1);
  return 1;
}

static int random_(lua_State *L, er_rand kind, double a, double b) {
  er_err err;
  er_face_check(L, er_tensor_random_fill(er_face_arg(L, 1), kind, a, b, &err), &err);
  lua_settop(L, 1);
  return 1;
}

static int op_uniform_(lua_State *L) {
  return random_(L, ER_RAND_UNIFORM, luaL_optnumber(L, 2, 0), luaL_optnumber(L, 3, 1));
}
static int op_normal_(lua_State *L) {
  return random_(L, ER_RAND_NORMAL, luaL_optnumber(L, 2, 0), luaL_optnumber(L, 3, 1));
}
/* trunc_normal_(x, mean, std, a, b) */
static int op_trunc_normal_(lua_State *L) {
  double mean = luaL_optnumber(L, 2, 0), std = luaL_optnumber(L, 3, 1), a = luaL_optnumber(L, 4, -2),
         b = luaL_optnumber(L, 5, 2);
  er_err err;
  er_face_check(L, er_tensor_trunc_normal(er_face_arg(L, 1), mean, std, a, b, &err), &err);
  lua_settop(L, 1);
  return 1;
}

static int op_bernoulli_(lua_State *L) { return random_(L, ER_RAND_BERNOULLI, luaL_optnumber(L, 2, 0.5), 0); }

/* ---- reductions ----------------------------------------------------------------------------------------------- */

static int reduce(lua_State *L) {
  er_tensor *x = er_face_arg(L, 1);
  unsigned dims = er_face_dims(L, 2, x);
  RETURN(er_tensor_reduce((er_reduction)lua_tointeger(L, lua_upvalueindex(1)), x, dims, lua_toboolean(L, 3), &err));
}

static er_tensor *root(er_tensor *x, er_err *err) {
  er_tensor *y = x != NULL ? er_tensor_root(x, err) : NULL;
  er_tensor_unref(x);
  return y;
}

/* any(x, dims, keep), all(x, dims, keep) */
static int truth(lua_State *L) {
  er_tensor *x = er_face_arg(L, 1);
  unsigned dims = er_face_dims(L, 2, x);
  RETURN(er_tensor_any(x, dims, lua_toboolean(L, 3), lua_toboolean(L, lua_upvalueindex(1)), &err));
}

static int op_norm(lua_State *L) {
  er_tensor *x = er_face_arg(L, 1);
  unsigned dims = er_face_dims(L, 2, x);
  RETURN(root(er_tensor_reduce(ER_SUM_SQUARES, x, dims, lua_toboolean(L, 3), &err), &err));
}

/* var(x, dim, keepdim, correction) */
static er_tensor *variance(lua_State *L, er_err *err) {
  er_tensor *x = er_face_arg(L, 1);
  unsigned dims = er_face_dims(L, 2, x);
  return er_tensor_var(x, dims, luaL_optnumber(L, 4, 1), lua_toboolean(L, 3), err);
}

static int op_var(lua_State *L) { RETURN(variance(L, &err)); }
static int op_std(lua_State *L) { RETURN(root(variance(L, &err), &err)); }

/* max(x), max(x, dim, keepdim) -> values, indices */
static int extreme(lua_State *L) {
  er_red op = (er_red)lua_tointeger(L, lua_upvalueindex(1));
  er_tensor *x = er_face_arg(L, 1), *index = NULL, *y;
  er_err err;
  if (lua_isnoneornil(L, 2)) {
    er_face_push(L, er_tensor_reshape(x, 1, (int64_t[]){-1}, &err), &err);
    return er_face_push(L, er_tensor_extreme(op, er_face_arg(L, lua_gettop(L)), 0, false, NULL, &err), &err);
  }
  y = er_tensor_extreme(op, x, er_face_dim(L, 2, 0), lua_toboolean(L, 3), &index, &err);
  er_face_push(L, y, &err);
  er_face_push(L, index, &err);
  return 2;
}

static int arg_extreme(lua_State *L) {
  er_red op = (er_red)lua_tointeger(L, lua_upvalueindex(1));
  er_tensor *x = er_face_arg(L, 1);
  er_err err;
  if (!lua_isnoneornil(L, 2))
    return er_face_push(L, er_tensor_argextreme(op, x, er_face_dim(L, 2, 0), lua_toboolean(L, 3), &err), &err);
  er_face_push(L, er_tensor_reshape(x, 1, (int64_t[]){-1}, &err), &err);
  return er_face_push(L, er_tensor_argextreme(op, er_face_arg(L, lua_gettop(L)), 0, false, &err), &err);
}

static int op_cumsum(lua_State *L) { RETURN(er_tensor_cumsum(er_face_arg(L, 1), er_face_dim(L, 2, -1), &err)); }
static int op_logsumexp(lua_State *L) {
  RETURN(er_tensor_logsumexp(er_face_arg(L, 1), er_face_dim(L, 2, -1), lua_toboolean(L, 3), &err));
}
static int op_softmax(lua_State *L) {
  RETURN(er_tensor_softmax(er_face_arg(L, 1), er_face_dim(L, 2, -1), lua_toboolean(L, lua_upvalueindex(1)), &err));
}

/* ---- products and norms ------------------------------------------------------------------------------------------ */

static int op_matmul(lua_State *L) { RETURN(er_tensor_matmul(er_face_arg(L, 1), er_face_arg(L, 2), &err)); }

/* linear(x, w, bias, activation) */
static int op_linear(lua_State *L) {
  int act = er_act_of(luaL_optstring(L, 4, "none"));
  if (act < 0)
    return luaL_argerror(L, 4, "an activation is \"none\", \"relu\", \"relu2\", \"gelu\", \"gelu_tanh\" or \"silu\"");
  RETURN(er_tensor_linear(er_face_arg(L, 1), er_face_arg(L, 2), er_face_opt(L, 3), (er_act)act, &err));
}

static int op_conv1d(lua_State *L) {
  RETURN(er_tensor_conv1d(er_face_arg(L, 1), er_face_arg(L, 2), er_face_opt(L, 3), &err));
}

static int op_layer_norm(lua_State *L) {
  RETURN(
      er_tensor_layer_norm(er_face_arg(L, 1), er_face_opt(L, 2), er_face_opt(L, 3), luaL_optnumber(L, 4, 1e-5), &err));
}

static int op_rms_norm(lua_State *L) {
  RETURN(er_tensor_rms_norm(er_face_arg(L, 1), er_face_opt(L, 2), luaL_optnumber(L, 3, 1e-6), &err));
}

static int push_two(lua_State *L, er_tensor *first, er_tensor *second, const er_err *err) {
  if (second == NULL) return er_face_raise(L, err->msg);
  if (er_pool_is_broken(er_tensors_pool(er_face_tensors(L)))) {
    er_tensor_unref(second);
    return er_face_push(L, first, err);                     /* raises */
  }
  er_face_push(L, first, err);
  er_face_push(L, second, err);
  return 2;
}

/* add_layer_norm(x, residual, w, b, eps) -> sum, normed */
static int op_add_layer_norm(lua_State *L) {
  er_tensor *x = er_face_arg(L, 1), *r = er_face_arg(L, 2), *w = er_face_opt(L, 3), *b = er_face_opt(L, 4), *sum = NULL;
  double eps = luaL_optnumber(L, 5, 1e-5);
  er_err err;
  er_tensor *y = er_tensor_add_norm(x, r, w, b, eps, true, &sum, &err);
  return push_two(L, sum, y, &err);
}

/* add_rms_norm(x, residual, w, eps) -> sum, normed */
static int op_add_rms_norm(lua_State *L) {
  er_tensor *x = er_face_arg(L, 1), *r = er_face_arg(L, 2), *w = er_face_opt(L, 3), *sum = NULL;
  double eps = luaL_optnumber(L, 4, 1e-6);
  er_err err;
  er_tensor *y = er_tensor_add_norm(x, r, w, NULL, eps, false, &sum, &err);
  return push_two(L, sum, y, &err);
}

/* ---- tables of names ------------------------------------------------------------------------------------------------ */

typedef struct { const char *name; int op; } named;

static void add_closures(lua_State *L, const named *list, lua_CFunction fn) {
  for (; list->name != NULL; list++) {
    lua_pushinteger(L, list->op);
    lua_pushcclosure(L, fn, 1);
    lua_setfield(L, -2, list->name);
  }
}

/* Two names of one function, which differ in its upvalue: false and true. */
static void add_pair(lua_State *L, const char *plain, const char *other, lua_CFunction fn) {
  for (int i = 0; i < 2; i++) {
    lua_pushboolean(L, i);
    lua_pushcclosure(L, fn, 1);
    lua_setfield(L, -2, i ? other : plain);
  }
}

static void add_metamethods(lua_State *L) {
  static const char *const pairs[][2] = {
    {"__add", "add"}, {"__sub", "sub"}, {"__mul", "mul"}, {"__div", "div"}, {"__pow", "pow"}, {"__unm", "neg"}};
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    lua_getfield(L, -1, pairs[i][1]);
    lua_setfield(L, -3, pairs[i][0]);
  }
}

void er_face_add_ops(lua_State *L) {
  static const named unaries[] = {
    {"neg", ER_EW_NEG}, {"abs", ER_EW_ABS}, {"sign", ER_EW_SIGN}, {"exp", ER_EW_EXP}, {"log", ER_EW_LOG},
    {"sqrt", ER_EW_SQRT}, {"rsqrt", ER_EW_RSQRT}, {"sin", ER_EW_SIN}, {"cos", ER_EW_COS}, {"tanh", ER_EW_TANH},
    {"sigmoid", ER_EW_SIGMOID}, {"softplus", ER_EW_SOFTPLUS}, {"relu", ER_EW_RELU}, {"relu2", ER_EW_RELU2},
    {"silu", ER_EW_SILU}, {"square", ER_EW_SQUARE}, {"reciprocal", ER_EW_RECIPROCAL}, {"floor", ER_EW_FLOOR},
    {"ceil", ER_EW_CEIL}, {"round", ER_EW_ROUND}, {"erf", ER_EW_ERF}, {"log1p", ER_EW_LOG1P},
    {"logical_not", ER_EW_NOT}, {NULL, 0}
  };
  static const named unaries_[] = {
    {"neg_", ER_EW_NEG}, {"abs_", ER_EW_ABS}, {"exp_", ER_EW_EXP}, {"sqrt_", ER_EW_SQRT}, {"rsqrt_", ER_EW_RSQRT},
    {"square_", ER_EW_SQUARE}, {"sign_", ER_EW_SIGN}, {"tanh_", ER_EW_TANH}, {"sigmoid_", ER_EW_SIGMOID},
    {"relu_", ER_EW_RELU}, {NULL, 0}
  };
  static const named binaries[] = {
    {"add", ER_EW_ADD}, {"sub", ER_EW_SUB}, {"mul", ER_EW_MUL}, {"div", ER_EW_DIV}, {"pow", ER_EW_POW},
    {"minimum", ER_EW_MIN}, {"maximum", ER_EW_MAX}, {"eq", ER_EW_EQ}, {"ne", ER_EW_NE}, {"lt", ER_EW_LT},
    {"le", ER_EW_LE}, {"gt", ER_EW_GT}, {"ge", ER_EW_GE}, {"logical_and", ER_EW_AND}, {"logical_or", ER_EW_OR},
    {"swiglu", ER_EW_SWIGLU}, {NULL, 0}
  };
  static const named binaries_[] = {
    {"add_", ER_EW_ADD}, {"sub_", ER_EW_SUB}, {"mul_", ER_EW_MUL}, {"div_", ER_EW_DIV}, {"pow_", ER_EW_POW},
    {"minimum_", ER_EW_MIN}, {"maximum_", ER_EW_MAX}, {NULL, 0}
  };
  static const named addcs[] = {{"addcmul", ER_EW_ADDCMUL}, {"addcdiv", ER_EW_ADDCDIV}, {NULL, 0}};
  static const named addcs_[] = {{"addcmul_", ER_EW_ADDCMUL}, {"addcdiv_", ER_EW_ADDCDIV}, {NULL, 0}};
  static const named reductions[] = {{"sum", ER_SUM}, {"mean", ER_MEAN}, {"sum_squares", ER_SUM_SQUARES},
                                     {"prod", ER_PROD}, {NULL, 0}};
  static const named extremes[] = {{"max", ER_RED_MAX}, {"min", ER_RED_MIN}, {NULL, 0}};
  static const named arg_extremes[] = {{"argmax", ER_RED_MAX}, {"argmin", ER_RED_MIN}, {NULL, 0}};
  static const luaL_Reg functions[] = {
    {"gelu", op_gelu}, {"softcap", op_softcap}, {"clamp", op_clamp}, {"where", op_where}, {"lerp", op_lerp},
    {"to", op_to}, {"clone", op_clone}, {"lerp_", inplace_lerp}, {"clamp_", inplace_clamp}, {"zero_", op_zero_},
    {"fill_", op_fill_}, {"copy_", op_copy_}, {"uniform_", op_uniform_}, {"normal_", op_normal_},
    {"bernoulli_", op_bernoulli_}, {"trunc_normal_", op_trunc_normal_}, {"masked_fill", op_masked_fill},
    {"masked_fill_", op_masked_fill_}, {"norm", op_norm}, {"var", op_var}, {"std", op_std}, {"cumsum", op_cumsum},
    {"logsumexp", op_logsumexp}, {"matmul", op_matmul}, {"linear", op_linear}, {"conv1d", op_conv1d},
    {"layer_norm", op_layer_norm}, {"rms_norm", op_rms_norm}, {"add_layer_norm", op_add_layer_norm},
    {"add_rms_norm", op_add_rms_norm}, {NULL, NULL}
  };
  add_closures(L, unaries, unary);
  add_closures(L, unaries_, inplace_unary);
  add_closures(L, binaries, binary);
  add_closures(L, binaries_, inplace_binary);
  add_closures(L, addcs, op_addc);
  add_closures(L, addcs_, inplace_addc);
  add_closures(L, reductions, reduce);
  add_closures(L, extremes, extreme);
  add_closures(L, arg_extremes, arg_extreme);
  add_pair(L, "softmax", "log_softmax", op_softmax);
  add_pair(L, "any", "all", truth);
  luaL_setfuncs(L, functions, 0);
  add_metamethods(L);
}
