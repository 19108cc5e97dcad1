/* check.c - resolve the configuration and find every mistake in it
 * SPDX-License-Identifier: Apache-2.0
 *
 * configtest runs this and never post_config, so what is not found here
 * would first be found by a restart that ends the server.
 */
#include "conf.h"

#include <apr_strings.h>
#include <http_core.h>

#include "access.h"
#include "approval.h"
#include "keys.h"
#include "next_ca.h"
#include "policy_directives.h"
#include "providers.h"
#include "retention.h"
#include "rollover.h"
#include "secret.h"

#define DEFAULT_STORE_CAPACITY "100000"
#define NEXT_CA "GetNextCACert"

/* One line that says where and what; always the value for "refused". */
static int mistake(server_rec *s, const ap_directive_t *where,
                   const char *what, const char *name, const char *err)
{
    ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_ERR, 0, s,
                 SCEPLOGNO(0010) "line %d of %s: %s%s%s: %s", where->line_num,
                 where->filename, what, name ? " " : "", name ? name : "",
                 err);
    return HTTP_INTERNAL_SERVER_ERROR;
}

static int check_ca(server_rec *s, const scep_conf_t *conf, scep_ca_t *ca,
                    apr_pool_t *pconf)
{
    const scep_ca_setup_t setup = {
        .name = ca->name,
        .chain = ca->chain,
        .conf = ca->conf,
        .server = s,
        .load_key = mod_scep_keys_load_for_ca,
        .p = pconf,
        .load_secret = mod_scep_secret_load_for_ca,
        .state_dir = ap_server_root_relative(pconf, conf->state_dir),
    };
    const char *err;

    if (!ca->chain) {
        return mistake(s, ca->where, "<ScepCA> of the name", ca->name,
                       "ScepCAChain is missing: name the PEM file with the "
                       "issuing CA's certificate");
    }
    err = ca->provider->check(&setup, &ca->data);
    return err ? mistake(s, ca->where, "<ScepCA> of the name", ca->name, err)
               : OK;
}

static int ra_mistake(server_rec *s, const scep_ra_entry_t *entry,
                      const char *err, apr_pool_t *p)
{
    return mistake(s, entry->where, "ScepRACertificate",
                   apr_psprintf(p, "%s with ScepRAKey %s", entry->cert_file,
                                entry->key_location),
                   err);
}

/* Loads the RA's keys and finds out what each certificate is good for. */
static int check_ra(server_rec *s, scep_profile_t *profile, apr_pool_t *pconf)
{
    profile->ra.decrypt = apr_array_make(pconf, 2, sizeof(scep_ra_pair_t));
    if (profile->ra_entries->nelts == 0) {
        return mistake(s, profile->where, "<ScepProfile> of the name",
                       profile->name, "ScepRACertificate is missing");
    }
    if (profile->ra_keys->nelts > profile->ra_entries->nelts) {
        return mistake(s, profile->where, "<ScepProfile> of the name",
                       profile->name,
                       "there are more ScepRAKey than ScepRACertificate");
    }
    for (int i = 0; i < profile->ra_entries->nelts; i++) {
        scep_ra_entry_t *entry =
            &APR_ARRAY_IDX(profile->ra_entries, i, scep_ra_entry_t);
        scep_ra_pair_t pair;
        const char *err;

        entry->key_location =
            i < profile->ra_keys->nelts
                ? APR_ARRAY_IDX(profile->ra_keys, i, const char *)
                : entry->cert_file;
        err = mod_scep_keys_load(s, entry->key_location, &entry->key, pconf);
        if (err)
            return ra_mistake(s, entry, err, pconf);
        err = scep_cert_check_ra(entry->cert, entry->key, profile->ca->chain,
                                 apr_time_now(), &entry->uses, pconf);
        if (err)
            return ra_mistake(s, entry, err, pconf);
        pair.cert = entry->cert;
        pair.key = entry->key;
        if ((entry->uses & SCEP_RA_SIGN) && !profile->ra.sign.cert)
            profile->ra.sign = pair;
        if (entry->uses & SCEP_RA_DECRYPT)
            APR_ARRAY_PUSH(profile->ra.decrypt, scep_ra_pair_t) = pair;
    }
    if (!profile->ra.sign.cert || profile->ra.decrypt->nelts == 0) {
        return mistake(s, profile->where, "<ScepProfile> of the name",
                       profile->name,
                       profile->ra.sign.cert
                           ? "no ScepRACertificate may decrypt requests: its "
                             "keyUsage lacks keyEncipherment"
                           : "no ScepRACertificate may sign replies: its "
                             "keyUsage lacks digitalSignature");
    }
    return OK;
}

