/* adcs_probe.c - one call of the connector to ADCS
 * SPDX-License-Identifier: Apache-2.0
 *
 *   adcs_probe NAME=VALUE... COMMAND [ARGUMENT]
 *
 * NAME: url, interface, template, user, password, ca-file
 * COMMAND: submit CSRFILE, poll HANDLE, chain, health
 *
 * It writes lines: the outcome, the reason, the handle, the failInfo, then
 * certificates.
 */
#include "../../ca-connectors/adcs/adcs.h"

#include <apr_general.h>
#include <openssl/pem.h>

#include <stdio.h>
#include <string.h>

#include "../../ca-connectors/adcs/ces_proto.h"

static scep_adcs_conf_t conf;
static const char *interface, *password;

/* There is no enrolment agent here. */
const char *scep_adcs_order(const scep_adcs_t *ca,
                            const scep_ca_request_t *request,
                            const unsigned char **der, apr_size_t *len,
                            apr_pool_t *p)
{
    (void)ca;
    (void)p;
    *der = request->csr;
    *len = request->csr_len;
    return NULL;
}

static int set(const char *word)
{
    static const struct {
        const char *name;
        const char **to;
    } names[] = {
        { "url", &conf.url },         { "interface", &interface },
        { "user", &conf.user },       { "password", &password },
        { "ca-file", &conf.ca_file }, { "template", &conf.template }
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

    printf("%s\n%s\n%s\n%d\n", names[result->outcome],
           result->reason ? result->reason : "",
           result->handle ? result->handle : "", (int)result->fail_info);
    if (result->certificate)
        PEM_write_X509(stdout, result->certificate);
}

static int try_submit(scep_adcs_t *ca, const char *file, apr_pool_t *p)
{
    FILE *in = fopen(file, "r");
    X509_REQ *csr = in ? PEM_read_X509_REQ(in, NULL, NULL, NULL) : NULL;
    unsigned char *der = NULL, *spki = NULL;
    scep_ca_request_t request = { .profile = "probe" };
    scep_ca_result_t result = { 0 };
    int len = i2d_X509_REQ(csr, &der);
    int spki_len = i2d_X509_PUBKEY(X509_REQ_get_X509_PUBKEY(csr), &spki);

    if (in)
        fclose(in);
    if (len <= 0 || spki_len <= 0)
        return 1;
    request.csr = der;
    request.csr_len = (apr_size_t)len;
    request.spki = spki;
    request.spki_len = (apr_size_t)spki_len;
    (conf.interface == SCEP_ADCS_CES
         ? scep_ces_submit
         : scep_certsrv_submit)(ca, &request, &result, p);
    show(&result);
    OPENSSL_free(der);
    OPENSSL_free(spki);
    X509_REQ_free(csr);
    return 0;
}

static int try_poll(scep_adcs_t *ca, const char *handle, apr_pool_t *p)
{
    scep_ca_result_t result = { 0 };

    (conf.interface == SCEP_ADCS_CES
         ? scep_ces_poll
         : scep_certsrv_poll)(ca, handle, &result, p);
    show(&result);
    return 0;
}

static int try_chain(scep_adcs_t *ca, apr_pool_t *p)
{
    STACK_OF(X509) *chain = NULL;
    apr_status_t rv = scep_certsrv_chain(ca, &chain, p);

    puts(rv == APR_SUCCESS ? "chain" : "error");
    for (int i = 0; rv == APR_SUCCESS && i < sk_X509_num(chain); i++)
        PEM_write_X509(stdout, sk_X509_value(chain, i));
    return 0;
}

static int try_health(scep_adcs_t *ca, apr_pool_t *p)
{
    const char *text = "";
    apr_status_t rv =
        (conf.interface == SCEP_ADCS_CES ? scep_ces_health
                                         : scep_certsrv_health)(ca, &text, p);

    printf("%s\n%s\n", rv == APR_SUCCESS ? "well" : "ill", text);
    return 0;
}

int main(int argc, char **argv)
{
    scep_http_settings_t settings = { .auth = SCEP_HTTP_AUTH_BASIC };
    scep_adcs_t ca = { .conf = &conf };
    apr_pool_t *p;
    int i = 1, failed = 1;

    if (apr_initialize() != APR_SUCCESS ||
        apr_pool_create(&p, NULL) != APR_SUCCESS || scep_http_init())
        return 1;
    scep_ces_proto_init();
    while (i < argc && set(argv[i]))
        i++;
    conf.interface = interface && !strcmp(interface, "certsrv")
                         ? SCEP_ADCS_CERTSRV
                         : SCEP_ADCS_CES;
    settings.ca_file = conf.ca_file;
    settings.user = conf.user;
    settings.secret = password;
    settings.user_agent = "Mozilla/5.0";
    ca.client = scep_http_client_create(&settings, p);
    if (!ca.client)
        return 1;
    if (i + 2 == argc && !strcmp(argv[i], "submit"))
        failed = try_submit(&ca, argv[i + 1], p);
    else if (i + 2 == argc && !strcmp(argv[i], "poll"))
        failed = try_poll(&ca, argv[i + 1], p);
    else if (i + 1 == argc && !strcmp(argv[i], "chain"))
        failed = try_chain(&ca, p);
    else if (i + 1 == argc && !strcmp(argv[i], "health"))
        failed = try_health(&ca, p);
    apr_pool_destroy(p);
    apr_terminate();
    return failed;
}
