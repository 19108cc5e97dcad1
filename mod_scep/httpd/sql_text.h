/* sql_text.h - texts of statements, for one prefix and one database
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_SQL_TEXT_H
#define MOD_SCEP_SQL_TEXT_H

#include <apr_pools.h>

/**
 * Fills in a text, in which @ stands for the prefix of the tables' names, #
 * for a collation by octets (with the database's own, digits and letters may
 * sort in any order: in Danish "aa" comes after "z"), ^ for a number that the
 * database gives each row and never again, and $ for a word.
 */
const char *mod_scep_sql_fill(const char *text, const char *prefix, int pgsql,
                              const char *word, apr_pool_t *p);

#endif
