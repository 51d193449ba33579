/* embed.h - the files of lua/ and envs/ that the binary carries, by their path
 * in the source tree, in byte order.  The table is written by the build. */
#ifndef ER_BASE_EMBED_H
#define ER_BASE_EMBED_H

typedef struct {
  const char *path;              /* "lua/erlua/init.lua"; NULL ends the table */
  const char *bytes, *end;       /* end points behind a NUL that is not counted */
} er_embedded_file;

extern const er_embedded_file er_embedded_files[];

#endif
