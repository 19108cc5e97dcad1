/* intune_service.h - calls of Intune's SCEP validation service
 * SPDX-License-Identifier: Apache-2.0
 *
 * Each process keeps the tokens and the location of the service.  Thread-safe
 * after child_init.
 */
#ifndef MOD_SCEP_INTUNE_SERVICE_H
#define MOD_SCEP_INTUNE_SERVICE_H

#include "log.h"

#include "intune_proto.h"

/** How a profile reaches Intune. */
typedef struct scep_intune_conf_t {
    const char *tenant;
    const char *client; /**< the application's id */
    const char *secret;
    const char *login; /**< NULL: SCEP_INTUNE_LOGIN */
    const char *graph; /**< NULL: SCEP_INTUNE_GRAPH */
    const char *ca_file;
    const char *proxy;
    apr_interval_time_t timeout; /**< of each call */
} scep_intune_conf_t;

typedef struct scep_intune_service_t scep_intune_service_t;

/** What a call has brought. */
typedef struct scep_intune_call_t {
    char id[37];                 /**< client-request-id, for both logs */
    scep_intune_answer_t answer; /**< if there was one */
    const char *fault;           /**< otherwise: why, no secret in it */
    /** the fault lies with this one message, not with the service */
    int unwanted;
} scep_intune_call_t;

/** NULL: no memory.  @param conf  stays the caller's, who keeps it */
scep_intune_service_t *mod_scep_intune_service_create(
    const scep_intune_conf_t *conf, apr_pool_t *p);

apr_status_t mod_scep_intune_service_child_init(scep_intune_service_t *service,
                                                apr_pool_t *p);

/** How long a call takes at the very most. */
apr_interval_time_t mod_scep_intune_service_longest(
    const scep_intune_service_t *service);

/** How long the last validation took. */
apr_interval_time_t mod_scep_intune_service_usual(
    const scep_intune_service_t *service);

/**
 * Calls the service.
 * @param action  SCEP_INTUNE_VALIDATE, ...
 * @param body  of the request
 * @return APR_SUCCESS: it has answered; else call->fault is set
 */
apr_status_t mod_scep_intune_service_call(scep_intune_service_t *service,
                                          const char *action, const char *body,
                                          scep_intune_call_t *call,
                                          apr_pool_t *p);

#endif
