/* case.h - one case of the property test: a small tree, a true change of it,
 * and a reply that asks for that change, which is then written badly.
 *
 *   change.c    the true change, from history or made up
 *   case.c      the tree before and after, its hunks, when a place is plain
 *   reply.c     the reply as text, in each form
 *   corrupt.c   ways to write it badly that keep what it means (corrupt_lines.c: its lines)
 *   destroy.c   ways that leave something else, or nothing, to be meant
 *
 * Everything is a function of the seed and of the texts.  What a corruption
 * may do without changing the meaning is decided here, in the file as it is
 * (case_plain_places), and never by what the applier makes of the reply. */
#ifndef PROPERTY_CASE_H
#define PROPERTY_CASE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/rng.h"
#include "patch/lines.h"
#include "patch/patch.h"
#include "texts.h"

typedef enum { FORM_UDIFF, FORM_SEARCH, FORM_WHOLE, FORM_PATCH, FORMS } case_form;

typedef struct {
  const char *s;                 /* in the case's arena, or borrowed from a text */
  size_t n;
  char op;                       /* ' ', '-', '+'; 'e' is a "..." line */
  bool cr, open;                 /* its line ends in CRLF; the file ends without a line end */
} case_line;

typedef struct {
  case_line *v;                  /* owned */
  size_t n, cap;
  size_t at, end;                /* its true place in `before`, 0-based, half open */
  size_t old_line, old_count, new_line, new_count;     /* as the reply says them */
} case_hunk;

typedef enum { FILE_SAME, FILE_CHANGED, FILE_CREATED, FILE_DELETED, FILE_RENAMED } case_kind;

typedef struct {
  case_kind kind;
  const char *path, *new_path;   /* new_path: of a renamed file */
  const char *said;              /* its path as the reply writes it */
  er_buf before, after;          /* owned */
  er_lines a, b;                 /* of before and after */
  case_hunk *hunks;              /* owned */
  size_t n_hunks;
} case_file;

enum {
  HEAD_GIT,
  HEAD_PLAIN,
  HEAD_NO_PREFIX,
  HEAD_DOT,
  HEAD_STAMPED,
  HEAD_PLUS_ONLY,
  HEAD_MINUS_ONLY,
  HEAD_NONE,
  HEAD_INDEX,
  HEAD_FOLDERS
};
enum { NUMBERS_TRUE, NUMBERS_BARE, NUMBERS_DOTS, NUMBERS_WORDS, NUMBERS_NO_COUNTS };
enum { EOL_AS_FILE, EOL_LF, EOL_CRLF };
enum { FENCE_NONE, FENCE_PLAIN, FENCE_DIFF, FENCE_PATCH, FENCE_TILDES, FENCE_FOUR, FENCE_LANG };
enum { GROUP_ALL, GROUP_FILE, GROUP_HUNK };
enum {
  PATH_ABOVE,
  PATH_BOLD,
  PATH_TICKS,
  PATH_HEADING,
  PATH_LABEL,
  PATH_INFO,
  PATH_COMMENT,
  PATH_INSIDE,
  PATH_SMART,
  PATH_DOT,
  PATH_NONE
};

/* How the reply is written down. */
typedef struct {
  int head, numbers, eol, fence, group, prose, path, markers;
  bool unclosed, blank_bare, html, bom, lost_heads, lost_end_marker, wrapped;
  int indent;                    /* spaces in front of every line of the reply */
} case_style;

enum { MAX_CASE_FILES = 6 };

typedef struct {
  uint64_t seed;
  er_rng rng;
  case_form form;
  case_file files[MAX_CASE_FILES];
  size_t n_files, n_changed;     /* changed ones come first */
  bool numbers_alone;            /* some hunk's place is told by its number alone */
  case_style style;
  er_buf reply;                  /* owned */
  char notes[512];               /* the corruptions' names */
  char **kept;                   /* the arena */
  size_t n_kept, cap_kept;
} prop_case;

/* ---- case.c ---- */
size_t pick(prop_case *c, size_t n);                          /* [0, n) */
bool chance(prop_case *c, size_t one_in);
const char *keep(prop_case *c, const char *s, size_t n);      /* a copy that lives as long as the case */
void case_free(prop_case *c);

/* A tree with a true change, written with `context` lines around each change. */
bool case_build(prop_case *c, uint64_t seed, const text_pairs *texts, case_form form, size_t most_files);
void case_note(prop_case *c, const char *name);

void hunk_insert(case_hunk *h, size_t at, case_line l);
void hunk_remove(case_hunk *h, size_t at);
bool line_blank(const case_line *l);
bool line_old(const case_line *l);                            /* stands in the old text */
bool line_touches(const case_hunk *h, size_t i);              /* is a change, or stands beside one */
size_t hunk_first_change(const case_hunk *h);
size_t hunk_last_change(const case_hunk *h);                  /* one behind it */
size_t hunk_context(const case_hunk *h, bool front);          /* context lines at an edge that are not blank */

/* At how many places of the file the hunk's old lines could be meant by a
 * reader who overlooks white space and blank lines.  0 if it has none. */
size_t hunk_plain_places(const case_file *f, const case_hunk *h);

/* The same for the lines [from, to) of the hunk alone. */
size_t hunk_part_places(const case_file *f, const case_hunk *h, size_t from, size_t to);

/* The most old lines that any other place of the file shares with the hunk, as
 * aligned windows of lines that are not blank; *lines is how many it has. */
size_t hunk_rival(const case_file *f, const case_hunk *h, size_t *lines);

/* ---- change.c ---- */
void change_text(prop_case *c, const text_pair *pair, const er_buf *before, er_buf *after);

/* ---- reply.c ---- */
void reply_write(prop_case *c);

/* ---- corrupt*.c, destroy.c ---- */
typedef struct {
  const char *name;
  unsigned forms;                /* bits of case_form */
  bool (*apply)(prop_case *c);   /* false: this case offers no place for it */
} corruption;

#define U (1u << FORM_UDIFF)
#define S (1u << FORM_SEARCH)
#define W (1u << FORM_WHOLE)
#define P (1u << FORM_PATCH)

extern const corruption keeping[], doubtful[], destroying[];
extern const size_t n_keeping, n_doubtful, n_destroying;

/* Behind the last one: takes back what the others have made meaningless. */
void corrupt_settle(prop_case *c);

#endif
