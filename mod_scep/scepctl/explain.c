/* explain.c - the command "explain": what a profile would make of a CSR
 * SPDX-License-Identifier: Apache-2.0
 */
#include "scepctl.h"

#include <apr_file_io.h>
#include <apr_strings.h>
#include <openssl/evp.h>

#include <stdio.h>
#include <string.h>

#include "connection.h"
#include "output.h"
#include "secret_input.h"

/* As much as a body of the admin API may have, in base64. */
#define CSR_MAX (48 * 1024)

const ctl_option_t ctl_explain_options[] = {
    { "profile", "NAME", "which profile, where there are several", NULL, 0 },
    { "challenge-file", "FILE", "a challenge in place of the CSR's own", NULL,
      0 },
    { "address", "ADDRESS", "as if the client had this address", NULL, 0 },
    { "message-type", "TYPE", "PKCSReq, which is the default, or RenewalReq",
      NULL, 0 },
    { NULL, NULL, NULL, NULL, 0 }
};

/* PEM as it is, DER as base64. */
static const char *read_csr(const ctl_t *ctl, const char *name,
                            const char **text)
{
    unsigned char *octets = apr_palloc(ctl->p, CSR_MAX + 2);
    char reason[120], *base64;
    apr_size_t len = 0;
    apr_file_t *file;
    apr_status_t rv = apr_file_open(&file, name, APR_READ | APR_BINARY,
                                    APR_OS_DEFAULT, ctl->p);

    if (rv == APR_SUCCESS) {
        rv = apr_file_read_full(file, octets, CSR_MAX + 1, &len);
        apr_file_close(file);
    }
    if (rv != APR_SUCCESS && !APR_STATUS_IS_EOF(rv)) {
        return apr_psprintf(ctl->p, "cannot read %s: %s", name,
                            apr_strerror(rv, reason, sizeof(reason)));
    }
    if (len == 0 || len > CSR_MAX) {
        return apr_psprintf(ctl->p, "%s is %s", name,
                            len ? "too long for a CSR" : "empty");
    }
    octets[len] = '\0';
    *text = (const char *)octets;
    if (strstr(*text, "-----BEGIN "))
        return NULL;
    base64 = apr_palloc(ctl->p, (len + 2) / 3 * 4 + 1);
    EVP_EncodeBlock((unsigned char *)base64, octets, (int)len);
    *text = base64;
    return NULL;
}

static const char *put(const ctl_t *ctl, json_t *question, const char *member,
                       const char *text, const char *what)
{
    return !text || json_object_set_new(question, member, json_string(text)) ==
                        0
               ? NULL
               : apr_psprintf(ctl->p, "%s is no UTF-8", what);
}

static const char *read_question(ctl_t *ctl, json_t *question)
{
    const char *name = APR_ARRAY_IDX(ctl->operands, 0, const char *);
    const char *file = ctl_option(ctl, "challenge-file");
    const char *csr = NULL, *err = read_csr(ctl, name, &csr);
    char *challenge = NULL;

    if (!err && file)
        err = ctl_secret_file(ctl, file, &challenge);
    if (!err)
        err = put(ctl, question, "csr", csr, name);
    if (!err)
        err = put(ctl, question, "challenge", challenge, "the challenge");
    if (!err) {
        err = put(ctl, question, "profile", ctl_option(ctl, "profile"),
                  "--profile");
    }
    if (!err) {
        err = put(ctl, question, "address", ctl_option(ctl, "address"),
                  "--address");
    }
    if (!err) {
        err = put(ctl, question, "message_type",
                  ctl_option(ctl, "message-type"), "--message-type");
    }
    return err;
}

static const char *text_of(const ctl_t *ctl, const json_t *object,
                           const char *member)
{
    const json_t *value = json_object_get(object, member);

    return value ? ctl_output_text(value, ctl->p) : "";
}

static void print_verdict(const ctl_t *ctl, const json_t *answer)
{
    const json_t *allowed = json_object_get(answer, "allowed");
    const json_t *steps = json_object_get(answer, "steps");
    const char *by = text_of(ctl, answer, "decided_by");
    json_t *step;
    size_t i;

    printf("%s%s%s\n",
           json_is_true(allowed)    ? "allowed"
           : json_is_false(allowed) ? "refused"
                                    : "cannot be told before a device asks",
           *by ? " by " : "", by);
    printf("profile  %s\nsubject  %s\nSANs     %s\n\n",
           text_of(ctl, answer, "profile"), text_of(ctl, answer, "subject"),
           text_of(ctl, answer, "sans"));
    json_array_foreach(steps, i, step)
    {
        const char *detail = text_of(ctl, step, "detail");

        printf("%-14s  %s%s%s\n", text_of(ctl, step, "result"),
               text_of(ctl, step, "rule"), *detail ? ": " : "", detail);
    }
}

ctl_status_t ctl_explain(ctl_t *ctl)
{
    ctl_connection_t *connection;
    json_t *question = json_object(), *answer = NULL;
    const char *err = read_question(ctl, question);
    ctl_status_t status = CTL_USAGE;

    if (err)
        ctl_complain(ctl, "%s", err);
    else
        status = ctl_connection_open(&connection, ctl);
    if (status != CTL_DONE) {
        json_decref(question);
        return status;
    }
    status =
        ctl_connection_call(connection, "POST", "explain", question, &answer);
    if (status == CTL_DONE) {
        if (ctl_option(ctl, "json"))
            ctl_output_object(ctl, answer);
        else
            print_verdict(ctl, answer);
        if (json_is_false(json_object_get(answer, "allowed")))
            status = CTL_REFUSED;
    }
    json_decref(answer);
    return status;
}
