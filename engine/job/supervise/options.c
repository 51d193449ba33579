/* options.c - the supervisor's command line: --name value pairs, then -- and the command. */

#include <stdlib.h>
#include <string.h>

#include "job/supervise/supervise.h"

static int number(const char *s, double *out) {
  char *end;
  *out = strtod(s, &end);
  return end != s && *end == '\0' && *out >= 0 && *out < 1e18 ? 0 : -1;
}

static int bytes(const char *s, uint64_t *out) {
  char *end;
  *out = strtoull(s, &end, 10);
  return end != s && *end == '\0' ? 0 : -1;
}

static bool read_flag(sv_options *o, const char *name) {
  if (strcmp(name, "--sandbox") == 0) o->sandbox = true;
  else if (strcmp(name, "--curve") == 0) o->curve = true;
  else if (strcmp(name, "--metrics") == 0) o->metrics = true;
  else if (strcmp(name, "--no-cgroup") == 0) o->no_cgroup = true;
  else if (strcmp(name, "--budget-is-cpu") == 0) o->budget_is_cpu = true;
  else if (strcmp(name, "--watch-processes") == 0) o->watch_processes = true;
  else return false;
  return true;
}

static int add_data(sv_options *o, const char *path) {
  if (o->n_data == SV_DATA_MAX) return -1;
  o->data[o->n_data++] = path;
  return 0;
}

static int read_value(sv_options *o, const char *name, const char *value) {
  if (strcmp(name, "--dir") == 0) { o->dir = value; return 0; }
  if (strcmp(name, "--gpus") == 0) { o->gpus = value; return 0; }
  if (strcmp(name, "--data") == 0) return add_data(o, value);
  if (strcmp(name, "--wall") == 0) return number(value, &o->wall);
  if (strcmp(name, "--cpu") == 0) return number(value, &o->cpu);
  if (strcmp(name, "--grace") == 0) return number(value, &o->grace);
  if (strcmp(name, "--budget") == 0) return number(value, &o->budget);
  if (strcmp(name, "--memory") == 0) return bytes(value, &o->memory);
  if (strcmp(name, "--disk") == 0) return bytes(value, &o->disk);
  if (strcmp(name, "--output") == 0) return bytes(value, &o->output);
  if (strcmp(name, "--processes") == 0) return bytes(value, &o->processes);
  return -1;
}

int sv_options_read(sv_options *o, int argc, char **argv) {
  int i = 1;
  memset(o, 0, sizeof *o);
  o->grace = 0.5;
  o->gpus = "";
  while (i < argc && strcmp(argv[i], "--") != 0) {
    if (read_flag(o, argv[i])) { i++; continue; }
    if (i + 1 >= argc || read_value(o, argv[i], argv[i + 1]) < 0) return -1;
    i += 2;
  }
  if (i + 1 >= argc || o->dir == NULL) return -1;
  o->argv = argv + i + 1;
  return 0;
}
