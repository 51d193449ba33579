/* corrupt_lines.c - corruptions of the lines that a reply quotes: which there are, and what is in them. */

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "corrupt.h"

/* Tries every hunk of the changed files; at least one must take it. */
bool corrupt_hunks(prop_case *c, corrupt_hunk fn) {
  bool any = false;
  if (c->numbers_alone) return false;
  for (size_t i = 0; i < c->n_changed; i++) {
    case_file *f = &c->files[i];
    for (size_t k = 0; k < f->n_hunks && f->kind != FILE_CREATED; k++) any = fn(c, f, &f->hunks[k]) || any;
  }
  return any;
}

bool corrupt_all_changed(const prop_case *c) {
  for (size_t i = 0; i < c->n_changed; i++)
    if (c->files[i].kind != FILE_CHANGED) return false;
  return true;
}

static void set_text(prop_case *c, case_line *l, const char *s, size_t n) {
  l->s = keep(c, s, n);
  l->n = n;
}

static size_t indent_of(const case_line *l) {
  size_t k = 0;
  while (k < l->n && (l->s[k] == ' ' || l->s[k] == '\t')) k++;
  return k;
}

/* ---- numbers and counts ---- */

static bool wrong_counts(prop_case *c, case_file *f, case_hunk *h) {
  (void)f;
  h->old_count = chance(c, 3) ? pick(c, 40) : h->old_count + 1 + pick(c, 4);
  h->new_count = chance(c, 3) ? pick(c, 40) : h->new_count > 2 ? h->new_count - 1 - pick(c, 2) : h->new_count + 2;
  return true;
}

static bool wrong_numbers(prop_case *c, case_file *f, case_hunk *h) {
  size_t off = 1 + pick(c, chance(c, 2) ? 5 : f->a.n + 100);
  h->old_line = h->old_line > off && chance(c, 2) ? h->old_line - off : h->old_line + off;
  h->new_line += pick(c, 30);
  return true;
}

/* In a fence: bare, a diff that ends before its counts do looks cut off, and is. */
bool corrupt_counts(prop_case *c) {
  c->style.fence = c->style.fence == FENCE_NONE ? FENCE_DIFF : c->style.fence;
  return corrupt_hunks(c, wrong_counts);
}

bool corrupt_numbers(prop_case *c) { return corrupt_hunks(c, wrong_numbers); }

bool corrupt_bare_heads(prop_case *c) {
  if (c->numbers_alone) return false;
  c->style.numbers = NUMBERS_BARE + (int)pick(c, 4);
  return true;
}

/* ---- context ---- */

/* Takes lines off an edge as long as the place stays plain. */
static bool drop_edge(case_file *f, case_hunk *h, bool front, size_t wanted) {
  bool any = false;
  while (wanted-- > 0 && h->n > 0) {
    size_t at = front ? 0 : h->n - 1;
    case_line l = h->v[at];
    if (l.op != ' ') break;
    hunk_remove(h, at);
    if (hunk_plain_places(f, h) != 1) {
      hunk_insert(h, at, l);
      break;
    }
    h->at += front;
    h->end -= !front;
    h->old_count--;
    h->new_count--;
    any = true;
  }
  return any;
}

static bool drop_some(prop_case *c, case_file *f, case_hunk *h) {
  size_t front = pick(c, 4), back = pick(c, 4);
  bool a = drop_edge(f, h, true, front), b = drop_edge(f, h, false, back);
  if (a && chance(c, 2)) h->old_line = h->at + 1;    /* or the number stays, and is wrong */
  return a || b;
}

bool corrupt_context_dropped(prop_case *c) { return corrupt_hunks(c, drop_some); }


static case_line file_line(const case_file *f, size_t at) {
  const er_line *l = &f->a.v[at];
  return (case_line){l->s, l->n, ' ', l->eol == ER_EOL_CRLF, l->eol == ER_EOL_NONE};
}

/* Quotes up to `more` lines in front of and behind the hunk, up to its neighbours. */
static bool widen(case_file *f, case_hunk *h, size_t before, size_t behind) {
  size_t i = (size_t)(h - f->hunks), floor = 0, ceiling = f->a.n, n = h->n;
  for (size_t k = 0; k < f->n_hunks; k++) {          /* they may be out of order */
    if (k != i && f->hunks[k].end <= h->at && f->hunks[k].end > floor) floor = f->hunks[k].end;
    if (k != i && f->hunks[k].at >= h->end && f->hunks[k].at < ceiling) ceiling = f->hunks[k].at;
  }
  for (; before > 0 && h->at > floor; before--) hunk_insert(h, 0, file_line(f, --h->at));
  for (; behind > 0 && h->end < ceiling; behind--) hunk_insert(h, h->n, file_line(f, h->end++));
  h->old_line = h->at + 1;
  return h->n > n;
}