/* GetCACaps and GetCACert are answered from memory. */
static int prepare_answers(server_rec *s, scep_profile_t *profile,
                           apr_pool_t *pconf)
{
    STACK_OF(X509) *ra = sk_X509_new_null();
    apr_status_t rv = ra ? APR_SUCCESS : APR_ENOMEM;
    const char *caps =
        scep_cert_capabilities(profile->rule.digests, profile->rule.ciphers,
                               profile->enrol.renewal,
                               profile->ca->next != NULL,
                               profile->capabilities, pconf);
    const char *err = mod_scep_next_ca_prepare(s, profile, pconf);

    if (err) {
        return mistake(s, profile->ca->next->where, "<ScepCA> of the name",
                       profile->ca->name, err);
    }
    if (!profile->ca->next && ap_strstr_c(caps, NEXT_CA)) {
        return mistake(s, profile->where, "<ScepProfile> of the name",
                       profile->name,
                       "ScepCapabilities: GetNextCACert needs "
                       "ScepNextCAChain in the profile's <ScepCA>");
    }

    for (int i = 0; rv == APR_SUCCESS && i < profile->ra_entries->nelts; i++)
        if (!sk_X509_push(
                ra,
                APR_ARRAY_IDX(profile->ra_entries, i, scep_ra_entry_t).cert))
            rv = APR_ENOMEM;
    if (rv == APR_SUCCESS) {
        rv = scep_cert_publish(&profile->ca_cert, profile->publish,
                               profile->publish_reverse, ra,
                               profile->ca->chain, pconf);
    }
    sk_X509_free(ra);
    if (rv != APR_SUCCESS) {
        return mistake(s, profile->where, "<ScepProfile> of the name",
                       profile->name, "GetCACert cannot be prepared");
    }
    if (strlen(caps) > 1024) {
        return mistake(s, profile->where, "<ScepProfile> of the name",
                       profile->name,
                       "ScepCapabilities: over 1024 octets, which clients "
                       "throw away");
    }
    profile->ca_caps.content_type = "text/plain";
    profile->ca_caps.data = (const unsigned char *)caps;
    profile->ca_caps.len = strlen(caps);
    return OK;
}

/* A profile that names no verifier has the one that it cannot go without. */
static void default_verifier(scep_profile_t *profile, apr_pool_t *pconf)
{
    if (!profile->verifiers) {
        scep_verifier_t *verifier;
        profile->verifiers = apr_array_make(pconf, 1, sizeof(scep_verifier_t));
        verifier = apr_array_push(profile->verifiers);
        verifier->name = "otp";
        verifier->provider = &mod_scep_verifier_otp;
    }
}

static int check_verifiers(server_rec *s, const scep_conf_t *conf,
                           scep_profile_t *profile, apr_pool_t *pconf)
{
    const scep_verifier_setup_t setup = {
        profile->name,
        profile->ca->chain,
        profile->conf,
        ap_server_root_relative(pconf, conf->state_dir),
        s,
        pconf
    };

    for (int i = 0; i < profile->verifiers->nelts; i++) {
        scep_verifier_t *verifier =
            &APR_ARRAY_IDX(profile->verifiers, i, scep_verifier_t);
        const char *err;

        profile->enrol.renewal |= verifier->provider->by_signer;
        err = verifier->provider->check
                  ? verifier->provider->check(&setup, &verifier->data)
                  : NULL;

        if (err) {
            return mistake(s, verifier->where, "ScepVerify", verifier->name,
                           err);
        }
    }
    return OK;
}

