/* nearest.c - the place that a lost pattern most resembles, to show it. */

#include <ctype.h>

#include "base/mem.h"
#include "patch/locate.h"

#define MAX_VOTES 400000         /* pairs of equal lines that are counted */
#define MAX_SCAN 4000            /* lines looked at when not one line is equal */

static uint64_t hash_line(const er_line *l) {
  er_line t = er_line_trim(*l);
  uint64_t h = 1469598103934665603u;
  for (size_t i = 0; i < t.n; i++) h = (h ^ (unsigned char)t.s[i]) * 1099511628211u;
  return h;
}

/* A line that is in every file ("end", "}") says little about the place. */
static unsigned weight(const er_line *l) {
  er_line t = er_line_trim(*l);
  return t.n == 0 ? 0 : t.n <= 3 ? 1 : t.n < 12 ? 4 : 8;
}

typedef struct {
  const er_line *file, *pattern;
  size_t n, m;
  unsigned *votes;               /* votes[p] for the pattern beginning at p - (m - 1) */
  size_t cast;
} poll;

/* Every pair of equal lines votes for the place that it implies. */
static void cast_votes(poll *p) {
  uint64_t *h = er_malloc((p->n + 1) * sizeof *h);
  for (size_t i = 0; i < p->n; i++) h[i] = hash_line(&p->file[i]);
  for (size_t k = 0; k < p->m && p->cast < MAX_VOTES; k++) {
    unsigned w = weight(&p->pattern[k]);
    uint64_t want = hash_line(&p->pattern[k]);
    for (size_t i = 0; w > 0 && i < p->n; i++)
      if (h[i] == want) p->votes[i + (p->m - 1) - k] += w, p->cast++;
    p->cast += p->n / 64;
  }
  er_free(h);
}

static bool same_letter(char a, char b) { return tolower((unsigned char)a) == tolower((unsigned char)b); }

/* Common letters at both ends: crude, but a misquoted line keeps most of them. */
static size_t likeness(const er_line *a, const er_line *b) {
  er_line x = er_line_trim(*a), y = er_line_trim(*b);
  size_t least = x.n < y.n ? x.n : y.n, head = 0, tail = 0;
  while (head < least && same_letter(x.s[head], y.s[head])) head++;
  while (tail < least - head && same_letter(x.s[x.n - 1 - tail], y.s[y.n - 1 - tail])) tail++;
  return head + tail;
}

static bool by_likeness(const poll *p, size_t *line) {
  size_t best = 0, end = p->n < MAX_SCAN ? p->n : MAX_SCAN, k = 0;
  while (k < p->m && er_line_blank(&p->pattern[k])) k++;
  if (k == p->m) return false;
  for (size_t i = 0; i < end; i++) {
    size_t score = likeness(&p->file[i], &p->pattern[k]);
    if (score > best) best = score, *line = i > k ? i - k : 0;
  }
  return best * 2 >= er_line_trim(p->pattern[k]).n;
}

bool er_locate_nearest(const er_line *file, size_t n, const er_line *pattern, size_t m, size_t *line) {
  poll p = {file, pattern, n, m, NULL, 0};
  size_t best = 0;
  if (n == 0 || m == 0) return false;
  p.votes = er_calloc(n + m, sizeof *p.votes);
  cast_votes(&p);
  for (size_t i = 0; i < n + m; i++)
    if (p.votes[i] > p.votes[best]) best = i;
  bool found = p.votes[best] > 1;
  er_free(p.votes);
  if (!found) return by_likeness(&p, line);
  *line = best > m - 1 ? best - (m - 1) : 0;
  if (*line >= n) *line = n - 1;
  return true;
}