static bool widen_some(prop_case *c, case_file *f, case_hunk *h) {
  size_t before = pick(c, 9);
  return f->kind == FILE_CHANGED && widen(f, h, before, pick(c, 9));
}

bool corrupt_context_extra(prop_case *c) { return corrupt_hunks(c, widen_some); }

/* A line that the file has nowhere. */
static const char *const foreign_lines[] = {"the quick brown fox jumps over it", "wholly_unrelated(text, 99)",
                                            "# something else entirely", "BEGIN { print \"no such line\" }",
                                            "lorem ipsum dolor sit amet"};

/* The outermost line is wrong; at least two good ones stand between it and the change. */
static bool spoil_edge(prop_case *c, case_file *f, case_hunk *h) {
  bool front = chance(c, 2);
  size_t at = front ? 0 : h->n - 1;
  const char *other = foreign_lines[pick(c, sizeof foreign_lines / sizeof *foreign_lines)];
  if (hunk_context(h, front) < 3 || line_blank(&h->v[at])) return false;
  if (hunk_part_places(f, h, front ? 1 : 0, front ? h->n : h->n - 1) != 1) return false;
  set_text(c, &h->v[at], other, strlen(other));
  return true;
}

bool corrupt_context_wrong(prop_case *c) { return corrupt_hunks(c, spoil_edge); }

/* A context line between two changes is forgotten.  Beside a change this would
 * leave open on which side of it new lines go; without the header's counts,
 * whether the line was to be removed. */
static bool lose_inner(prop_case *c, case_file *f, case_hunk *h) {
  size_t first = hunk_first_change(h), last = hunk_last_change(h);
  if (first + 3 > last) return false;
  size_t at = first + pick(c, last - first);
  if (h->v[at].op != ' ' || line_touches(h, at) || line_blank(&h->v[at])) return false;
  if (hunk_part_places(f, h, 0, at) != 1 || hunk_part_places(f, h, at + 1, h->n) != 1) return false;
  hunk_remove(h, at);
  return true;
}

bool corrupt_context_lost_inside(prop_case *c) { return corrupt_hunks(c, lose_inner); }

/* ---- blank lines ---- */

static bool lose_blanks(prop_case *c, case_file *f, case_hunk *h) {
  bool any = false;
  (void)f;
  for (size_t i = h->n; i-- > 0;)
    if (h->v[i].op == ' ' && line_blank(&h->v[i]) && !line_touches(h, i) && h->n > 1 && !chance(c, 3))
      hunk_remove(h, i), any = true;
  return any;
}

static bool add_blanks(prop_case *c, case_file *f, case_hunk *h) {
  bool any = false;
  (void)f;
  for (size_t i = h->n; i-- > 1;)
    if (h->v[i].op == ' ' && h->v[i - 1].op == ' ' && !line_blank(&h->v[i]) && !line_blank(&h->v[i - 1]) &&
        chance(c, 2)) {
      hunk_insert(h, i, (case_line){"", 0, ' ', h->v[i].cr, false});
      any = true;
    }
  return any;
}

bool corrupt_blanks_lost(prop_case *c) { return corrupt_hunks(c, lose_blanks); }
bool corrupt_blanks_added(prop_case *c) { return corrupt_hunks(c, add_blanks); }

/* ---- white space within lines ---- */

static bool add_trailing(prop_case *c, case_file *f, case_hunk *h) {
  bool any = false;
  (void)f;
  for (size_t i = 0; i < h->n; i++) {
    char line[1200];
    if (!line_old(&h->v[i]) || h->v[i].n > 1000 || !chance(c, 2)) continue;
    int n = snprintf(line, sizeof line, "%.*s%s", (int)h->v[i].n, h->v[i].s, chance(c, 3) ? "\t" : "  ");
    set_text(c, &h->v[i], line, (size_t)n);
    any = true;
  }
  return any;
}

