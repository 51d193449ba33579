/* parse_begin.c - the `*** Begin Patch` form: sections that update, add, delete
 * and move files, without line numbers. */

#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "patch/scan.h"

typedef enum { NONE, BEGIN, UPDATE, ADD, DELETE, MOVE, END_OF_FILE, END } directive;

/* What a line says; *rest is the text behind the colon. */
static directive read_directive(const er_line *line, er_line *rest) {
  static const struct {
    const char *text;
    directive what;
  } words[] = {{"*** Begin Patch", BEGIN}, {"*** Update File:", UPDATE},     {"*** Add File:", ADD},
               {"*** Create File:", ADD},  {"*** Delete File:", DELETE},     {"*** Remove File:", DELETE},
               {"*** Move to:", MOVE},     {"*** End of File", END_OF_FILE}, {"*** End Patch", END}};
  if (line->n < 9 || memcmp(line->s, "*** ", 4) != 0) return NONE;
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    size_t n = strlen(words[i].text);
    if (line->n < n || strncasecmp(line->s, words[i].text, n) != 0) continue;
    *rest = (er_line){line->s + n, line->n - (uint32_t)n, line->eol, 0};
    return words[i].what;
  }
  return NONE;
}

bool er_scan_begin_start(const er_line *l) {
  er_line rest;
  directive d = read_directive(l, &rest);
  return d == BEGIN || d == UPDATE || d == ADD || d == DELETE;
}

/* A section goes on to the next directive; a closed fence ends the patch too. */
static bool ends_section(const er_scan *s) {
  er_line rest;
  if (s->at >= s->n) return true;
  if (read_directive(&s->in[s->at], &rest) != NONE) return true;
  return !s->fence.open_end && er_scan_fence_close(&s->fence, &s->in[s->at]);
}

static int open_block(er_scan *s, const er_line *name, er_block **out) {
  er_block *b = er_scan_block(s, ER_PATCH_BEGIN);
  b->path = er_scan_path_given(name);
  *out = b;
  if (b->path != NULL) return 0;
  return er_refuse(s->why, "malformed", "line %zu of the reply names no file. Write the path behind the colon, as in "
                   "`*** Update File: folder/name`.", s->at + 1);
}

/* ---- one hunk of an update ---- */

/* "@@ def f():" narrows the place; "@@ -1,3 +1,3 @@" is a unified diff's. */
static void read_anchor(er_scan *s, er_hunk *h) {
  er_line l = er_line_trim_end(s->in[s->at]);
  uint32_t skip;
  if (l.n > 3 && memcmp(l.s + l.n - 3, " @@", 3) == 0) l.n -= 3;
  if (l.n > 4 && l.s[3] == '-' && l.s[4] >= '0' && l.s[4] <= '9') {
    er_scan_hunk_header(s, h);
    return;
  }
  skip = l.n > 2 && l.s[2] == ' ' ? 3 : 2;
  l.s += skip;
  l.n -= skip;
  if (er_line_blank(&l)) return;
  er_scan_anchor(s, l);
  h->binds = true;
}

static void read_line(er_scan *s, bool cr, size_t *tail) {
  er_line l = s->in[s->at];
  char op = ' ';
  *tail = l.n == 0 ? *tail + 1 : 0;
  if (l.n > 0 && l.s[0] != '\0' && strchr(" +-", l.s[0]) != NULL) {
    op = l.s[0];
    l.s++;
    l.n--;
  }
  er_scan_line(s, l, op, cr);
}

static bool at_header(const er_scan *s) {
  const er_line *l = &s->in[s->at];
  return er_line_starts(l, "@@") && (l->n == 2 || l->s[2] == ' ');
}

static int read_hunk(er_scan *s, bool cr) {
  size_t start = s->at, tail = 0;
  er_hunk *h = er_scan_hunk(s);
  for (; !ends_section(s) && at_header(s); s->at++) read_anchor(s, h);
  for (; !ends_section(s) && !at_header(s); s->at++)
    if (!er_line_starts(&s->in[s->at], "\\ ")) read_line(s, cr, &tail);
  h = &s->out->hunks[s->out->n_hunks - 1];
  h->tail = tail;
  for (size_t i = h->from; i < h->to; i++)
    if (s->out->lines.v[i].op != ' ') return 0;
  if (s->at >= s->n) return 0;                     /* cut off: said by the caller */
  return er_refuse(s->why, "malformed", "the hunk in line %zu of the reply changes nothing. Below its `@@` every line "
                   "begins with a space, `-` or `+`.", start + 1);
}

/* ---- sections ---- */

/* Models used to unified diffs repeat the file as "---" and "+++" lines. */
static void skip_names(er_scan *s) {
  if (s->at + 1 < s->n && er_line_starts(&s->in[s->at], "--- ") && er_line_starts(&s->in[s->at + 1], "+++ "))
    s->at += 2;
}

