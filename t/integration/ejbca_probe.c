/* ejbca_probe.c - one call of the connector to EJBCA
 * SPDX-License-Identifier: Apache-2.0
 *
 *   ejbca_probe NAME=VALUE... COMMAND [ARGUMENT...]
 *
 * NAME: url, ca, ca-file, certificate, key, issuer
 * COMMAND: submit CSR-FILE BINDING, lookup CSR-FILE BINDING SECONDS-1970,
 *          poll HANDLE, chain, crl, revoke FILE REASON, health
 *
 * It writes lines: the outcome, then what belongs to it.
 */
#include "../../ca-connectors/ejbca/ejbca.h"

#include <apr_general.h>
#include <apr_strings.h>
#include <openssl/pem.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../ca-connectors/ejbca/ejbca_username.h"

static scep_ejbca_conf_t conf = { .username = EJBCA_USERNAME_DEFAULT,
                                  .certificate_profile = "SCEP-DEVICE",
                                  .end_entity_profile = "SCEP-EEP",
                                  .timeout = 2 * APR_USEC_PER_SEC };

static int set(const char *word)
{
    static const struct {
        const char *name;
        const char **to;
    } names[] = {
        { "url", &conf.url },         { "ca", &conf.ca },
        { "ca-file", &conf.ca_file }, { "key", &conf.key },
        { "issuer", &conf.issuer },   { "certificate", &conf.certificate }
    };
    const char *value = strchr(word, '=');

    for (size_t i = 0; value && i < sizeof(names) / sizeof(*names); i++)
        if (strlen(names[i].name) == (size_t)(value - word) &&
            !strncmp(word, names[i].name, (size_t)(value - word))) {
            *names[i].to = value + 1;
            return 1;
        }
    return 0;
}

static void show(const scep_ca_result_t *result)
{
    static const char *const names[] = { "UNKNOWN", "ISSUED", "PENDING",
                                         "REJECTED", "UNAVAILABLE" };

    printf("%s\n%s\n%s\n", names[result->outcome],
           result->reason ? result->reason : "",
           result->handle ? result->handle : "");
    if (result->certificate)
        PEM_write_X509(stdout, result->certificate);
}

static int try_poll(scep_ejbca_t *ca, const char *handle, apr_pool_t *p)
{
    scep_ca_result_t result = { 0 };

    scep_ejbca_poll(ca, handle, &result, p);
    show(&result);
    return 0;
}

/* Where began is not NULL it looks up only. */
static int try_request(scep_ejbca_t *ca, const char *file, const char *binding,
                       const char *began, apr_pool_t *p)
{
    FILE *in = fopen(file, "r");
    X509_REQ *csr = in ? PEM_read_X509_REQ(in, NULL, NULL, NULL) : NULL;
    unsigned char *der = NULL, *spki = NULL;
    scep_ca_request_t request = { .idempotency_key = binding };
    scep_ca_result_t result = { 0 };

    if (in)
        fclose(in);
    if (!csr)
        return 1;
    request.subject = X509_REQ_get_subject_name(csr);
    request.csr_len = (apr_size_t)i2d_X509_REQ(csr, &der);
    request.csr = der;
    request.spki_len =
        (apr_size_t)i2d_X509_PUBKEY(X509_REQ_get_X509_PUBKEY(csr), &spki);
    request.spki = spki;
    if (began)
        request.now = apr_time_from_sec(apr_atoi64(began));
    (began ? scep_ejbca_lookup : scep_ejbca_submit)(ca, &request, &result, p);
    show(&result);
    OPENSSL_free(der);
    OPENSSL_free(spki);
    X509_REQ_free(csr);
    return 0;
}

static int try_crl(scep_ejbca_t *ca, apr_pool_t *p)
{
    X509_CRL *found = NULL;
    apr_status_t rv = scep_ejbca_latest_crl(ca, &found, p);

    printf("%s\n", rv != APR_SUCCESS ? "error" : found ? "crl" : "none");
    if (found)
        PEM_write_X509_CRL(stdout, found);
    return 0;
}

static int try_chain(scep_ejbca_t *ca, apr_pool_t *p)
{
    STACK_OF(X509) *chain = NULL;
    apr_status_t rv = scep_ejbca_chain(ca, &chain, p);

    printf("%s\n", rv == APR_SUCCESS ? "chain" : "error");
    for (int i = 0; i < sk_X509_num(chain); i++)
        PEM_write_X509(stdout, sk_X509_value(chain, i));
    return 0;
}

static int try_revoke(scep_ejbca_t *ca, const char *file, int reason,
                      apr_pool_t *p)
{
    FILE *in = fopen(file, "r");
    X509 *cert = in ? PEM_read_X509(in, NULL, NULL, NULL) : NULL;
    const char *error = "";
    apr_status_t rv;

    if (in)
        fclose(in);
    if (!cert)
        return 1;
    rv = scep_ejbca_revoke(ca, cert, reason, &error, p);
    printf("%s\n%s\n", rv == APR_SUCCESS ? "revoked" : "error", error);
    X509_free(cert);
    return 0;
}

static int try_health(scep_ejbca_t *ca, apr_pool_t *p)
{
    const char *text = "";
    apr_status_t rv = scep_ejbca_health(ca, &text, p);

    printf("%s\n%s\n", rv == APR_SUCCESS ? "well" : "ill", text);
    return 0;
}

int main(int argc, char **argv)
{
    scep_http_settings_t settings = { 0 };
    scep_ejbca_t ca = { .conf = &conf };
    apr_pool_t *p;
    int i = 1, failed = 1;

    if (apr_initialize() != APR_SUCCESS ||
        apr_pool_create(&p, NULL) != APR_SUCCESS || scep_http_init())
        return 1;
    while (i < argc && set(argv[i]))
        i++;
    settings.ca_file = conf.ca_file;
    settings.certificate = conf.certificate;
    settings.key = conf.key;
    settings.timeout = conf.timeout;
    ca.client = scep_http_client_create(&settings, p);
    ca.turns = scep_ejbca_turns_open(apr_pcalloc(p, scep_ejbca_turns_size()));
    if (!ca.client ||
        apr_thread_mutex_create(&ca.mutex, APR_THREAD_MUTEX_DEFAULT, p))
        return 1;
    if (i + 2 == argc && !strcmp(argv[i], "poll"))
        failed = try_poll(&ca, argv[i + 1], p);
    else if (i + 3 == argc && !strcmp(argv[i], "submit"))
        failed = try_request(&ca, argv[i + 1], argv[i + 2], NULL, p);
    else if (i + 4 == argc && !strcmp(argv[i], "lookup"))
        failed = try_request(&ca, argv[i + 1], argv[i + 2], argv[i + 3], p);
    else if (i + 1 == argc && !strcmp(argv[i], "chain"))
        failed = try_chain(&ca, p);
    else if (i + 1 == argc && !strcmp(argv[i], "crl"))
        failed = try_crl(&ca, p);
    else if (i + 3 == argc && !strcmp(argv[i], "revoke"))
        failed = try_revoke(&ca, argv[i + 1], atoi(argv[i + 2]), p);
    else if (i + 1 == argc && !strcmp(argv[i], "health"))
        failed = try_health(&ca, p);
    apr_pool_destroy(p);
    apr_terminate();
    free(ca.issuer);
    return failed;
}
