/* ledger_load.h - what an enrolment asks of a ledger, many times over
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LEDGER_LOAD_H
#define LEDGER_LOAD_H

#include "../../mod_scep/httpd/ledger.h"

/** What a load has taken. */
typedef struct ledger_load_t {
    int done;            /**< enrolments */
    int failed;          /**< calls that did not do what they should */
    apr_time_t consumed; /**< processor of this process, all of it */
} ledger_load_t;

/**
 * Does for each of count enrolments what a device that is new costs: seen,
 * receive with two events, update with a certificate and three.
 * @param threads  that do it at once
 */
apr_status_t ledger_load_run(scep_ledger_t *ledger, int threads, int count,
                             ledger_load_t *load, apr_pool_t *p);

#endif
