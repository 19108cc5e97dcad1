/* challenge_table.h - the challenge cache: a lock-free table in one mapping
 * SPDX-License-Identifier: Apache-2.0
 *
 * A fixed table of challenges in memory that processes share, good for any
 * number of threads in any number of processes, each of which may be killed
 * at any instruction.  The secret is never stored, only its HMAC-SHA-256,
 * which also says where in the table to look.
 *
 * Layout: a header page, an array of 64-bit control words in buckets of 16
 * (two cache lines), an array of records.  A key has two buckets (two
 * choices), so every call looks at 32 words, whatever the size.  A control
 * word holds state, tag, sequence and time, and every change of state is
 * one compare-and-swap of it: over all processes exactly one caller wins.
 * A record is written only by the process that holds its word in WRITING,
 * but for two words of it, and what was read of it counts only if the control
 * word has not changed meanwhile.  See DESIGN in challenge_table.c.
 */
#ifndef SCEP_CHALLENGE_TABLE_H
#define SCEP_CHALLENGE_TABLE_H

#include "../mod_scep.h"

#define SCEP_TABLE_KEY_LEN 32
#define SCEP_TABLE_MAC_LEN 32

/** One process's view of a table. */
typedef struct scep_table_t scep_table_t;

/** Octets that a table for so many live challenges needs; 0: too many. */
apr_size_t scep_table_size(apr_uint64_t capacity);

/**
 * Lays out an empty table.
 * @param mem  page-aligned, scep_table_size(capacity) octets
 * @param p  for temporary needs
 */
apr_status_t scep_table_format(void *mem, apr_size_t size,
                               apr_uint64_t capacity,
                               const unsigned char key[SCEP_TABLE_KEY_LEN],
                               apr_pool_t *p);

/**
 * Opens a formatted table.  The key is copied and cleansed with the pool.
 * @param error  set to a sentence on failure: no table, another version,
 *               another key, cut off
 */
apr_status_t scep_table_open(scep_table_t **table, void *mem, apr_size_t size,
                             const unsigned char key[SCEP_TABLE_KEY_LEN],
                             const char **error, apr_pool_t *p);

/**
 * Says which process this is, before its first call and after each fork:
 * what it leaves half done when it dies is marked with its number.
 */
void scep_table_attach(scep_table_t *table, pid_t pid);

/** The capacity that a formatted table was made for. */
apr_uint64_t scep_table_capacity(const scep_table_t *table);

/**
 * Stores a challenge.
 * @param random  fresh random bits, part of the id
 * @return APR_SUCCESS; APR_ENOSPC: no room for one more live challenge;
 *         APR_EEXIST: a live challenge has this secret; APR_EINVAL
 */
apr_status_t scep_table_issue(scep_table_t *table,
                              const scep_challenge_spec_t *spec,
                              apr_uint32_t random,
                              char id[SCEP_CHALLENGE_ID_SIZE]);

/* As the members of scep_challenge_provider_t. */

scep_challenge_outcome_t scep_table_claim(scep_table_t *table,
                                          const char *secret,
                                          const scep_challenge_facts_t *facts,
                                          apr_time_t now,
                                          apr_interval_time_t lease,
                                          scep_challenge_claim_t *claim);
scep_challenge_outcome_t scep_table_check(scep_table_t *table,
                                          const char *secret,
                                          const scep_challenge_facts_t *facts,
                                          apr_time_t now,
                                          char id[SCEP_CHALLENGE_ID_SIZE]);
apr_status_t scep_table_commit(scep_table_t *table,
                               const scep_challenge_claim_t *claim);
apr_status_t scep_table_release(scep_table_t *table,
                                const scep_challenge_claim_t *claim);
apr_status_t scep_table_hold(scep_table_t *table,
                             scep_challenge_claim_t *claim, apr_time_t until);
apr_status_t scep_table_revoke(scep_table_t *table, const char *id,
                               apr_time_t now);
apr_status_t scep_table_extend(scep_table_t *table, const char *id,
                               apr_time_t expires, apr_time_t now);
apr_status_t scep_table_get(scep_table_t *table, const char *id,
                            apr_time_t now, const apr_array_header_t *profiles,
                            scep_challenge_info_t *info, apr_pool_t *p);
apr_status_t scep_table_list(scep_table_t *table, apr_time_t now,
                             const apr_array_header_t *profiles,
                             const char *after,
                             int (*visit)(void *baton,
                                          const scep_challenge_info_t *info),
                             void *baton, apr_pool_t *p);
apr_uint64_t scep_table_count(scep_table_t *table, const char *requester,
                              apr_uint64_t limit, apr_time_t now);
void scep_table_stats(scep_table_t *table, apr_time_t now,
                      scep_challenge_stats_t *stats);

/**
 * Frees the slots of expired challenges and of writers that died, and
 * counts the live ones anew.
 * @param alive  says whether a process still exists
 */
void scep_table_sweep(scep_table_t *table, apr_time_t now,
                      int (*alive)(pid_t pid));

/**
 * Copies every live challenge to an empty table of another capacity, and of
 * the memory of spent and revoked ones what finds room; both tables must be
 * out of use meanwhile and share the key.  The ids become others.
 * @return APR_ENOSPC where the new one is too small; it is then unusable
 */
apr_status_t scep_table_migrate(scep_table_t *from, scep_table_t *to,
                                apr_time_t now);

#endif
