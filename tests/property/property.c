/* property.c - badly written replies give the true result or a refusal, never a third thing.
 *
 *   property [--cases N] [--from SEED]     run N cases; the last lines are the table
 *   property --refused                     shows what was refused, too
 *   property --case SEED                   one case in full: corruption, texts, reply, outcome
 *   property --git [--cases N]             the unified diffs among them also through git and patch
 *   property --seeds DIR [--cases N]       the small ones as inputs for the fuzz targets */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/path.h"
#include "case.h"
#include "rivals.h"

enum { RECOVERED, REFUSED, WRONG };
enum { MOST_SHOWN = 60 };

typedef struct { size_t n[3]; } tally;

typedef struct {
  text_pairs texts;
  tally keeping[64], doubtful[8], destroying[64], mixed;
  rival_tally rivals[64];
  bool ask_rivals, show_refused;
  size_t shown;
} run;

/* ---- what a case is to be ---- */

typedef enum { SINGLE, MIXED, DOUBTFUL, DESTROYED } sort;

/* Of eight cases three have one corruption each, two have several. */
static sort sort_of(uint64_t seed, const corruption **how, size_t *which) {
  uint64_t round = seed / 8;
  switch (seed % 8) {
    case 0: case 1: case 2:
      *which = (size_t)((round * 3 + seed % 8) % n_keeping);
      return *how = &keeping[*which], SINGLE;
    case 3: case 4:
      *which = 0;
      return *how = NULL, MIXED;
    case 5:
      *which = (size_t)(round % n_doubtful);
      return *how = &doubtful[*which], DOUBTFUL;
    default:
      *which = (size_t)((round * 2 + seed % 2) % n_destroying);
      return *how = &destroying[*which], DESTROYED;
  }
}

static case_form pick_form(er_rng *rng, unsigned forms) {
  case_form f;
  do f = (case_form)er_rng_below(rng, FORMS); while (!(forms & 1u << f));
  return f;
}

static bool apply_one(prop_case *c, const corruption *how) {
  case_note(c, how->name);
  return how->apply(c);
}

static bool apply_many(prop_case *c) {
  size_t wanted = 2 + pick(c, 5), done = 0;
  for (size_t i = 1; i < n_keeping && done < wanted; i++) {
    const corruption *how = &keeping[i];
    case_style before = c->style;
    if (!(how->forms & 1u << c->form) || !chance(c, n_keeping / wanted / 2)) continue;
    if (how->apply(c)) case_note(c, how->name), done++;
    else c->style = before;                           /* it offered no place and changed nothing else */
  }
  return done > 1;
}

/* Tries texts until one offers a place for the corruption; all from the seed. */
static bool make_case(const run *r, uint64_t seed, prop_case *c) {
  size_t which;
  const corruption *how;
  sort s = sort_of(seed, &how, &which);
  unsigned forms = s == MIXED ? U | S | W | P : how->forms;
  er_rng rng;
  er_rng_seed(&rng, (int64_t)seed, "form");
  for (uint64_t tries = 0; tries < 200; tries++) {
    if (case_build(c, seed * 1000 + tries, &r->texts, pick_form(&rng, forms), 3) &&
        (s == MIXED ? apply_many(c) : apply_one(c, how))) {
      c->seed = seed;
      corrupt_settle(c);
      if (c->reply.len == 0) reply_write(c);
      return true;
    }
    case_free(c);
  }
  return false;
}

/* ---- the applier's answer ---- */

static int by_path(const void *a, const void *b) {
  return strcmp(((const er_patch_file *)a)->path, ((const er_patch_file *)b)->path);
}

static size_t tree_before(const prop_case *c, er_patch_file *files) {
  size_t n = 0;
  for (size_t i = 0; i < c->n_files; i++)
    if (c->files[i].kind != FILE_CREATED)
      files[n++] = (er_patch_file){c->files[i].path, er_buf_cstr(&c->files[i].before), c->files[i].before.len};
  if (n > 1) qsort(files, n, sizeof *files, by_path);
  return n;
}

