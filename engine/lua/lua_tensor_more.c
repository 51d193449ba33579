/* lua_tensor_more.c - views, moves, attention and losses from Lua. */

#include <math.h>
#include <string.h>

#include "lua/tensor_face.h"

#define RETURN(call)                    \
  do {                                  \
    er_err err;                         \
    er_tensor *y_ = (call);             \
    return er_face_push(L, y_, &err);   \
  } while (0)

/* ---- views ----------------------------------------------------------------------------------------- */

typedef er_tensor *(*by_sizes)(er_tensor *t, int nd, const int64_t *size, er_err *err);

static int with_sizes(lua_State *L, by_sizes fn) {
  int64_t size[ER_DIMS];
  int next, nd = er_face_sizes(L, 2, size, &next);
  RETURN(fn(er_face_arg(L, 1), nd, size, &err));
}

static int view_view(lua_State *L) { return with_sizes(L, er_tensor_view); }
static int view_reshape(lua_State *L) { return with_sizes(L, er_tensor_reshape); }
static int view_expand(lua_State *L) { return with_sizes(L, er_tensor_expand); }
static int view_tile(lua_State *L) { return with_sizes(L, er_tensor_repeat); }

static int view_permute(lua_State *L) {
  int64_t given[ER_DIMS];
  int dims[ER_DIMS], next, nd = er_face_sizes(L, 2, given, &next);
  for (int i = 0; i < nd; i++) {
    if (given[i] == 0) return luaL_argerror(L, 2, "dims count from 1, or from -1 at the end");
    dims[i] = (int)(given[i] > 0 ? given[i] - 1 : given[i]);
  }
  RETURN(er_tensor_permute(er_face_arg(L, 1), nd, dims, &err));
}

static int view_transpose(lua_State *L) {
  RETURN(er_tensor_transpose(er_face_arg(L, 1), er_face_dim(L, 2, -2), er_face_dim(L, 3, -1), &err));
}

static int view_t(lua_State *L) {
  er_tensor *t = er_face_arg(L, 1);
  if (er_tensor_view_of(t)->nd < 2) RETURN(er_tensor_ref(t));
  RETURN(er_tensor_transpose(t, -2, -1, &err));
}

/* The 1-based start of a narrow or select; negative counts from the end. */
static int64_t start_of(lua_State *L, int arg, er_tensor *t, int dim) {
  const er_view *v = er_tensor_view_of(t);
  lua_Integer i = luaL_checkinteger(L, arg);
  if (dim < 0) dim += v->nd;
  if (i == 0) luaL_argerror(L, arg, "elements count from 1, or from -1 at the end");
  return i > 0 ? i - 1 : dim >= 0 && dim < v->nd ? i + v->size[dim] : i;
}

static int view_narrow(lua_State *L) {
  er_tensor *t = er_face_arg(L, 1);
  int dim = er_face_dim(L, 2, 0);
  RETURN(er_tensor_narrow(t, dim, start_of(L, 3, t, dim), luaL_checkinteger(L, 4), &err));
}

static int view_select(lua_State *L) {
  er_tensor *t = er_face_arg(L, 1);
  int dim = er_face_dim(L, 2, 0);
  RETURN(er_tensor_select(t, dim, start_of(L, 3, t, dim), &err));
}

static int view_unsqueeze(lua_State *L) {
  luaL_checkinteger(L, 2);
  RETURN(er_tensor_unsqueeze(er_face_arg(L, 1), er_face_dim(L, 2, 0), &err));
}

static int view_squeeze(lua_State *L) {
  luaL_checkinteger(L, 2);
  RETURN(er_tensor_squeeze(er_face_arg(L, 1), er_face_dim(L, 2, 0), &err));
}

static int view_flatten(lua_State *L) { RETURN(er_tensor_reshape(er_face_arg(L, 1), 1, (int64_t[]){-1}, &err)); }
static int view_unfold(lua_State *L) {
  RETURN(er_tensor_unfold(er_face_arg(L, 1), er_face_dim(L, 2, 0), luaL_checkinteger(L, 3), luaL_checkinteger(L, 4),
                          &err));
}
static int view_contiguous(lua_State *L) { RETURN(er_tensor_contiguous_of(er_face_arg(L, 1), &err)); }
static int view_detach(lua_State *L) { RETURN(er_tensor_detach(er_face_arg(L, 1))); }

