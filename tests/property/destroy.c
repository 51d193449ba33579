/* destroy.c - ways to write a reply so that it no longer says what is to be done.
 * Each must be refused: whatever came out would be a guess. */

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "case.h"

static case_hunk *some_hunk(prop_case *c, case_file **file) {
  case_file *f = &c->files[pick(c, c->n_changed)];
  *file = f;
  return f->kind == FILE_CHANGED && f->n_hunks > 0 && !c->numbers_alone ? &f->hunks[pick(c, f->n_hunks)] : NULL;
}

/* A line of the given sign that satisfies `fits`, or h->n. */
static size_t some_line(prop_case *c, const case_hunk *h, char op, bool (*fits)(const case_hunk *h, size_t i)) {
  size_t start = h->n > 0 ? pick(c, h->n) : 0;
  for (size_t k = 0; k < h->n; k++) {
    size_t i = (start + k) % h->n;
    if (h->v[i].op == op && fits(h, i)) return i;
  }
  return h->n;
}

static size_t letters(const case_line *l) {
  size_t n = 0;
  for (size_t i = 0; i < l->n; i++) n += isalnum((unsigned char)l->s[i]) != 0;
  return n;
}

static bool speaks(const case_hunk *h, size_t i) { return letters(&h->v[i]) >= 6; }

static bool file_has(const er_lines *t, const case_line *l) {
  for (size_t i = 0; i < t->n; i++) {
    er_line x = er_line_trim(t->v[i]), y = {l->s, (uint32_t)l->n, ER_EOL_LF, 0};
    y = er_line_trim(y);
    if (er_line_same_text(&x, &y)) return true;
  }
  return false;
}

/* ---- signs ---- */

/* A new line lost its '+': as context it is nowhere in the file. */
static bool plus_lost(prop_case *c) {
  case_file *f;
  case_hunk *h = some_hunk(c, &f);
  size_t i = h != NULL ? some_line(c, h, '+', speaks) : 0;
  if (h == NULL || i == h->n || file_has(&f->a, &h->v[i])) return false;
  h->v[i].op = ' ';
  return hunk_first_change(h) < h->n;
}

/* One that is removed alone does not count: without it the reply plainly says
 * nothing of it. */
static bool inside_old(const case_hunk *h, size_t i) {
  bool before = false, behind = false;
  if (!(i > 0 && h->v[i - 1].op == '-') && !(i + 1 < h->n && h->v[i + 1].op != ' ')) return false;
  for (size_t k = 0; k < h->n; k++)
    if (line_old(&h->v[k]) && letters(&h->v[k]) >= 3) before = before || k < i, behind = behind || k > i;
  return before && behind && letters(&h->v[i]) >= 3;
}

/* An old line between others is missing: it would stay in the file unseen. */
static bool removed_lost(prop_case *c) {
  case_file *f;
  case_hunk *h = some_hunk(c, &f);
  size_t i = h != NULL ? some_line(c, h, '-', inside_old) : 0;
  if (h == NULL || i == h->n) return false;
  hunk_remove(h, i);
  return hunk_plain_places(f, h) == 0;
}

/* ---- other words ---- */

static bool removed_altered(prop_case *c) {
  static const char *const others[] = {
      "local result = compute(previous, options)", "for (int index = 0; index < limit; index++) {",
      "return settings.threshold or default_threshold", "The table below lists all of them."};
  const char *other = others[pick(c, sizeof others / sizeof *others)];
  case_file *f;
  case_hunk *h = some_hunk(c, &f);
  size_t i = h != NULL ? some_line(c, h, '-', speaks) : 0;
  if (h == NULL || i == h->n) return false;
  h->v[i].s = other;
  h->v[i].n = strlen(other);
  return true;
}

static bool has_number(const case_hunk *h, size_t i) {
  for (size_t k = 0; k < h->v[i].n; k++)
    if (isdigit((unsigned char)h->v[i].s[k])) return true;
  return false;
}

/* The line to remove has another number than the file: it was written for another version of it. */
static bool number_altered(prop_case *c) {
  char line[1200];
  case_file *f;
  case_hunk *h = some_hunk(c, &f);
  size_t i = h != NULL ? some_line(c, h, '-', has_number) : 0, k = 0;
  if (h == NULL || i == h->n || h->v[i].n > 1000) return false;
  memcpy(line, h->v[i].s, h->v[i].n);
  while (!isdigit((unsigned char)line[k])) k++;
  line[k] = line[k] == '7' ? '4' : '7';
  h->v[i].s = keep(c, line, h->v[i].n);
  return !file_has(&f->a, &h->v[i]);
}