/* What the applier was to make of a path: NULL if it should not be there. */
static const er_buf *wanted(const prop_case *c, const char *path) {
  for (size_t i = 0; i < c->n_files; i++) {
    const case_file *f = &c->files[i];
    if (f->new_path != NULL && strcmp(f->new_path, path) == 0) return &f->after;
    if (strcmp(f->path, path) == 0) return f->kind == FILE_DELETED || f->kind == FILE_RENAMED ? NULL : &f->after;
  }
  return NULL;
}

static bool same(const er_buf *a, const er_buf *b) {
  return a->len == b->len && (a->len == 0 || memcmp(a->ptr, b->ptr, a->len) == 0);
}

static size_t changes_wanted(const prop_case *c) {
  size_t n = 0;
  for (size_t i = 0; i < c->n_changed; i++)
    n += c->files[i].kind == FILE_RENAMED
             ? 2
             : !same(&c->files[i].before, &c->files[i].after) || c->files[i].kind != FILE_CHANGED;
  return n;
}

static bool right(const prop_case *c, const er_patch_result *r) {
  for (size_t i = 0; i < r->n_changes; i++) {
    const er_buf *want = wanted(c, r->changes[i].path);
    if ((want == NULL) != (r->changes[i].kind == ER_CHANGE_DELETE)) return false;
    if (want != NULL && !same(want, &r->changes[i].after)) return false;
  }
  return r->n_changes == changes_wanted(c);
}

static const char *const every[] = {"**"};
static const er_patch_rules rules = {.editable = every, .n_editable = 1};

static void apply_case(const prop_case *c, er_patch_result *out) {
  er_patch_file files[MAX_CASE_FILES];
  size_t n = tree_before(c, files);
  er_patch_apply(files, n, &rules, er_buf_cstr(&c->reply), c->reply.len, out);
}

static int judge(const prop_case *c, const er_patch_result *r, bool destroyed) {
  if (!r->applied) return REFUSED;
  return !destroyed && right(c, r) ? RECOVERED : WRONG;
}

/* ---- showing ---- */

static void show_text(const char *title, const er_buf *b) {
  printf("---------- %s (%zu bytes)\n", title, b->len);
  fwrite(er_buf_cstr(b), 1, b->len, stdout);
  if (b->len > 0 && b->ptr[b->len - 1] != '\n') printf("\n(no line end)\n");
}

static void show_files(const prop_case *c) {
  char title[800];
  for (size_t i = 0; i < c->n_files; i++) {
    snprintf(title, sizeof title, "%s before", c->files[i].path);
    show_text(title, &c->files[i].before);
    snprintf(title, sizeof title, "%s as it should be", c->files[i].path);
    if (i < c->n_changed) show_text(title, &c->files[i].after);
  }
}

/* What the applier made, as a diff from what it should have made. */
static void show_difference(const prop_case *c, const er_patch_result *r) {
  for (size_t i = 0; i < r->n_changes; i++) {
    const er_buf *want = wanted(c, r->changes[i].path);
    er_buf diff = {0};
    if (want == NULL || r->changes[i].kind == ER_CHANGE_DELETE) {
      printf("%s: kind %d\n", r->changes[i].path, r->changes[i].kind);
      continue;
    }
    er_patch_file a = {r->changes[i].path, er_buf_cstr(want), want->len},
                  b = {r->changes[i].path, er_buf_cstr(&r->changes[i].after), r->changes[i].after.len};
    er_patch_diff(&a, 1, &b, 1, &diff);
    show_text("from what should be to what came out", &diff);
    er_buf_free(&diff);
  }
}

static void show_outcome(const prop_case *c, const er_patch_result *r, int outcome) {
  static const char *const words[] = {"recovered", "refused", "A THIRD THING"};
  printf("========== case %llu: %s: %s\n", (unsigned long long)c->seed, c->notes, words[outcome]);
  show_text("reply", &c->reply);
  for (size_t i = 0; i < r->n_blocks; i++)
    printf("block %zu: %s, %s, line %zu, %.3f\n", i + 1, r->blocks[i].path ? r->blocks[i].path : "?", r->blocks[i].rung,
           r->blocks[i].line, r->blocks[i].similarity);
  if (!r->applied) printf("refused: %s: %s\n", r->code, er_buf_cstr(&r->message));
  if (outcome == WRONG) show_difference(c, r);
}

