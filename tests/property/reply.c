/* reply.c - a case's change as a reply, in each form and in its style. */

#include <stdio.h>
#include <string.h>

#include "case.h"

typedef struct {
  prop_case *c;
  er_buf *out;
} writer;

static const char *eol(const prop_case *c, bool cr) {
  return c->style.eol == EOL_CRLF || (c->style.eol == EOL_AS_FILE && cr) ? "\r\n" : "\n";
}

static void text(writer *w, const char *s) {
  for (int i = 0; i < w->c->style.indent; i++) er_buf_char(w->out, ' ');
  er_buf_str(w->out, s);
  er_buf_str(w->out, eol(w->c, false));
}

static void escape(er_buf *out, const char *s, size_t n) {
  for (size_t i = 0; i < n; i++)
    switch (s[i]) {
      case '<': er_buf_str(out, "&lt;"); break;
      case '>': er_buf_str(out, "&gt;"); break;
      case '&': er_buf_str(out, "&amp;"); break;
      default: er_buf_char(out, s[i]);
    }
}

/* A line of a text, with its sign in the forms that have one. */
static void content(writer *w, const char *sign, const case_line *l) {
  const case_style *style = &w->c->style;
  bool bare = style->blank_bare && l->n == 0 && *sign == ' ';
  for (int i = 0; i < style->indent && !(bare || (*sign == '\0' && l->n == 0)); i++) er_buf_char(w->out, ' ');
  if (!bare) er_buf_str(w->out, sign);
  if (style->html) escape(w->out, l->s, l->n);
  else er_buf_add(w->out, l->s, l->n);
  er_buf_str(w->out, eol(w->c, l->cr));
}

/* ---- fences and what is said around the change ---- */

static size_t longest_fence(const prop_case *c, char sign) {
  size_t longest = 0;
  for (size_t i = 0; i < c->n_changed; i++)
    for (const er_lines *t = &c->files[i].a;; t = &c->files[i].b) {
      for (size_t k = 0; k < t->n; k++) {
        size_t from = er_line_indent(&t->v[k]), n = from;
        while (n < t->v[k].n && t->v[k].s[n] == sign) n++;
        if (n - from > longest) longest = n - from;
      }
      if (t == &c->files[i].b) break;
    }
  return longest;
}

static const char *language(const char *path) {
  const char *dot = strrchr(path, '.');
  return dot == NULL                ? "text"
         : strcmp(dot, ".lua") == 0 ? "lua"
         : strcmp(dot, ".md") == 0  ? "markdown"
         : strcmp(dot, ".sh") == 0  ? "bash"
                                    : "c";
}

/* A text that holds fences itself stands in a longer one, where its lines have
 * no sign in front. */
static void fence_signs(writer *w, char *out) {
  const prop_case *c = w->c;
  bool tildes = c->style.fence == FENCE_TILDES;
  size_t n = c->style.fence == FENCE_FOUR ? 4 : 3, longest = longest_fence(c, tildes ? '~' : '`');
  bool signs = c->form == FORM_UDIFF || c->form == FORM_PATCH;
  if (!signs && longest >= n) n = longest + 1;
  memset(out, tildes ? '~' : '`', n);
  out[n] = '\0';
}

static void open_fence(writer *w, const case_file *f) {
  const case_style *style = &w->c->style;
  char line[800], signs[256];
  bool code = w->c->form == FORM_SEARCH || w->c->form == FORM_WHOLE;
  const char *lang = style->fence == FENCE_DIFF    ? "diff"
                     : style->fence == FENCE_PATCH ? "patch"
                     : style->fence == FENCE_PLAIN ? ""
                                                   : language(f->said);
  if (style->fence == FENCE_NONE) return;
  fence_signs(w, signs);
  if (code && style->path == PATH_INFO) snprintf(line, sizeof line, "%s%s:%s", signs, language(f->said), f->said);
  else snprintf(line, sizeof line, "%s%s", signs, lang);
  text(w, line);
}

static void close_fence(writer *w, bool last) {
  char signs[256];
  if (w->c->style.fence == FENCE_NONE || (last && w->c->style.unclosed)) return;
  fence_signs(w, signs);
  text(w, signs);
}

static const char *const before_texts[][7] = {
    {"Here is the change:", "", NULL},
    {"I looked at the code and this should help.", "", "- it is faster", "+ it is shorter", "* and clearer", "", NULL},
    {"# Plan", "", "1. Change the loop \xe2\x80\x94 carefully.", "2. Don\xe2\x80\x99t touch the rest.", "---", NULL},
    {"> The idea: use a smaller step.", "", "For example `x = x + 1` becomes `x = x + 2`.", "", NULL},
    {"Sure! \xe2\x80\x9cSmart\xe2\x80\x9d quotes, an arrow -> and a <tag>.", "", "***", "", NULL},
    {"<thinking>", "The old code is slow (see @@ below).", "</thinking>", "", NULL},
};

