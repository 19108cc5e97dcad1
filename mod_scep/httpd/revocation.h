/* revocation.h - where a profile learns that a certificate is revoked
 * SPDX-License-Identifier: Apache-2.0
 *
 * The sources that ScepRenewalRevocation names, asked in their order until
 * one can tell.  CRLs are fetched by the watchdog and kept on disk, never
 * while a device waits; an OCSP responder is asked while it does.
 */
#ifndef MOD_SCEP_REVOCATION_H
#define MOD_SCEP_REVOCATION_H

#include "conf.h"
#include "core/revocation.h"

struct scep_revocation_source_t;

/** What the kinds of source have in common. */
typedef struct scep_revocation_kind_t {
    /** At configtest: no network, no writing.  @return NULL, or a fault */
    const char *(*check)(struct scep_revocation_source_t *source,
                         apr_pool_t *p);
    /** In the parent; optional. */
    apr_status_t (*open)(struct scep_revocation_source_t *source,
                         const char *state_dir, server_rec *s,
                         apr_pool_t *pconf);
    apr_status_t (*child_init)(struct scep_revocation_source_t *source,
                               apr_pool_t *p);
    /** @param reason  set unless it is GOOD */
    scep_revocation_t (*ask)(struct scep_revocation_source_t *source,
                             X509 *cert, apr_time_t now, const char **reason,
                             apr_pool_t *p);
    /**
     * The CRL that ask goes by, verified but for its times; optional: there
     * is none.
     * @param crl  to be freed by the caller
     * @return NULL, or why there is none now
     */
    const char *(*crl)(struct scep_revocation_source_t *source, X509_CRL **crl,
                       apr_pool_t *p);
    /** Each second in one process; optional. */
    void (*maintain)(struct scep_revocation_source_t *source, server_rec *s,
                     apr_time_t now, apr_pool_t *p);
} scep_revocation_kind_t;

/** One source. */
typedef struct scep_revocation_source_t {
    const scep_revocation_kind_t *kind;
    const char *word;  /**< as configured, for the log */
    const char *where; /**< file or URL; NULL: what the certificate names */
    apr_interval_time_t timeout;
    const scep_ca_t *ca; /**< set before check */
    X509 *issuer;        /**< ditto: the issuing CA */
    void *data;          /**< the kind's own */
} scep_revocation_source_t;

/** All of a profile; none with "off". */
typedef struct scep_revocation_conf_t {
    apr_array_header_t *sources; /**< scep_revocation_source_t */
    apr_interval_time_t timeout; /**< 0: the default */
} scep_revocation_conf_t;

/** CRLs: a file, a URL, what the connector gives (revocation_crl.c,
 * revocation_fetch.c). */
extern const scep_revocation_kind_t mod_scep_revocation_file;
extern const scep_revocation_kind_t mod_scep_revocation_url;
extern const scep_revocation_kind_t mod_scep_revocation_ca;
/** An OCSP responder (revocation_ocsp.c). */
extern const scep_revocation_kind_t mod_scep_revocation_ocsp;

/**
 * Reads the words of the directive: crl:FILE, crl:URL, ca, ocsp, ocsp:URL,
 * or off alone.
 * @return NULL, or what is wrong
 */
const char *mod_scep_revocation_parse(scep_revocation_conf_t *conf,
                                      const char *words, apr_pool_t *p);

/* The steps of a verifier's life; see scep_verifier_provider_t. */
const char *mod_scep_revocation_check(const scep_revocation_conf_t *conf,
                                      const scep_profile_t *profile,
                                      apr_pool_t *p);
apr_status_t mod_scep_revocation_open(const scep_revocation_conf_t *conf,
                                      const char *state_dir, server_rec *s,
                                      apr_pool_t *pconf);
apr_status_t mod_scep_revocation_child_init(const scep_revocation_conf_t *conf,
                                            apr_pool_t *p);
void mod_scep_revocation_fetch(const scep_revocation_conf_t *conf,
                               server_rec *s, apr_time_t now, apr_pool_t *p);

/**
 * Asks about a certificate that the issuing CA has signed, which the caller
 * has verified.
 * @param reason  set unless it is GOOD
 */
scep_revocation_t mod_scep_revocation_ask(const scep_revocation_conf_t *conf,
                                          X509 *cert, apr_time_t now,
                                          const char **reason, apr_pool_t *p);

/** Whether one of the sources is a CRL. */
int mod_scep_revocation_has_crl(const scep_revocation_conf_t *conf);

/**
 * The CRL of the first source that has a current one.
 * @param crl  to be freed by the caller
 * @return NULL, or why there is none now
 */
const char *mod_scep_revocation_crl(const scep_revocation_conf_t *conf,
                                    apr_time_t now, X509_CRL **crl,
                                    apr_pool_t *p);

#endif
