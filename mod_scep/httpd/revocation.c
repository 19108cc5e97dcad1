/* revocation.c - where a profile learns that a certificate is revoked
 * SPDX-License-Identifier: Apache-2.0
 */
#include "revocation.h"

#include <apr_strings.h>

#include "../../ca-connectors/http/http_client.h"

#define TIMEOUT_DEFAULT apr_time_from_sec(5)
/* The directive's own words for what it takes. */
#define FORMS "crl:FILE, crl:URL, ca, ocsp or ocsp:URL, or off alone"

static int is_url(const char *text)
{
    return !strncasecmp(text, "http://", 7) ||
           !strncasecmp(text, "https://", 8);
}

static const char *add(scep_revocation_conf_t *conf, const char *word,
                       apr_pool_t *p)
{
    scep_revocation_source_t source = { .word = word };
    const char *err = NULL;

    if (!strcasecmp(word, "ca")) {
        source.kind = &mod_scep_revocation_ca;
    } else if (!strcasecmp(word, "ocsp")) {
        source.kind = &mod_scep_revocation_ocsp;
    } else if (!strncasecmp(word, "ocsp:", 5)) {
        source.kind = &mod_scep_revocation_ocsp;
        source.where = word + 5;
        err = scep_http_check_url(word + 5, SCEP_HTTP_ANY, p);
    } else if (!strncasecmp(word, "crl:", 4) && is_url(word + 4)) {
        source.kind = &mod_scep_revocation_url;
        source.where = word + 4;
        err = scep_http_check_url(word + 4, SCEP_HTTP_ANY, p);
    } else if (!strncasecmp(word, "crl:", 4) && word[4]) {
        source.kind = &mod_scep_revocation_file;
        if (!(source.where = ap_server_root_relative(p, word + 4)))
            err = "it is no valid path";
    } else {
        return apr_psprintf(p, "'%s' is not known: give " FORMS, word);
    }
    if (err)
        return apr_psprintf(p, "%s: %s", word, err);
    APR_ARRAY_PUSH(conf->sources, scep_revocation_source_t) = source;
    return NULL;
}

const char *mod_scep_revocation_parse(scep_revocation_conf_t *conf,
                                      const char *words, apr_pool_t *p)
{
    int off = 0, count = 0;

    conf->sources = apr_array_make(p, 2, sizeof(scep_revocation_source_t));
    for (; *words; count++) {
        const char *word = ap_getword_conf(p, &words), *err;

        if (!strcasecmp(word, "off"))
            off = 1;
        else if ((err = add(conf, word, p)))
            return err;
    }
    /* "off" at the end of a list would let everybody pass who can keep the
     * sources before it from answering. */
    return count == 0 || (off && count > 1) ? "give " FORMS : NULL;
}

const char *mod_scep_revocation_check(const scep_revocation_conf_t *conf,
                                      const scep_profile_t *profile,
                                      apr_pool_t *p)
{
    for (int i = 0; i < conf->sources->nelts; i++) {
        scep_revocation_source_t *source =
            &APR_ARRAY_IDX(conf->sources, i, scep_revocation_source_t);
        const char *err;

        source->ca = profile->ca;
        source->issuer = sk_X509_value(profile->ca->chain, 0);
        source->timeout = conf->timeout ? conf->timeout : TIMEOUT_DEFAULT;
        if ((err = source->kind->check(source, p))) {
            return apr_psprintf(p, "ScepRenewalRevocation %s: %s",
                                source->word, err);
        }
    }
    return NULL;
}

apr_status_t mod_scep_revocation_open(const scep_revocation_conf_t *conf,
                                      const char *state_dir, server_rec *s,
                                      apr_pool_t *pconf)
{
    apr_status_t rv = APR_SUCCESS;

    for (int i = 0; rv == APR_SUCCESS && i < conf->sources->nelts; i++) {
        scep_revocation_source_t *source =
            &APR_ARRAY_IDX(conf->sources, i, scep_revocation_source_t);

        if (source->kind->open)
            rv = source->kind->open(source, state_dir, s, pconf);
    }
    return rv;
}

apr_status_t mod_scep_revocation_child_init(const scep_revocation_conf_t *conf,
                                            apr_pool_t *p)
{
    apr_status_t rv = APR_SUCCESS;

    for (int i = 0; rv == APR_SUCCESS && i < conf->sources->nelts; i++) {
        scep_revocation_source_t *source =
            &APR_ARRAY_IDX(conf->sources, i, scep_revocation_source_t);

        rv = source->kind->child_init(source, p);
    }
    return rv;
}

void mod_scep_revocation_fetch(const scep_revocation_conf_t *conf,
                               server_rec *s, apr_time_t now, apr_pool_t *p)
{
    for (int i = 0; i < conf->sources->nelts; i++) {
        scep_revocation_source_t *source =
            &APR_ARRAY_IDX(conf->sources, i, scep_revocation_source_t);

        if (source->kind->maintain)
            source->kind->maintain(source, s, now, p);
    }
}

scep_revocation_t mod_scep_revocation_ask(const scep_revocation_conf_t *conf,
                                          X509 *cert, apr_time_t now,
                                          const char **reason, apr_pool_t *p)
{
    scep_revocation_t answer = SCEP_REVOCATION_UNCLEAR;

    if (conf->sources->nelts == 0)
        return SCEP_REVOCATION_GOOD;
    *reason = NULL;
    for (int i = 0; i < conf->sources->nelts; i++) {
        scep_revocation_source_t *source =
            &APR_ARRAY_IDX(conf->sources, i, scep_revocation_source_t);
        const char *why = NULL;
        scep_revocation_t said = source->kind->ask(source, cert, now, &why, p);

        if (said == SCEP_REVOCATION_GOOD)
            return said;
        why = apr_psprintf(p, "%s (%s)", why, source->word);
        if (said == SCEP_REVOCATION_REVOKED) {
            *reason = why;
            return said;
        }
        if (said == SCEP_REVOCATION_UNKNOWN)
            answer = said;
        *reason = *reason ? apr_pstrcat(p, *reason, "; ", why, NULL) : why;
    }
    return answer;
}

int mod_scep_revocation_has_crl(const scep_revocation_conf_t *conf)
{
    for (int i = 0; conf->sources && i < conf->sources->nelts; i++)
        if (APR_ARRAY_IDX(conf->sources, i, scep_revocation_source_t)
                .kind->crl)
            return 1;
    return 0;
}

const char *mod_scep_revocation_crl(const scep_revocation_conf_t *conf,
                                    apr_time_t now, X509_CRL **crl,
                                    apr_pool_t *p)
{
    const char *fault = "none is configured";

    for (int i = 0; i < conf->sources->nelts; i++) {
        scep_revocation_source_t *source =
            &APR_ARRAY_IDX(conf->sources, i, scep_revocation_source_t);

        if (!source->kind->crl)
            continue;
        fault = source->kind->crl(source, crl, p);
        if (fault)
            continue;
        fault = scep_revocation_check_time(*crl, now);
        if (!fault)
            return NULL;
        X509_CRL_free(*crl);
    }
    *crl = NULL;
    return fault;
}