static int check_policy(server_rec *s, const scep_conf_t *conf,
                        scep_profile_t *profile, apr_pool_t *pconf)
{
    const char *err = mod_scep_policy_check(profile, conf, pconf);

    return err ? mistake(s, profile->where, "<ScepProfile> of the name",
                         profile->name, err)
               : OK;
}

static int check_profile(server_rec *s, scep_conf_t *conf,
                         scep_profile_t *profile, apr_pool_t *pconf)
{
    const char *err;
    int rv;

    if (!profile->ca_name) {
        return mistake(s, profile->where, "<ScepProfile> of the name",
                       profile->name, "ScepCA is missing: name a <ScepCA>");
    }
    profile->ca = mod_scep_conf_find_ca(conf, profile->ca_name);
    if (!profile->ca) {
        return mistake(s, profile->ca_where, "ScepCA", profile->ca_name,
                       "there is no <ScepCA> of this name");
    }
    if (profile->challenge_ttl > profile->challenge_max_ttl) {
        return mistake(s, profile->where, "<ScepProfile> of the name",
                       profile->name,
                       "ScepChallengeTTL is over ScepChallengeMaxTTL");
    }
    if (profile->legacy_crypto) {
        profile->rule.digests |= SCEP_DIGESTS_LEGACY;
        profile->rule.ciphers |= SCEP_CIPHERS_LEGACY;
    }
    profile->enrol.digests = profile->rule.digests;
    profile->enrol.ca = profile->ca->name;
    profile->enrol.chain = profile->ca->chain;
    profile->enrol.ca_signs_here = profile->ca->provider->signs_here;
    profile->enrol.ca_checks_challenge =
        profile->ca->provider->checks_challenge &&
        profile->ca->provider->checks_challenge(profile->ca->data);
    profile->enrol.pending_life = conf->ledger ? profile->pending_life : 0;
    profile->enrol.ca_longest =
        profile->ca->provider->longest
            ? profile->ca->provider->longest(profile->ca->data)
            : 0;
    err = mod_scep_approval_check(conf, profile);
    if (err)
        return mistake(s, profile->approval->where, "ScepApproval", NULL, err);
    default_verifier(profile, pconf);
    rv = check_verifiers(s, conf, profile, pconf);
    if (rv == OK)
        rv = check_policy(s, conf, profile, pconf);
    if (rv == OK)
        rv = check_ra(s, profile, pconf);
    return rv;
}

/* What needs the other profiles too. */
static int finish_profile(server_rec *s, const scep_conf_t *conf,
                          scep_profile_t *profile, apr_pool_t *pconf)
{
    const ap_directive_t *where = NULL;
    const char *err = mod_scep_rollover_check(conf, profile, &where, pconf);

    if (err)
        return mistake(s, where, "ScepRolloverProfile", NULL, err);
    err = mod_scep_access_check(conf, profile);
    return err ? mistake(s, profile->where, "<ScepProfile> of the name",
                         profile->name, err)
               : prepare_answers(s, profile, pconf);
}

/* Where profiles are named by the containers around endpoints, httpd's
 * merging decides, and only a request can tell. */
static int is_named_around(const scep_conf_t *conf)
{
    for (int i = 0; i < conf->refs->nelts; i++) {
        const char *handler =
            APR_ARRAY_IDX(conf->refs, i, scep_profile_ref_t *)->dir->handler;

        if (!handler || strcmp(handler, "scep"))
            return 1;
    }
    return 0;
}

