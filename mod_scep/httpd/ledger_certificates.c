/* ledger_certificates.c - the ledger: the inventory of certificates
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ledger_sql.h"

#include <apr_strings.h>
#include <openssl/err.h>

#include <stdlib.h>

static apr_status_t certificates_of(scep_ledger_t *ledger, int statement,
                                    const char *const *args,
                                    apr_array_header_t **made, apr_pool_t *p)
{
    apr_array_header_t *rows;
    apr_status_t rv =
        mod_scep_database_select(ledger->database, statement, args,
                                 SCEP_DATABASE_AGAIN, &rows, p);

    if (rv == APR_SUCCESS)
        *made = mod_scep_ledger_certificate_rows(rows, p);
    return rv;
}

apr_status_t mod_scep_ledger_certificate(scep_ledger_t *ledger, const char *ca,
                                         const char *serial,
                                         scep_certificate_t *certificate,
                                         apr_pool_t *p)
{
    const char *args[] = { mod_scep_ledger_text(serial, p),
                           mod_scep_ledger_text(ca, p), NULL };
    apr_array_header_t *found;
    apr_status_t rv =
        certificates_of(ledger, SCEP_LEDGER_CERT_GET, args, &found, p);

    if (rv != APR_SUCCESS)
        return rv;
    if (found->nelts != 1)
        return APR_NOTFOUND;
    *certificate =
        APR_ARRAY_IDX(found, 0, scep_ledger_certificate_t).certificate;
    return APR_SUCCESS;
}

int mod_scep_ledger_is_that(const scep_certificate_t *row, X509 *certificate)
{
    unsigned char *der = NULL;
    int len = i2d_X509(certificate, &der);
    int same = len > 0 && (apr_size_t)len == row->der_len &&
               !memcmp(der, row->der, row->der_len);

    OPENSSL_free(der);
    ERR_clear_error();
    return same;
}

/* Those of a serial number, whichever ScepCA they came through. */
static apr_status_t of_serial(scep_ledger_t *ledger, const char *serial,
                              apr_array_header_t **rows, apr_pool_t *p)
{
    const char *args[] = { mod_scep_ledger_text(serial, p), NULL };

    return certificates_of(ledger, SCEP_LEDGER_CERT_ANY, args, rows, p);
}

apr_status_t mod_scep_ledger_certificate_of(scep_ledger_t *ledger,
                                            const char *ca, const char *serial,
                                            X509 *certificate,
                                            scep_certificate_t *found,
                                            apr_pool_t *p)
{
    const scep_certificate_t *other = NULL;
    apr_array_header_t *rows;
    apr_status_t rv = of_serial(ledger, serial, &rows, p);

    if (rv != APR_SUCCESS)
        return rv;
    for (int i = 0; i < rows->nelts; i++) {
        const scep_certificate_t *row =
            &APR_ARRAY_IDX(rows, i, scep_ledger_certificate_t).certificate;

        if (mod_scep_ledger_is_that(row, certificate)) {
            *found = *row;
            return APR_SUCCESS;
        }
        if (!strcmp(row->ca, ca))
            other = row;
    }
    if (!other)
        return APR_NOTFOUND;
    *found = *other;
    return APR_SUCCESS;
}

apr_status_t mod_scep_ledger_certificate_in(scep_ledger_t *ledger,
                                            const char *profile,
                                            const char *serial,
                                            scep_certificate_t *found,
                                            apr_pool_t *p)
{
    apr_array_header_t *rows;
    apr_status_t rv = of_serial(ledger, serial, &rows, p);

    if (rv != APR_SUCCESS)
        return rv;
    for (int i = 0; i < rows->nelts; i++) {
        const scep_certificate_t *row =
            &APR_ARRAY_IDX(rows, i, scep_ledger_certificate_t).certificate;

        if (!strcmp(row->profile, profile)) {
            *found = *row;
            return APR_SUCCESS;
        }
    }
    return APR_NOTFOUND;
}

apr_status_t mod_scep_ledger_certificates_due(scep_ledger_t *ledger,
                                              apr_time_t now, int limit,
                                              apr_array_header_t **rows,
                                              apr_pool_t *p)
{
    const char *args[] = { mod_scep_ledger_number(now, p), apr_itoa(p, limit),
                           NULL };

    return certificates_of(ledger, SCEP_LEDGER_CERT_DUE, args, rows, p);
}

static apr_status_t count_of(scep_ledger_t *ledger,
                             scep_ledger_statement_t statement,
                             const char *const *args, int *count,
                             apr_pool_t *p)
{
    apr_array_header_t *rows;
    apr_status_t rv =
        mod_scep_database_select(ledger->database, (int)statement, args,
                                 SCEP_DATABASE_AGAIN, &rows, p);

    if (rv == APR_SUCCESS && rows->nelts != 1)
        rv = APR_EGENERAL;
    if (rv == APR_SUCCESS)
        *count = atoi(APR_ARRAY_IDX(rows, 0, const char *const *)[0]);
    return rv;
}

apr_status_t mod_scep_ledger_count_live(scep_ledger_t *ledger,
                                        const char *profile, const char *names,
                                        apr_time_t now, int *count,
                                        apr_pool_t *p)
{
    const char *args[] = { mod_scep_ledger_text(names, p),
                           mod_scep_ledger_text(profile, p),
                           mod_scep_ledger_number(now, p), NULL };

    return count_of(ledger, SCEP_LEDGER_CERT_NAMES, args, count, p);
}

