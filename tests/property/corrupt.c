/* corrupt.c - corruptions of how a reply is set out, and the list of all that keep what it means. */

#include <string.h>

#include "corrupt.h"

/* ---- line ends ---- */

static bool any_crlf(const prop_case *c) {
  for (size_t i = 0; i < c->n_changed; i++)
    if (c->files[i].a.n > 0 && c->files[i].a.v[0].eol == ER_EOL_CRLF) return true;
  return false;
}

static bool crlf_reply(prop_case *c) {
  c->style.eol = EOL_CRLF;
  return !any_crlf(c) && corrupt_all_changed(c);
}

static bool lf_reply(prop_case *c) {
  c->style.eol = EOL_LF;
  return any_crlf(c) && corrupt_all_changed(c);
}

static bool mix_ends(prop_case *c, case_file *f, case_hunk *h) {
  bool any = false;
  if (f->a.n > 0 && f->a.v[0].eol == ER_EOL_CRLF) return false;
  for (size_t i = 0; i < h->n; i++)
    if (line_old(&h->v[i]) && chance(c, 3)) h->v[i].cr = any = true;
  return any;
}

static bool mixed_ends(prop_case *c) { return corrupt_hunks(c, mix_ends); }

/* Both texts lack the last line end, so the missing marker takes nothing away. */
static bool end_marker(prop_case *c) {
  bool any = false;
  for (size_t i = 0; i < c->n_changed; i++) {
    const case_file *f = &c->files[i];
    bool a = f->a.n > 0 && f->a.v[f->a.n - 1].eol == ER_EOL_NONE,
         b = f->b.n > 0 && f->b.v[f->b.n - 1].eol == ER_EOL_NONE;
    if (f->kind != FILE_CHANGED || a != b) return false;
    const case_hunk *h = f->n_hunks > 0 ? &f->hunks[f->n_hunks - 1] : NULL;
    any = any || (h != NULL && h->n > 0 && h->v[h->n - 1].open);
  }
  c->style.lost_end_marker = true;
  return any;
}

/* ---- how the reply is set out ---- */

static bool fence(prop_case *c) {
  bool signs = c->form == FORM_UDIFF || c->form == FORM_PATCH;
  c->style.fence = FENCE_PLAIN + (int)pick(c, 6);
  if (!signs && (c->style.fence == FENCE_DIFF || c->style.fence == FENCE_PATCH)) c->style.fence = FENCE_LANG;
  return true;
}

static bool fence_open(prop_case *c) {
  if (c->form == FORM_UDIFF) c->style.fence = FENCE_DIFF;
  if (c->form == FORM_PATCH) c->style.fence = FENCE_PLAIN;
  c->style.unclosed = true;
  return true;
}

static bool fence_each(prop_case *c) {
  bool any = false;
  for (size_t i = 0; i < c->n_changed; i++) any = any || c->files[i].n_hunks > 1;
  c->style.group = any && chance(c, 2) ? GROUP_HUNK : GROUP_FILE;
  if (c->form == FORM_UDIFF) c->style.fence = FENCE_DIFF;
  return (any || c->n_changed > 1) && corrupt_all_changed(c);
}

static bool prose(prop_case *c) {
  c->style.prose = 1 + (int)pick(c, 35);
  return true;
}

static bool names(prop_case *c) {
  bool alone = c->n_files == 1 && corrupt_all_changed(c), plain = corrupt_all_changed(c);
  c->style.head = plain ? HEAD_PLAIN + (int)pick(c, alone ? 9 : 8) : HEAD_PLAIN + (int)pick(c, 4);
  if (c->style.head == HEAD_NONE && !alone) c->style.head = HEAD_INDEX;
  return true;
}

static bool paths(prop_case *c) {
  bool alone = c->n_files == 1 && corrupt_all_changed(c);
  c->style.path = PATH_BOLD + (int)pick(c, alone && c->form == FORM_SEARCH ? 10 : 9);
  if (c->form == FORM_WHOLE && c->style.path == PATH_INSIDE) c->style.path = PATH_COMMENT;
  return true;
}

static bool markers(prop_case *c) {
  c->style.markers = 1 + (int)pick(c, 7);
  return true;
}

static bool holds(const er_buf *b, const char *text) {
  return b->len > 0 && memmem(b->ptr, b->len, text, strlen(text)) != NULL;
}

static bool shows_signs(const case_hunk *h) {
  for (size_t j = 0; j < h->n; j++)
    for (size_t n = 0; n < h->v[j].n && line_old(&h->v[j]); n++)
      if (strchr("<>&", h->v[j].s[n]) != NULL) return true;
  return false;
}

/* Only a reply whose old lines show the signs can prove that they were escaped. */
static bool html(prop_case *c) {
  if (!corrupt_all_changed(c)) return false;
  for (size_t i = 0; i < c->n_changed; i++) {
    case_file *f = &c->files[i];
    if (holds(&f->before, "&lt;") || holds(&f->before, "&amp;") || holds(&f->after, "&lt;") ||
        holds(&f->after, "&amp;"))
      return false;
    for (size_t k = 0; k < f->n_hunks; k++)
      if (!shows_signs(&f->hunks[k])) return false;
  }
  return c->style.html = true;
}

/* Without a closing fence only right counts, or the form's own last line, prove
 * that nothing was cut off. */
