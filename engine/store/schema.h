/* schema.h - the tables of a study; read by store.c alone. */
#ifndef ER_STORE_SCHEMA_H
#define ER_STORE_SCHEMA_H

#define ER_APPLICATION_ID 0x65726c61            /* "erla" */

extern const int er_schema_version;
extern const char *const er_schema_migrations[];   /* [v] brings version v to v + 1 */
extern const char *const er_schema_dump[];         /* name, SELECT, ..., NULL, NULL */

typedef struct { const char *name, *sql; } er_query;
extern const er_query er_queries[];                /* sorted by nothing; ends with NULL */

#endif
