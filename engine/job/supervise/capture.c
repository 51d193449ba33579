/* capture.c - a stream's head goes to its file at once, its tail waits in a ring. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "job/supervise/supervise.h"

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

static void into_ring(sv_stream *s, const char *p, size_t n) {
  uint64_t at = s->total;
  if (n > SV_TAIL) {                       /* only the last SV_TAIL of them can stay */
    at += n - SV_TAIL;
    p += n - SV_TAIL;
    n = SV_TAIL;
  }
  while (n > 0) {
    size_t pos = (size_t)(at % SV_TAIL), k = least(n, SV_TAIL - pos);
    memcpy(s->ring + pos, p, k);
    at += k;
    p += k;
    n -= k;
  }
}

static void take(sv_stream *s, const char *p, size_t n) {
  size_t k = least(n, SV_FIRST - s->first_len);
  memcpy(s->first + s->first_len, p, k);
  s->first_len += k;
  if (s->total < SV_HEAD) {
    k = least(n, (size_t)(SV_HEAD - s->total));
    if (s->file < 0) s->file = sv_folder_create(s->dir, s->name);
    if (s->file >= 0) (void)sv_write_all(s->file, p, k);   /* a full disk costs the log, not the job */
    s->total += k;
    p += k;
    n -= k;
  }
  if (n > 0) into_ring(s, p, n);
  s->total += n;
}

void sv_stream_read(sv_stream *s) {
  char bytes[32768];
  int turns;
  /* Bounded, so that a job that writes without end cannot keep the supervisor from its clocks. */
  for (turns = 0; s->fd >= 0 && turns < 8; turns++) {
    ssize_t n = read(s->fd, bytes, sizeof bytes);
    if (n > 0) { take(s, bytes, (size_t)n); continue; }
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    close(s->fd);
    s->fd = -1;
  }
}

void sv_stream_end(sv_stream *s) {
  uint64_t behind, from;
  sv_stream_read(s);
  if (s->file < 0) return;
  behind = s->total > SV_HEAD ? s->total - SV_HEAD : 0;
  from = s->total - (behind < SV_TAIL ? behind : SV_TAIL);
  if (behind > SV_TAIL) {
    char note[96];
    int n = snprintf(note, sizeof note, "\n[erlua: %llu bytes left out here]\n",
                     (unsigned long long)(behind - SV_TAIL));
    (void)sv_write_all(s->file, note, (size_t)n);
  }
  while (from < s->total) {
    size_t pos = (size_t)(from % SV_TAIL), k = least((size_t)(s->total - from), SV_TAIL - pos);
    (void)sv_write_all(s->file, s->ring + pos, k);
    from += k;
  }
  close(s->file);
  s->file = -1;
}
