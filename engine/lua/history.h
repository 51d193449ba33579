/* history.h - the lines typed at the prompt, kept between sessions.
 * A plain file, one line an entry, that every session appends to: two open
 * prompts do not overwrite each other.  Without a writable place the history
 * lasts as long as the session, silently. */
#ifndef ER_LUA_HISTORY_H
#define ER_LUA_HISTORY_H

typedef struct er_history er_history;
struct history;                  /* libedit's */

er_history *er_history_open(void);
void er_history_close(er_history *h);
struct history *er_history_events(er_history *h);
void er_history_add(er_history *h, const char *line);

#endif
