/* model_face.h - files of tensors in Lua: what lua_model*.c share with whoever else reads checkpoints. */
#ifndef ER_LUA_MODEL_FACE_H
#define ER_LUA_MODEL_FACE_H

#include <lua.h>

#include "model/safetensors.h"

/* A file argument: a path, or the number of an open descriptor, which stays the caller's.  Returns the path or a
 * name for messages; *fd is a copy of the descriptor, or -1. */
const char *er_face_file(lua_State *L, int arg, int *fd);

/* Pushes { name = tensor }, metadata; or nil, message, code.  The tensors are made by the state's own engine.
 * names: index of a list of those that are wanted, or 0 for all.  s stays the caller's. */
int er_face_push_checkpoint(lua_State *L, er_safetensors *s, int names);

void er_face_add_data(lua_State *L);
void er_face_add_tokenizers(lua_State *L);

#endif