static void settle_unclosed(prop_case *c) {
  c->style.wrapped = false;
  c->style.numbers = NUMBERS_TRUE;
  for (size_t i = 0; i < c->n_changed; i++)
    for (size_t k = 0; k < c->files[i].n_hunks; k++) {
      case_hunk *h = &c->files[i].hunks[k];
      h->old_count = h->new_count = 0;
      for (size_t j = 0; j < h->n; j++) h->old_count += h->v[j].op != '+', h->new_count += h->v[j].op != '-';
    }
}

void corrupt_settle(prop_case *c) {
  if (c->style.html) c->style.html = html(c);
  if (c->style.unclosed) settle_unclosed(c);
}

static bool bom(prop_case *c) { return c->style.bom = true; }
static bool wrapped(prop_case *c) { return c->style.wrapped = true; }

static bool indented(prop_case *c) {
  c->style.indent = 2 + (int)pick(c, 3);
  if (c->style.fence == FENCE_NONE) c->style.fence = c->form == FORM_UDIFF ? FENCE_DIFF : FENCE_PLAIN;
  return true;
}

static bool bare_blanks(prop_case *c) {
  bool any = false;
  c->style.blank_bare = true;
  for (size_t i = 0; i < c->n_changed; i++)
    for (size_t k = 0; k < c->files[i].n_hunks; k++)
      for (size_t j = 0; j < c->files[i].hunks[k].n; j++)
        any = any || (c->files[i].hunks[k].v[j].op == ' ' && c->files[i].hunks[k].v[j].n == 0);
  return any;
}

static bool shuffled(prop_case *c) {
  bool any = false;
  if (c->numbers_alone || !corrupt_all_changed(c)) return false;
  for (size_t i = 0; i < c->n_changed; i++) {
    case_file *f = &c->files[i];
    for (size_t k = f->n_hunks; k > 1; k--) {
      size_t other = pick(c, k);
      case_hunk h = f->hunks[k - 1];
      f->hunks[k - 1] = f->hunks[other];
      f->hunks[other] = h;
      any = any || other != k - 1;
    }
  }
  return any;
}

/* Hunks run into each other; each has context of its own on both sides. */
static bool heads_lost(prop_case *c) {
  bool any = false;
  if (c->numbers_alone || !corrupt_all_changed(c)) return false;
  for (size_t i = 0; i < c->n_changed; i++) {
    const case_file *f = &c->files[i];
    any = any || f->n_hunks > 1;
    for (size_t k = 0; k < f->n_hunks && f->n_hunks > 1; k++)
      if (hunk_context(&f->hunks[k], true) < 1 || hunk_context(&f->hunks[k], false) < 1) return false;
  }
  c->style.lost_heads = true;
  return any;
}

static bool clean(prop_case *c) { return (void)c, true; }

/* In the order in which several are applied to one reply: lines come and go
 * first, then what is within lines changes, then how they are set out. */
const corruption keeping[] = {
    {"none", U | S | W | P, clean},
    {"counts", U, corrupt_counts},
    {"line numbers", U, corrupt_numbers},
    {"bare hunk heads", U, corrupt_bare_heads},
    {"hunk heads lost", U, heads_lost},
    {"file heads", U, names},
    {"paths", S | W, paths},
    {"markers", S, markers},
    {"hunks out of order", U | S, shuffled},
    {"context dropped", U | S | P, corrupt_context_dropped},
    {"context added", U | S | P, corrupt_context_extra},
    {"elision", U | S | P, corrupt_elision},
    {"context wrong at the edge", U | S | P, corrupt_context_wrong},
    {"blank lines lost", U | S | P, corrupt_blanks_lost},
    {"blank lines added", U | S | P, corrupt_blanks_added},
    {"blank lines without their sign", U | P, bare_blanks},
    {"typo in context", U | S | P, corrupt_typo_context},
    {"typo in a removed line", U | S | P, corrupt_typo_removed},
    {"trailing space added", U | S | P, corrupt_trailing_added},
    {"trailing space lost", U | S | P, corrupt_trailing_lost},
    {"inner space", U | S | P, corrupt_inner_space},
    {"tabs for spaces, old lines", U | S | P, corrupt_tabs_old},
    {"tabs for spaces, all lines", U | S | P, corrupt_tabs_all},
    {"deeper indentation", U | S | P, corrupt_deeper},
    {"shallower indentation", U | S | P, corrupt_shallower},
    {"copied line numbers", U | S | P, corrupt_line_numbers},
    {"mixed line ends", U | S | P, mixed_ends},
    {"end marker lost", U, end_marker},
    {"CRLF reply", U | S | W | P, crlf_reply},
    {"LF reply for a CRLF file", U | S | W | P, lf_reply},
    {"fences", U | S | W | P, fence},
    {"fence not closed", U | S | P, fence_open},
    {"a fence each", U | S, fence_each},
    {"indented reply", U | S | W | P, indented},
    {"prose", U | S | W | P, prose},
    {"tags around", U | S | W | P, wrapped},
    {"byte-order mark", U | S | W | P, bom},
    {"HTML escapes", U | S | P, html},
};

const size_t n_keeping = sizeof keeping / sizeof *keeping;

/* A line that the reply skips between two changes was context, most likely; it
 * may also have been one to remove.  Refused or right, but not promised. */
const corruption doubtful[] = {
    {"context lost inside", U, corrupt_context_lost_inside},
};

const size_t n_doubtful = sizeof doubtful / sizeof *doubtful;
