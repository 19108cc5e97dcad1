/* admin.h - the resources of the admin API
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_ADMIN_H
#define MOD_SCEP_ADMIN_H

#include "core/record.h"
#include "json.h"
#include "mod_scep.h"

/**
 * Serves challenges and what is below it.
 * @param id  what follows "challenges/", NULL for the collection
 */
int mod_scep_admin_challenges(request_rec *r, const char *id);

/** Serves POST challenges. */
int mod_scep_admin_issue(request_rec *r);

/** Serves GET challenges. */
int mod_scep_admin_list(request_rec *r);

/** Serves GET events. */
int mod_scep_admin_events(request_rec *r);

/** Serves GET seals. */
int mod_scep_admin_seals(request_rec *r);

/**
 * Serves enrolments and what is below it.
 * @param path  what follows "enrolments/", NULL for the collection
 */
int mod_scep_admin_enrolments(request_rec *r, const char *path);

/** Serves POST enrolments/KEY/VERB. */
int mod_scep_admin_decide(request_rec *r, const char *key, const char *verb);

/** What is shown of an enrolment. */
json_t *mod_scep_admin_record(const request_rec *r,
                              const scep_record_t *record);

/** Finds an enrolment that the caller may know of; where there is none,
 * answers so and sets *status to what the handler returns. */
int mod_scep_admin_find_record(request_rec *r, const char *key,
                               scep_record_t *record, int *status);

/** As mod_scep_admin_find_record(), for a certificate that a serial, and a
 * query that may name its CA, are of. */
int mod_scep_admin_find_certificate(request_rec *r, const char *serial,
                                    scep_certificate_t *certificate,
                                    int *status);

/** Serves POST certificates/SERIAL/revoke. */
int mod_scep_admin_revoke(request_rec *r, const char *serial);

/** Sends one, as PEM where the caller prefers that.
 * @param detail  what else there is to say, or NULL */
int mod_scep_admin_send_certificate(request_rec *r, int status,
                                    const scep_certificate_t *certificate,
                                    const char *detail);

/**
 * Serves certificates and what is below it.
 * @param path  what follows "certificates/", NULL for the collection
 */
int mod_scep_admin_certificates(request_rec *r, const char *path);

/** Serves POST explain. */
int mod_scep_admin_explain(request_rec *r);

/** What is shown of a challenge; NULL where memory is out. */
json_t *mod_scep_admin_row(const scep_challenge_info_t *info, apr_pool_t *p);

/** The names of all profiles, const char *, for a store to look them up. */
const apr_array_header_t *mod_scep_admin_profiles(const request_rec *r);

/** Answers that the store has failed, and logs it. */
int mod_scep_admin_down(request_rec *r, apr_status_t rv);

/**
 * Reads the member "ttl": seconds, or text with a unit.
 * @param ttl  left alone where there is none
 * @return NULL, or a sentence that says what is wrong
 */
const char *mod_scep_admin_ttl(const json_t *body, apr_interval_time_t *ttl,
                               apr_pool_t *p);

/** Who is asking: the user that httpd authenticated, else the address. */
const char *mod_scep_admin_actor(const request_rec *r);

#endif
