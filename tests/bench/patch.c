/* patch.c - what the patch applier costs: a typical reply, and the worst that were thought of.
 *
 *   bench_patch            every case: time, memory, and the ratio to hashing the same bytes
 *   bench_patch NAME...    these cases alone
 *
 * CPU times, the best of several runs; each case has a process of its own, whose
 * peak memory is read.  The ratio says more than the time: SHA-256 of the same
 * bytes, in the same run, on the same machine. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/mem.h"
#include "base/rng.h"
#include "patch/patch.h"

#define MEGABYTE (1u << 20)
#define MOST_FILES 4000

typedef struct {
  er_buf text, reply;            /* owned */
  er_patch_file files[MOST_FILES];
  size_t n_files;
  er_rng rng;
} input;

static const char *const every[] = {"**"};
static const er_patch_rules rules = {.editable = every, .n_editable = 1};

static size_t pick(input *in, size_t n) { return (size_t)er_rng_below(&in->rng, n); }

/* ---- typical ---- */

static void code_line(input *in, er_buf *out, size_t i) {
  static const char *const lines[] = {"  local rate_%zu = step(%zu) * decay\n",
                                      "  if loss_%zu > limit then stop(%zu) end\n",
                                      "  x[%zu] = y[%zu] + z\n",
                                      "  -- layer %zu of %zu\n",
                                      "  return value_%zu, %zu\n",
                                      "end\n",
                                      "\n"};
  er_buf_fmt(out, lines[pick(in, 7)], i, i * 7 % 100);
}

static void four_hundred(input *in) {
  for (size_t i = 0; i < 400; i++)
    if (i % 20 == 0) er_buf_fmt(&in->text, "function layer_%zu(x)\n", i);
    else code_line(in, &in->text, i);
}

static const char *line_at(const er_buf *b, size_t at) {
  const char *p = b->ptr;
  while (at-- > 0) p = memchr(p, '\n', (size_t)(b->ptr + b->len - p)) + 1;
  return p;
}

static void quote(er_buf *out, const er_buf *text, size_t from, size_t n, const char *sign) {
  const char *p = line_at(text, from);
  for (; n > 0; n--) {
    const char *end = memchr(p, '\n', (size_t)(text->ptr + text->len - p)) + 1;
    er_buf_str(out, sign);
    er_buf_add(out, p, (size_t)(end - p));
    p = end;
  }
}

static void three_searches(input *in) {
  four_hundred(in);
  for (size_t at = 40; at < 400; at += 140) {
    er_buf_str(&in->reply, "a.lua\n<<<<<<< SEARCH\n");
    quote(&in->reply, &in->text, at, 7, "");
    er_buf_str(&in->reply, "=======\n");
    quote(&in->reply, &in->text, at, 3, "");
    er_buf_str(&in->reply, "  new_line()\n");
    quote(&in->reply, &in->text, at + 4, 3, "");
    er_buf_str(&in->reply, ">>>>>>> REPLACE\n\n");
  }
}

static void diff_of(input *in, const char *head, const char *sign, size_t step, const char *prefix) {
  er_buf_str(&in->reply, "Here is the change:\n\n```diff\n--- a/a.lua\n+++ b/a.lua\n");
  for (size_t at = 40; at < 400; at += step) {
    er_buf_fmt(&in->reply, head, at + 1);
    quote(&in->reply, &in->text, at, 3, sign);
    er_buf_fmt(&in->reply, "-%s", prefix);
    quote(&in->reply, &in->text, at + 3, 1, "");
    er_buf_fmt(&in->reply, "+%s  new_line()\n", prefix);
    quote(&in->reply, &in->text, at + 4, 3, sign);
  }
  er_buf_str(&in->reply, "```\n");
}

static void three_hunks(input *in) { four_hundred(in), diff_of(in, "@@ -%zu,7 +1,7 @@\n", " ", 140, ""); }
static void three_bare_hunks(input *in) { four_hundred(in), diff_of(in, "@@\n", " ", 140, ""); }
static void three_deeper_hunks(input *in) {
  four_hundred(in), diff_of(in, "@@ -9%zu,1 +1,1 @@\n", "     ", 140, "    ");
}

