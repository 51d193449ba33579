/* scan.h - what the readers of the three forms share; private to parsing.
 * Each reader is called at a line that looks like its own, adds what it found
 * to s->out and leaves s->at behind it; -1 refuses the reply. */
#ifndef ER_PATCH_SCAN_H
#define ER_PATCH_SCAN_H

#include "patch/parse.h"

/* A Markdown fence; len 0 stands for none. */
typedef struct {
  char sign;                     /* '`' or '~' */
  size_t len, indent;
  size_t line;                   /* index of its opening line */
  const char *info;              /* borrowed from the reply */
  size_t info_len;
} er_fence;

typedef struct {
  er_parsed *out;
  const er_line *in;             /* the lines of the reply */
  size_t n, at;
  const er_patch_file *files;
  size_t n_files;
  er_fence fence;                /* the fence that s->at is inside of */
  size_t looked;                 /* lines that were looked at ahead of time */
  size_t last_block_fence;       /* fence.line + 1 of the last search/replace block, 0 if bare */
  er_refusal *why;
} er_scan;

bool er_scan_known(const er_scan *s, const char *path, size_t n);
bool er_scan_fence_open(const er_line *l, er_fence *out);
bool er_scan_fence_close(const er_fence *f, const er_line *l);

er_block *er_scan_block(er_scan *s, er_patch_form form);     /* starts at s->at */
er_hunk *er_scan_hunk(er_scan *s);                           /* adds one to the last block */
void er_scan_line(er_scan *s, er_line l, char op, bool strip_cr);

/* Paths: each returns an owned string or NULL. */
char *er_scan_path_line(const er_scan *s, const er_line *l);       /* a line that is only a path */
char *er_scan_path_comment(const er_scan *s, const er_line *l);    /* a comment that is only a path */
char *er_scan_path_mention(const er_scan *s, const er_line *l);    /* prose that names one known file */
char *er_scan_path_info(const er_scan *s, const er_fence *f);      /* the info string of a fence */
const er_line *er_scan_above(const er_scan *s, size_t line);       /* the non-blank line above, or NULL */
char *er_scan_path_above(const er_scan *s, size_t line);           /* of an edit block at that line */

bool er_scan_search_opener(const er_line *l);
int er_scan_search(er_scan *s);
bool er_scan_search_stray(const er_line *l);
int er_scan_search_refuse_stray(er_scan *s);
bool er_scan_udiff_start(const er_scan *s, size_t at);
int er_scan_udiff(er_scan *s);
int er_scan_bare_hunk(er_scan *s);                           /* +/- lines without any header */
int er_scan_whole(er_scan *s, char *path, size_t body, size_t end);

#endif