apr_status_t mod_scep_ledger_count_key(scep_ledger_t *ledger, const char *spki,
                                       const char *names, apr_time_t now,
                                       int *count, apr_pool_t *p)
{
    const char *args[] = { mod_scep_ledger_text(spki, p),
                           mod_scep_ledger_text(names, p),
                           mod_scep_ledger_number(now, p), NULL };

    return count_of(ledger, SCEP_LEDGER_CERT_KEY, args, count, p);
}

/* ------------------------------------------------------------------ */
/* Changes                                                              */

/* Whether a certificate is as a call has left it, its answer lost. */
static apr_status_t was_changed(scep_ledger_t *ledger,
                                const scep_certificate_t *wanted,
                                apr_pool_t *p)
{
    scep_certificate_t found;
    apr_status_t rv = mod_scep_ledger_certificate(ledger, wanted->ca,
                                                  wanted->serial, &found, p);

    if (rv != APR_SUCCESS)
        return rv == APR_NOTFOUND ? APR_ENOENT : rv;
    return found.state == wanted->state && found.changed == wanted->changed &&
                   found.reason == wanted->reason &&
                   found.due == wanted->due &&
                   !strcmp(found.successor, wanted->successor)
               ? APR_SUCCESS
               : APR_ENOENT;
}

apr_status_t mod_scep_ledger_certificate_change(
    scep_ledger_t *ledger, scep_certificate_state_t from,
    const scep_certificate_t *certificate, const apr_array_header_t *events,
    apr_pool_t *p)
{
    const char *args[] = { apr_itoa(p, (int)certificate->state),
                           apr_itoa(p, certificate->reason),
                           mod_scep_ledger_number(certificate->changed, p),
                           mod_scep_ledger_number(certificate->due, p),
                           mod_scep_ledger_text(certificate->successor, p),
                           mod_scep_ledger_text(certificate->serial, p),
                           mod_scep_ledger_text(certificate->ca, p),
                           apr_itoa(p, (int)from),
                           NULL };
    apr_array_header_t *steps = mod_scep_ledger_steps(p);
    apr_status_t rv;

    mod_scep_ledger_step(steps, SCEP_LEDGER_CERT_CHANGE, args, 1);
    mod_scep_ledger_event_steps(steps, events, p);
    rv = mod_scep_ledger_transact(ledger, steps, SCEP_DATABASE_AGAIN, p);
    return rv == APR_EMISMATCH ? was_changed(ledger, certificate, p) : rv;
}

/* ------------------------------------------------------------------ */
/* Lists                                                                */

/* Picks the shortest way to what a filter wants. */
static apr_status_t pick(scep_ledger_t *ledger,
                         const scep_ledger_filter_t *filter,
                         scep_ledger_listing_t *listing, const char *lead[],
                         apr_pool_t *p)
{
    apr_status_t rv = APR_SUCCESS;
    int count = SCEP_LEDGER_CERT_FEW_MOST;

    listing->lead = lead;
    listing->indexed = 1;
    if (filter->serial && *filter->serial) {
        lead[0] = mod_scep_ledger_text(filter->serial, p);
        listing->statement = SCEP_LEDGER_CERT_LIST_SERIAL;
        return APR_SUCCESS;
    }
    if (filter->enrolment && *filter->enrolment) {
        lead[0] = mod_scep_ledger_text(filter->enrolment, p);
        listing->statement = SCEP_LEDGER_CERT_LIST_ENROLMENT;
        return APR_SUCCESS;
    }
    if (filter->expires_before) {
        lead[0] = mod_scep_ledger_number(filter->since, p);
        lead[1] = mod_scep_ledger_number(filter->expires_before, p);
        rv = count_of(ledger, SCEP_LEDGER_CERT_FEW, lead, &count, p);
        listing->statement = SCEP_LEDGER_CERT_LIST_EXPIRY;
    }
    if (count >= SCEP_LEDGER_CERT_FEW_MOST) {
        lead[0] = NULL;
        listing->statement = SCEP_LEDGER_CERT_LIST;
        listing->indexed = 0;
    }
    return rv;
}

apr_status_t mod_scep_ledger_certificates(scep_ledger_t *ledger,
                                          const scep_ledger_filter_t *filter,
                                          apr_array_header_t **made,
                                          apr_pool_t *p)
{
    const char *profile = mod_scep_ledger_text(filter->profile, p);
    const char *device = mod_scep_ledger_text(filter->device, p);
    const char *args[] = {
        profile,
        profile,
        apr_itoa(p, filter->state < 0 ? 0 : filter->state),
        apr_itoa(p, filter->state < 0 ? SCEP_LEDGER_ALL : filter->state),
        mod_scep_ledger_pattern(filter->subject, p),
        device,
        device,
        mod_scep_ledger_number(filter->expires_before ? filter->expires_before
                                                      : APR_INT64_MAX,
                               p),
        mod_scep_ledger_number(filter->since, p),
        NULL
    };
    scep_ledger_listing_t listing = { .span = SCEP_LEDGER_CERT_SPAN,
                                      .filter = args };
    const char *lead[] = { NULL, NULL, NULL };
    apr_array_header_t *rows;
    apr_status_t rv = pick(ledger, filter, &listing, lead, p);

    if (rv == APR_SUCCESS)
        rv = mod_scep_ledger_rows(ledger, &listing, filter, &rows, p);
    if (rv == APR_SUCCESS)
        *made = mod_scep_ledger_certificate_rows(rows, p);
    return rv;
}
