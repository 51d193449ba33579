/* patch_kit.h - what the tests of the patch room share: a small environment
 * with editable and frozen files, and calls that apply a reply to it. */
#ifndef PATCH_KIT_H
#define PATCH_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "patch/patch.h"

#define KIT_COUNT(a) (sizeof(a) / sizeof *(a))

static const char *const kit_editable[] = {"pack.lua", "lib/*.lua"};
static const char *const kit_frozen[] = {"lib/frozen.lua"};
static const er_patch_rules kit_rules = {kit_editable, 2, NULL, kit_frozen, 1, NULL};

static const char *const kit_one_glob[] = {"pack.lua"};
static const er_patch_rules kit_one = {kit_one_glob, 1, NULL, NULL, 0, NULL};

#define KIT_PACK \
  "local M = {}\n" \
  "\n" \
  "function M.radius(i)\n" \
  "  local r = 0.1\n" \
  "  if i > 3 then\n" \
  "    r = r / 2\n" \
  "  end\n" \
  "  return r\n" \
  "end\n" \
  "\n" \
  "function M.count()\n" \
  "  return 26\n" \
  "end\n" \
  "\n" \
  "return M\n"

static er_patch_file kit_file(const char *path, const char *text) {
  return (er_patch_file){path, text, strlen(text)};
}

/* Applies a reply to one file, pack.lua, of the given text. */
static inline void kit_apply_one(const char *text, const er_patch_rules *rules, const char *reply, er_patch_result *r) {
  er_patch_file f = kit_file("pack.lua", text);
  er_patch_apply(&f, 1, rules, reply, strlen(reply), r);
}

static inline void kit_fail_with(const er_patch_result *r, const char *reply) {
  fail_msg("refused (%s): %s\n--- the reply was\n%s", r->code, er_buf_cstr(&r->message), reply);
}

/* The reply must turn text into expected. */
static inline void kit_expect(const char *text, const er_patch_rules *rules, const char *reply, const char *expected) {
  er_patch_result r;
  kit_apply_one(text, rules, reply, &r);
  if (!r.applied) kit_fail_with(&r, reply);
  assert_int_equal(r.n_changes, 1);
  assert_string_equal(er_buf_cstr(&r.changes[0].after), expected);
  assert_int_equal(r.changes[0].after.len, strlen(expected));
  er_patch_result_free(&r);
}

/* The reply must be refused with the code, its message must hold every given
 * piece (NULL ends them), and nothing may be changed. */
static inline void kit_refuse_on(const er_patch_file *files, size_t n, const er_patch_rules *rules, const char *reply,
                                 const char *code, ...) {
  er_patch_result r;
  const char *piece;
  va_list ap;
  er_patch_apply(files, n, rules, reply, strlen(reply), &r);
  if (r.applied) fail_msg("applied, but %s was expected:\n%s\n=> %s", code, reply, er_buf_cstr(&r.changes[0].after));
  if (strcmp(r.code, code) != 0) kit_fail_with(&r, reply);
  va_start(ap, code);
  while ((piece = va_arg(ap, const char *)) != NULL)
    if (strstr(er_buf_cstr(&r.message), piece) == NULL)
      fail_msg("the message lacks \"%s\":\n%s", piece, er_buf_cstr(&r.message));
  va_end(ap);
  assert_true(r.message.len > 0);
  assert_int_equal(r.n_changes, 0);
  er_patch_result_free(&r);
}

#endif