static void three_typos(input *in) {
  three_bare_hunks(in);
  for (char *p = in->reply.ptr; (p = strstr(p, "function")) != NULL; p += 8) p[1] = 'v';
}

static void three_lost(input *in) {
  four_hundred(in), diff_of(in, "@@ -%zu,7 +1,7 @@\n", " ", 140, "zzz not in the file ");
}

static void whole_file(input *in) {
  four_hundred(in);
  er_buf_str(&in->reply, "a.lua\n```lua\n");
  er_buf_add(&in->reply, in->text.ptr, in->text.len);
  er_buf_str(&in->reply, "new_line()\n```\n");
}

/* ---- the worst: a megabyte against a megabyte ---- */

static void repeat(er_buf *out, size_t bytes, const char *const *lines, size_t n) {
  for (size_t i = 0; out->len < bytes; i++) er_buf_str(out, lines[i % n]);
}

static void unique_text(input *in, const char *form) {
  for (size_t i = 0; in->text.len < MEGABYTE; i++) er_buf_fmt(&in->text, form, i, i * 2654435761u % 1000003);
}

static void hunks_of(input *in, const char *hunk) {
  er_buf_str(&in->reply, "--- a/a.lua\n+++ b/a.lua\n");
  for (size_t i = 0; in->reply.len < MEGABYTE && i < 8000; i++) er_buf_fmt(&in->reply, hunk, i, i);
}

static void blocks_of(input *in, const char *block) {
  er_buf_str(&in->reply, "a.lua\n");
  for (size_t i = 0; in->reply.len < MEGABYTE && i < 4000; i++) er_buf_fmt(&in->reply, block, i, i);
}

static void equal_lines(input *in) {
  repeat(&in->text, MEGABYTE, (const char *const[]){"x\n"}, 1);
  hunks_of(in, "@@\n x\n x\n-x\n+y %zu\n x\n x\n");
}

static void equal_lines_numbered(input *in) {
  repeat(&in->text, MEGABYTE, (const char *const[]){"x\n"}, 1);
  hunks_of(in, "@@ -%zu,5 +%zu,5 @@\n x\n x\n-x\n+y\n x\n x\n");
}

static void equal_lines_one_hunk(input *in) {
  repeat(&in->text, MEGABYTE, (const char *const[]){"x\n"}, 1);
  er_buf_str(&in->reply, "--- a/a.lua\n+++ b/a.lua\n@@\n");
  repeat(&in->reply, MEGABYTE, (const char *const[]){" x\n"}, 1);
  er_buf_str(&in->reply, "-z\n+y\n");
}

static void alternating_lines(input *in) {
  repeat(&in->text, MEGABYTE, (const char *const[]){"a\n", "b\n"}, 2);
  blocks_of(in, "<<<<<<< SEARCH\na\nb\na\nc\n=======\n%zu\n>>>>>>> REPLACE\n");
}

static void period_of_seven(input *in) {
  static const char *const seven[] = {"if a then\n", "  b()\n", "end\n", "\n", "for i = 1, n do\n", "  c(i)\n", "end\n"};
  repeat(&in->text, MEGABYTE, seven, 7);
  er_buf_str(&in->reply, "a.lua\n<<<<<<< SEARCH\n");
  repeat(&in->reply, MEGABYTE, seven, 7);
  er_buf_str(&in->reply, "last()\n=======\nx\n>>>>>>> REPLACE\n");
}

static void many_blocks(input *in) {
  unique_text(in, "local value_%zu = %zu\n");
  er_buf_str(&in->reply, "a.lua\n");
  for (size_t i = 0; i < 4000; i++)
    er_buf_fmt(&in->reply, "<<<<<<< SEARCH\nlocal value_%zu = %zu\n=======\nlocal other = %zu\n>>>>>>> REPLACE\n",
               i * 7, i * 7 * 2654435761u % 1000003, i);
}

