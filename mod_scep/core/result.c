/* result.c - reasons, what the client is told of them and the log's detail
 * SPDX-License-Identifier: Apache-2.0
 */
#include "result.h"

#include <stdarg.h>

#include <apr_strings.h>
#include <openssl/err.h>

typedef struct {
    const char *name;
    scep_fail_info_t fail_info;
    const char *text; /* tells the client nothing that helps an attacker */
    int http_status;
} reason_t;

static const reason_t reasons[SCEP_REASON_COUNT] = {
    [SCEP_REASON_NONE] = { "none", SCEP_FAIL_BAD_REQUEST, NULL, 0 },
    [SCEP_REASON_NOT_CMS] = { "not-cms", SCEP_FAIL_BAD_MESSAGE_CHECK,
                              "not a pkiMessage", 400 },
    [SCEP_REASON_BAD_QUERY] = { "bad-query", SCEP_FAIL_BAD_REQUEST,
                                "not a SCEP request", 400 },
    [SCEP_REASON_CHECK] = { "bad-message-check", SCEP_FAIL_BAD_MESSAGE_CHECK,
                            "the message could not be verified", 0 },
    [SCEP_REASON_DIGEST] = { "bad-digest", SCEP_FAIL_BAD_ALG,
                             "the digest algorithm is not allowed", 0 },
    [SCEP_REASON_CIPHER] = { "bad-cipher", SCEP_FAIL_BAD_ALG,
                             "the content cipher is not allowed", 0 },
    [SCEP_REASON_KEY] = { "bad-key", SCEP_FAIL_BAD_ALG,
                          "the key type or size is not allowed", 0 },
    [SCEP_REASON_ENVELOPE_KEY] = { "bad-envelope-key", SCEP_FAIL_BAD_ALG,
                                   "the reply cannot be encrypted to this key",
                                   0 },
    [SCEP_REASON_ATTRIBUTES] = { "bad-attributes", SCEP_FAIL_BAD_REQUEST,
                                 "the signed attributes are not right", 0 },
    [SCEP_REASON_MESSAGE_TYPE] = { "bad-message-type", SCEP_FAIL_BAD_REQUEST,
                                   "the messageType is not supported", 0 },
    [SCEP_REASON_SIGNER] = { "bad-signer", SCEP_FAIL_BAD_REQUEST,
                             "the signer does not match the request", 0 },
    [SCEP_REASON_TIME] = { "bad-time", SCEP_FAIL_BAD_TIME,
                           "the signingTime is too far off", 0 },
    [SCEP_REASON_CSR] = { "bad-csr", SCEP_FAIL_BAD_REQUEST,
                          "the certification request is not right", 0 },
    /* like CHECK: whoever re-signs what another device sent learns nothing */
    [SCEP_REASON_POP] = { "bad-proof-of-possession",
                          SCEP_FAIL_BAD_MESSAGE_CHECK,
                          "the message could not be verified", 0 },
    [SCEP_REASON_CHALLENGE] = { "bad-challenge", SCEP_FAIL_BAD_REQUEST,
                                "the challengePassword is not valid", 0 },
    [SCEP_REASON_BREACH] = { "spent-challenge", SCEP_FAIL_BAD_REQUEST,
                             "the challengePassword is not valid", 0 },
    [SCEP_REASON_POLICY] = { "policy", SCEP_FAIL_BAD_REQUEST,
                             "the request is not allowed", 0 },
    [SCEP_REASON_NO_TRANSACTION] = { "no-transaction", SCEP_FAIL_BAD_CERT_ID,
                                     "the transaction is not known", 0 },
    [SCEP_REASON_CERT_ID] = { "no-certificate", SCEP_FAIL_BAD_CERT_ID,
                              "there is no such certificate", 0 },
    [SCEP_REASON_CA_REJECTED] = { "ca-rejected", SCEP_FAIL_BAD_REQUEST,
                                  "the CA refused the request", 0 },
    [SCEP_REASON_CA_FAULT] = { "ca-fault", SCEP_FAIL_BAD_REQUEST,
                               "the CA refused the request", 0 },
    [SCEP_REASON_CA_BAD_CERT] = { "ca-bad-certificate", SCEP_FAIL_BAD_REQUEST,
                                  "no certificate could be issued", 0 },
    [SCEP_REASON_CA_DOWN] = { "ca-down", SCEP_FAIL_BAD_REQUEST,
                              "the CA does not answer", 503 },
    [SCEP_REASON_VERIFIER_DOWN] = { "verifier-down", SCEP_FAIL_BAD_REQUEST,
                                    "the request cannot be verified now",
                                    503 },
    [SCEP_REASON_LEDGER_DOWN] = { "ledger-down", SCEP_FAIL_BAD_REQUEST,
                                  "the request cannot be recorded now", 503 },
    [SCEP_REASON_TRANSACTION] = { "transaction-in-use", SCEP_FAIL_BAD_REQUEST,
                                  "the transactionID is in use", 0 },
    [SCEP_REASON_DISAPPROVED] = { "disapproved", SCEP_FAIL_BAD_REQUEST,
                                  "the request was not approved", 0 },
    [SCEP_REASON_EXPIRED] = { "expired", SCEP_FAIL_BAD_REQUEST,
                              "the request was not decided in time", 0 },
    [SCEP_REASON_LOCKOUT] = { "lockout", SCEP_FAIL_BAD_REQUEST,
                              "too many refused requests", 429 },
    [SCEP_REASON_INTERNAL] = { "internal", SCEP_FAIL_BAD_REQUEST,
                               "internal error", 500 },
};

