/* patch.h - from a model's reply to changed files, or to a refusal in words.
 * Called by engine/lua/lua_patch.c and by tests; knows neither Lua nor the
 * study.  Everything happens in memory: a reply is applied whole to a set of
 * files or not at all, and nothing touches a disk but er_patch_write.
 *
 *   parse    reply bytes            -> blocks    (what was asked for)
 *   locate   block + file           -> place     (where it is meant)
 *   plan     blocks + rules + files -> edits     (all of them, or a refusal)
 *   apply    edits                  -> new files
 *
 * Each stage has a header of its own (parse.h, locate.h, plan.h) and is tested
 * alone.  Line numbers and counts in a diff are hints that only break ties. */
#ifndef ER_PATCH_PATCH_H
#define ER_PATCH_PATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

#define ER_PATCH_MAX_REPLY (4u << 20)
#define ER_PATCH_MAX_FILE  (4u << 20)

typedef struct {
  const char *path;              /* relative to the environment, '/' separated */
  const char *bytes;             /* borrowed */
  size_t len;
} er_patch_file;

typedef struct {
  const char *const *editable;   /* globs; a path that none matches is frozen */
  size_t n_editable;
  const char *region;            /* marker, e.g. "EVOLVE-BLOCK", or NULL */
  const char *const *frozen;     /* globs that win over editable; may be empty */
  size_t n_frozen;
  const char *folder;            /* the environment's own name, which replies put in front of paths; or NULL */
} er_patch_rules;

typedef enum { ER_PATCH_UDIFF, ER_PATCH_SEARCH, ER_PATCH_WHOLE, ER_PATCH_BEGIN } er_patch_form;

/* What became of one block of the reply. */
typedef struct {
  er_patch_form form;
  char *path;                    /* owned */
  const char *rung;              /* matcher used: "exact", "trailing-space", ... */
  size_t line;                   /* 1-based place in the original file, 0 if none */
  double similarity;             /* 1 for exact */
  char code[32];                 /* why it was refused, "" if it was not */
} er_patch_block_report;

typedef enum { ER_CHANGE_MODIFY, ER_CHANGE_CREATE, ER_CHANGE_DELETE } er_change_kind;

typedef struct {
  er_change_kind kind;
  char *path;                    /* owned */
  er_buf after;                  /* owned; the whole new file, empty for a delete */
} er_patch_change;

/* The outcome: either changes (applied = true) or a refusal.  Stable codes of
 * a refusal: "no_change_found", "no_op", "frozen", "outside_region", "region_marker",
 * "bad_path", "not_found", "ambiguous", "missing_file", "exists", "binary",
 * "too_large", "truncated", "overlap", "malformed". */
typedef struct {
  bool applied;
  er_patch_change *changes;      /* sorted by path */
  size_t n_changes;
  er_patch_block_report *blocks;
  size_t n_blocks;
  char code[32];
  er_buf message;                /* fit to be sent back to the model */
} er_patch_result;

/* Finds the change in a reply and applies it to files (sorted by path).  The
 * result is always filled in; free it with er_patch_result_free. */
void er_patch_apply(const er_patch_file *files, size_t n_files, const er_patch_rules *rules,
                    const char *reply, size_t len, er_patch_result *out);
void er_patch_result_free(er_patch_result *r);

/* Checks an environment's own files against `region`: every editable file has
 * at least one pair of markers, none nested, none unpaired.  0 or -1 + err. */
int er_patch_check_regions(const er_patch_file *files, size_t n_files, const er_patch_rules *rules,
                           er_err *err);

/* Writes the changes below dir: temporary files, fsync, rename; mode bits kept;
 * nothing outside dir, no links followed.  A modified file that is not there is
 * made; one to be created must not be there.  On failure what was renamed
 * already is put back and -1 is returned. */
int er_patch_write(const char *dir, const er_patch_result *r, er_err *err);

/* A minimal git-style unified diff (Myers, 3 lines of context) from the files a
 * to the files b, both sorted by path; created and deleted files against
 * /dev/null.  Empty if they are equal.  er_patch_apply accepts it. */
void er_patch_diff(const er_patch_file *a, size_t n_a, const er_patch_file *b, size_t n_b, er_buf *out);

/* Lines added and removed by er_patch_diff's output, for summaries. */
void er_patch_diff_stat(const char *diff, size_t len, size_t *added, size_t *removed);

#endif
