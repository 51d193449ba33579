/* repl_line.c - libedit over the host's loop: lines, history, completion. */

#include "lua/repl_line.h"

#include <errno.h>
#include <histedit.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "lua/history.h"

#define MAX_LINE ((size_t)16 << 20)          /* of a pipe */

struct er_line {
  er_host *h;
  er_watch *watch;               /* wakes the loop; NULL outside er_line_read and for plain files */
  er_line_complete_fn complete;
  void *ud;
  er_line_result state;          /* why next_char gave none */
  const char *prompt;
  EditLine *el;                  /* NULL when standard input is no terminal */
  er_history *history;
  char *locale;                  /* the one before */
  int kept;                      /* a byte read and not yet used; -1 */
  er_buf piped;                  /* read and not yet taken */
};

/* Signal handlers and atexit take no argument: the loop to wake, and the
 * terminal's state to go back to, have to be found from there. */
static er_loop *signal_loop;
static volatile sig_atomic_t resized, continued;
static struct termios before;
static bool have_before;

static void on_winch(int sig) {
  if (sig == SIGCONT) continued = 1;
  else resized = 1;
  if (signal_loop != NULL) er_loop_wake(signal_loop);
}

static void restore_terminal(void) {
  if (have_before) tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
}

bool er_line_must_stop(const er_host *h) { return h->exiting || h->fatal || h->leaving || h->sigterm; }

static bool readable(void) {
  struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
  return poll(&p, 1, 0) > 0;
}

/* The terminal was resized, or came back from another program (ctrl-Z, fg). */
static void refresh_after_signal(er_line *l) {
  if (l->el == NULL || (!resized && !continued)) return;
  if (continued) {
    el_set(l->el, EL_PREP_TERM, 0);
    el_set(l->el, EL_PREP_TERM, 1);
  }
  resized = continued = 0;
  el_resize(l->el);
  fputc('\r', stdout);                       /* drawn again where it stood */
  el_set(l->el, EL_REFRESH);
}

/* Turns the host until standard input has something; false with l->state set if
 * there is a reason to stop reading. */
static bool wait_input(er_line *l) {
  for (;;) {
    if (er_line_must_stop(l->h)) { l->state = ER_LINE_STOP; return false; }
    if (er_host_interrupted(l->h) > 0) {
      er_host_interrupt_clear(l->h);
      l->state = ER_LINE_INTERRUPTED;
      return false;
    }
    if (readable()) return true;
    er_host_turn(l->h, true);
    refresh_after_signal(l);
  }
}

static void input_ready(void *ud) { (void)ud; }

/* ---- a terminal ------------------------------------------------------------- */

/* The next byte, waiting for it; -1 if there will be none. */
static int read_byte(er_line *l) {
  unsigned char c;
  ssize_t n;
  int kept = l->kept;
  if (kept >= 0) {
    l->kept = -1;
    return kept;
  }
  if (!wait_input(l)) return -1;
  do n = read(STDIN_FILENO, &c, 1); while (n < 0 && errno == EINTR);
  if (n != 1) l->state = ER_LINE_END;
  return n == 1 ? c : -1;
}

static wchar_t decode(const char *s, size_t n) {
  wchar_t code = (unsigned char)s[0];
  if (er_utf8_char(s, n) != n) return 0xfffd;
  if (n == 1) return code;
  code &= (wchar_t)(0xffu >> (n + 1));
  for (size_t i = 1; i < n; i++) code = code << 6 | (s[i] & 0x3f);
  return code;
}

/* libedit's source of characters; it decodes UTF-8 itself because the built-in one
 * would block the loop in the middle of a character or of an arrow key. */
static int next_char(EditLine *el, wchar_t *out) {
  er_line *l = NULL;
  char s[4];
  size_t n = 1, want;
  int c;
  el_get(el, EL_CLIENTDATA, &l);
  if ((c = read_byte(l)) < 0) return -1;
  s[0] = (char)c;
  want = c < 0xc2 || c > 0xf4 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
  while (n < want) {
    if ((c = read_byte(l)) < 0) return -1;
    if ((c & 0xc0) != 0x80) {                /* cut short: it begins the next one */
      l->kept = c;
      break;
    }
    s[n++] = (char)c;
  }
  *out = decode(s, n);
  return 1;
}

static char *prompt_of(EditLine *el) {
  er_line *l = NULL;
  el_get(el, EL_CLIENTDATA, &l);
  return (char *)l->prompt;
}

static unsigned char show_candidates(er_line *l, const er_buf *list) {
  FILE *out = NULL;
  el_get(l->el, EL_GETFP, 1, &out);
  fprintf(out, "\n%s\n", er_buf_cstr(list));
  return CC_REDISPLAY;
}

static unsigned char complete(EditLine *el, int ch) {
  er_line *l = NULL;
  const LineInfo *line = el_line(el);
  er_buf insert = {0}, list = {0};
  unsigned char result = CC_REFRESH_BEEP;
  (void)ch;
  el_get(el, EL_CLIENTDATA, &l);
  if (readable()) er_buf_char(&insert, '\t');      /* a tab amid pasted text is a tab */
  else l->complete(l->ud, line->buffer, (size_t)(line->cursor - line->buffer), er_line_width(l), &insert, &list);
  if (insert.len > 0 && el_insertstr(el, insert.ptr) == 0) result = CC_REFRESH;
  if (list.len > 0) result = show_candidates(l, &list);
  er_buf_free(&insert);
  er_buf_free(&list);
  return result;
}

