/* explain.h - refusals in words fit to be sent back to a model.
 * A refusal has a stable code and a text; the text may quote the reply and the
 * files, whatever bytes they hold, and always comes out as clean UTF-8 without
 * control characters, in bounded length. */
#ifndef ER_PATCH_EXPLAIN_H
#define ER_PATCH_EXPLAIN_H

#include "base/buf.h"
#include "patch/lines.h"
#include "patch/patch.h"

typedef struct {
  char code[32];
  er_buf text;                   /* owned */
} er_refusal;

/* Starts a refusal and returns -1, so that `return er_refuse(...)` is the whole
 * error path.  More may be added to why->text. */
int er_refuse(er_refusal *why, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Quotes lines, at most `most` of them, each with its 1-based number from
 * `number` on, or with a bar alone when number is 0. */
void er_explain_lines(er_buf *out, const er_line *v, size_t n, size_t number, size_t most);

void er_explain_quote(er_buf *out, const char *s, size_t n);    /* one line, in backticks */

/* The names of the files that the rules allow to be changed. */
void er_explain_editable(er_buf *out, const er_patch_file *files, size_t n, const er_patch_rules *rules);

#endif
