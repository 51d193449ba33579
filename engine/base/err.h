/* err.h - how the engine says that the world said no.
 * A function that can fail takes an er_err and returns 0 or -1; on -1 the
 * error holds a stable code ("ENOENT", "refused", "sqlite:11") and a message
 * that says what was wrong, where, and what to do.  Nothing below main.c
 * prints or exits.  Misuse by the engine itself is an assert, not an er_err. */
#ifndef ER_BASE_ERR_H
#define ER_BASE_ERR_H

typedef struct {
  char code[32];
  char msg[992];
} er_err;

/* Fills err (which may be NULL) and returns -1, so that `return er_fail(...)`
 * is the whole error path. */
int er_fail(er_err *err, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* As er_fail, with the code and the text of errno `eno` added to the message. */
int er_fail_errno(er_err *err, int eno, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The name of an errno value, "ENOENT"; "EUNKNOWN" for one without a name. */
const char *er_errno_name(int eno);

#endif