static int read_move(er_scan *s, er_block *b) {
  er_line rest;
  if (s->at >= s->n || read_directive(&s->in[s->at], &rest) != MOVE) return 0;
  b->from_path = b->path;
  b->path = er_scan_path_given(&rest);
  s->at++;
  if (b->path != NULL) return 0;
  return er_refuse(s->why, "malformed",
                   "line %zu of the reply moves `%s` nowhere. Write the new path behind the colon.", s->at,
                   b->from_path);
}

static int read_update(er_scan *s, const er_line *name) {
  er_line rest;
  er_block *b;
  bool cr = s->in[s->at].eol == ER_EOL_CRLF;
  size_t start = s->at;
  if (open_block(s, name, &b) < 0) return -1;
  s->at++;
  if (read_move(s, b) < 0) return -1;
  skip_names(s);
  for (;;) {
    while (!ends_section(s) && s->in[s->at].n == 0) s->at++;
    if (s->at < s->n && read_directive(&s->in[s->at], &rest) == END_OF_FILE) {
      if (b->n_hunks > 0) s->out->hunks[s->out->n_hunks - 1].at_end = true;
      s->at++;
    } else if (ends_section(s)) {
      break;
    } else if (read_hunk(s, cr) < 0) {
      return -1;
    }
  }
  if (b->n_hunks > 0 || b->from_path != NULL || s->at >= s->n) return 0;
  return er_refuse(s->why, "malformed", "the section for `%s` (line %zu of the reply) has no lines to change. Show the "
                   "change under `@@`, with lines that begin with a space, `-` or `+`.", b->path, start + 1);
}

/* The lines of a new file, each behind a `+`, or none of them so. */
static int read_add(er_scan *s, const er_line *name) {
  er_block *b;
  bool cr = s->in[s->at].eol == ER_EOL_CRLF, signs = false;
  size_t from, tail = 0;
  if (open_block(s, name, &b) < 0) return -1;
  b->creates = true;
  er_scan_hunk(s);
  from = ++s->at;
  for (; !ends_section(s); s->at++) signs = signs || (s->in[s->at].n > 0 && s->in[s->at].s[0] == '+');
  for (size_t i = from; i < s->at; i++) {
    er_line l = s->in[i];
    tail = l.n == 0 ? tail + 1 : 0;
    if (signs && l.n > 0 && l.s[0] != '+')
      return er_refuse(s->why, "malformed", "line %zu of the reply, in the new file `%s`, does not begin with `+`.",
                       i + 1, b->path);
    if (signs && l.n > 0) l.s++, l.n--;
    er_scan_line(s, l, '+', cr);
  }
  s->out->hunks[s->out->n_hunks - 1].tail = tail;
  return 0;
}

static int read_delete(er_scan *s, const er_line *name) {
  er_block *b;
  if (open_block(s, name, &b) < 0) return -1;
  b->deletes = true;
  s->at++;
  return 0;
}

static int read_section(er_scan *s, directive d, const er_line *rest) {
  if (d == UPDATE) return read_update(s, rest);
  if (d == ADD) return read_add(s, rest);
  if (d == DELETE) return read_delete(s, rest);
  s->at++;                                         /* a second Begin, an End of File behind a new file */
  if (d != MOVE) return 0;
  return er_refuse(s->why, "malformed",
                   "`*** Move to:` in line %zu of the reply stands behind no `*** Update File:` line.", s->at);
}

/* Either its last line or the end of the fence around it says that it is whole. */
int er_scan_begin(er_scan *s) {
  size_t start = s->at, blocks = s->out->n_blocks;
  er_line rest;
  for (;;) {
    while (s->at < s->n && er_line_blank(&s->in[s->at])) s->at++;
    directive d = s->at < s->n ? read_directive(&s->in[s->at], &rest) : NONE;
    if (d == NONE || d == END) break;
    if (read_section(s, d, &rest) < 0) return -1;
  }
  if (s->at >= s->n || (read_directive(&s->in[s->at], &rest) != END && !er_scan_fence_close(&s->fence, &s->in[s->at])))
    return er_refuse(s->why, "truncated", "the patch that begins in line %zu of the reply has no `*** End Patch` line, "
                     "so the reply seems to be cut off. Nothing was changed. Send the whole patch again.", start + 1);
  if (read_directive(&s->in[s->at], &rest) == END) s->sound = ++s->at;
  if (s->out->n_blocks > blocks) return 0;
  return er_refuse(s->why, "malformed", "the patch in line %zu of the reply has no section. Follow `*** Begin Patch` "
                   "with `*** Update File: PATH`, `*** Add File: PATH` or `*** Delete File: PATH`.", start + 1);
}
