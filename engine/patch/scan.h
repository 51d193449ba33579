/* scan.h - what the readers of the forms share; private to parsing.
 * Each reader is called at a line that looks like its own, adds what it found
 * to s->out and leaves s->at behind it; -1 refuses the reply. */
#ifndef ER_PATCH_SCAN_H
#define ER_PATCH_SCAN_H

#include "patch/parse.h"

/* A Markdown fence; len 0 stands for none. */
typedef struct {
  char sign;                     /* '`' or '~' */
  size_t len, indent;
  bool loose;                    /* it is closed by a line of another indentation */
  bool open_end;                 /* nothing closes it */
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
  enum { UNASKED, NO_FENCES, FENCES } fences_in_files;
  size_t compared;               /* lines of files that whole files were compared with */
  size_t last_block_fence;       /* fence.line + 1 of the last search/replace block, 0 if bare */
  size_t sound;                  /* the line behind the last block whose own end shows that it is whole */
  er_line tags[8];               /* names of the tags around s->at, outermost first */
  size_t n_tags;
  er_refusal *why;
} er_scan;

bool er_scan_known(const er_scan *s, const char *path, size_t n);
bool er_scan_fence_open(const er_line *l, er_fence *out);
bool er_scan_fence_close(const er_fence *f, const er_line *l);

er_block *er_scan_block(er_scan *s, er_patch_form form);     /* starts at s->at */
er_hunk *er_scan_hunk(er_scan *s);                           /* adds one to the last block */
void er_scan_line(er_scan *s, er_line l, char op, bool strip_cr);
void er_scan_anchor(er_scan *s, er_line l);                  /* of the last hunk, which has no lines yet */

/* Paths: each returns an owned string or NULL (scan_path.c). */
char *er_scan_path_line(const er_scan *s, const er_line *l);       /* a line that is only a path */
char *er_scan_path_given(const er_line *l);                        /* what stands where a path must */
char *er_scan_path_comment(const er_scan *s, const er_line *l);    /* a comment that is only a path */
char *er_scan_path_whole(const er_scan *s, size_t body, size_t end);    /* of the file that s->fence holds, or NULL */
char *er_scan_path_mention(const er_scan *s, const er_line *l);    /* prose that names one known file */
char *er_scan_path_info(const er_scan *s, const er_fence *f);      /* the info string of a fence */
const er_line *er_scan_above(const er_scan *s, size_t line);       /* the non-blank line above, or NULL */
char *er_scan_path_above(const er_scan *s, size_t line);           /* of an edit block at that line */

/* Search/replace blocks (parse_search.c). */
bool er_scan_search_opener(const er_line *l);
bool er_scan_search_stray(const er_line *l);                 /* a marker of no block */
int er_scan_search(er_scan *s);
int er_scan_search_refuse_stray(er_scan *s);

/* Unified diffs: what stands in front of the hunks (scan_header.c), and these (parse_udiff.c). */
typedef struct {
  char *git, *old, *new, *from, *to;     /* owned; git is the b side of "diff --git" */
  bool old_null, new_null;               /* /dev/null */
  bool creates, deletes, copies, binary, mode;
  bool differs;                          /* similarity below 100 %: there must be a hunk */
} er_header;

bool er_scan_at_hunk(const er_line *l);                      /* "@@" */
bool er_scan_at_pair(const er_scan *s, size_t i);            /* "--- x" and "+++ x" */
bool er_scan_at_half(const er_scan *s, size_t i);            /* one of them, right before a hunk */
bool er_scan_names_known(const er_scan *s, const er_line *l);    /* one of them with a known file's name */
void er_scan_header(er_scan *s, er_header *h, er_block *b);  /* reads it and settles on the block's path */
void er_header_free(er_header *h);

bool er_scan_udiff_start(const er_scan *s, size_t at);
int er_scan_udiff(er_scan *s);
int er_scan_bare_hunk(er_scan *s);                           /* +/- lines without any header */
void er_scan_hunk_header(er_scan *s, er_hunk *h);            /* "@@ -1,2 +1,3 @@ ..." at s->at, as hints */

/* `*** Begin Patch` (parse_begin.c). */
bool er_scan_begin_start(const er_line *l);
int er_scan_begin(er_scan *s);

/* Whole files (parse_whole.c), also without a name (parse_shown.c). */
#define ER_SCAN_MAX_COMPARED 2000000     /* lines of files that are looked at for all of a reply */
int er_scan_whole(er_scan *s, char *path, size_t body, size_t end, bool fenced);   /* takes path over */
int er_scan_whole_check(er_scan *s, size_t body, size_t end);    /* edits in a fence, or a file that quotes some? */
const er_patch_file *er_scan_file_shown(er_scan *s, size_t body, size_t end);    /* known by its text, or NULL */

/* Tags that stand alone on a line: <file path="x">, <answer>, </diff> (scan_tag.c). */
typedef struct {
  er_line name, path;            /* path: its attribute, n = 0 if it has none */
  bool closes;
} er_tag;

bool er_scan_tag(const er_line *l, er_tag *out);
bool er_scan_tag_close(const er_scan *s, const er_line *l);  /* it closes one that is open */
void er_scan_tag_track(er_scan *s, const er_tag *tag);       /* keeps the list of open ones */
int er_scan_skip_thoughts(er_scan *s);                       /* a reply that begins with <think> */

#endif
