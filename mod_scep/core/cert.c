/* cert.c - the certificates that a profile works with and publishes
 * SPDX-License-Identifier: Apache-2.0
 */
#include <limits.h>
#include <string.h>

#include <apr_strings.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "cert.h"
#include "name.h"

/* How wrong a CA's clock may be. */
#define CLOCK_SKEW apr_time_from_sec(24 * 60 * 60)

static apr_status_t free_certs(void *certs)
{
    sk_X509_pop_free(certs, X509_free);
    return APR_SUCCESS;
}

/* A pass phrase is nothing that a certificate asks for. */
static int no_pass_phrase(char *buf, int size, int rwflag, void *data)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    (void)data;
    return -1;
}

static const char *quoted(const X509 *cert, apr_pool_t *p)
{
    return apr_pstrcat(p, "'", scep_name_text(X509_get_subject_name(cert), p),
                       "'", NULL);
}

apr_status_t scep_cert_read_pem(STACK_OF(X509) **certs, const char *pem,
                                apr_size_t len, const char **error,
                                apr_pool_t *p)
{
    STACK_OF(X509) *read = sk_X509_new_null();
    BIO *bio = NULL;
    X509 *cert;
    unsigned long code;
    apr_status_t rv = APR_EGENERAL;

    ERR_clear_error();
    *error = "out of memory";
    if (!read)
        return rv;
    apr_pool_cleanup_register(p, read, free_certs, apr_pool_cleanup_null);
    if (len > INT_MAX) {
        *error = "the file is too long";
        goto leave;
    }
    bio = BIO_new_mem_buf(pem, (int)len);
    if (!bio)
        goto leave;
    while ((cert = PEM_read_bio_X509(bio, NULL, no_pass_phrase, NULL))) {
        if (!sk_X509_push(read, cert)) {
            X509_free(cert);
            goto leave;
        }
    }
    code = ERR_peek_last_error();
    if (ERR_GET_LIB(code) != ERR_LIB_PEM ||
        ERR_GET_REASON(code) != PEM_R_NO_START_LINE) {
        *error =
            apr_psprintf(p, "certificate %d cannot be read: %s",
                         sk_X509_num(read) + 1, scep_result_openssl_errors(p));
        goto leave;
    }
    if (sk_X509_num(read) == 0) {
        *error = "there is no PEM certificate in it";
        goto leave;
    }
    *certs = read;
    rv = APR_SUCCESS;
leave:
    BIO_free(bio);
    ERR_clear_error();
    return rv;
}

/* ------------------------------------------------------------------ */
/* checks: NULL, or a sentence for the administrator                    */

int scep_cert_compare_time(const ASN1_TIME *time, apr_time_t when)
{
    time_t seconds = (time_t)apr_time_sec(when);

    return time ? X509_cmp_time(time, &seconds) : 0;
}

apr_time_t scep_cert_time(const ASN1_TIME *time)
{
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days, seconds;
    apr_time_t found = 0;

    if (epoch && time && ASN1_TIME_diff(&days, &seconds, epoch, time))
        found = apr_time_from_sec((apr_int64_t)days * 86400 + seconds);
    ASN1_TIME_free(epoch);
    return found;
}