/* Each block replaces lines by as many others: the shortest edit script is as long as can be. */
static void unlike_blocks(input *in) {
  unique_text(in, "%zu %zu\n");
  for (size_t n = 0; in->reply.len < MEGABYTE; n++) {
    er_buf_str(&in->reply, "a.lua\n<<<<<<< SEARCH\n");
    for (size_t i = n * 600; i < n * 600 + 600; i++) er_buf_fmt(&in->reply, "%zu %zu\n", i, i * 2654435761u % 1000003);
    er_buf_str(&in->reply, "=======\n");
    for (size_t i = 0; i < 600; i++) er_buf_fmt(&in->reply, "n%zu\n", n * 600 + i);
    er_buf_str(&in->reply, ">>>>>>> REPLACE\n");
  }
}

static void many_typos(input *in) {
  unique_text(in, "local value_%zu = compute(%zu, previous)\n");
  blocks_of(in, "<<<<<<< SEARCH\nlocal value_%zu = compote(%zu, previous)\nlocal vlaue\n=======\nx\n>>>>>>> REPLACE\n");
}

static void many_lost_hunks(input *in) {
  unique_text(in, "local value_%zu = compute(%zu, previous)\n");
  hunks_of(in, "@@ -%zu,3 +1,3 @@\n local one_%zu = compute(previous)\n-local two = compute(previous)\n+x\n local "
               "three = compute(previous)\n");
}

static void near_matches(input *in) {
  unique_text(in, "    result[%zu] = normalise(input[%zu], scale, offset)\n");
  er_buf_str(&in->reply, "a.lua\n<<<<<<< SEARCH\n");
  for (size_t i = 0; in->reply.len < MEGABYTE; i++)
    er_buf_fmt(&in->reply, "    reslt[%zu] = normalise(input[%zu], scale, ofset)\n", i + 1, i);
  er_buf_str(&in->reply, "=======\nx\n>>>>>>> REPLACE\n");
}

static void near_matches_short(input *in) {
  unique_text(in, "    result[%zu] = normalise(input[%zu], scale, offset)\n");
  blocks_of(in, "<<<<<<< SEARCH\n    reslt[%zu] = normalise(input[%zu], scale, ofset)\n    return\n=======\nx\n>>>>>>> "
                "REPLACE\n");
}

static void same_words(input *in) {
  repeat(&in->text, MEGABYTE,
         (const char *const[]){"    self.count = self.count + 1\n", "    self.total = self.total + 1\n"}, 2);
  blocks_of(in, "<<<<<<< SEARCH\n    self.cuont = self.count + 1\n    self.total = self.totl + "
                "%zu\n=======\nx\n>>>>>>> REPLACE\n");
}

static void dividers(input *in) {
  unique_text(in, "local value_%zu = %zu\n");
  er_buf_str(&in->reply, "a.lua\n<<<<<<< SEARCH\n");
  repeat(&in->reply, MEGABYTE, (const char *const[]){"=======\n"}, 1);
  er_buf_str(&in->reply, ">>>>>>> REPLACE\n");
}

static void open_blocks(input *in) {
  unique_text(in, "local value_%zu = %zu\n");
  repeat(&in->reply, MEGABYTE, (const char *const[]){"a.lua\n", "<<<<<<< SEARCH\n", "x\n"}, 3);
}

static void fences(input *in) {
  unique_text(in, "local value_%zu = %zu\n");
  repeat(&in->reply, MEGABYTE, (const char *const[]){"```a\n", "````b\n", "@@\n", "+x\n", "~~~\n"}, 5);
}

static void long_lines(input *in) {
  repeat(&in->text, MEGABYTE, (const char *const[]){"abcdefghij klm "}, 1);
  er_buf_str(&in->reply, "a.lua\n<<<<<<< SEARCH\n");
  repeat(&in->reply, MEGABYTE, (const char *const[]){"abcdefghij klm "}, 1);
  in->reply.ptr[MEGABYTE / 2] = '#';
  er_buf_str(&in->reply, "\n=======\nx\n>>>>>>> REPLACE\n");
}

