/* spool.h - a durable queue of small documents that are to be delivered
 * SPDX-License-Identifier: Apache-2.0
 *
 * A directory below ScepStateDir that belongs to the children's user.  Each
 * document is a file that came to be under a temporary name and got its own
 * when it was whole and on disk; its name says when it was put there, when
 * it is due and how often its delivery was tried.  A process may be killed at
 * any instruction: a document that put has accepted is there, and one that
 * was delivered is delivered again only if the process died before it could
 * remove it.
 */
#ifndef MOD_SCEP_SPOOL_H
#define MOD_SCEP_SPOOL_H

#include "log.h"

typedef struct scep_spool_t {
    const char *name;    /**< of the directory, in ScepStateDir */
    apr_size_t max_size; /**< most octets of a document */
    unsigned int max;    /**< most documents; a race may put a few more */
    const char *path;    /**< for the log; set by open */
    int fd;              /**< of the directory, open in every child */
    apr_time_t paused;   /**< nothing is delivered before; of walk */
    unsigned int pauses; /**< one after the other; of walk */
} scep_spool_t;

/** A document that is due. */
typedef struct scep_spool_document_t {
    const char *text; /**< has a NUL */
    apr_size_t len;
    apr_time_t created;
    unsigned int attempts; /**< that have failed */
} scep_spool_document_t;

/** What came of a delivery. */
typedef enum {
    SCEP_SPOOL_LATER = 0, /**< this one did not go: it is tried again later */
    SCEP_SPOOL_DONE,      /**< delivered, or given up: it is removed */
    SCEP_SPOOL_DOWN       /**< nothing goes now: all wait */
} scep_spool_outcome_t;

/**
 * In the parent, before children exist: makes the directory and keeps it
 * open until pconf ends.  name, max and max_size are set.
 * @param state_dir  made too where it is missing
 */
apr_status_t mod_scep_spool_open(scep_spool_t *spool, const char *state_dir,
                                 server_rec *s, apr_pool_t *pconf);

/**
 * Puts a document into the queue; it is on disk when this returns.
 * @param due  it is not delivered before
 * @return APR_SUCCESS; APR_ENOSPC: there are max already, or it is over
 *         max_size; else what the disk said
 */
apr_status_t mod_scep_spool_put(const scep_spool_t *spool, const char *text,
                                apr_size_t len, apr_time_t now, apr_time_t due,
                                apr_pool_t *p);

/**
 * Delivers documents that are due, the oldest first, and removes what a
 * killed put has left.  Where another process is walking, nothing happens.
 * A document that went LATER waits twice as long each time, 30 s to 1 h; if
 * the service is DOWN the walk ends, and the next one that does anything
 * comes after 5 s to 5 min.
 * @param most  documents to deliver in this walk
 */
void mod_scep_spool_walk(
    scep_spool_t *spool, unsigned int most,
    scep_spool_outcome_t (*deliver)(void *baton,
                                    const scep_spool_document_t *document,
                                    apr_pool_t *p),
    void *baton, server_rec *s, apr_time_t now, apr_pool_t *p);

/** How many documents wait. */
apr_status_t mod_scep_spool_count(const scep_spool_t *spool,
                                  unsigned int *count, apr_pool_t *p);

#endif