static bool lose_trailing(prop_case *c, case_file *f, case_hunk *h) {
  bool any = false;
  (void)c;
  (void)f;
  for (size_t i = 0; i < h->n; i++) {
    case_line *l = &h->v[i];
    size_t n = l->n;
    while (line_old(l) && l->n > 0 && (l->s[l->n - 1] == ' ' || l->s[l->n - 1] == '\t')) l->n--;
    any = any || l->n < n;
  }
  return any;
}

/* Where REPLACE spells a line better than SEARCH, that is a change of it, and which
 * of the lines around are the same in both is open: what REPLACE says of their
 * white space may be meant. */
static bool spelt_twice(const prop_case *c) {
  return c->form == FORM_SEARCH && strstr(c->notes, "typo in context") != NULL;
}

bool corrupt_trailing_added(prop_case *c) { return !spelt_twice(c) && corrupt_hunks(c, add_trailing); }
bool corrupt_trailing_lost(prop_case *c) { return corrupt_hunks(c, lose_trailing); }

/* Writes an indentation with tabs for spaces or the other way round. */
static void convert(prop_case *c, case_line *l, bool to_tabs, size_t unit) {
  er_buf out = {0};
  size_t k = indent_of(l), spaces = 0;
  for (size_t i = 0; i < k; i++) {
    if (l->s[i] == '\t') for (size_t j = 0; j < unit; j++) er_buf_char(&out, to_tabs ? '\t' : ' ');
    else if (!to_tabs) er_buf_char(&out, ' ');
    else if (++spaces == unit) er_buf_char(&out, '\t'), spaces = 0;
  }
  while (spaces-- > 0) er_buf_char(&out, ' ');
  er_buf_add(&out, l->s + k, l->n - k);
  set_text(c, l, er_buf_cstr(&out), out.len);
  er_buf_free(&out);
}

static bool only(const case_line *l, char sign) {
  for (size_t i = 0; i < indent_of(l); i++)
    if (l->s[i] != sign) return false;
  return true;
}

/* The sign that the hunk's old lines are indented with, 0 if it is mixed or none is. */
static char indent_sign(const case_hunk *h) {
  char sign = 0;
  for (size_t i = 0; i < h->n; i++) {
    if (line_blank(&h->v[i]) || indent_of(&h->v[i]) == 0) continue;
    if (sign == 0 && line_old(&h->v[i])) sign = h->v[i].s[0];
    if (sign == 0 || !only(&h->v[i], sign)) return 0;
  }
  return sign;
}

/* An indentation that an old line of the hunk has too, so that it can be told back. */
static bool seen_indent(const case_hunk *h, const case_line *l) {
  size_t k = indent_of(l);
  for (size_t i = 0; i < h->n; i++)
    if (line_old(&h->v[i]) && !line_blank(&h->v[i]) && indent_of(&h->v[i]) == k) return true;
  return k == 0;
}

static bool convert_hunk(prop_case *c, case_hunk *h, bool new_too) {
  char sign = indent_sign(h);
  bool to_tabs = sign == ' ';
  size_t unit = to_tabs ? 2 + 2 * pick(c, 2) : 4 + 4 * pick(c, 2);
  if (sign == 0) return false;
  for (size_t i = 0; i < h->n; i++) {
    case_line *l = &h->v[i];
    if (l->op == 'e') return false;                  /* the parts need not all show the indentation */
    if (to_tabs && indent_of(l) % unit != 0) return false;
    if (new_too && l->op == '+' && !line_blank(l) && !seen_indent(h, l)) return false;
  }
  for (size_t i = 0; i < h->n; i++)
    if (!line_blank(&h->v[i]) && (new_too || line_old(&h->v[i]))) convert(c, &h->v[i], to_tabs, unit);
  return true;
}

static bool convert_old(prop_case *c, case_file *f, case_hunk *h) { return (void)f, convert_hunk(c, h, false); }
static bool convert_all(prop_case *c, case_file *f, case_hunk *h) { return (void)f, convert_hunk(c, h, true); }
bool corrupt_tabs_old(prop_case *c) { return corrupt_hunks(c, convert_old); }

/* Old lines in another sign and depth than new ones would contradict each other. */
static bool old_converted(const prop_case *c) { return strstr(c->notes, "old lines") != NULL; }

bool corrupt_tabs_all(prop_case *c) { return !old_converted(c) && corrupt_hunks(c, convert_all); }