static void use_utf8(er_line *l) {
  l->locale = er_strdup(setlocale(LC_CTYPE, NULL));
  if (setlocale(LC_CTYPE, "") == NULL || strcmp(nl_langinfo(CODESET), "UTF-8") != 0) setlocale(LC_CTYPE, "C.UTF-8");
}

static void watch_signals(er_line *l, bool on) {
  struct sigaction a = {.sa_handler = on ? on_winch : SIG_DFL, .sa_flags = SA_RESTART};
  signal_loop = on ? er_host_loop(l->h) : NULL;
  sigaction(SIGWINCH, &a, NULL);
  sigaction(SIGCONT, &a, NULL);
}

static void open_terminal(er_line *l) {
  have_before = tcgetattr(STDIN_FILENO, &before) == 0;
  atexit(restore_terminal);
  use_utf8(l);
  l->el = el_init("erlua", stdin, stdout, stderr);
  if (l->el == NULL) return;
  l->history = er_history_open();
  el_set(l->el, EL_CLIENTDATA, l);
  el_set(l->el, EL_EDITOR, "emacs");
  el_set(l->el, EL_PROMPT_ESC, prompt_of, '\1');
  el_set(l->el, EL_GETCFN, next_char);
  el_set(l->el, EL_HIST, history, er_history_events(l->history));
  /* The wide form: the narrow one copies the two texts and never frees them. */
  el_wset(l->el, EL_ADDFN, L"erlua-complete", L"Completes the name before the cursor", complete);
  el_set(l->el, EL_BIND, "^I", "erlua-complete", NULL);
  el_set(l->el, EL_BIND, "^R", "em-inc-search-prev", NULL);
  el_set(l->el, EL_BIND, "\\e[1;5C", "em-next-word", NULL);
  el_set(l->el, EL_BIND, "\\e[1;5D", "ed-prev-word", NULL);
  el_source(l->el, NULL);
  watch_signals(l, true);
}

static er_line_result edit_line(er_line *l, er_buf *out) {
  int n = 0;
  const char *s;
  l->state = ER_LINE_END;
  el_set(l->el, EL_PREP_TERM, 1);            /* before the prompt, which invites typing */
  s = el_gets(l->el, &n);
  if (s != NULL && n > 0 && s[n - 1] == '\n') {
    er_buf_add(out, s, (size_t)n - 1);
    return ER_LINE_READ;
  }
  el_reset(l->el);
  fputc('\n', stdout);
  fflush(stdout);
  return l->state;
}

/* ---- a pipe or a file --------------------------------------------------------- */

static er_line_result take_piped(er_line *l, size_t n, size_t end, er_buf *out) {
  er_buf_add(out, er_buf_cstr(&l->piped), n);
  memmove(l->piped.ptr, l->piped.ptr + end, l->piped.len - end);
  l->piped.len -= end;
  return ER_LINE_READ;
}

static er_line_result read_piped(er_line *l, er_buf *out) {
  size_t seen = 0;
  for (;;) {
    char *nl = l->piped.len > seen ? memchr(l->piped.ptr + seen, '\n', l->piped.len - seen) : NULL;
    ssize_t n;
    if (nl != NULL) return take_piped(l, (size_t)(nl - l->piped.ptr), (size_t)(nl - l->piped.ptr) + 1, out);
    seen = l->piped.len;
    if (seen > MAX_LINE) return take_piped(l, seen, seen, out);
    if (!wait_input(l)) return l->state;
    do n = read(STDIN_FILENO, er_buf_room(&l->piped, 65536), 65536); while (n < 0 && errno == EINTR);
    if (n > 0) l->piped.len += (size_t)n;
    else if (seen > 0) return take_piped(l, seen, seen, out);
    else return ER_LINE_END;
  }
}

/* ---- both ------------------------------------------------------------------------ */

er_line *er_line_open(er_host *h, er_line_complete_fn complete_fn, void *ud) {
  er_line *l = er_calloc(1, sizeof *l);
  l->h = h;
  l->complete = complete_fn;
  l->ud = ud;
  l->kept = -1;
  if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)) open_terminal(l);
  return l;
}

void er_line_close(er_line *l) {
  if (l == NULL) return;
  if (l->el != NULL) {
    watch_signals(l, false);
    el_end(l->el);
    er_history_close(l->history);
  }
  restore_terminal();
  have_before = false;
  if (l->locale != NULL) setlocale(LC_CTYPE, l->locale);
  er_free(l->locale);
  er_buf_free(&l->piped);
  er_free(l);
}

bool er_line_terminal(const er_line *l) { return l->el != NULL; }

int er_line_width(const er_line *l) {
  struct winsize w;
  if (l->el == NULL || ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) < 0 || w.ws_col < 20) return 80;
  return w.ws_col;
}

er_line_result er_line_read(er_line *l, const char *prompt, er_buf *out) {
  er_line_result r;
  l->prompt = prompt;
  er_buf_clear(out);
  l->watch = er_watch_fd(er_host_loop(l->h), STDIN_FILENO, input_ready, l);
  r = l->el != NULL ? edit_line(l, out) : read_piped(l, out);
  er_watch_stop(l->watch);
  l->watch = NULL;
  return r;
}

void er_line_remember(er_line *l, const char *text) {
  if (l->history != NULL) er_history_add(l->history, text);
}
