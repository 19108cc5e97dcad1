/* hresult.c - what the error numbers of ADCS mean
 * SPDX-License-Identifier: Apache-2.0
 */
#include "hresult.h"

#include <apr_strings.h>

typedef enum {
    DEVICE,  /* the request is refused */
    BAD_ALG, /* its key or its signature is */
    GATEWAY, /* template, rights or signature: the administrator must act */
    LOST,    /* there is no such request */
    PASSING, /* it was not looked at, and passes by itself */
    UNSURE   /* the same, but it may have been looked at */
} kind_t;

typedef struct {
    apr_uint32_t code;
    kind_t kind;
    const char *text;
} number_t;

#define ADVICE_TEMPLATE "; see ScepAdcsTemplate and the CA's templates"
#define ADVICE_RIGHTS "; see the rights of the gateway's account"
#define ADVICE_SIGNER "; see ScepAdcsSigner and the template's signatures"

/* Names of winerror.h, without CERTSRV_E_; the kinds are ours. */
static const number_t numbers[] = {
    { 0x80070005, GATEWAY, "access denied" ADVICE_RIGHTS },
    { 0x800705b4, UNSURE, "time-out" },
    { 0x800706ba, PASSING, "the CA's service does not answer" },
    { 0x800706be, UNSURE, "the call of the CA failed" },
    { 0x800706bf, PASSING, "the call of the CA was not made" },
    { 0x80072ee2, UNSURE, "time-out" },
    { 0x80072efd, PASSING, "the CA cannot be connected to" },
    { 0x80072efe, UNSURE, "the connection to the CA broke" },
    { 0x80092012, PASSING, "revocation could not be checked" },
    { 0x80092013, PASSING, "the revocation server is off line" },
    { 0x8009310b, DEVICE, "the request cannot be parsed" },
    { 0x80094001, DEVICE, "BAD_REQUESTSUBJECT" },
    { 0x80094002, LOST, "NO_REQUEST" },
    { 0x80094003, UNSURE, "BAD_REQUESTSTATUS" },
    { 0x80094006, PASSING, "SERVER_SUSPENDED" },
    { 0x80094009, GATEWAY, "RESTRICTEDOFFICER" ADVICE_RIGHTS },
    { 0x8009400f, PASSING, "NO_DB_SESSIONS" },
    { 0x80094011, GATEWAY, "ENROLL_DENIED" ADVICE_RIGHTS },
    { 0x80094012, GATEWAY, "TEMPLATE_DENIED" ADVICE_RIGHTS },
    { 0x80094014, DEVICE, "ADMIN_DENIED_REQUEST" },
    { 0x80094015, PASSING, "NO_POLICY_SERVER" },
    { 0x80094016, BAD_ALG, "WEAK_SIGNATURE_OR_KEY" },
    { 0x80094800, GATEWAY, "UNSUPPORTED_CERT_TYPE" ADVICE_TEMPLATE },
    { 0x80094801, GATEWAY, "NO_CERT_TYPE" ADVICE_TEMPLATE },
    { 0x80094802, GATEWAY, "TEMPLATE_CONFLICT" ADVICE_TEMPLATE },
    { 0x80094803, DEVICE, "SUBJECT_ALT_NAME_REQUIRED" },
    { 0x80094809, GATEWAY, "SIGNATURE_POLICY_REQUIRED" ADVICE_SIGNER },
    { 0x8009480a, GATEWAY, "SIGNATURE_COUNT" ADVICE_SIGNER },
    { 0x8009480b, GATEWAY, "SIGNATURE_REJECTED" ADVICE_SIGNER },
    { 0x8009480c, GATEWAY, "ISSUANCE_POLICY_REQUIRED" ADVICE_SIGNER },
    { 0x8009480f, DEVICE, "SUBJECT_DNS_REQUIRED" },
    { 0x80094811, BAD_ALG, "KEY_LENGTH" },
};

static const number_t *find(apr_uint32_t code)
{
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
        if (numbers[i].code == code)
            return &numbers[i];
    return NULL;
}

const char *scep_hresult_text(apr_uint32_t code, apr_pool_t *p)
{
    const number_t *number = find(code);

    return apr_psprintf(p, "ADCS says 0x%08x%s%s%s", code, number ? " (" : "",
                        number ? number->text : "", number ? ")" : "");
}

static void reject(scep_ca_result_t *result, scep_fail_info_t fail_info,
                   int device_fault)
{
    result->outcome = SCEP_CA_REJECTED;
    result->fail_info = fail_info;
    result->device_fault = device_fault;
}

void scep_hresult_decide(apr_uint32_t code, int denied, const char *handle,
                         scep_ca_result_t *result, apr_pool_t *p)
{
    const number_t *number = find(code);
    kind_t kind = number ? number->kind : denied ? DEVICE : UNSURE;

    result->reason = scep_hresult_text(code, p);
    switch (kind) {
    case DEVICE:
        reject(result, SCEP_FAIL_BAD_REQUEST, 1);
        break;
    case BAD_ALG:
        reject(result, SCEP_FAIL_BAD_ALG, 1);
        break;
    case GATEWAY:
        reject(result, SCEP_FAIL_BAD_REQUEST, 0);
        break;
    case LOST:
        reject(result, SCEP_FAIL_BAD_CERT_ID, 0);
        break;
    default:
        result->outcome = denied            ? SCEP_CA_UNAVAILABLE
                          : handle          ? SCEP_CA_PENDING
                          : kind == PASSING ? SCEP_CA_UNAVAILABLE
                                            : SCEP_CA_UNKNOWN;
        result->handle = denied ? NULL : handle;
    }
}
