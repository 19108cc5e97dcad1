/* verifier_ca.c - verifier "ca": the CA itself checks the challenge
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conf.h"

#include "providers.h"

static const char *check(const scep_verifier_setup_t *setup, void **verifier)
{
    const scep_dir_conf_t *dir =
        ap_get_module_config((ap_conf_vector_t *)setup->conf, &scep_module);

    (void)verifier;
    return dir->profile_section->enrol.ca_checks_challenge
               ? NULL
               : "the profile's CA does not check challenges itself";
}

/* Grants nothing by itself: the challenge goes along with the request, and a
 * CA to which it says nothing rejects that. */
static void verify(void *verifier, const scep_verify_request_t *request,
                   scep_verify_result_t *result, apr_pool_t *p)
{
    (void)verifier;
    (void)p;
    result->outcome =
        request->challenge ? SCEP_VERIFY_GRANTED : SCEP_VERIFY_PASS;
    if (request->challenge)
        result->id = "of the CA";
    else
        result->reason = "the CSR has no challengePassword";
}

static apr_status_t settle(void *verifier, void *token,
                           const scep_verify_end_t *end, apr_pool_t *p)
{
    (void)verifier;
    (void)token;
    (void)end;
    (void)p;
    return APR_SUCCESS;
}

static void explain(void *verifier, const scep_verify_request_t *request,
                    scep_verify_result_t *result, apr_pool_t *p)
{
    verify(verifier, request, result, p);
    if (result->outcome == SCEP_VERIFY_GRANTED)
        result->reason = "the CA would be asked";
}

const scep_verifier_provider_t mod_scep_verifier_ca = {
    .verify = verify, .settle = settle, .check = check, .explain = explain
};
