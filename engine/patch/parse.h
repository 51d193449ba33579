/* parse.h - finds what a reply asks for, in whatever form it was written.
 * Parsing reads nothing but the reply; the files are only asked which names
 * exist, to tell a path from a word.  A reply without any change parses to no
 * blocks; one that is cut off or cannot be read is refused as a whole. */
#ifndef ER_PATCH_PARSE_H
#define ER_PATCH_PARSE_H

#include "patch/explain.h"
#include "patch/lines.h"
#include "patch/patch.h"

/* One place of a file: lines to find (' ' and '-') and lines to put (' ', '+'). */
typedef struct {
  size_t from, to;               /* in er_parsed.lines */
  size_t old_line;               /* 1-based hint from the header, 0 if it gave none */
  size_t reply_line;             /* 1-based, where it starts in the reply */
  size_t tail;                   /* blank lines at its end that may not belong to it */
  size_t old_count, new_count;   /* as its header says, which may be wrong; 0 and 0 if it does not */
  bool says_end;                 /* it has a "\ No newline at end of file" */
  bool at_end;                   /* "*** End of File": nothing of the file is behind it */
  size_t anchor, n_anchors;      /* er_parsed.lines[anchor, +n): in this order above the place */
  bool binds;                    /* the anchors must be there; else they only break ties */
} er_hunk;

typedef struct {
  er_patch_form form;
  char *path;                    /* owned; NULL if the reply named none */
  char *from_path;               /* owned; the old name of a renamed or copied file, else NULL */
  bool creates, deletes, copies; /* as the reply says */
  bool binary, mode_only;        /* a change that is no text */
  bool shown;                    /* a whole file known by its text alone: nothing if other blocks change it */
  bool inherits;                 /* path is that of the block before; this one has none of its own */
  size_t hunk, n_hunks;          /* in er_parsed.hunks; for a search/replace block these
                                    are alternatives: it has several divider lines */
  size_t reply_line;
} er_block;

typedef struct {
  er_lines reply;                /* the reply's lines, while it is being read */
  const char *begin, *end;       /* the reply itself, borrowed */
  er_lines lines;                /* the lines of all hunks */
  er_hunk *hunks;
  size_t n_hunks, cap_hunks;
  er_block *blocks;
  size_t n_blocks, cap_blocks;
  size_t nameless;               /* 1-based line of the first fence that no file could be found for, or 0 */
} er_parsed;

int er_patch_parse(const char *reply, size_t len, const er_patch_file *files, size_t n_files,
                   er_parsed *out, er_refusal *why);
void er_parsed_free(er_parsed *p);

const char *er_patch_form_name(er_patch_form form);      /* "unified diff", ... */

#endif
