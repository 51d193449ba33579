/* tensor_face.h - tensors in Lua: what the files lua_tensor*.c share.
 * A Lua tensor is a userdata that holds one reference (er_tensor *).  It is let go by
 * the collector, or earlier by the scope in which it was made; then using it is an
 * error.  The bytes behind it weigh on the collector: when tensors have grown by a
 * quarter since the last time, a full collection runs.  Dims count from 1 in Lua. */
#ifndef ER_LUA_TENSOR_FACE_H
#define ER_LUA_TENSOR_FACE_H

#include <lua.h>
#include <lauxlib.h>

#include "tensor/ops.h"
#include "tensor/tensor.h"

#define ER_TENSOR_CLASS "erlua.tensor"

/* Makes the state's engine and its classes, and pushes the table of functions; once a state. */
int er_face_open(lua_State *L, const er_tensors_options *opt);

er_tensors *er_face_tensors(lua_State *L);

/* Raises the message at the line of the user's code: erlua's own layers in between are passed over. */
int er_face_raise(lua_State *L, const char *message);

/* Pushes t, whose reference it takes; NULL raises err's message. */
int er_face_push(lua_State *L, er_tensor *t, const er_err *err);

/* Pushes one more reference, which no scope ends; and gives back those from stack index `from` to the top. */
void er_face_hold(lua_State *L, er_tensor *t);
void er_face_let_go(lua_State *L, int from);
int er_face_check(lua_State *L, int rc, const er_err *err);      /* rc < 0 raises; pushes nothing */
er_tensor *er_face_arg(lua_State *L, int arg);                   /* borrowed; raises if it is none or was freed */
er_tensor *er_face_opt(lua_State *L, int arg);                   /* NULL where it is nil or absent */
er_tensor *er_face_test(lua_State *L, int idx);                  /* NULL where it is no tensor */
int er_face_keep(lua_State *L, int arg);                         /* out of its scope, into the one around it */

int er_face_dim(lua_State *L, int arg, int fallback);            /* 1-based or negative, to 0-based or negative */
unsigned er_face_dims(lua_State *L, int arg, er_tensor *t);      /* a dim or a list of them, as a mask; 0: absent */

/* Sizes from arg on: numbers, or one list.  Returns how many; *next is the argument behind them. */
int er_face_sizes(lua_State *L, int arg, int64_t *size, int *next);

/* Fields of an options table, which may be absent.  The names are checked by er_face_options. */
void er_face_options(lua_State *L, int arg, const char *const *names);    /* raises on an unknown one */
double er_face_number(lua_State *L, int arg, const char *name, double fallback);
int64_t er_face_whole(lua_State *L, int arg, const char *name, int64_t fallback);     /* raises on a fraction */
bool er_face_bool(lua_State *L, int arg, const char *name, bool fallback);
er_tensor *er_face_field(lua_State *L, int arg, const char *name);        /* borrowed, NULL where absent */
er_dtype er_face_dtype(lua_State *L, int arg, er_dtype fallback);         /* field "dtype" */
er_dtype er_face_dtype_at(lua_State *L, int idx);                         /* a name on the stack */

/* A list of tensors as a C array in a userdata that is pushed. */
er_tensor **er_face_list(lua_State *L, int arg, int *n);

/* Each file adds its functions to the table at the top. */
void er_face_add_make(lua_State *L);
void er_face_add_ops(lua_State *L);
void er_face_add_more(lua_State *L);
void er_face_add_grad(lua_State *L);
int er_face_index(lua_State *L);
int er_face_newindex(lua_State *L);

#endif