static int show_case(run *r, uint64_t seed) {
  prop_case c = {0};
  er_patch_result result;
  const corruption *how;
  size_t which;
  if (!make_case(r, seed, &c)) return printf("case %llu: no text offers a place\n", (unsigned long long)seed), 2;
  apply_case(&c, &result);
  int outcome = judge(&c, &result, sort_of(seed, &how, &which) == DESTROYED);
  show_files(&c);
  show_outcome(&c, &result, outcome);
  er_patch_result_free(&result);
  case_free(&c);
  return outcome == WRONG;
}

/* ---- the run ---- */

static void count(run *r, sort s, size_t which, int outcome) {
  tally *all[] = {[SINGLE] = r->keeping, [MIXED] = &r->mixed, [DOUBTFUL] = r->doubtful, [DESTROYED] = r->destroying};
  all[s][which].n[outcome]++;
}

static void run_case(run *r, uint64_t seed) {
  prop_case c = {0};
  er_patch_result result;
  const corruption *how;
  size_t which;
  sort s = sort_of(seed, &how, &which);
  if (!make_case(r, seed, &c)) return;
  apply_case(&c, &result);
  int outcome = judge(&c, &result, s == DESTROYED);
  count(r, s, which, outcome);
  bool show = outcome == WRONG || (r->show_refused && outcome == REFUSED && s < DOUBTFUL);
  if (show && (r->show_refused || r->shown++ < MOST_SHOWN)) show_outcome(&c, &result, outcome);
  if (r->ask_rivals && s == SINGLE && c.form == FORM_UDIFF) rivals_ask(&c, &r->rivals[which]);
  er_patch_result_free(&result);
  case_free(&c);
}

static size_t total(const tally *t) { return t->n[0] + t->n[1] + t->n[2]; }

static double percent(size_t part, size_t whole) { return whole > 0 ? 100.0 * (double)part / (double)whole : 100.0; }

static void print_row(const char *name, const tally *t) {
  printf("| %s | %zu | %.1f %% | %zu | %zu |\n", name, total(t), percent(t->n[RECOVERED], total(t)), t->n[REFUSED],
         t->n[WRONG]);
}

static void print_tables(const run *r, tally *all) {
  *all = r->mixed;
  printf("\n| corruption | cases | recovered | refused | misapplied |\n|---|---|---|---|---|\n");
  for (size_t i = 0; i < n_keeping; i++) {
    print_row(keeping[i].name, &r->keeping[i]);
    for (int k = 0; k < 3; k++) all->n[k] += r->keeping[i].n[k];
  }
  print_row("two to six at once", &r->mixed);
  print_row("all", all);
  printf("\n| in doubt | cases | right | refused | misapplied |\n|---|---|---|---|---|\n");
  for (size_t i = 0; i < n_doubtful; i++) print_row(doubtful[i].name, &r->doubtful[i]);
  printf("\n| meaning destroyed | cases | refused | accepted |\n|---|---|---|---|\n");
  for (size_t i = 0; i < n_destroying; i++)
    printf("| %s | %zu | %zu | %zu |\n", destroying[i].name, total(&r->destroying[i]), r->destroying[i].n[REFUSED],
           r->destroying[i].n[WRONG]);
  if (r->ask_rivals) rivals_print(keeping, n_keeping, r->rivals);
}

/* 95 of 100 for each corruption; a few cases allow for chance. */
static bool recovers(const tally *t) {
  size_t n = total(t);
  return n >= 200 ? t->n[RECOVERED] * 100 >= n * 95 : t->n[RECOVERED] + n / 10 + 2 >= n;
}