/* Pieces of a dim; the last may be smaller.  Pushes each. */
static int pieces(lua_State *L, er_tensor *t, int dim, int64_t each) {
  const er_view *v = er_tensor_view_of(t);
  er_err err;
  int n = 0;
  if (dim < 0) dim += v->nd;
  if (dim < 0 || dim >= v->nd) return luaL_error(L, "split: there is no such dim; the tensor has %d", v->nd);
  if (each < 1 || v->size[dim] / each > 200)
    return luaL_error(L, "split: dim %d of %I elements cannot be cut into pieces of %I", dim + 1,
                      (LUAI_UACINT)v->size[dim], (LUAI_UACINT)each);
  luaL_checkstack(L, (int)(v->size[dim] / each) + 4, NULL);
  for (int64_t at = 0; at < v->size[dim]; at += each, n++)
    er_face_push(L, er_tensor_narrow(t, dim, at, at + each < v->size[dim] ? each : v->size[dim] - at, &err), &err);
  return n;
}

/* split(x, size, dim) or split(x, {sizes}, dim) -> the pieces */
static int view_split(lua_State *L) {
  er_tensor *t = er_face_arg(L, 1);
  int dim = er_face_dim(L, 3, 0), n;
  int64_t at = 0, left;
  er_err err;
  if (!lua_istable(L, 2)) return pieces(L, t, dim, luaL_checkinteger(L, 2));
  n = (int)lua_rawlen(L, 2);
  if (n == 0) return luaL_argerror(L, 2, "there are no sizes");
  luaL_checkstack(L, n + 4, "too many pieces");
  for (int i = 1; i <= n; i++) {
    int64_t size;
    lua_rawgeti(L, 2, i);
    size = luaL_checkinteger(L, -1);
    lua_pop(L, 1);
    er_face_push(L, er_tensor_narrow(t, dim, at, size, &err), &err);
    at += size;
  }
  left = er_tensor_view_of(t)->size[dim < 0 ? dim + er_tensor_view_of(t)->nd : dim] - at;
  return left == 0 ? n : luaL_error(L, "split: the pieces leave %I elements of the dim over", (LUAI_UACINT)left);
}

/* chunk(x, n, dim) -> n pieces */
static int view_chunk(lua_State *L) {
  er_tensor *t = er_face_arg(L, 1);
  const er_view *v = er_tensor_view_of(t);
  int dim = er_face_dim(L, 3, 0);
  int64_t n = luaL_checkinteger(L, 2);
  if (dim < 0) dim += v->nd;
  if (n < 1 || dim < 0 || dim >= v->nd)
    return luaL_error(L, "chunk: there is no such dim, or fewer than one piece was asked for");
  return pieces(L, t, dim, v->size[dim] > 0 ? (v->size[dim] - 1) / n + 1 : 1);
}

/* ---- moves --------------------------------------------------------------------------------------------- */

static int move_cat(lua_State *L) {
  int n;
  er_tensor **list;
  lua_settop(L, 2);
  list = er_face_list(L, 1, &n);
  RETURN(er_tensor_cat(list, n, er_face_dim(L, 2, 0), &err));
}

static int move_stack(lua_State *L) {
  int n;
  er_tensor **list;
  lua_settop(L, 2);
  list = er_face_list(L, 1, &n);
  if (n == 0) return luaL_argerror(L, 1, "there is nothing to stack");
  RETURN(er_tensor_stack(list, n, er_face_dim(L, 2, 0), &err));
}

static int move_pad(lua_State *L) {
  int64_t pads[2 * ER_DIMS];
  int n;
  luaL_checktype(L, 2, LUA_TTABLE);
  n = (int)lua_rawlen(L, 2);
  if (n > 2 * ER_DIMS) return luaL_argerror(L, 2, "too many pads");
  for (int i = 0; i < n; i++) {
    lua_rawgeti(L, 2, i + 1);
    pads[i] = luaL_checkinteger(L, -1);
    lua_pop(L, 1);
  }
  RETURN(er_tensor_pad(er_face_arg(L, 1), n, pads, luaL_optnumber(L, 3, 0), &err));
}

static int move_roll(lua_State *L) {
  RETURN(er_tensor_roll(er_face_arg(L, 1), luaL_checkinteger(L, 2), er_face_dim(L, 3, 0), &err));
}
static int move_flip(lua_State *L) { RETURN(er_tensor_flip(er_face_arg(L, 1), er_face_dim(L, 2, 0), &err)); }
static int move_tril(lua_State *L) { RETURN(er_tensor_tri(er_face_arg(L, 1), luaL_optinteger(L, 2, 0), false, &err)); }
static int move_triu(lua_State *L) { RETURN(er_tensor_tri(er_face_arg(L, 1), luaL_optinteger(L, 2, 0), true, &err)); }
static int move_embedding(lua_State *L) { RETURN(er_tensor_embedding(er_face_arg(L, 1), er_face_arg(L, 2), &err)); }
static int move_index_select(lua_State *L) {
  RETURN(er_tensor_index_select(er_face_arg(L, 1), er_face_dim(L, 2, 0), er_face_arg(L, 3), &err));
}