static void long_similar_lines(input *in) {
  for (size_t i = 0; in->text.len < MEGABYTE; i++) {
    for (size_t k = 0; k < 1000; k++) er_buf_char(&in->text, (char)('a' + (i * 31 + k * k) % 26));
    er_buf_char(&in->text, '\n');
  }
  er_buf_str(&in->reply, "a.lua\n<<<<<<< SEARCH\n");
  er_buf_add(&in->reply, in->text.ptr, in->text.len);
  for (size_t i = 30; i < in->reply.len; i += 97) in->reply.ptr[i] = in->reply.ptr[i] == '\n' ? '\n' : '#';
  er_buf_str(&in->reply, "=======\nx\n>>>>>>> REPLACE\n");
}

static void elisions(input *in) {
  unique_text(in, "local value_%zu = %zu\n");
  er_buf_str(&in->reply, "a.lua\n<<<<<<< SEARCH\n");
  for (size_t i = 0; in->reply.len < MEGABYTE / 2; i += 2)
    er_buf_fmt(&in->reply, "local value_%zu = %zu\n...\n", i, i * 2654435761u % 1000003);
  er_buf_str(&in->reply, "=======\n");
  for (size_t i = 0; in->reply.len < MEGABYTE; i += 2)
    er_buf_fmt(&in->reply, "local value_%zu = %zu\n...\n", i, i * 2654435761u % 1000003);
  er_buf_str(&in->reply, "x\n>>>>>>> REPLACE\n");
}

static void elisions_equal(input *in) {
  repeat(&in->text, MEGABYTE, (const char *const[]){"x\n"}, 1);
  hunks_of(in, "@@\n x\n ...\n x\n ...\n-x\n+y %zu\n");
}

static void blank_lines(input *in) {
  repeat(&in->text, MEGABYTE, (const char *const[]){"\n", "\n", "x\n"}, 3);
  hunks_of(in, "@@\n x\n \n \n \n-x\n+y %zu\n \n");
}

static void numbered_lines(input *in) {
  unique_text(in, "local value_%zu = %zu\n");
  er_buf_str(&in->reply, "a.lua\n<<<<<<< SEARCH\n");
  for (size_t i = 0; in->reply.len < MEGABYTE; i++)
    er_buf_fmt(&in->reply, "%zu: local value_%zu = %zu\n", i + 1, i, i * 2654435761u % 1000003);
  er_buf_str(&in->reply, "=======\n1: x\n>>>>>>> REPLACE\n");
}

static void indented_lines(input *in) {
  for (size_t i = 0; in->text.len < MEGABYTE; i++)
    er_buf_fmt(&in->text, "%*sif x_%zu then\n", (int)(i % 60), "", i % 50);
  hunks_of(in, "@@\n   if x_1 then\n   if x_2 then\n-  if x_%zu then\n+y\n   if x_4 then\n");
}

static void escapes(input *in) {
  unique_text(in, "if (a_%zu < b_%zu && c > d) {\n");
  hunks_of(in, "@@\n if (a_%zu &lt; b_0 &amp;&amp; c &gt; d) {\n-if (a_%zu &lt; b_1 &amp;&amp; c &gt; d) {\n+x\n");
}

static void anchors(input *in) {
  unique_text(in, "local value_%zu = %zu\n");
  er_buf_str(&in->reply, "*** Begin Patch\n*** Update File: a.lua\n");
  for (size_t i = 0; in->reply.len < MEGABYTE; i++) er_buf_fmt(&in->reply, "@@ local value_%zu\n@@ x\n-x\n+y\n", i);
  er_buf_str(&in->reply, "*** End Patch\n");
}

static void heads(input *in) {
  unique_text(in, "local value_%zu = %zu\n");
  repeat(
      &in->reply, MEGABYTE,
      (const char *const[]){"diff --git a/a.lua b/a.lua\n", "--- a/a.lua\n", "+++ b/a.lua\n", "@@\n", "-x\n", "+y\n"},
      6);
}