static const char *const after_texts[][7] = {
    {"", "That is all.", NULL},
    {"", "This change:", "- makes it faster", "- keeps the rest", "", "+ nothing else", NULL},
    {"", "**Why it works:** the old value was too large.", "", "---", "", "Let me know!", NULL},
    {"", "Note that 1 < 2 and 3 > 2.", NULL},
    {"", "| a | b |", "|---|---|", "| 1 | 2 |", NULL},
    {"", "Run it with:", "", "    make test", NULL},
};

enum { TEXTS = sizeof before_texts / sizeof *before_texts };

static void say(writer *w, const char *const *lines) {
  for (; *lines != NULL; lines++) text(w, *lines);
}

/* ---- paths of search/replace blocks and whole files ---- */

static void path_line(writer *w, const case_file *f, bool inside) {
  static const char *const forms[] = {
      [PATH_ABOVE] = "%s",       [PATH_BOLD] = "**%s**",    [PATH_TICKS] = "`%s`:",
      [PATH_HEADING] = "### %s", [PATH_LABEL] = "File: %s", [PATH_SMART] = "\xe2\x80\x9c%s\xe2\x80\x9d",
      [PATH_DOT] = "./%s",       [PATH_INSIDE] = "%s",      [PATH_COMMENT] = "# %s"};
  int style = w->c->style.path;
  bool within = style == PATH_INSIDE || style == PATH_COMMENT;
  char line[800];
  if (style == PATH_NONE || style == PATH_INFO || within != inside) return;
  snprintf(line, sizeof line, forms[style], f->said);
  text(w, line);
}

/* ---- unified diffs ---- */

static void file_head(writer *w, const case_file *f) {
  int head = w->c->style.head;
  bool folders = head == HEAD_GIT || head == HEAD_PLAIN || head == HEAD_STAMPED || head == HEAD_PLUS_ONLY ||
                 head == HEAD_MINUS_ONLY;
  const char *old_p = folders                ? "a/"
                      : head == HEAD_DOT     ? "./"
                      : head == HEAD_FOLDERS ? "old/"
                                             : "",
             *new_p = folders                ? "b/"
                      : head == HEAD_FOLDERS ? "new/"
                                             : old_p;
  const char *stamp = head == HEAD_STAMPED ? "\t2024-05-01 10:11:12.000000000 +0200" : "",
             *to = f->new_path != NULL ? f->new_path : f->said;
  char line[1600];
  if (head == HEAD_NONE) return;
  if (head == HEAD_INDEX) {
    snprintf(line, sizeof line, "Index: %s", f->said);
    text(w, line);
    text(w, "===================================================================");
  }
  if (head == HEAD_GIT || f->kind == FILE_RENAMED) {
    snprintf(line, sizeof line, "diff --git a/%s b/%s", f->said, to);
    text(w, line);
    if (f->kind == FILE_CREATED) text(w, "new file mode 100644");
    if (f->kind == FILE_DELETED) text(w, "deleted file mode 100644");
    if (f->kind == FILE_RENAMED) {
      snprintf(line, sizeof line, "rename from %s", f->said);
      text(w, line);
      snprintf(line, sizeof line, "rename to %s", to);
      text(w, line);
    } else {
      text(w, "index 83db48f..bf269f4 100644");
    }
  }
  snprintf(line, sizeof line, "--- %s%s%s", f->kind == FILE_CREATED ? "" : old_p,
           f->kind == FILE_CREATED ? "/dev/null" : f->said, stamp);
  if (head != HEAD_PLUS_ONLY) text(w, line);
  snprintf(line, sizeof line, "+++ %s%s%s", f->kind == FILE_DELETED ? "" : new_p,
           f->kind == FILE_DELETED ? "/dev/null" : to, stamp);
  if (head != HEAD_MINUS_ONLY) text(w, line);
}

static void hunk_head(writer *w, const case_file *f, const case_hunk *h) {
  char line[400];
  const char *section =
      h->at > 0 && h->at <= f->a.n && f->a.v[h->at - 1].n > 0 && f->a.v[h->at - 1].n < 60 ? f->a.v[h->at - 1].s : "";
  int n = *section != '\0' ? (int)f->a.v[h->at - 1].n : 0;
  switch (w->c->style.numbers) {
    case NUMBERS_BARE: snprintf(line, sizeof line, "@@"); break;
    case NUMBERS_DOTS: snprintf(line, sizeof line, "@@ ... @@"); break;
    case NUMBERS_WORDS: snprintf(line, sizeof line, "@@ %.*s @@", n > 0 ? n : 3, n > 0 ? section : "top"); break;
    case NUMBERS_NO_COUNTS: snprintf(line, sizeof line, "@@ -%zu +%zu @@", h->old_line, h->new_line); break;
    default:
      snprintf(line, sizeof line, "@@ -%zu,%zu +%zu,%zu @@", h->old_line, h->old_count, h->new_line, h->new_count);
  }
  text(w, line);
}

static void signed_lines(writer *w, const case_hunk *h, bool end_markers) {
  for (size_t i = 0; i < h->n; i++) {
    const case_line *l = &h->v[i];
    content(w, l->op == '-' ? "-" : l->op == '+' ? "+" : " ", l);
    if (l->open && end_markers && !w->c->style.lost_end_marker) text(w, "\\ No newline at end of file");
  }
}

