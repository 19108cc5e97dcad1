/* cert_id.c - which certificate a GetCert or GetCRL is about
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cert_id.h"

#include <apr_escape.h>
#include <openssl/err.h>

#include "der.h"

static apr_status_t free_name(void *name)
{
    X509_NAME_free(name);
    return APR_SUCCESS;
}

static X509_NAME *read_name(const scep_der_t *whole, apr_pool_t *p)
{
    const unsigned char *at = whole->at;
    X509_NAME *name = d2i_X509_NAME(NULL, &at, (long)whole->len);

    ERR_clear_error();
    if (name)
        apr_pool_cleanup_register(p, name, free_name, apr_pool_cleanup_null);
    return name;
}

/* Without the octet that only says that it is not negative; NULL where it
 * is, or is none. */
static const char *read_serial(scep_der_t number, apr_pool_t *p)
{
    if (number.len == 0 || number.at[0] & 0x80)
        return NULL;
    if (number.len > 1 && number.at[0] == 0) {
        number.at++;
        number.len--;
    }
    return number.len > SCEP_SERIAL_MAX
               ? NULL
               : apr_pescape_hex(p, number.at, number.len, 0);
}

const char *scep_cert_id_parse(scep_cert_id_t *id, const unsigned char *der,
                               apr_size_t len, apr_pool_t *p)
{
    scep_der_t in, sequence, issuer, number;

    if (!scep_der_from_ber(&in, der, len, p) ||
        !scep_der_expect(&in, SCEP_DER_SEQUENCE, &sequence) || in.len ||
        !scep_der_expect_whole(&sequence, SCEP_DER_SEQUENCE, &issuer) ||
        !scep_der_expect(&sequence, SCEP_DER_INTEGER, &number) || sequence.len)
        return "the content is no IssuerAndSerialNumber";
    id->issuer = read_name(&issuer, p);
    if (!id->issuer)
        return "the issuer is no name";
    id->serial = read_serial(number, p);
    return id->serial ? NULL
                      : "the serial number is none that a certificate has";
}

const char *scep_cert_id_serial(const X509 *cert, apr_pool_t *p)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);

    return apr_pescape_hex(p, serial->data, (apr_size_t)serial->length, 0);
}