static int move_index_add(lua_State *L) {
  RETURN(er_tensor_index_add(er_face_arg(L, 1), er_face_dim(L, 2, 0), er_face_arg(L, 3), er_face_arg(L, 4), &err));
}

static int move_gather(lua_State *L) {
  RETURN(er_tensor_gather(er_face_arg(L, 1), er_face_dim(L, 2, -1), er_face_arg(L, 3), &err));
}

/* The number at arg as a tensor of the index's shape, and of x's dtype unless that is of integers and it is none; a
 * tensor stays as it is. */
static er_tensor *source_of(lua_State *L, int arg, er_tensor *x, er_tensor *index) {
  const er_view *v = er_tensor_view_of(index);
  er_err err;
  if (lua_type(L, arg) == LUA_TNUMBER) {
    er_dtype d = er_tensor_view_of(x)->dtype;
    if (lua_tonumber(L, arg) != floor(lua_tonumber(L, arg)) && !er_dtype_is_float(d)) d = ER_F32;
    er_face_push(L, er_tensor_full(er_face_tensors(L), d, v->nd, v->size, lua_tonumber(L, arg), &err), &err);
    lua_replace(L, arg);
  }
  return er_face_arg(L, arg);
}

/* scatter(x, dim, index, source or number) */
static int move_scatter(lua_State *L) {
  er_tensor *x = er_face_arg(L, 1), *index = er_face_arg(L, 3), *source = source_of(L, 4, x, index);
  RETURN(er_tensor_scatter(x, er_face_dim(L, 2, -1), index, source, &err));
}

static int move_scatter_add(lua_State *L) {
  er_tensor *x = er_face_arg(L, 1), *index = er_face_arg(L, 3), *source = source_of(L, 4, x, index);
  RETURN(er_tensor_scatter_add(x, er_face_dim(L, 2, -1), index, source, &err));
}

static int push_sorted(lua_State *L, er_tensor *x, int dim, bool descending, int64_t k) {
  er_tensor *index = NULL, *y;
  er_err err;
  y = er_tensor_sort(x, dim, descending, k, &index, &err);
  er_face_push(L, y, &err);
  er_face_push(L, index, &err);
  return 2;
}

static int move_sort(lua_State *L) {
  return push_sorted(L, er_face_arg(L, 1), er_face_dim(L, 2, -1), lua_toboolean(L, 3), -1);
}

static int move_argsort(lua_State *L) {
  push_sorted(L, er_face_arg(L, 1), er_face_dim(L, 2, -1), lua_toboolean(L, 3), -1);
  return 1;
}

/* topk(x, k, dim, largest) -> values, indices */
static int move_topk(lua_State *L) {
  int64_t k = luaL_checkinteger(L, 2);
  if (k < 0) return luaL_argerror(L, 2, "k is not negative");
  return push_sorted(L, er_face_arg(L, 1), er_face_dim(L, 3, -1), lua_isnoneornil(L, 4) || lua_toboolean(L, 4), k);
}

static int move_nonzero(lua_State *L) { RETURN(er_tensor_nonzero(er_face_arg(L, 1), &err)); }
static int move_one_hot(lua_State *L) { RETURN(er_tensor_one_hot(er_face_arg(L, 1), luaL_checkinteger(L, 2), &err)); }
static int move_multinomial(lua_State *L) {
  RETURN(er_tensor_multinomial(er_face_arg(L, 1), luaL_checkinteger(L, 2), &err));
}

static int move_bincount(lua_State *L) {
  int64_t least = luaL_optinteger(L, 2, 0);
  if (least < 0) return luaL_argerror(L, 2, "a number of bins is not negative");
  RETURN(er_tensor_bincount(er_face_arg(L, 1), least, &err));
}

/* dropout(x, p, training) */
static int move_dropout(lua_State *L) {
  er_tensor *x = er_face_arg(L, 1);
  double p = luaL_optnumber(L, 2, 0.5);
  if (!lua_isnoneornil(L, 3) && !lua_toboolean(L, 3)) RETURN(er_tensor_ref(x));
  RETURN(er_tensor_dropout(x, p, &err));
}

/* ---- attention ------------------------------------------------------------------------------------------- */