static void udiff_file(writer *w, const case_file *f, bool last) {
  const case_style *style = &w->c->style;
  if (style->group == GROUP_FILE) open_fence(w, f);
  if (style->group != GROUP_HUNK) file_head(w, f);
  for (size_t i = 0; i < f->n_hunks; i++) {
    if (style->group == GROUP_HUNK) open_fence(w, f), file_head(w, f);
    if (i == 0 || !style->lost_heads) hunk_head(w, f, &f->hunks[i]);
    signed_lines(w, &f->hunks[i], true);
    if (style->group == GROUP_HUNK) close_fence(w, last && i + 1 == f->n_hunks);
  }
  if (style->group == GROUP_FILE) close_fence(w, last);
}

/* ---- the other forms ---- */

static const char *const marker_words[][3] = {
    {"<<<<<<< SEARCH", "=======", ">>>>>>> REPLACE"},       {"<<<<< SEARCH", "=====", ">>>>> REPLACE"},
    {"<<<<<<<<< SEARCH", "=========", ">>>>>>>>> REPLACE"}, {"<<<<<<< ORIGINAL", "=======", ">>>>>>> UPDATED"},
    {"<<<<<<< HEAD", "=======", ">>>>>>> new-version"},     {"------- SEARCH", "=======", "+++++++ REPLACE"},
    {"<<<<<<< SEARCH:", "=======", ">>>>>>> REPLACE "},     {"<<<<<< search", "======", ">>>>>> replace"},
};

static void search_block(writer *w, const case_hunk *h) {
  const char *const *marker = marker_words[w->c->style.markers];
  text(w, marker[0]);
  for (size_t i = 0; i < h->n; i++)
    if (h->v[i].op != '+') content(w, "", &h->v[i]);
  text(w, marker[1]);
  for (size_t i = 0; i < h->n; i++)
    if (h->v[i].op != '-') content(w, "", &h->v[i]);
  text(w, marker[2]);
}

static void search_file(writer *w, const case_file *f, bool last) {
  bool each = w->c->style.group == GROUP_HUNK;
  for (size_t i = 0; i < f->n_hunks; i++) {
    bool opens = each || i == 0, closes = each || i + 1 == f->n_hunks;
    if (opens) path_line(w, f, false), open_fence(w, f);
    if (opens || w->c->style.fence == FENCE_NONE) path_line(w, f, true);
    search_block(w, &f->hunks[i]);
    if (closes) close_fence(w, last && i + 1 == f->n_hunks);
  }
}

static void whole_file(writer *w, const case_file *f, bool last) {
  path_line(w, f, false);
  open_fence(w, f);
  path_line(w, f, true);
  for (size_t i = 0; i < f->b.n; i++)
    content(w, "", &(case_line){f->b.v[i].s, f->b.v[i].n, '+', f->b.v[i].eol == ER_EOL_CRLF, false});
  close_fence(w, last);
}

static void patch_file(writer *w, const case_file *f) {
  char line[1600];
  const char *verb = f->kind == FILE_CREATED ? "Add" : f->kind == FILE_DELETED ? "Delete" : "Update";
  snprintf(line, sizeof line, "*** %s File: %s", verb, f->said);
  text(w, line);
  if (f->kind == FILE_DELETED) return;
  if (f->new_path != NULL) {
    snprintf(line, sizeof line, "*** Move to: %s", f->new_path);
    text(w, line);
  }
  for (size_t i = 0; i < f->n_hunks; i++) {
    if (f->kind != FILE_CREATED) text(w, "@@");
    signed_lines(w, &f->hunks[i], false);
  }
}

static void write_file(writer *w, const case_file *f, bool last) {
  switch (w->c->form) {
    case FORM_UDIFF: udiff_file(w, f, last); break;
    case FORM_SEARCH: search_file(w, f, last); break;
    case FORM_WHOLE: whole_file(w, f, last); break;
    default: patch_file(w, f);
  }
}

void reply_write(prop_case *c) {
  writer w = {c, &c->reply};
  bool one_fence = c->form == FORM_PATCH || (c->form == FORM_UDIFF && c->style.group == GROUP_ALL);
  er_buf_clear(&c->reply);
  if (c->style.bom) er_buf_str(&c->reply, "\xef\xbb\xbf");
  if (c->style.prose > 0) say(&w, before_texts[(size_t)c->style.prose % TEXTS]);
  if (c->style.wrapped) text(&w, "<answer>");
  if (one_fence) open_fence(&w, &c->files[0]);
  if (c->form == FORM_PATCH) text(&w, "*** Begin Patch");
  for (size_t i = 0; i < c->n_changed; i++) write_file(&w, &c->files[i], i + 1 == c->n_changed);
  if (c->form == FORM_PATCH) text(&w, "*** End Patch");
  if (one_fence) close_fence(&w, true);
  if (c->style.wrapped) text(&w, "</answer>");
  if (c->style.prose > 0 && !c->style.unclosed) say(&w, after_texts[(size_t)c->style.prose / TEXTS % TEXTS]);
}