/* Doubles a space between two words. */
static bool widen_inner(prop_case *c, case_file *f, case_hunk *h) {
  bool any = false;
  (void)f;
  for (size_t i = 0; i < h->n; i++) {
    case_line *l = &h->v[i];
    char line[1200];
    size_t k = indent_of(l);
    if (!line_old(l) || l->n > 1000 || !chance(c, 2)) continue;
    while (k < l->n && l->s[k] != ' ') k++;
    if (k == l->n) continue;
    int n = snprintf(line, sizeof line, "%.*s %.*s", (int)k, l->s, (int)(l->n - k), l->s + k);
    set_text(c, l, line, (size_t)n);
    any = true;
  }
  return any;
}

bool corrupt_inner_space(prop_case *c) { return !spelt_twice(c) && corrupt_hunks(c, widen_inner); }

/* ---- indentation ---- */

static bool deepen(prop_case *c, case_file *f, case_hunk *h) {
  static const char *const extra[] = {" ", "  ", "    ", "        ", "\t"};
  const char *more = extra[pick(c, sizeof extra / sizeof *extra)];
  if (hunk_plain_places(f, h) == 0) return false;
  for (size_t i = 0; i < h->n; i++) {
    char line[1200];
    if (line_blank(&h->v[i]) || h->v[i].n > 1000) continue;
    int n = snprintf(line, sizeof line, "%s%.*s", more, (int)h->v[i].n, h->v[i].s);
    set_text(c, &h->v[i], line, (size_t)n);
  }
  return true;
}

static bool flatten(prop_case *c, case_file *f, case_hunk *h) {
  const case_line *first = NULL;
  size_t common = 0;
  (void)c;
  if (hunk_plain_places(f, h) == 0) return false;
  for (size_t i = 0; i < h->n; i++) {
    const case_line *l = &h->v[i];
    size_t k = 0;
    if (line_blank(l)) continue;
    if (first == NULL) first = l, common = indent_of(l);
    while (k < common && k < l->n && l->s[k] == first->s[k]) k++;
    common = k;
  }
  for (size_t i = 0; i < h->n && common > 0; i++)
    if (!line_blank(&h->v[i])) h->v[i].s += common, h->v[i].n -= common;
  return common > 0;
}

bool corrupt_deeper(prop_case *c) { return !old_converted(c) && corrupt_hunks(c, deepen); }
bool corrupt_shallower(prop_case *c) {
  return !old_converted(c) && strstr(c->notes, "deeper") == NULL && corrupt_hunks(c, flatten);
}

/* ---- copied line numbers ---- */

/* Search/replace blocks show old and new lines apart, each numbered on its own. */
static void part(case_hunk *h) {
  for (size_t i = 0; i < h->n; i++)
    if (h->v[i].op == ' ') {
      h->v[i].op = '-';
      hunk_insert(h, i + 1, h->v[i]);
      h->v[++i].op = '+';
    }
}

static void put_number(prop_case *c, case_line *l, int style, size_t number) {
  static const char *const forms[] = {"%zu: ", "%4zu | ", "%zu\t", "%6zu\xe2\x86\x92", "%zu| "};
  char line[1400];
  int n = snprintf(line, sizeof line,
                   style == 0   ? forms[0]
                   : style == 1 ? forms[1]
                   : style == 2 ? forms[2]
                   : style == 3 ? forms[3]
                                : forms[4],
                   number);
  n += snprintf(line + n, sizeof line - (size_t)n, "%.*s", (int)l->n, l->s);
  set_text(c, l, line, (size_t)n);
}

static bool can_number(const prop_case *c) {
  for (size_t i = 0; i < c->n_changed; i++)
    for (size_t k = 0; k < c->files[i].n_hunks; k++)
      for (size_t j = 0; j < c->files[i].hunks[k].n; j++)
        if (c->files[i].hunks[k].v[j].n > 1000 || c->files[i].hunks[k].v[j].op == 'e') return false;
  return !c->numbers_alone && corrupt_all_changed(c);
}

bool corrupt_line_numbers(prop_case *c) {
  int style = (int)pick(c, 5);
  if (!can_number(c)) return false;
  for (size_t i = 0; i < c->n_changed; i++)
    for (size_t k = 0; k < c->files[i].n_hunks; k++) {
      case_hunk *h = &c->files[i].hunks[k];
      size_t old = h->at, new = h->at;
      if (c->form == FORM_SEARCH) part(h);
      for (size_t j = 0; j < h->n; j++) {
        size_t number = h->v[j].op == '+' ? ++new : ++old;
        if (h->v[j].op == ' ') new++;
        put_number(c, &h->v[j], style, number);
      }
    }
  return true;
}