static const char *const fail_infos[] = {
    [SCEP_FAIL_BAD_ALG] = "badAlg",
    [SCEP_FAIL_BAD_MESSAGE_CHECK] = "badMessageCheck",
    [SCEP_FAIL_BAD_REQUEST] = "badRequest",
    [SCEP_FAIL_BAD_TIME] = "badTime",
    [SCEP_FAIL_BAD_CERT_ID] = "badCertId",
};

static const reason_t *find(scep_reason_t reason)
{
    unsigned int i = reason;

    return &reasons[i < SCEP_REASON_COUNT ? i : SCEP_REASON_INTERNAL];
}

apr_status_t scep_result_fail(scep_result_t *res, apr_pool_t *p,
                              scep_reason_t reason, const char *fmt, ...)
{
    const reason_t *row = find(reason);
    const char *errors = scep_result_openssl_errors(p);
    va_list args;

    res->status = SCEP_STATUS_FAILURE;
    res->reason = reason;
    res->fail_info = row->fail_info;
    res->text = row->text;
    res->http_status = row->http_status;
    res->rule = NULL;
    va_start(args, fmt);
    res->detail = apr_pvsprintf(p, fmt, args);
    va_end(args);
    if (*errors != '\0')
        res->detail = apr_pstrcat(p, res->detail, ": ", errors, NULL);
    return APR_EGENERAL;
}

apr_status_t scep_result_by_rule(scep_result_t *res, const char *rule,
                                 apr_pool_t *p)
{
    res->rule = rule;
    res->detail = apr_pstrcat(p, rule, ": ", res->detail, NULL);
    return APR_EGENERAL;
}

const char *scep_result_reason_name(scep_reason_t reason)
{
    return find(reason)->name;
}

const char *scep_result_fail_info_name(scep_fail_info_t fail_info)
{
    unsigned int i = fail_info;

    return i < sizeof(fail_infos) / sizeof(fail_infos[0]) ? fail_infos[i]
                                                          : "unknown";
}

const char *scep_result_openssl_errors(apr_pool_t *p)
{
    const char *line = "";
    const char *data;
    unsigned long code;
    int flags;

    while ((code = ERR_get_error_all(NULL, NULL, NULL, &data, &flags)) != 0) {
        const char *text = ERR_reason_error_string(code);

        if (text == NULL)
            text = apr_psprintf(p, "error %08lX", code);
        line = apr_pstrcat(p, line, *line != '\0' ? "; " : "", text, NULL);
        if ((flags & ERR_TXT_STRING) != 0 && data != NULL && *data != '\0')
            line = apr_pstrcat(p, line, " (", data, ")", NULL);
    }
    return line;
}
