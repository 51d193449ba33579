/* spec.c - a job's own copy of what its caller said. */

#include <string.h>

#include "base/mem.h"
#include "job/room.h"

static const char *copy(const char *s) { return s != NULL ? er_strdup(s) : NULL; }

static const char *const *copy_list(const char *const *from) {
  size_t i, n = 0;
  const char **to;
  while (from != NULL && from[n] != NULL) n++;
  to = er_calloc(n + 1, sizeof *to);
  for (i = 0; i < n; i++) to[i] = er_strdup(from[i]);
  return to;
}

static void free_list(const char *const *list) {
  size_t i;
  for (i = 0; list != NULL && list[i] != NULL; i++) er_free((char *)list[i]);
  er_free((void *)list);
}

void er_spec_copy(er_job_spec *to, const er_job_spec *from) {
  er_job_bind *binds = from->n_binds > 0 ? er_calloc(from->n_binds, sizeof *binds) : NULL;
  size_t i;
  *to = *from;
  to->dir = copy(from->dir);
  to->artifact = copy(from->artifact);
  to->argv = copy_list(from->argv);
  to->env = copy_list(from->env);
  for (i = 0; i < from->n_binds; i++) {
    binds[i].host = copy(from->binds[i].host);
    binds[i].inside = copy(from->binds[i].inside);
    binds[i].writable = from->binds[i].writable;
    binds[i].data = from->binds[i].data;
  }
  to->binds = binds;
}

void er_spec_free(er_job_spec *s) {
  size_t i;
  er_free((char *)s->dir);
  er_free((char *)s->artifact);
  free_list(s->argv);
  free_list(s->env);
  for (i = 0; i < s->n_binds; i++) {
    er_free((char *)s->binds[i].host);
    er_free((char *)s->binds[i].inside);
  }
  er_free((void *)s->binds);
  memset(s, 0, sizeof *s);
}