static int check_mentions(server_rec *s, scep_conf_t *conf)
{
    for (int i = 0; i < conf->refs->nelts; i++) {
        scep_profile_ref_t *ref =
            APR_ARRAY_IDX(conf->refs, i, scep_profile_ref_t *);
        ref->profile = mod_scep_conf_find_profile(conf, ref->name);
        if (!ref->profile) {
            return mistake(s, ref->where, "ScepProfile", ref->name,
                           "there is no <ScepProfile> of this name");
        }
    }
    for (int i = 0; i < conf->allowed_refs->nelts; i++) {
        scep_profile_ref_t *ref =
            APR_ARRAY_IDX(conf->allowed_refs, i, scep_profile_ref_t *);
        ref->profile = mod_scep_conf_find_profile(conf, ref->name);
        if (!ref->profile) {
            return mistake(s, ref->where, "ScepChallengeAllow", ref->name,
                           "there is no <ScepProfile> of this name");
        }
    }
    for (int i = 0; i < conf->endpoints->nelts; i++) {
        const scep_endpoint_t *endpoint =
            &APR_ARRAY_IDX(conf->endpoints, i, scep_endpoint_t);
        if (conf->profiles->nelts == 0) {
            return mistake(s, endpoint->where, "SetHandler",
                           endpoint->dir->handler,
                           "there is no <ScepProfile> to serve");
        }
        if (!strcmp(endpoint->dir->handler, "scep") &&
            !endpoint->dir->profile && conf->profiles->nelts > 1 &&
            !is_named_around(conf)) {
            return mistake(s, endpoint->where, "SetHandler",
                           endpoint->dir->handler,
                           "there are several <ScepProfile>: say which one "
                           "with ScepProfile NAME");
        }
    }
    return OK;
}

/* What the profiles share: algorithms, and the store of challenges. */
static int prepare_common(server_rec *s, scep_conf_t *conf, apr_pool_t *pconf)
{
    scep_alg_t *alg;
    int legacy = 0;
    apr_status_t rv;

    for (int i = 0; i < conf->profiles->nelts; i++) {
        const scep_profile_t *profile =
            APR_ARRAY_IDX(conf->profiles, i, scep_profile_t *);
        if (profile->legacy_crypto) {
            legacy = 1;
            ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_WARNING, 0, s,
                         SCEPLOGNO(0011) "profile %s: ScepLegacyCrypto is on, "
                                         "requests in MD5 and single DES are "
                                         "accepted",
                         profile->name);
        }
    }
    rv = scep_alg_create(&alg, legacy, pconf);
    if (rv != APR_SUCCESS || scep_oid_create(&conf->oid, pconf)) {
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_ERR, rv, s,
                     SCEPLOGNO(0012) "OpenSSL lacks an algorithm%s",
                     legacy ? "; ScepLegacyCrypto needs its legacy provider"
                            : "");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    conf->alg = alg;
    if (!conf->weak && scep_weak_create(&conf->weak, pconf) != APR_SUCCESS)
        return HTTP_INTERNAL_SERVER_ERROR;
    for (int i = 0; i < conf->profiles->nelts; i++) {
        APR_ARRAY_IDX(conf->profiles, i, scep_profile_t *)->enrol.policy.weak =
            conf->weak;
    }
    if (!conf->store) {
        conf->store_provider = &mod_scep_challenge_shm;
        conf->store_name = "shm:challenges(" DEFAULT_STORE_CAPACITY ")";
        if (conf->store_provider->create(&conf->store, "challenges",
                                         DEFAULT_STORE_CAPACITY, pconf))
            return HTTP_INTERNAL_SERVER_ERROR;
    }
    return OK;
}

int mod_scep_check_config(apr_pool_t *pconf, apr_pool_t *plog,
                          apr_pool_t *ptemp, server_rec *s)
{
    scep_conf_t *conf = mod_scep_conf_get(s);
    const char *err;
    int rv = OK;

    (void)plog;
    (void)ptemp;
    for (int i = 0; rv == OK && i < conf->cas->nelts; i++)
        rv =
            check_ca(s, conf, APR_ARRAY_IDX(conf->cas, i, scep_ca_t *), pconf);
    for (int i = 0; rv == OK && i < conf->profiles->nelts; i++) {
        rv = check_profile(s, conf,
                           APR_ARRAY_IDX(conf->profiles, i, scep_profile_t *),
                           pconf);
    }
    for (int i = 0; rv == OK && i < conf->profiles->nelts; i++) {
        rv = finish_profile(s, conf,
                            APR_ARRAY_IDX(conf->profiles, i, scep_profile_t *),
                            pconf);
    }
    if (rv == OK)
        rv = check_mentions(s, conf);
    if (rv == OK && (err = mod_scep_retention_check(conf)))
        rv = mistake(s, conf->retention_where, "ScepRetention",
                     conf->retention_where->args, err);
    if (rv == OK && conf->profiles->nelts)
        rv = prepare_common(s, conf, pconf);
    return rv;
}
