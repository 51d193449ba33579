/* pattern.c - hunks and search/replace blocks as old lines and new lines. */

#include "patch/pattern.h"

#include <string.h>

#include "base/mem.h"

/* A block that changes more than so many lines is one that replaces them all. */
#define MOST_EDITS 400

static void add_old(er_script *s, er_line l, char op) {
  l.op = op;
  er_lines_push(&s->old, l);
}

/* The gap in front of the next old line grows by one of the new lines. */
static void grow(er_range *r, size_t i) {
  if (r->to == 0) r->from = (uint32_t)i;
  r->to = (uint32_t)i + 1;
}

static bool lost_sign(const er_parsed *p, const er_line *l) {
  return er_line_blank(l) && (p->begin == NULL || l->s <= p->begin || l->s[-1] != ' ');
}

void er_script_diff(er_script *s, const er_parsed *p, const er_hunk *h) {
  *s = (er_script){0};
  s->put = er_calloc(h->to - h->from + 1, sizeof *s->put);
  s->bare = er_calloc(h->to - h->from + 1, sizeof *s->bare);
  er_lines_reserve(&s->old);
  for (size_t i = h->from; i < h->to; i++) {
    const er_line *l = &p->lines.v[i];
    if (l->op == '+') {
      grow(&s->put[s->old.n], i);
    } else {
      s->bare[s->old.n] = l->op == ' ' && lost_sign(p, l);
      add_old(s, *l, l->op);
    }
  }
}

void er_script_search(er_script *s, const er_parsed *p, const er_hunk *h, er_line_same same) {
  const er_line *old = p->lines.v + h->from;
  size_t m = 0, n;
  er_spans spans = {0};
  while (h->from + m < h->to && old[m].op == '-') m++;
  n = h->to - h->from - m;
  *s = (er_script){0};
  s->put = er_calloc(m + 1, sizeof *s->put);
  er_lines_reserve(&s->old);
  er_lines_compare_within(old, m, old + m, n, same, MOST_EDITS, &spans);
  for (size_t i = 0; i < spans.n; i++) {
    const er_span *d = &spans.v[i];
    while (s->old.n < d->a0) add_old(s, old[s->old.n], ' ');
    while (s->old.n < d->a1) add_old(s, old[s->old.n], '-');
    if (d->b1 > d->b0) s->put[d->a1] = (er_range){(uint32_t)(h->from + m + d->b0), (uint32_t)(h->from + m + d->b1)};
  }
  while (s->old.n < m) add_old(s, old[s->old.n], ' ');
  er_spans_free(&spans);
}

void er_script_free(er_script *s) {
  er_lines_free(&s->old);
  er_free(s->put);
  er_free(s->bare);
  *s = (er_script){0};
}

er_pattern er_script_part(const er_script *s, const er_parsed *p, size_t from, size_t to) {
  return (er_pattern){s->old.v + from, s->put + from, s->bare != NULL ? s->bare + from : NULL, to - from, p->lines.v};
}

bool er_range_empty(const er_pattern *p, size_t i) { return p->put[i].to == p->put[i].from; }

bool er_pattern_touches(const er_pattern *p, size_t from, size_t to) {
  for (size_t i = from; i <= to; i++)
    if (!er_range_empty(p, i)) return true;
  for (size_t i = from > 0 ? from - 1 : 0; i <= to && i < p->m; i++)
    if (p->old[i].op == '-') return true;
  return false;
}

bool er_pattern_changes(const er_pattern *p) { return er_pattern_touches(p, 0, p->m); }
