/* record.c - an enrolment as the ledger keeps it
 * SPDX-License-Identifier: Apache-2.0
 */
#include "record.h"

#include <apr_strings.h>

#include <stddef.h>

static const size_t texts[] = {
    offsetof(scep_record_t, key),
    offsetof(scep_record_t, profile),
    offsetof(scep_record_t, ca),
    offsetof(scep_record_t, transaction_id),
    offsetof(scep_record_t, signer),
    offsetof(scep_record_t, spki),
    offsetof(scep_record_t, names),
    offsetof(scep_record_t, device),
    offsetof(scep_record_t, subject),
    offsetof(scep_record_t, sans),
    offsetof(scep_record_t, address),
    offsetof(scep_record_t, verifier),
    offsetof(scep_record_t, grant),
    offsetof(scep_record_t, verified_by),
    offsetof(scep_record_t, requester),
    offsetof(scep_record_t, renews),
    offsetof(scep_record_t, handle),
    offsetof(scep_record_t, serial),
    offsetof(scep_record_t, detail),
    offsetof(scep_record_t, approvals),
    offsetof(scep_record_t, token),
};

scep_record_t *scep_record_copy(const scep_record_t *record, apr_pool_t *p)
{
    scep_record_t *copy = apr_pmemdup(p, record, sizeof(*copy));

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        const char **text = (const char **)((char *)copy + texts[i]);
        *text = apr_pstrdup(p, *text);
    }
    if (record->csr)
        copy->csr = apr_pmemdup(p, record->csr, record->csr_len);
    return copy;
}
