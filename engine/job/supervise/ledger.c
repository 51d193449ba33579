/* ledger.c - the CPU time of every process that was ever looked at, each by itself.
 * A parent that ignores SIGCHLD waits for nobody: what its children used stands in no
 * other process's times once they are gone. */

#include <stdlib.h>

#include "job/supervise/supervise.h"

/* Processes come in the same order look after look, so the search begins behind the last hit. */
static sv_seen *find(sv_ledger *l, pid_t pid, unsigned long long began) {
  for (size_t k = 0; k < l->n; k++) {
    size_t i = (l->next + k) % l->n;
    if (l->list[i].pid != pid || l->list[i].began != began) continue;
    l->next = i + 1;
    return &l->list[i];
  }
  return NULL;
}

static sv_seen *append(sv_ledger *l) {
  if (l->n == l->cap) {
    size_t cap = l->cap ? l->cap * 2 : 64;
    sv_seen *grown = realloc(l->list, cap * sizeof *grown);
    if (grown == NULL) return NULL;
    l->list = grown;
    l->cap = cap;
  }
  return &l->list[l->n++];
}

void sv_ledger_note(sv_ledger *l, pid_t pid, unsigned long long began, double cpu) {
  sv_seen *s = find(l, pid, began);
  if (s == NULL) s = append(l);
  if (s != NULL) *s = (sv_seen){pid, began, cpu, true};
}

/* A walk may miss a process that is handed to another parent just then: it is gone only
 * when it is found nowhere, or it would be counted twice. */
double sv_ledger_sum(sv_ledger *l) {
  double sum = 0;
  size_t kept = 0;
  for (size_t i = 0; i < l->n; i++) {
    sv_seen s = l->list[i];
    if (!s.noted && sv_tree_began(s.pid) != s.began) {
      l->gone += s.cpu;
      continue;
    }
    sum += s.cpu;
    s.noted = false;
    l->list[kept++] = s;
  }
  l->n = kept;
  return l->gone + sum;
}