static const char *time_text(const ASN1_TIME *time, apr_pool_t *p)
{
    struct tm tm;

    if (!ASN1_TIME_to_tm(time, &tm))
        return "an unreadable time";
    return apr_psprintf(p, "%04d-%02d-%02d %02d:%02d:%02d UTC",
                        tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                        tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static const char *check_validity(const X509 *cert, apr_time_t now,
                                  apr_interval_time_t skew, apr_pool_t *p)
{
    const ASN1_TIME *from = X509_get0_notBefore(cert);
    const ASN1_TIME *until = X509_get0_notAfter(cert);
    int begun = scep_cert_compare_time(from, now + skew);
    int ended = scep_cert_compare_time(until, now - skew);

    if (begun == 0 || ended == 0)
        return apr_psprintf(p, "%s has an unreadable validity",
                            quoted(cert, p));
    if (begun > 0)
        return apr_psprintf(p, "%s is not valid before %s", quoted(cert, p),
                            time_text(from, p));
    if (ended < 0)
        return apr_psprintf(p, "%s has expired on %s", quoted(cert, p),
                            time_text(until, p));
    return NULL;
}

static int is_named_by(const X509 *issuer, const X509 *cert)
{
    return X509_NAME_cmp(X509_get_subject_name(issuer),
                         X509_get_issuer_name(cert)) == 0;
}

static int is_issued_by(X509 *cert, X509 *issuer)
{
    EVP_PKEY *key = X509_get0_pubkey(issuer);

    return key && is_named_by(issuer, cert) && X509_verify(cert, key) == 1;
}

static const char *check_ca(X509 *cert, int last, apr_pool_t *p)
{
    int ca = X509_check_ca(cert);

    if ((X509_get_extension_flags(cert) & EXFLAG_CA) &&
        !(X509_get_key_usage(cert) & KU_KEY_CERT_SIGN))
        return apr_psprintf(p, "%s is a CA whose key usage lacks keyCertSign",
                            quoted(cert, p));
    if (ca != 1 && !(last && ca == 3)) /* a root of X.509 version 1 */
        return apr_psprintf(p, "%s is no CA certificate", quoted(cert, p));
    return NULL;
}

const char *scep_cert_check_chain(const STACK_OF(X509) *chain, apr_time_t now,
                                  apr_pool_t *p)
{
    int i, n = sk_X509_num(chain);
    const char *error = n > 0 ? NULL : "there is no CA certificate";

    ERR_clear_error();
    for (i = 0; !error && i < n; i++) {
        X509 *cert = sk_X509_value(chain, i);
        X509 *issuer = i + 1 < n ? sk_X509_value(chain, i + 1) : cert;

        error = check_ca(cert, i + 1 == n, p);
        if (!error)
            error = check_validity(cert, now, 0, p);
        if (error || (issuer == cert && !is_named_by(cert, cert)))
            continue;
        if (!is_issued_by(cert, issuer))
            error = issuer == cert
                        ? apr_psprintf(p, "the signature of %s is wrong",
                                       quoted(cert, p))
                        : apr_psprintf(p,
                                       "%s is not issued by %s that "
                                       "follows it; the issuing CA comes "
                                       "first, then upward to the root",
                                       quoted(cert, p), quoted(issuer, p));
    }
    ERR_clear_error();
    return error;
}

static unsigned int ra_uses(X509 *cert)
{
    uint32_t usage = X509_get_key_usage(cert); /* all ones where absent */
    unsigned int uses = 0;

    if (usage & KU_DIGITAL_SIGNATURE)
        uses |= SCEP_RA_SIGN;
    if (usage & KU_KEY_ENCIPHERMENT)
        uses |= SCEP_RA_DECRYPT;
    return uses;
}

static const char *check_ra(X509 *cert, EVP_PKEY *key, X509 *ca,
                            apr_time_t now, apr_pool_t *p)
{
    EVP_PKEY *public_key = X509_get0_pubkey(cert);

    if (!public_key || !EVP_PKEY_is_a(public_key, "RSA"))
        return apr_psprintf(p,
                            "%s has no RSA key, and devices encrypt to "
                            "nothing else",
                            quoted(cert, p));
    if (X509_cmp(cert, ca) != 0 && !is_issued_by(cert, ca))
        return apr_psprintf(p,
                            "%s is not issued by the CA %s, so devices "
                            "would not trust it",
                            quoted(cert, p), quoted(ca, p));
    if (key && EVP_PKEY_eq(public_key, key) != 1)
        return apr_psprintf(p, "the private key does not belong to %s",
                            quoted(cert, p));
    if (!ra_uses(cert))
        return apr_psprintf(p,
                            "the key usage of %s has neither "
                            "digitalSignature nor keyEncipherment",
                            quoted(cert, p));
    return check_validity(cert, now, 0, p);
}

const char *scep_cert_check_ra(X509 *cert, EVP_PKEY *key,
                               const STACK_OF(X509) *chain, apr_time_t now,
                               unsigned int *uses, apr_pool_t *p)
{
    const char *error;

    ERR_clear_error();
    error = sk_X509_num(chain) > 0
                ? check_ra(cert, key, sk_X509_value(chain, 0), now, p)
                : "there is no CA certificate";
    if (!error)
        *uses = ra_uses(cert);
    ERR_clear_error();
    return error;
}

/* Compares the octets first: decoding is what costs time.  A CA may write
 * the same key in other octets, with NULL parameters for absent ones. */
static int has_key(X509 *cert, const unsigned char *spki, apr_size_t spki_len)
{
    unsigned char *der = NULL;
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
    int same = len > 0 && (apr_size_t)len == spki_len &&
               memcmp(der, spki, spki_len) == 0;
    EVP_PKEY *key, *wanted;

    OPENSSL_free(der);
    if (!same) {
        key = X509_get0_pubkey(cert);
        wanted = scep_alg_key_decode(spki, spki_len);
        same = key && wanted && EVP_PKEY_eq(key, wanted) == 1;
        EVP_PKEY_free(wanted);
    }
    return same;
}

static int is_end_entity(const X509 *cert)
{
    int critical;
    BASIC_CONSTRAINTS *constraints =
        X509_get_ext_d2i(cert, NID_basic_constraints, &critical, NULL);
    int ok = constraints ? !constraints->ca : critical == -1;

    BASIC_CONSTRAINTS_free(constraints);
    return ok;
}

const char *scep_cert_check_issued(X509 *cert, const unsigned char *spki,
                                   apr_size_t spki_len,
                                   const STACK_OF(X509) *chain, int signs_here,
                                   apr_time_t now, apr_pool_t *p)
{
    const char *error = NULL;
    X509 *ca = sk_X509_value(chain, 0);

    ERR_clear_error();
    if (!has_key(cert, spki, spki_len))
        error = "its key is not the request's";
    else if (!ca ||
             !(signs_here ? is_named_by(ca, cert) : is_issued_by(cert, ca)))
        error = apr_psprintf(p, "it is not issued by %s",
                             ca ? quoted(ca, p) : "any CA");
    else if (!is_end_entity(cert))
        error = "it is a CA certificate, or its basicConstraints are "
                "malformed";
    else
        error = check_validity(cert, now, CLOCK_SKEW, p);
    ERR_clear_error();
    return error;
}
