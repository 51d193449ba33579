/* repl_line.h - one line of input for the REPL, from a terminal or from a pipe.
 * While it waits the host's tasks go on: reading turns the host until a byte is
 * there.  On a terminal libedit edits the line, with history and completion; the
 * terminal is in raw mode only inside er_line_read. */
#ifndef ER_LUA_REPL_LINE_H
#define ER_LUA_REPL_LINE_H

#include <stdbool.h>

#include "base/buf.h"
#include "lua/host.h"

typedef struct er_line er_line;

typedef enum {
  ER_LINE_READ,                  /* a line, without its end */
  ER_LINE_END,                   /* ctrl-D, the end of the pipe, the terminal is gone */
  ER_LINE_INTERRUPTED,           /* ctrl-C: what was typed is dropped */
  ER_LINE_STOP                   /* the program must end */
} er_line_result;

/* Asks for the completion of the text before the cursor: what to insert goes to
 * `insert`, candidates to show (whole lines) to `list`. */
typedef void (*er_line_complete_fn)(void *ud, const char *text, size_t n, int width, er_buf *insert, er_buf *list);

er_line *er_line_open(er_host *h, er_line_complete_fn complete, void *ud);
void er_line_close(er_line *l);
bool er_line_terminal(const er_line *l);
int er_line_width(const er_line *l);

er_line_result er_line_read(er_line *l, const char *prompt, er_buf *out);

/* Adds a line to the history and to its file; blank ones and those that start
 * with a space are not kept. */
void er_line_remember(er_line *l, const char *text);

/* Must the program end, whatever else is to be read? */
bool er_line_must_stop(const er_host *h);

#endif
