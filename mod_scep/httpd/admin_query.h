/* admin_query.h - what is asked of the admin API's lists, and their pages
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_ADMIN_QUERY_H
#define MOD_SCEP_ADMIN_QUERY_H

#include "json.h"
#include "ledger.h"

/**
 * Reads one parameter of a query.
 * @return NULL, or a sentence that says what is wrong with it
 */
typedef const char *scep_admin_reader_t(void *baton, const char *name,
                                        const char *value, apr_pool_t *p);

/**
 * Reads the query of a request; a parameter that is given twice is an error.
 * @return NULL, or a sentence that says what is wrong
 */
const char *mod_scep_admin_query(request_rec *r, scep_admin_reader_t *reader,
                                 void *baton);

/* Readers of values. */

/** The largest number of a row: there is one behind it. */
#define SCEP_ADMIN_NUMBER_MAX (APR_INT64_MAX - 1)

const char *mod_scep_admin_number(apr_int64_t *number, apr_int64_t least,
                                  apr_int64_t most, const char *name,
                                  const char *value, apr_pool_t *p);
const char *mod_scep_admin_limit(int *limit, int most, const char *value,
                                 apr_pool_t *p);
const char *mod_scep_admin_since(apr_time_t *since, const char *value,
                                 apr_pool_t *p);
/** @param text  set to the value, which must not be empty */
const char *mod_scep_admin_word(const char **text, const char *name,
                                const char *value, apr_pool_t *p);

/* What the resources share that show the ledger. */

/** Whether there is a ledger and the method is one that the resource has;
 * else *status is what the handler returns.
 * @param allowed  for the header Allow: "GET, HEAD" or "POST" */
int mod_scep_admin_has_ledger(request_rec *r, const char *allowed,
                              int *status);

/** Answers that the ledger does not work; database.c has logged why. */
int mod_scep_admin_ledger_down(request_rec *r);

/**
 * Narrows what a listing shows to what its caller may see.
 * @param profile  what the query asks for, or NULL
 * @return non-zero; else *status is what the handler returns
 */
int mod_scep_admin_narrow(request_rec *r, const char **profile, int *status);

/**
 * Sends a page of rows that have a "number", and the number that the next
 * page begins after, where this one is full.
 * @param answer  what stands beside the rows; its reference is taken
 * @param member  the rows' name
 */
int mod_scep_admin_page(request_rec *r, json_t *answer, const char *member,
                        json_t *rows, int limit);

/** Puts a text that is there into an object, made harmless. */
void mod_scep_admin_put(json_t *object, const char *member, const char *text,
                        apr_pool_t *p);
/** Puts a time that is not 0. */
void mod_scep_admin_put_time(json_t *object, const char *member,
                             apr_time_t time, apr_pool_t *p);

#endif