/* The promises of the patch room; each that is broken is said. */
static int check(const run *r, const tally *all) {
  int bad = 0;
  for (size_t i = 0; i < n_keeping; i++) {
    const tally *t = &r->keeping[i];
    if (total(t) == 0) bad += printf("FAILED: no case for \"%s\"\n", keeping[i].name) > 0;
    if (!recovers(t))
      bad += printf("FAILED: \"%s\" recovered in %.1f %% of the cases, 95 are promised\n", keeping[i].name,
                    percent(t->n[RECOVERED], total(t))) > 0;
  }
  for (size_t i = 0; i < n_doubtful; i++)
    if (r->doubtful[i].n[WRONG] > 0)
      bad += printf("FAILED: \"%s\" gave a third thing %zu times\n", doubtful[i].name, r->doubtful[i].n[WRONG]) > 0;
  for (size_t i = 0; i < n_destroying; i++) {
    if (total(&r->destroying[i]) == 0) bad += printf("FAILED: no case for \"%s\"\n", destroying[i].name) > 0;
    if (r->destroying[i].n[WRONG] > 0)
      bad += printf("FAILED: \"%s\" was accepted %zu times\n", destroying[i].name, r->destroying[i].n[WRONG]) > 0;
  }
  if (all->n[WRONG] > 0) bad += printf("FAILED: %zu replies gave a third thing\n", all->n[WRONG]) > 0;
  if (percent(all->n[RECOVERED], total(all)) < 97)
    bad += printf("FAILED: %.2f %% recovered in all, 97 are promised\n", percent(all->n[RECOVERED], total(all))) > 0;
  return bad;
}

/* One case as tests/fuzz/fuzz.h reads it: the reply, then the files by its names. */
static void write_seed(const run *r, uint64_t seed, const char *dir) {
  static const char *const names[] = {"a.lua", "lib/b.py", "c.txt", "frozen.lua"};
  prop_case c = {0};
  er_buf out = {0};
  if (!make_case(r, seed, &c)) return;
  for (size_t i = 0; i < c.n_files && i < 4; i++) c.files[i].said = names[i];
  bool cut = strstr(c.notes, "cut off") != NULL || strstr(c.notes, "divider") != NULL;
  if (!cut) reply_write(&c);
  er_buf_add(&out, c.reply.ptr, c.reply.len);
  for (size_t i = 0; i < c.n_files && i < 4; i++) {
    er_buf_str(&out, "\n%%%%\n");
    er_buf_add(&out, c.files[i].before.ptr, c.files[i].before.len);
  }
  if (out.len < 6000) {
    char *path = er_asprintf("%s/case-%llu", dir, (unsigned long long)seed);
    er_file_write(path, out.ptr, out.len, 0644, NULL);
    er_free(path);
  }
  er_buf_free(&out);
  case_free(&c);
}

static unsigned long long number(const char *text, const char *option) {
  char *end;
  unsigned long long v = text != NULL ? strtoull(text, &end, 10) : 0;
  if (text != NULL && *text != '\0' && *end == '\0') return v;
  fprintf(stderr, "property: %s needs a number\n", option);
  exit(2);
}

int main(int argc, char **argv) {
  run r = {0};
  unsigned long long cases = 2000, from = 0, one = 0;
  bool single = false;
  const char *seeds = NULL;
  tally all;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--cases") == 0) cases = number(argv[++i], "--cases");
    else if (strcmp(argv[i], "--from") == 0) from = number(argv[++i], "--from");
    else if (strcmp(argv[i], "--case") == 0) one = number(argv[++i], "--case"), single = true;
    else if (strcmp(argv[i], "--git") == 0) r.ask_rivals = true;
    else if (strcmp(argv[i], "--refused") == 0) r.show_refused = true;
    else if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc) seeds = argv[++i];
    else
      return fprintf(stderr,
                     "usage: property [--cases N] [--from SEED] [--refused] [--git | --seeds DIR] | --case SEED\n"),
             2;
  }
  if (texts_load(&r.texts, PROPERTY_SOURCE) < 0) return 1;
  int bad = 0;
  if (single) {
    bad = show_case(&r, one);
  } else if (seeds != NULL) {
    for (unsigned long long i = 0; i < cases; i++) write_seed(&r, from + i, seeds);
  } else {
    printf("%zu texts (%s), cases %llu to %llu\n", r.texts.n, r.texts.history ? "history" : "sources", from,
           from + cases - 1);
    for (unsigned long long i = 0; i < cases; i++) run_case(&r, from + i);
    print_tables(&r, &all);
    bad = check(&r, &all);
  }
  texts_free(&r.texts);
  return bad > 0;
}