static void out_of_order(input *in) {
  unique_text(in, "local value_%zu = %zu\n");
  er_buf_str(&in->reply, "--- a/a.lua\n+++ b/a.lua\n");
  for (size_t i = 16000; in->reply.len < MEGABYTE && i > 2; i -= 2)
    er_buf_fmt(&in->reply, "@@\n-local value_%zu = %zu\n+y\n", i, i * 2654435761u % 1000003);
}

static void change_groups(input *in) {
  unique_text(in, "local value_%zu = %zu\n");
  er_buf_str(&in->reply, "--- a/a.lua\n+++ b/a.lua\n@@\n");
  for (size_t i = 0; in->reply.len < MEGABYTE; i += 3)
    er_buf_fmt(&in->reply, " local value_%zu = %zu\n-x\n+y\n", i, i * 2654435761u % 1000003);
}

static void whole_other(input *in) {
  unique_text(in, "left %zu %zu\n");
  er_buf_str(&in->reply, "a.lua\n```\n");
  for (size_t i = 0; in->reply.len < MEGABYTE; i++)
    er_buf_fmt(&in->reply, i % 3 ? "right %zu %zu\n" : "left %zu %zu\n", i * 2, i * 2 * 2654435761u % 1000003);
  er_buf_str(&in->reply, "```\n");
}

static void whole_shuffled(input *in) {
  unique_text(in, "%zu\n");
  er_buf_str(&in->reply, "a.lua\n```\n");
  for (size_t i = 0; in->reply.len < MEGABYTE; i++) er_buf_fmt(&in->reply, "%zu\n", i * 7919 % 150000);
  er_buf_str(&in->reply, "```\n");
}

static void many_files(input *in) {
  static char names[MOST_FILES][32];
  for (size_t i = 0; i < MOST_FILES; i++) {
    snprintf(names[i], sizeof names[i], "d/f%05zu.lua", i);
    in->files[i] = (er_patch_file){names[i], "local a = 1\nlocal b = 2\n", 24};
  }
  in->n_files = MOST_FILES;
  blocks_of(in, "<<<<<<< SEARCH\nlocal a = 1\nlocal c_%zu = 2\n=======\nx\n>>>>>>> REPLACE\n");
  er_buf_str(&in->reply, "```diff\n@@\n-local b = 2\n+local b = 3\n```\n");
}

static void many_paths(input *in) {
  unique_text(in, "local value_%zu = %zu\n");
  for (size_t i = 0; in->reply.len < MEGABYTE; i++)
    er_buf_fmt(&in->reply, "### `dir/file_%zu.lua`\nSee dir/x.lua and %zu\n", i, i);
}

static void new_files(input *in) {
  for (size_t i = 0; in->reply.len < MEGABYTE; i++) er_buf_fmt(&in->reply, "```lua d/new_%zu.lua\nx = %zu\n```\n", i, i);
}

static const struct {
  const char *name;
  void (*make)(input *in);
} cases[] = {
    {"three search/replace blocks", three_searches},
    {"three hunks", three_hunks},
    {"three bare hunks", three_bare_hunks},
    {"three hunks, four deeper", three_deeper_hunks},
    {"three hunks with typos", three_typos},
    {"a whole file", whole_file},
    {"three hunks that are not there", three_lost},
    {"equal lines", equal_lines},
    {"equal lines, numbered", equal_lines_numbered},
    {"equal lines, one hunk", equal_lines_one_hunk},
    {"alternating lines", alternating_lines},
    {"period of seven", period_of_seven},
    {"many blocks", many_blocks},
    {"blocks of unlike lines", unlike_blocks},
    {"many typos", many_typos},
    {"many lost hunks", many_lost_hunks},
    {"near matches", near_matches},
    {"near matches, short", near_matches_short},
    {"same words", same_words},
    {"dividers", dividers},
    {"open blocks", open_blocks},
    {"fences", fences},
    {"one long line", long_lines},
    {"long similar lines", long_similar_lines},
    {"elisions", elisions},
    {"elisions, equal lines", elisions_equal},
    {"blank lines", blank_lines},
    {"numbered lines", numbered_lines},
    {"indented lines", indented_lines},
    {"HTML escapes", escapes},
    {"anchors", anchors},
    {"heads", heads},
    {"out of order", out_of_order},
    {"change groups", change_groups},
    {"another whole file", whole_other},
    {"a shuffled whole file", whole_shuffled},
    {"many files", many_files},
    {"many paths", many_paths},
    {"new files", new_files},
};