static int op_sdpa(lua_State *L) {
  static const char *const names[] = {"is_causal", "scale", "window", "softcap", "attn_mask", "slopes",
      "dropout_p", NULL};
  er_sdpa o;
  er_face_options(L, 4, names);
  o = (er_sdpa){.causal = er_face_bool(L, 4, "is_causal", false),
                .window = er_face_whole(L, 4, "window", 0),
                .scale = er_face_number(L, 4, "scale", 0),
                .softcap = er_face_number(L, 4, "softcap", 0),
                .dropout = er_face_number(L, 4, "dropout_p", 0),
                .mask = er_face_field(L, 4, "attn_mask"),
                .slopes = er_face_field(L, 4, "slopes")};
  RETURN(er_tensor_sdpa(er_face_arg(L, 1), er_face_arg(L, 2), er_face_arg(L, 3), &o, &err));
}

static int op_rope(lua_State *L) {
  static const char *const names[] = {"base", "scale", "interleaved", "offset", "dims", "positions", NULL};
  er_rope o;
  er_face_options(L, 2, names);
  o = (er_rope){.base = er_face_number(L, 2, "base", 10000),
                .scale = er_face_number(L, 2, "scale", 1),
                .interleaved = er_face_bool(L, 2, "interleaved", false),
                .offset = er_face_whole(L, 2, "offset", 0),
                .rotated = er_face_whole(L, 2, "dims", 0),
                .positions = er_face_field(L, 2, "positions")};
  RETURN(er_tensor_rope(er_face_arg(L, 1), &o, &err));
}

/* ---- losses -------------------------------------------------------------------------------------------------- */

static er_loss loss_options(lua_State *L, int arg) {
  static const char *const names[] = {"weight", "ignore_index", "reduction", "label_smoothing", "z_loss", "softcap",
      "total", NULL};
  static const char *const reductions[] = {"mean", "sum", "none", NULL};
  er_loss o = er_loss_defaults();
  er_face_options(L, arg, names);
  o.weight = er_face_field(L, arg, "weight");
  o.ignore = er_face_whole(L, arg, "ignore_index", -100);
  o.smoothing = er_face_number(L, arg, "label_smoothing", 0);
  o.z_loss = er_face_number(L, arg, "z_loss", 0);
  o.softcap = er_face_number(L, arg, "softcap", 0);
  o.total = er_face_number(L, arg, "total", 0);
  if (lua_istable(L, arg) && (lua_pushliteral(L, "reduction"), lua_rawget(L, arg)) != LUA_TNIL)
    o.reduction = (er_loss_reduction)luaL_checkoption(L, -1, NULL, reductions);
  return o;
}

static int op_cross_entropy(lua_State *L) {
  er_tensor *logits = er_face_arg(L, 1), *target = er_face_arg(L, 2);
  er_loss o = loss_options(L, 3);
  RETURN(er_tensor_cross_entropy(logits, target, &o, &err));
}

/* lm_loss(h, w, target, options) -> loss, lse */
static int op_lm_loss(lua_State *L) {
  er_tensor *h = er_face_arg(L, 1), *w = er_face_arg(L, 2), *target = er_face_arg(L, 3), *lse = NULL, *y;
  er_loss o = loss_options(L, 4);
  er_err err;
  y = er_tensor_lm_loss(h, w, target, &o, &lse, &err);
  er_face_push(L, y, &err);
  er_face_push(L, lse, &err);
  return 2;
}

void er_face_add_more(lua_State *L) {
  static const luaL_Reg functions[] = {
    {"view", view_view}, {"reshape", view_reshape}, {"expand", view_expand}, {"tile", view_tile},
    {"permute", view_permute}, {"transpose", view_transpose}, {"t", view_t}, {"narrow", view_narrow},
    {"select", view_select}, {"unsqueeze", view_unsqueeze}, {"squeeze", view_squeeze}, {"flatten", view_flatten},
    {"unfold", view_unfold}, {"contiguous", view_contiguous}, {"detach", view_detach}, {"split", view_split},
    {"chunk", view_chunk}, {"cat", move_cat}, {"stack", move_stack}, {"pad", move_pad}, {"roll", move_roll},
    {"flip", move_flip}, {"tril", move_tril}, {"triu", move_triu}, {"embedding", move_embedding},
    {"index_select", move_index_select}, {"index_add", move_index_add}, {"gather", move_gather},
    {"scatter_add", move_scatter_add}, {"scatter", move_scatter}, {"sort", move_sort},
    {"argsort", move_argsort}, {"topk", move_topk},
    {"nonzero", move_nonzero}, {"bincount", move_bincount}, {"one_hot", move_one_hot},
    {"multinomial", move_multinomial}, {"dropout", move_dropout}, {"scaled_dot_product_attention", op_sdpa},
    {"rope", op_rope}, {"cross_entropy", op_cross_entropy}, {"lm_loss", op_lm_loss}, {NULL, NULL}
  };
  luaL_setfuncs(L, functions, 0);
}
