/* seal_trust.c - whose certificates may seal
 * SPDX-License-Identifier: Apache-2.0
 */
#include "seal_trust.h"

#include <apr_strings.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <string.h>

#include "name.h"

/* What a certificate of an RA may be for, where it says what it is for. */
static const char *const ra_usages[] = {
    "1.3.6.1.5.5.7.3.28",     /* id-kp-cmcRA, RFC 6402 */
    "1.3.6.1.4.1.311.20.2.1", /* Certificate Request Agent, Microsoft's */
};

struct scep_seal_trust_t {
    STACK_OF(X509) *certs; /**< the caller's */
    STACK_OF(X509) *kept;
    X509_STORE *store; /**< those of certs that are CAs */
};

scep_seal_trust_t *scep_seal_trust_create(STACK_OF(X509) *certs, apr_pool_t *p)
{
    scep_seal_trust_t *trust = apr_pcalloc(p, sizeof(*trust));
    int good;

    trust->certs = certs;
    trust->kept = sk_X509_new_null();
    trust->store = X509_STORE_new();
    good = trust->kept && trust->store &&
           X509_STORE_set_flags(trust->store, X509_V_FLAG_PARTIAL_CHAIN);
    for (int i = 0; good && i < sk_X509_num(certs); i++)
        if (X509_check_ca(sk_X509_value(certs, i)))
            good = X509_STORE_add_cert(trust->store, sk_X509_value(certs, i));
    ERR_clear_error();
    if (!good) {
        scep_seal_trust_free(trust);
        return NULL;
    }
    return trust;
}

void scep_seal_trust_free(scep_seal_trust_t *trust)
{
    sk_X509_pop_free(trust->kept, X509_free);
    X509_STORE_free(trust->store);
}

int scep_seal_trust_keep(scep_seal_trust_t *trust, X509 *cert)
{
    if (!sk_X509_push(trust->kept, cert))
        return 0;
    return X509_up_ref(cert);
}

static int is_given(const scep_seal_trust_t *trust, const X509 *cert)
{
    for (int i = 0; i < sk_X509_num(trust->certs); i++)
        if (!X509_cmp(sk_X509_value(trust->certs, i), cert))
            return 1;
    return 0;
}

/* A CA may issue to devices, too, and one of those could forge a seal with
 * its own certificate.  Most of them say that they are for something else. */
static int is_for_another_use(X509 *cert)
{
    EXTENDED_KEY_USAGE *usages =
        X509_get_ext_d2i(cert, NID_ext_key_usage, NULL, NULL);
    int found = 0;
    char oid[80];

    for (int i = 0; !found && i < sk_ASN1_OBJECT_num(usages); i++) {
        OBJ_obj2txt(oid, sizeof(oid), sk_ASN1_OBJECT_value(usages, i), 1);
        for (size_t j = 0; j < sizeof(ra_usages) / sizeof(*ra_usages); j++)
            found |= !strcmp(oid, ra_usages[j]);
    }
    EXTENDED_KEY_USAGE_free(usages);
    return X509_get_ext_by_NID(cert, NID_ext_key_usage, -1) >= 0 && !found;
}

static const char *verify(scep_seal_trust_t *trust, X509 *cert,
                          apr_time_t time)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    const char *why = "OpenSSL fails";

    if (ctx &&
        X509_STORE_CTX_init(ctx, trust->store, cert, trust->certs) == 1) {
        X509_STORE_CTX_set_time(ctx, 0, (time_t)apr_time_sec(time));
        why =
            X509_verify_cert(ctx) == 1
                ? NULL
                : X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx));
    }
    X509_STORE_CTX_free(ctx);
    return why;
}

const char *scep_seal_trust_refusal(scep_seal_trust_t *trust, X509 *cert,
                                    apr_time_t time, apr_pool_t *p)
{
    const char *why = "OpenSSL fails";

    if (trust && is_given(trust, cert))
        return NULL;
    if (trust)
        why = verify(trust, cert, time);
    if (!why && X509_check_ca(cert))
        why = "it is that of a CA";
    if (!why && !(X509_get_key_usage(cert) & KU_DIGITAL_SIGNATURE))
        why = "its keyUsage lacks digitalSignature";
    if (!why && is_for_another_use(cert))
        why = "its extendedKeyUsage is not that of an RA";
    if (why) {
        why =
            apr_psprintf(p, "%s: %s",
                         scep_name_text(X509_get_subject_name(cert), p), why);
    }
    ERR_clear_error();
    return why;
}