/* ---- measuring ---- */

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double hash_time(const input *in) {
  uint8_t out[32];
  double best = 1e9;
  for (int i = 0; i < 5; i++) {
    double a = now();
    er_sha256(in->text.ptr, in->text.len, out);
    er_sha256(in->reply.ptr, in->reply.len, out);
    double t = now() - a;
    if (t < best) best = t;
  }
  return best;
}

static long peak_kb(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return u.ru_maxrss;
}

/* Seconds of one of `n` applications in a row. */
static double apply_times(const input *in, size_t n, char *outcome, size_t size) {
  double a = now();
  for (size_t i = 0; i < n; i++) {
    er_patch_result r;
    er_patch_apply(in->files, in->n_files, &rules, in->reply.ptr, in->reply.len, &r);
    snprintf(outcome, size, "%s", r.applied ? "applied" : r.code);
    er_patch_result_free(&r);
  }
  return (now() - a) / (double)n;
}

/* The clock is coarse beside a typical reply: many of those at a time. */
static double apply_time(const input *in, char *outcome, size_t size) {
  double best = apply_times(in, 1, outcome, size), spent = 0;
  size_t n = best < 1e-3 ? 200 : 1;
  for (int i = 0; i < 50 && (i < 5 || spent < 0.3); i++) {
    double t = apply_times(in, n, outcome, size);
    if (t < best || i == 0) best = t;
    spent += t * (double)n;
  }
  return best;
}

static double diff_time(const input *in) {
  er_patch_file a = {"a", in->text.ptr, in->text.len}, b = {"a", in->reply.ptr, in->reply.len};
  er_buf out = {0};
  double start = now();
  er_patch_diff(&a, 1, &b, 1, &out);
  double t = now() - start;
  er_buf_free(&out);
  return t;
}

_Noreturn static void measure(size_t which) {
  input *in = er_calloc(1, sizeof *in);
  char outcome[32];
  er_rng_seed(&in->rng, 1, cases[which].name);
  cases[which].make(in);
  if (in->n_files == 0 && in->text.len > 0)
    in->files[in->n_files++] = (er_patch_file){"a.lua", in->text.ptr, in->text.len};
  double hash = hash_time(in);
  long before = peak_kb();
  double apply = apply_time(in, outcome, sizeof outcome);
  long after = peak_kb();
  double diff = diff_time(in);
  printf("| %-30s | %9.3f ms | %6.1f x | %5.1f MB | %8.3f ms | %s |\n", cases[which].name, apply * 1e3, apply / hash,
         (double)(after - before) / 1024, diff * 1e3, outcome);
  fflush(stdout);
  exit(0);
}

static bool wanted(const char *name, int argc, char **argv) {
  for (int i = 1; i < argc; i++)
    if (strstr(name, argv[i]) != NULL) return true;
  return argc == 1;
}

int main(int argc, char **argv) {
  printf("| case | apply | SHA-256 of the same | memory | diff | outcome |\n|---|---|---|---|---|---|\n");
  fflush(stdout);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    if (!wanted(cases[i].name, argc, argv)) continue;
    pid_t pid = fork();
    if (pid == 0) measure(i);
    int status = 0;
    waitpid(pid, &status, 0);
    if (status != 0) printf("| %s | failed, status %d |\n", cases[i].name, status);
  }
  return 0;
}
