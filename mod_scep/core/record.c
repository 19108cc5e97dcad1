/* record.c - an enrolment as the ledger keeps it
 * SPDX-License-Identifier: Apache-2.0
 */
#include "record.h"

#include <apr_strings.h>

#include <stddef.h>
#include <string.h>

static const char *const states[] = {
    [SCEP_STATE_RECEIVED] = "received",
    [SCEP_STATE_APPROVAL] = "approval",
    [SCEP_STATE_QUEUED] = "queued",
    [SCEP_STATE_SUBMITTED] = "submitted",
    [SCEP_STATE_CA_PENDING] = "ca-pending",
    [SCEP_STATE_UNKNOWN] = "unknown",
    [SCEP_STATE_ISSUED] = "issued",
    [SCEP_STATE_REJECTED] = "rejected",
    [SCEP_STATE_FAILED] = "failed",
    [SCEP_STATE_SAME] = "same",
};

static const char *const certificate_states[] = {
    [SCEP_CERTIFICATE_LIVE] = "live",
    [SCEP_CERTIFICATE_SUPERSEDED] = "superseded",
    [SCEP_CERTIFICATE_REVOKED] = "revoked",
    [SCEP_CERTIFICATE_REVOKING] = "revoking",
};

static const char *const crl_reasons[] = {
    "unspecified",     "keyCompromise",
    "cACompromise",    "affiliationChanged",
    "superseded",      "cessationOfOperation",
    "certificateHold", NULL,
    "removeFromCRL",   "privilegeWithdrawn",
    "aACompromise",
};

#define COUNT(names) (sizeof(names) / sizeof(*(names)))

static const char *name_of(const char *const *names, size_t count,
                           unsigned int number)
{
    return number < count && names[number] ? names[number] : "other";
}

static int find(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (names[i] && !strcmp(names[i], name))
            return (int)i;
    return -1;
}

const char *scep_state_name(scep_state_t state)
{
    return name_of(states, COUNT(states), state);
}

int scep_state_find(const char *name)
{
    return find(states, COUNT(states), name);
}

const char *scep_certificate_state_name(scep_certificate_state_t state)
{
    return name_of(certificate_states, COUNT(certificate_states), state);
}

int scep_certificate_state_find(const char *name)
{
    return find(certificate_states, COUNT(certificate_states), name);
}

const char *scep_crl_reason_name(int reason)
{
    return name_of(crl_reasons, COUNT(crl_reasons), (unsigned int)reason);
}

int scep_crl_reason_find(const char *name)
{
    return find(crl_reasons, COUNT(crl_reasons), name);
}

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
