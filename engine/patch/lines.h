/* lines.h - a text as an array of lines, the currency of the whole room.
 * Lines borrow the text's bytes: nothing is copied, so bytes that nobody
 * changes come out as they went in, line ends included.  A CR before the LF
 * belongs to the line end; a lone CR is an ordinary byte. */
#ifndef ER_PATCH_LINES_H
#define ER_PATCH_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ER_EOL_NONE = 0, ER_EOL_LF = 1, ER_EOL_CRLF = 2, ER_EOL_OPEN = 3 };

typedef struct {
  const char *s;                 /* borrowed */
  uint32_t n;                    /* without the line end */
  uint8_t eol;                   /* its length, or ER_EOL_OPEN: as the file has it */
  char op;                       /* ' ', '-' or '+' in a hunk, 0 in a file */
} er_line;

typedef struct {
  er_line *v;                    /* owned */
  size_t n, cap;
} er_lines;

/* Afterwards out->v is an array even for an empty text. */
void er_lines_split(er_lines *out, const char *bytes, size_t len);
void er_lines_reserve(er_lines *out);              /* room for one more */
void er_lines_push(er_lines *out, er_line line);
void er_lines_free(er_lines *l);

/* Same bytes; the line ends are not looked at. */
bool er_line_same_text(const er_line *a, const er_line *b);

/* Space within a line; a CR is one that is no part of the line end. */
static inline bool er_is_space(char c) { return c == ' ' || c == '\t' || c == '\r'; }

bool er_line_blank(const er_line *l);
size_t er_line_indent(const er_line *l);          /* bytes of leading white space */
er_line er_line_trim_end(er_line l);              /* without trailing white space */
er_line er_line_trim(er_line l);                  /* without either */
bool er_line_is(const er_line *l, const char *text);
bool er_line_starts(const er_line *l, const char *text);

/* A run of lines that differs: a[a0,a1) became b[b0,b1). */
typedef struct { size_t a0, a1, b0, b1; } er_span;

typedef struct {
  er_span *v;                    /* owned */
  size_t n, cap;
} er_spans;

typedef bool (*er_line_same)(const er_line *a, const er_line *b);

/* The shortest edit script (Myers, 1986) as ascending spans.  Past a bound on
 * time and memory everything between the common head and tail is one span. */
void er_lines_compare(const er_line *a, size_t n_a, const er_line *b, size_t n_b, er_line_same same,
                      er_spans *out);

/* The same, with a bound of the caller's on the edits. */
void er_lines_compare_within(const er_line *a, size_t n_a, const er_line *b, size_t n_b, er_line_same same, int most,
                             er_spans *out);
void er_spans_free(er_spans *s);

#endif
