/* compare.c - the shortest edit script between two runs of lines. */

#include "base/mem.h"
#include "patch/lines.h"

/* Beyond these a shorter script is not worth its price: the trace takes
 * MAX_D * MAX_D / 2 ints, and repetitive texts make every diagonal long. */
#define MAX_D 1200
#define MAX_STEPS 8000000

typedef struct {
  const er_line *a, *b;          /* what is left between common head and tail */
  size_t skip;                   /* lines of the common head */
  int n, m, most;                /* most: edits looked for */
  er_line_same same;
  int *trace;                    /* furthest x for every d and diagonal, row after row */
  size_t cap;
  long steps;
} script;

static size_t row(int d) { return (size_t)d * ((size_t)d + 1) / 2; }

/* The furthest x on diagonal k after d edits; k runs from -d to d by 2. */
static int *cell(const script *s, int d, int k) { return &s->trace[row(d) + (size_t)(k + d) / 2]; }

static int slide(script *s, int x, int y) {
  while (x < s->n && y < s->m && s->same(&s->a[x], &s->b[y])) x++, y++, s->steps++;
  s->steps++;
  return x;
}

/* True if the step to (d, k) came from an insertion, i.e. from diagonal k+1. */
static bool came_down(const script *s, int d, int k) {
  return k == -d || (k != d && *cell(s, d - 1, k - 1) < *cell(s, d - 1, k + 1));
}

/* Fills the trace until both ends are reached; the number of edits, or -1.
 * Points beyond an end are dead but harmless: x and y never shrink. */
static int search(script *s) {
  for (int d = 0; d <= s->most && s->steps < MAX_STEPS; d++) {
    if (row(d + 1) > s->cap) {
      s->cap = row(d + 1) * 2 + 64;
      s->trace = er_realloc(s->trace, s->cap * sizeof *s->trace);
    }
    for (int k = -d; k <= d; k += 2) {
      int x = d == 0 ? 0 : came_down(s, d, k) ? *cell(s, d - 1, k + 1) : *cell(s, d - 1, k - 1) + 1;
      *cell(s, d, k) = x = slide(s, x, x - k);
      if (x == s->n && x - k == s->m) return d;
    }
  }
  return -1;
}

/* Adds the span in front of those found so far (the walk goes backwards) and
 * melts it into its neighbour when they touch. */
static void add_front(er_spans *out, er_span p) {
  if (out->n > 0) {
    er_span *last = &out->v[out->n - 1];
    if (last->a0 == p.a1 && last->b0 == p.b1) {
      last->a0 = p.a0;
      last->b0 = p.b0;
      return;
    }
  }
  if (out->n == out->cap) {
    out->cap = out->cap ? out->cap * 2 : 8;
    out->v = er_realloc(out->v, out->cap * sizeof *out->v);
  }
  out->v[out->n++] = p;
}

static void walk_back(const script *s, int d, er_spans *out) {
  int k = s->n - s->m;
  for (; d > 0; d--) {
    bool down = came_down(s, d, k);
    int from = down ? k + 1 : k - 1;
    int x = *cell(s, d - 1, from);
    size_t ax = s->skip + (size_t)x, by = s->skip + (size_t)(x - from);
    add_front(out, (er_span){ax, ax + !down, by, by + down});
    k = from;
  }
}

static void reverse(er_spans *out) {
  for (size_t i = 0, j = out->n; i + 1 < j; i++) {
    er_span t = out->v[i];
    out->v[i] = out->v[--j];
    out->v[j] = t;
  }
}

void er_lines_compare(const er_line *a, size_t n_a, const er_line *b, size_t n_b, er_line_same same,
                      er_spans *out) {
  er_lines_compare_within(a, n_a, b, n_b, same, MAX_D, out);
}

void er_lines_compare_within(const er_line *a, size_t n_a, const er_line *b, size_t n_b, er_line_same same, int most,
                             er_spans *out) {
  size_t head = 0, tail = 0, least = n_a < n_b ? n_a : n_b;
  script s = {0};
  int d;
  while (head < least && same(&a[head], &b[head])) head++;
  while (tail < least - head && same(&a[n_a - 1 - tail], &b[n_b - 1 - tail])) tail++;
  n_a -= tail;
  n_b -= tail;
  if (head == n_a && head == n_b) return;
  if (head == n_a || head == n_b) {
    add_front(out, (er_span){head, n_a, head, n_b});
    return;
  }
  s = (script){a + head, b + head, head, (int)(n_a - head), (int)(n_b - head), most, same, NULL, 0, 0};
  d = search(&s);
  if (d >= 0) walk_back(&s, d, out);
  else add_front(out, (er_span){head, n_a, head, n_b});
  er_free(s.trace);
  reverse(out);
}

void er_spans_free(er_spans *s) {
  er_free(s->v);
  *s = (er_spans){0};
}