/* ---- elision ---- */

static const char *const dots[] = {
    "...", "# ...", "// ...", "-- ...", "-- ... existing code ...", "# ... (unchanged) ...", "\xe2\x80\xa6"};

/* The head of what surrounds a change, then "...", then the lines near it. */
static bool elide(prop_case *c, case_file *f, case_hunk *h) {
  size_t n = 8 + pick(c, 20), cut0 = 1 + pick(c, 3);
  if (f->kind != FILE_CHANGED || !widen(f, h, n, 0)) return false;
  size_t cut1 = hunk_first_change(h);
  if (cut1 < cut0 + 5) return false;
  cut1 -= 1 + pick(c, 2);
  if (hunk_part_places(f, h, 0, cut0) != 1 || hunk_part_places(f, h, cut1, h->n) != 1) return false;
  const char *line = dots[pick(c, sizeof dots / sizeof *dots)];
  for (size_t i = cut0; i < cut1; i++) hunk_remove(h, cut0);
  hunk_insert(h, cut0, (case_line){line, strlen(line), 'e', h->v[0].cr, false});
  return true;
}

bool corrupt_elision(prop_case *c) { return corrupt_hunks(c, elide); }

/* ---- typos ---- */

/* One letter is left out, doubled, or swapped with the next. */
static bool misspell(prop_case *c, case_line *l, size_t least) {
  char line[1200];
  size_t letters = 0, at, n = l->n;
  for (size_t i = 0; i < n; i++) letters += isalpha((unsigned char)l->s[i]) != 0;
  if (letters < least || n > 1000) return false;
  do at = pick(c, n - 1); while (!isalpha((unsigned char)l->s[at]) || !isalpha((unsigned char)l->s[at + 1]));
  memcpy(line, l->s, n);
  switch (pick(c, 3)) {
    case 0: memmove(line + at, line + at + 1, n-- - at - 1); break;
    case 1: memmove(line + at + 1, line + at, n++ - at); break;
    default:
      if (line[at] == line[at + 1]) return false;
      line[at] = l->s[at + 1];
      line[at + 1] = l->s[at];
  }
  set_text(c, l, line, n);
  return true;
}

static bool has_letter_pair(const case_line *l) {
  for (size_t i = 0; i + 1 < l->n; i++)
    if (isalpha((unsigned char)l->s[i]) && isalpha((unsigned char)l->s[i + 1])) return true;
  return false;
}

static bool file_has(const case_file *f, const case_line *l) {
  for (size_t i = 0; i < f->a.n; i++)
    if (f->a.v[i].n == l->n && memcmp(f->a.v[i].s, l->s, l->n) == 0) return true;
  return false;
}

/* The misspelt line leaves its place the plainest by far: any other one differs in three lines more. */
static bool misspell_one(prop_case *c, case_file *f, case_hunk *h, char op, size_t least) {
  size_t lines, rival = hunk_rival(f, h, &lines), at = pick(c, h->n);
  for (size_t tries = 0; tries < h->n && !(h->v[at].op == op && has_letter_pair(&h->v[at])); tries++)
    at = (at + 1) % h->n;
  if (h->v[at].op != op || !has_letter_pair(&h->v[at]) || lines < 4 || rival + 4 > lines) return false;
  if (c->form == FORM_SEARCH && op == ' ' && file_has(f, &h->v[at]) && chance(c, 3)) {
    hunk_insert(h, at + 1, h->v[at]);                /* only SEARCH has it */
    h->v[at].op = '-';
    h->v[at + 1].op = '+';
  }
  return misspell(c, &h->v[at], least);
}

static bool misspell_context(prop_case *c, case_file *f, case_hunk *h) { return misspell_one(c, f, h, ' ', 10); }
static bool misspell_removed(prop_case *c, case_file *f, case_hunk *h) { return misspell_one(c, f, h, '-', 20); }
bool corrupt_typo_context(prop_case *c) { return corrupt_hunks(c, misspell_context); }
bool corrupt_typo_removed(prop_case *c) { return corrupt_hunks(c, misspell_removed); }
