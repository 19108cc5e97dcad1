/* revocation.c - whether a CRL says that a certificate is revoked
 * SPDX-License-Identifier: Apache-2.0
 */
#include "revocation.h"

#include <openssl/err.h>

#include "cert.h"

/* Where a distribution point is named, whose CRL is for those certificates
 * alone that name it too: see covers(). */
static const char *check_scope(const ISSUING_DIST_POINT *point)
{
    /* ASN1_BOOLEAN: DEFAULT FALSE is -1 or 0, TRUE 0xff */
    if (point->indirectCRL > 0)
        return "the CRL is an indirect one";
    if (point->onlysomereasons)
        return "the CRL is for some reasons only";
    if (point->onlyCA > 0 || point->onlyattr > 0)
        return "the CRL is not for certificates of end entities";
    if (point->distpoint && point->distpoint->type != 0)
        return "the CRL is for a distribution point of a relative name";
    return NULL;
}

static const char *check_extensions(X509_CRL *crl)
{
    ISSUING_DIST_POINT *point;
    const char *fault = NULL;
    int critical;

    if (X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) >= 0)
        return "the CRL is a delta CRL";
    for (int i = -1;
         !fault && (i = X509_CRL_get_ext_by_critical(crl, 1, i)) >= 0;) {
        const X509_EXTENSION *ext = X509_CRL_get_ext(crl, i);

        if (OBJ_obj2nid(X509_EXTENSION_get_object((X509_EXTENSION *)ext)) !=
            NID_issuing_distribution_point)
            fault = "the CRL has a critical extension that is not known";
    }
    if (fault)
        return fault;
    point = X509_CRL_get_ext_d2i(crl, NID_issuing_distribution_point,
                                 &critical, NULL);
    if (point)
        fault = check_scope(point);
    else if (critical != -1)
        fault = "the CRL's issuingDistributionPoint is malformed";
    ISSUING_DIST_POINT_free(point);
    return fault;
}

const char *scep_revocation_check_crl(X509_CRL *crl, X509 *issuer)
{
    const char *fault;

    if (X509_NAME_cmp(X509_CRL_get_issuer(crl),
                      X509_get_subject_name(issuer)) != 0 ||
        X509_CRL_verify(crl, X509_get0_pubkey(issuer)) != 1)
        fault = "the CRL is not signed by the issuing CA";
    else if (!(X509_get_key_usage(issuer) & KU_CRL_SIGN))
        fault = "the CRL is signed by a CA that may not sign CRLs (keyUsage "
                "lacks cRLSign)";
    else
        fault = check_extensions(crl);
    ERR_clear_error();
    return fault;
}

const char *scep_revocation_check_time(const X509_CRL *crl, apr_time_t now)
{
    const char *fault = NULL;

    if (scep_cert_compare_time(X509_CRL_get0_lastUpdate(crl), now) >= 0)
        fault = "the CRL is from the future";
    else if (scep_cert_compare_time(X509_CRL_get0_nextUpdate(crl), now) <= 0)
        fault = "the CRL is out of date";
    ERR_clear_error();
    return fault;
}

static int share_a_name(const DIST_POINT_NAME *one,
                        const DIST_POINT_NAME *other)
{
    if (!other || other->type != 0)
        return 0;
    for (int i = 0; i < sk_GENERAL_NAME_num(one->name.fullname); i++)
        for (int j = 0; j < sk_GENERAL_NAME_num(other->name.fullname); j++)
            if (GENERAL_NAME_cmp(sk_GENERAL_NAME_value(one->name.fullname, i),
                                 sk_GENERAL_NAME_value(other->name.fullname,
                                                       j)) == 0)
                return 1;
    return 0;
}

/* Whether a CRL would list this certificate if it were revoked. */
static int covers(X509_CRL *crl, X509 *cert)
{
    ISSUING_DIST_POINT *idp =
        X509_CRL_get_ext_d2i(crl, NID_issuing_distribution_point, NULL, NULL);
    CRL_DIST_POINTS *points;
    int good = !idp || !idp->distpoint;

    if (!good) {
        points =
            X509_get_ext_d2i(cert, NID_crl_distribution_points, NULL, NULL);
        for (int i = 0; !good && i < sk_DIST_POINT_num(points); i++) {
            good = share_a_name(idp->distpoint,
                                sk_DIST_POINT_value(points, i)->distpoint);
        }
        CRL_DIST_POINTS_free(points);
    }
    ISSUING_DIST_POINT_free(idp);
    return good;
}

scep_revocation_t scep_revocation_look_up(X509_CRL *crl, X509 *cert,
                                          const char **reason)
{
    scep_revocation_t answer = SCEP_REVOCATION_GOOD;
    X509_REVOKED *revoked;

    if (!covers(crl, cert)) {
        *reason = "the CRL is for another part of the certificates";
        answer = SCEP_REVOCATION_UNCLEAR;
    } else if (X509_CRL_get0_by_cert(crl, &revoked, cert) != 0) {
        *reason = "the certificate is revoked";
        answer = SCEP_REVOCATION_REVOKED;
    }
    ERR_clear_error();
    return answer;
}
