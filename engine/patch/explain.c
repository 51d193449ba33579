/* explain.c - quoting files and replies in messages. */

#include "patch/explain.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "patch/rules.h"

#define MAX_QUOTED 160           /* bytes of one line that a message shows */
#define MAX_NAMES 20

int er_refuse(er_refusal *why, const char *code, const char *fmt, ...) {
  va_list ap;
  char *text = NULL;
  snprintf(why->code, sizeof why->code, "%s", code);
  er_buf_clear(&why->text);
  va_start(ap, fmt);
  if (vasprintf(&text, fmt, ap) >= 0) {
    er_utf8_clean(&why->text, text, strlen(text));
    free(text);
  }
  va_end(ap);
  return -1;
}

/* Control characters are shown as a dot, except the tab. */
static void add_clean(er_buf *out, const char *s, size_t n) {
  bool cut = n > MAX_QUOTED;
  size_t from = out->len;
  er_utf8_clean(out, s, cut ? MAX_QUOTED : n);
  for (size_t i = from; i < out->len; i++) {
    unsigned char c = (unsigned char)out->ptr[i];
    if ((c < 0x20 && c != '\t') || c == 0x7f) out->ptr[i] = '.';
  }
  if (cut) er_buf_str(out, " ...");
}

void er_explain_quote(er_buf *out, const char *s, size_t n) {
  er_buf_char(out, '`');
  add_clean(out, s, n);
  er_buf_char(out, '`');
}

void er_explain_lines(er_buf *out, const er_line *v, size_t n, size_t number, size_t most) {
  size_t shown = n > most ? most : n;
  for (size_t i = 0; i < shown; i++) {
    if (number > 0) er_buf_fmt(out, "%6zu | ", number + i);
    else er_buf_str(out, "       | ");
    add_clean(out, v[i].s, v[i].n);
    er_buf_char(out, '\n');
  }
  if (shown < n) er_buf_fmt(out, "       ... and %zu more\n", n - shown);
}

void er_explain_editable(er_buf *out, const er_patch_file *files, size_t n, const er_patch_rules *rules) {
  size_t named = 0;
  for (size_t i = 0; i < n; i++) {
    if (!er_rules_editable(rules, files[i].path)) continue;
    if (named < MAX_NAMES) {
      if (named > 0) er_buf_str(out, ", ");
      add_clean(out, files[i].path, strlen(files[i].path));
    }
    named++;
  }
  if (named > MAX_NAMES) er_buf_fmt(out, " and %zu more", named - MAX_NAMES);
  if (named > 0) return;
  for (size_t i = 0; i < rules->n_editable && i < MAX_NAMES; i++) {
    if (i > 0) er_buf_str(out, ", ");
    add_clean(out, rules->editable[i], strlen(rules->editable[i]));
  }
  if (rules->n_editable == 0) er_buf_str(out, "none");
}
