/* next_ca.c - the directives of GetNextCACert, and its answer
 * SPDX-License-Identifier: Apache-2.0
 */
#include "next_ca.h"

#include <apr_strings.h>
#include <openssl/err.h>

#include "core/next_ca.h"
#include "keys.h"

/* The RA's own key signs. */
#define BY_RA "ra"

static scep_next_ca_t *next_of(cmd_parms *cmd, void *dirv, const char **err)
{
    scep_dir_conf_t *dir = dirv;

    *err = NULL;
    if (!dir || !dir->ca_section) {
        *err = mod_scep_conf_error(cmd, "belongs into <ScepCA>");
        return NULL;
    }
    if (!dir->ca_section->next)
        dir->ca_section->next = apr_pcalloc(cmd->pool, sizeof(scep_next_ca_t));
    dir->ca_section->next->where = cmd->directive;
    return dir->ca_section->next;
}

const char *mod_scep_set_next_ca_chain(cmd_parms *cmd, void *dirv,
                                       const char *file)
{
    const char *err, *text;
    scep_next_ca_t *next = next_of(cmd, dirv, &err);
    apr_size_t len;

    if (err)
        return err;
    if ((err = mod_scep_keys_read_file(&file, &text, &len, cmd->pool)))
        return mod_scep_conf_error(cmd, "%s", err);
    if (scep_cert_read_pem(&next->chain, text, len, &err, cmd->pool) !=
        APR_SUCCESS)
        return mod_scep_conf_error(cmd, "%s: %s", file, err);
    return NULL;
}

const char *mod_scep_set_next_ca_signer(cmd_parms *cmd, void *dirv,
                                        const char *location)
{
    const char *err;
    scep_next_ca_t *next = next_of(cmd, dirv, &err);

    if (!err)
        next->signer = location;
    return err;
}

const char *mod_scep_set_next_ca_signed(cmd_parms *cmd, void *dirv,
                                        const char *file)
{
    const char *err;
    scep_next_ca_t *next = next_of(cmd, dirv, &err);

    if (!err)
        next->file = file;
    return err;
}

/* ------------------------------------------------------------------ */

static int push_ra(STACK_OF(X509) *certs, const scep_profile_t *profile)
{
    for (int i = 0; i < profile->ra_entries->nelts; i++)
        if (!sk_X509_push(
                certs,
                APR_ARRAY_IDX(profile->ra_entries, i, scep_ra_entry_t).cert))
            return 0;
    return 1;
}

/* The next CA's own RA, if a profile that shares its endpoint with this one
 * has it, and then the chain: as GetCACert will tell it. */
static STACK_OF(X509) *certs_of(const scep_profile_t *profile)
{
    const STACK_OF(X509) *chain = profile->ca->next->chain;
    STACK_OF(X509) *certs = sk_X509_new_null();
    int ok = certs != NULL;

    for (int i = 0; ok && profile->rollover && i < profile->rollover->nelts;
         i++) {
        const scep_profile_t *other =
            APR_ARRAY_IDX(profile->rollover, i, scep_profile_ref_t).profile;

        if (X509_cmp(sk_X509_value(other->ca->chain, 0),
                     sk_X509_value(chain, 0)) == 0)
            ok = push_ra(certs, other);
    }
    for (int i = 0; ok && i < sk_X509_num(chain); i++)
        ok = sk_X509_push(certs, sk_X509_value(chain, i));
    if (!ok) {
        sk_X509_free(certs);
        return NULL;
    }
    return certs;
}

/* The CA's key is in memory no longer than it takes to sign. */
static const char *sign_by_ca(server_rec *s, scep_profile_t *profile,
                              const STACK_OF(X509) *certs, apr_pool_t *pconf)
{
    X509 *ca = sk_X509_value(profile->ca->chain, 0);
    EVP_PKEY *key = NULL;
    const char *err;
    apr_pool_t *p;

    apr_pool_create(&p, pconf);
    err = mod_scep_keys_load(s, profile->ca->next->signer, &key, p);
    if (!err && key && X509_check_private_key(ca, key) != 1) {
        ERR_clear_error();
        err = "ScepNextCASigner: the key is not that of the first "
              "certificate in ScepCAChain, and nobody else may say which CA "
              "follows it";
    }
    if (!err && key)
        scep_next_ca_sign(&profile->next_ca, certs, ca, key, apr_time_now(),
                          &err, pconf);
    /* it may be in the pool that goes */
    err = err ? apr_pstrdup(pconf, err) : NULL;
    apr_pool_destroy(p);
    return err;
}

static const char *sign(server_rec *s, scep_profile_t *profile,
                        apr_pool_t *pconf)
{
    STACK_OF(X509) *certs = certs_of(profile);
    const scep_ra_pair_t *ra = &profile->ra.sign;
    const char *err = NULL;

    if (!certs)
        return "no memory for the next CA's certificates";
    if (strcmp(profile->ca->next->signer, BY_RA))
        err = sign_by_ca(s, profile, certs, pconf);
    else if (ra->key)
        scep_next_ca_sign(&profile->next_ca, certs, ra->cert, ra->key,
                          apr_time_now(), &err, pconf);
    sk_X509_free(certs);
    return err;
}

static const char *take(scep_profile_t *profile, apr_pool_t *pconf)
{
    const scep_ca_t *ca = profile->ca;
    const char *file = ca->next->file, *text, *err;
    apr_size_t len;

    err = mod_scep_keys_read_file(&file, &text, &len, pconf);
    if (!err)
        err = scep_next_ca_take(&profile->next_ca, text, len, ca->next->chain,
                                ca->chain, pconf);
    return err ? apr_psprintf(pconf, "ScepNextCASigned %s: %s", file, err)
               : NULL;
}

const char *mod_scep_next_ca_prepare(server_rec *s, scep_profile_t *profile,
                                     apr_pool_t *pconf)
{
    const scep_next_ca_t *next = profile->ca->next;
    const char *err;

    if (!next)
        return NULL;
    if (!next->chain)
        return "ScepNextCAChain is missing";
    if (!next->signer == !next->file) {
        return "say with one of ScepNextCASigner and ScepNextCASigned how "
               "ScepNextCAChain is vouched for";
    }
    err = scep_next_ca_check(next->chain, profile->ca->chain, apr_time_now(),
                             pconf);
    if (err)
        return apr_pstrcat(pconf, "ScepNextCAChain: ", err, NULL);
    return next->file ? take(profile, pconf) : sign(s, profile, pconf);
}
