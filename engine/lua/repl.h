/* repl.h - the prompt.  Called by main.c on a host whose library is loaded.
 * Every line runs as a foreground task; the tasks it leaves behind go on while
 * the next line is typed. */
#ifndef ER_LUA_REPL_H
#define ER_LUA_REPL_H

struct er_host;

/* Blocks until the end of the input; returns the program's exit code. */
int er_repl_run(struct er_host *h);

#endif