/* All old lines are those of another file. */
static bool foreign(prop_case *c) {
  static const char *const words[] = {"alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"};
  case_file *f;
  case_hunk *h = some_hunk(c, &f);
  bool any = false;
  for (size_t i = 0; h != NULL && i < h->n; i++) {
    char line[96];
    if (!line_old(&h->v[i])) continue;
    int n = snprintf(line, sizeof line, "  %s_%s(%s, %zu)", words[pick(c, 8)], words[pick(c, 8)], words[pick(c, 8)],
                     pick(c, 900));
    h->v[i].s = keep(c, line, (size_t)n);
    h->v[i].n = (size_t)n;
    any = true;
  }
  return any;
}

/* ---- places ---- */

/* Two files' hunks under each other's name. */
static bool swapped(prop_case *c) {
  if (c->n_changed < 2 || c->numbers_alone || c->files[0].kind != FILE_CHANGED || c->files[1].kind != FILE_CHANGED)
    return false;
  case_file *a = &c->files[0], *b = &c->files[1], other = *a;
  for (size_t i = 0; i < a->n_hunks; i++)
    if (hunk_plain_places(b, &a->hunks[i]) > 0) return false;
  a->hunks = b->hunks;
  a->n_hunks = b->n_hunks;
  b->hunks = other.hunks;
  b->n_hunks = other.n_hunks;
  return true;
}

static size_t times(const er_lines *t, const er_line *l) {
  size_t n = 0;
  for (size_t i = 0; i < t->n; i++) n += er_line_same_text(&t->v[i], l);
  return n;
}

/* One line of the file that is there several times is to change, without context. */
static bool ambiguous(prop_case *c) {
  case_file *f = &c->files[0];
  if (f->kind != FILE_CHANGED || f->n_hunks == 0) return false;
  size_t start = pick(c, f->a.n), at = start;
  while (at < f->a.n && (er_line_blank(&f->a.v[at]) || times(&f->a, &f->a.v[at]) < 2)) at++;
  if (at >= f->a.n || f->a.v[at].n > 300) return false;
  char line[400];
  int n = snprintf(line, sizeof line, "%.*s changed", (int)f->a.v[at].n, f->a.v[at].s);
  case_hunk *h = &f->hunks[0];
  bool cr = f->a.v[at].eol == ER_EOL_CRLF;
  h->n = 0;
  hunk_insert(h, 0, (case_line){f->a.v[at].s, f->a.v[at].n, '-', cr, false});
  hunk_insert(h, 1, (case_line){keep(c, line, (size_t)n), (size_t)n, '+', cr, false});
  while (f->n_hunks > 1) er_free(f->hunks[--f->n_hunks].v);
  h->old_count = h->new_count = 1;
  h->old_line = h->new_line = f->a.n + 50;           /* a number that points at none of them */
  if (chance(c, 2)) c->style.numbers = NUMBERS_BARE;
  c->n_changed = 1;
  return true;
}

/* ---- parts of the reply ---- */

/* A second block wants the same lines to become something else. */
static bool conflict(prop_case *c) {
  case_file *f = &c->files[0];
  if (c->n_changed != 1 || f->kind != FILE_CHANGED || c->numbers_alone || f->n_hunks == 0) return false;
  case_hunk *first = &f->hunks[0], second = {.at = first->at, .old_line = first->old_line, .new_line = first->new_line};
  bool removes = false;
  for (size_t i = 0; i < first->n; i++) removes = removes || first->v[i].op == '-';
  if (!removes) return false;
  for (size_t i = 0; i < first->n; i++) hunk_insert(&second, i, first->v[i]);
  size_t at = hunk_last_change(&second);
  hunk_insert(&second, at, (case_line){"another_idea()", 14, '+', first->v[0].cr, false});
  second.old_count = first->old_count;
  second.new_count = first->new_count + 1;
  f->hunks = er_realloc(f->hunks, (f->n_hunks + 1) * sizeof *f->hunks);
  f->hunks[f->n_hunks++] = second;
  if (c->form == FORM_UDIFF) c->style.group = GROUP_HUNK, c->style.fence = FENCE_DIFF;
  return true;
}

static size_t last_of(const er_buf *b, const char *needle) {
  size_t n = strlen(needle), at = b->len;
  for (size_t i = 0; i + n <= b->len; i++)
    if (memcmp(b->ptr + i, needle, n) == 0) at = i;
  return at;
}

/* Where the line begins that proves the reply to be whole. */
static size_t cut_end(prop_case *c) {
  return last_of(&c->reply, c->form == FORM_SEARCH  ? ">>>>>>> REPLACE"
                            : c->form == FORM_PATCH ? "*** End Patch"
                                                    : "```");
}

/* The cut could then take nothing but the word that the last line end goes. */
static bool ends_differ(const case_file *f) {
  bool a = f->a.n > 0 && f->a.v[f->a.n - 1].eol == ER_EOL_NONE, b = f->b.n > 0 && f->b.v[f->b.n - 1].eol == ER_EOL_NONE;
  return a != b;
}

