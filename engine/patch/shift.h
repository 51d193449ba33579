/* shift.h - how a file's indentation differs from the reply's, learnt from lines
 * that both have, so that new lines can be indented as the file is.
 * A rule is only taken if all lines agree in it, and a line that it does not
 * cover is not guessed at. */
#ifndef ER_PATCH_SHIFT_H
#define ER_PATCH_SHIFT_H

#include "base/buf.h"
#include "patch/lines.h"

typedef enum { ER_SHIFT_NONE, ER_SHIFT_DEEPER, ER_SHIFT_SHALLOWER, ER_SHIFT_SCALE } er_shift_kind;

/* DEEPER puts s in front, SHALLOWER takes it away, SCALE turns an indentation
 * of p bytes `from` into f0 + (p - p0) * num / den bytes `to`. */
typedef struct {
  er_shift_kind kind;
  const char *s;                 /* borrowed from the file or the reply */
  uint32_t n;
  char from, to;
  int32_t p0, f0, num, den;
} er_shift;

enum { ER_SHIFT_PAIRS = 24 };

/* Indentations seen together. */
typedef struct {
  er_line reply[ER_SHIFT_PAIRS], file[ER_SHIFT_PAIRS];
  size_t n;
  bool torn;                     /* one indentation of the reply is two of the file */
} er_indents;

void er_indents_add(er_indents *in, const er_line *reply, const er_line *file);
bool er_indents_equal(const er_indents *in);                   /* nothing differs */
bool er_indents_same_width(const er_indents *in);              /* with tabs expanded to 2, 4 or 8 */
bool er_shift_learn(const er_indents *in, er_shift *out);      /* false: no rule fits all of them */

/* Whether the rule covers a new line, and the line under it. */
bool er_shift_covers(const er_shift *s, const er_line *l);
void er_shift_put(const er_shift *s, const er_line *l, er_buf *out);

#endif