/* Cut off somewhere in the last file's block; fences and counts are right. */
static bool truncated(prop_case *c) {
  const char *opener = c->form == FORM_SEARCH ? "<<<<<<< SEARCH" : c->form == FORM_PATCH ? "*** Begin Patch" : "\n";
  if (!(c->files[0].kind == FILE_CHANGED && c->n_changed == 1) || ends_differ(&c->files[0])) return false;
  if (c->form == FORM_UDIFF) c->style.fence = FENCE_DIFF;
  reply_write(c);
  size_t from = c->form == FORM_UDIFF   ? last_of(&c->reply, "\n@@ ") + 4
                : c->form == FORM_WHOLE ? 5
                                        : last_of(&c->reply, opener) + strlen(opener),
         to = cut_end(c);
  if (c->form == FORM_UDIFF) {                       /* what may go is only context behind the last change */
    case_hunk *h = &c->files[0].hunks[c->files[0].n_hunks - 1];
    size_t back = h->n - hunk_last_change(h), end = to;
    for (size_t lines = 0; end > from && lines <= back; end--) lines += c->reply.ptr[end - 1] == '\n';
    to = end;
  }
  if (to <= from + 1 || to > c->reply.len) return false;
  c->reply.len = from + pick(c, to - from);
  c->reply.ptr[c->reply.len] = '\0';
  return true;
}

static bool divider_lost(prop_case *c) {
  reply_write(c);
  size_t at = last_of(&c->reply, "\n=======") + 1;
  if (at >= c->reply.len) return false;
  size_t end = at + 7 + (c->reply.ptr[at + 7] == '\r') + 1;
  memmove(c->reply.ptr + at, c->reply.ptr + end, c->reply.len - end);
  c->reply.len -= end - at;
  for (size_t i = 0; i + 8 < c->reply.len; i++)
    if (memcmp(c->reply.ptr + i, "\n=======", 8) == 0 && c->n_changed == 1 && c->files[0].n_hunks == 1) return false;
  return true;
}

/* ---- files ---- */

/* The reply is applied to what it makes: its old lines are gone. */
static bool applied_already(prop_case *c) {
  case_file *f = &c->files[0];
  bool removes = false;
  if (c->n_changed != 1 || f->kind != FILE_CHANGED || c->numbers_alone || f->b.n == 0) return false;
  for (size_t k = 0; k < f->n_hunks; k++)
    for (size_t i = 0; i < f->hunks[k].n; i++)
      removes = removes || (f->hunks[k].v[i].op == '-' && letters(&f->hunks[k].v[i]) > 3);
  er_buf before = f->before;
  er_lines a = f->a;
  f->before = f->after;
  f->a = f->b;
  f->after = before;
  f->b = a;
  for (size_t k = 0; k < f->n_hunks && removes; k++)
    if (hunk_plain_places(f, &f->hunks[k]) > 0) return false;
  return removes && c->form != FORM_WHOLE;
}

static bool missing_file(prop_case *c) {
  case_file *f = &c->files[0];
  if (f->kind != FILE_CHANGED || c->n_files < 3) return false;
  f->said = "no/such_file.txt";
  return true;
}

static bool no_change(prop_case *c) {
  if (c->n_changed != 1 || c->files[0].kind != FILE_CHANGED || c->form == FORM_UDIFF || c->form == FORM_PATCH)
    return false;
  case_file *f = &c->files[0];
  er_lines_free(&f->b);
  er_lines_split(&f->b, f->before.ptr, f->before.len);
  for (size_t k = 0; k < f->n_hunks; k++) {
    case_hunk *h = &f->hunks[k];
    for (size_t i = h->n; i-- > 0;)
      if (h->v[i].op == '+') hunk_remove(h, i);
      else h->v[i].op = ' ';
    if (h->n == 0) return false;
  }
  return true;
}

const corruption destroying[] = {
    {"plus sign lost", U | P, plus_lost},
    {"removed line lost", U | S | P, removed_lost},
    {"removed line altered", U | S | P, removed_altered},
    {"number in a removed line altered", U | S | P, number_altered},
    {"old lines of no file", U | S | P, foreign},
    {"files swapped", U | S | P, swapped},
    {"place made ambiguous", U | S | P, ambiguous},
    {"conflicting second block", U | S | P, conflict},
    {"cut off", U | S | W | P, truncated},
    {"divider lost", S, divider_lost},
    {"applied already", U | S | P, applied_already},
    {"file missing", U | S | P, missing_file},
    {"nothing changes", S | W, no_change},
};

const size_t n_destroying = sizeof destroying / sizeof *destroying;
