/* audit_verify.c - the command "audit verify"
 * SPDX-License-Identifier: Apache-2.0
 */
#include "scepctl.h"

#include <apr_file_io.h>
#include <apr_strings.h>

#include <stdio.h>
#include <string.h>

#include "audit_row.h"
#include "connection.h"
#include "core/cert.h"
#include "core/name.h"
#include "core/seal_walk.h"
#include "core/time_text.h"
#include "output.h"

/* Rows that one call asks for. */
#define EVENTS_PAGE 1000
#define SEALS_PAGE 100

#define TRUST_MAX (1024 * 1024)

const ctl_option_t ctl_audit_verify_options[] = {
    { "trust", "FILE", "certificates of the RA, or of its CA (PEM)", NULL, 0 },
    { "head", "N:DIGEST", "the head of an earlier run: it must be there", NULL,
      0 },
    { "kept-since", "TIME", "what is older may have been deleted", NULL, 0 },
    { NULL, NULL, NULL, NULL, 0 }
};

/* A run of the command. */
typedef struct verifying_t {
    ctl_t *ctl;
    ctl_connection_t *connection;
    scep_seal_setup_t setup;
    scep_seal_walk_t *walk;
    json_t *findings;
    json_t *seals; /**< a page of them, or NULL */
    size_t next;   /**< of that page */
    apr_pool_t *p; /**< cleared for each page of events */
} verifying_t;

/* ------------------------------------------------------------------ */
/* Options                                                              */

static const char *read_trust(verifying_t *verifying)
{
    apr_pool_t *p = verifying->ctl->p;
    const char *name = ctl_option(verifying->ctl, "trust"), *err;
    char *pem = apr_palloc(p, TRUST_MAX), reason[120];
    apr_file_t *file;
    apr_size_t len = 0;
    apr_status_t rv;

    if (!name)
        return "say with --trust whose seals count";
    rv = apr_file_open(&file, name, APR_READ | APR_BINARY, APR_OS_DEFAULT, p);
    if (rv == APR_SUCCESS) {
        rv = apr_file_read_full(file, pem, TRUST_MAX, &len);
        apr_file_close(file);
    }
    if (rv != APR_SUCCESS && !APR_STATUS_IS_EOF(rv)) {
        return apr_psprintf(p, "--trust: cannot read %s: %s", name,
                            apr_strerror(rv, reason, sizeof(reason)));
    }
    if (len == TRUST_MAX)
        return apr_psprintf(p, "--trust: %s is too long", name);
    return scep_cert_read_pem(&verifying->setup.trusted, pem, len, &err, p) ==
                   APR_SUCCESS
               ? NULL
               : apr_psprintf(p, "--trust: %s: %s", name, err);
}

static const char *read_head(verifying_t *verifying)
{
    const char *head = ctl_option(verifying->ctl, "head");
    size_t digits = head ? strspn(head, "0123456789") : 0;
    const char *digest = head ? head + digits + 1 : "";

    if (!head)
        return NULL;
    if (digits < 1 || digits > 18 || head[digits] != ':' ||
        strlen(digest) != SCEP_SEAL_DIGEST_SIZE - 1 ||
        strspn(digest, "0123456789abcdef") != strlen(digest) ||
        (verifying->setup.anchor = apr_atoi64(head)) < 1)
        return "--head is a number and 64 small hexadecimal digits: as an "
               "earlier run has printed it";
    verifying->setup.anchor_digest = digest;
    return NULL;
}

static const char *read_options(verifying_t *verifying)
{
    const char *since = ctl_option(verifying->ctl, "kept-since");
    const char *err = read_trust(verifying);

    if (!err)
        err = read_head(verifying);
    if (!err && since &&
        scep_time_read(&verifying->setup.kept_since, since,
                       verifying->ctl->p) != APR_SUCCESS)
        err = "--kept-since is a time such as 2027-03-31T12:00:00Z, or a date";
    return err;
}

/* ------------------------------------------------------------------ */
/* Calls                                                                */

static ctl_status_t get_rows(verifying_t *verifying, const char *resource,
                             const char *path, json_t **answer)
{
    ctl_status_t status =
        ctl_connection_call(verifying->connection, "GET", path, NULL, answer);

    if (status == CTL_DONE &&
        !json_is_array(json_object_get(*answer, resource))) {
        ctl_complain(verifying->ctl, "the answer has no %s in it", resource);
        json_decref(*answer);
        *answer = NULL;
        status = CTL_REFUSED;
    }
    return status;
}

static ctl_status_t get_head(verifying_t *verifying, apr_int64_t *head)
{
    json_t *answer = NULL;
    ctl_status_t status =
        get_rows(verifying, "seals", "seals?limit=1", &answer);

    if (status == CTL_DONE)
        *head = json_integer_value(json_object_get(answer, "head"));
    json_decref(answer);
    return status;
}

/* Gives the walk its next seal; *none is set where there is none. */
static ctl_status_t walk_seal(verifying_t *verifying, apr_int64_t *after,
                              int *none)
{
    json_t *rows = json_object_get(verifying->seals, "seals");
    ctl_status_t status;
    scep_seal_t seal;

    if (verifying->next == json_array_size(rows)) {
        json_decref(verifying->seals);
        verifying->seals = NULL;
        verifying->next = 0;
        status =
            get_rows(verifying, "seals",
                     apr_psprintf(verifying->p,
                                  "seals?limit=%d&after=%" APR_INT64_T_FMT,
                                  SEALS_PAGE, *after),
                     &verifying->seals);
        if (status != CTL_DONE)
            return status;
        rows = json_object_get(verifying->seals, "seals");
    }
    ctl_audit_read_seal(&seal, json_array_get(rows, verifying->next),
                        verifying->p);
    /* one that was made meanwhile is left to the next run */
    *none = verifying->next == json_array_size(rows) ||
            seal.number <= *after || seal.number > verifying->setup.head;
    if (*none)
        return CTL_DONE;
    verifying->next++;
    *after = seal.number;
    scep_seal_walk_seal(verifying->walk, &seal);
    return CTL_DONE;
}

static ctl_status_t walk_seals(verifying_t *verifying, apr_int64_t until,
                               apr_int64_t *after)
{
    ctl_status_t status = CTL_DONE;
    int none = 0;

    while (status == CTL_DONE && !none &&
           scep_seal_walk_wants(verifying->walk, until))
        status = walk_seal(verifying, after, &none);
    return status;
}

/* A page of events, with the seals that they have. */
static ctl_status_t walk_page(verifying_t *verifying, const json_t *rows,
                              apr_int64_t *event_after,
                              apr_int64_t *seal_after)
{
    ctl_status_t status = CTL_DONE;
    scep_sealed_event_t event;
    json_t *row;
    size_t i;

    json_array_foreach(rows, i, row)
    {
        ctl_audit_read_event(&event, row, verifying->p);
        status = walk_seals(verifying, event.seal, seal_after);
        if (status != CTL_DONE)
            break;
        scep_seal_walk_event(verifying->walk, &event);
        if (event.number > *event_after)
            *event_after = event.number;
    }
    return status;
}

static ctl_status_t walk_all(verifying_t *verifying)
{
    apr_int64_t event_after = 0, seal_after = 0, before;
    ctl_status_t status;
    json_t *answer;
    size_t count;

    do {
        apr_pool_clear(verifying->p);
        before = event_after;
        status = get_rows(verifying, "events",
                          apr_psprintf(verifying->p,
                                       "events?order=oldest&limit=%d"
                                       "&after=%" APR_INT64_T_FMT,
                                       EVENTS_PAGE, event_after),
                          &answer);
        if (status != CTL_DONE)
            return status;
        count = json_array_size(json_object_get(answer, "events"));
        status = walk_page(verifying, json_object_get(answer, "events"),
                           &event_after, &seal_after);
        json_decref(answer);
    } while (status == CTL_DONE && count && event_after > before);
    return status == CTL_DONE
               ? walk_seals(verifying, APR_INT64_MAX, &seal_after)
               : status;
}

/* ------------------------------------------------------------------ */
/* Output                                                               */

static void note(void *baton, const scep_seal_finding_t *finding)
{
    verifying_t *verifying = baton;

    if (!ctl_option(verifying->ctl, "json")) {
        printf("%-9s %s\n", finding->what,
               ctl_output_clean(finding->text, verifying->p));
        return;
    }
    json_array_append_new(verifying->findings,
                          json_pack("{s:s, s:I, s:I, s:s}", "what",
                                    finding->what, "seal",
                                    (json_int_t)finding->seal, "event",
                                    (json_int_t)finding->event, "text",
                                    finding->text));
}

static const char *fingerprint(const X509 *certificate, apr_pool_t *p)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    const char *text = "";

    if (!X509_digest(certificate, EVP_sha256(), digest, &len))
        len = 0;
    for (unsigned int i = 0; i < len; i++)
        text = apr_psprintf(p, "%s%02x", text, digest[i]);
    return text;
}

static const char *name_of(const X509 *certificate, apr_pool_t *p)
{
    return scep_name_text(X509_get_subject_name(certificate), p);
}

static const char *head_text(const scep_seal_sum_t *sum, apr_pool_t *p)
{
    return *sum->digest ? apr_psprintf(p, "%" APR_INT64_T_FMT ":%s", sum->head,
                                       sum->digest)
                        : "none";
}

static void print_sum(const verifying_t *verifying, const scep_seal_sum_t *sum)
{
    apr_pool_t *p = verifying->p;

    for (int i = 0; i < sum->signers->nelts; i++) {
        const scep_seal_signer_t *signer =
            &APR_ARRAY_IDX(sum->signers, i, scep_seal_signer_t);

        printf("signed    seals %" APR_INT64_T_FMT " to %" APR_INT64_T_FMT
               " by %s, SHA-256 %s\n",
               signer->first, signer->last,
               ctl_output_clean(name_of(signer->certificate, p), p),
               fingerprint(signer->certificate, p));
    }
    printf("seals     %" APR_INT64_T_FMT "\n"
           "events    %" APR_INT64_T_FMT
           " as they were sealed, %" APR_INT64_T_FMT
           " not sealed yet, %" APR_INT64_T_FMT
           " sealed since this run began, %" APR_INT64_T_FMT " deleted\n"
           "head      %s\n",
           sum->seals, sum->sealed, sum->unsealed, sum->later, sum->deleted,
           head_text(sum, p));
}

static void print_json(const verifying_t *verifying,
                       const scep_seal_sum_t *sum, int proven)
{
    apr_pool_t *p = verifying->p;
    json_t *signers = json_array(), *answer;

    for (int i = 0; i < sum->signers->nelts; i++) {
        const scep_seal_signer_t *signer =
            &APR_ARRAY_IDX(sum->signers, i, scep_seal_signer_t);

        json_array_append_new(signers,
                              json_pack("{s:s, s:s, s:I, s:I}", "subject",
                                        name_of(signer->certificate, p),
                                        "sha256",
                                        fingerprint(signer->certificate, p),
                                        "first", (json_int_t)signer->first,
                                        "last", (json_int_t)signer->last));
    }
    answer =
        json_pack("{s:b, s:s, s:I, s:I, s:I, s:I, s:I, s:o, s:O}", "intact",
                  proven, "head", head_text(sum, p), "seals",
                  (json_int_t)sum->seals, "events", (json_int_t)sum->sealed,
                  "unsealed", (json_int_t)sum->unsealed, "later",
                  (json_int_t)sum->later, "deleted", (json_int_t)sum->deleted,
                  "signers", signers, "findings", verifying->findings);
    ctl_output_object(verifying->ctl, answer);
    json_decref(answer);
}

static ctl_status_t judge(const verifying_t *verifying,
                          const scep_seal_sum_t *sum)
{
    /* Somebody may have removed every seal. */
    int bare = sum->seals == 0 && sum->unsealed + sum->later > 0;
    int proven = !sum->findings && !bare;

    if (ctl_option(verifying->ctl, "json"))
        print_json(verifying, sum, proven);
    else
        print_sum(verifying, sum);
    if (sum->findings) {
        ctl_complain(verifying->ctl,
                     "the audit trail is not as it was sealed: "
                     "%" APR_INT64_T_FMT " finding%s",
                     sum->findings, sum->findings == 1 ? "" : "s");
    } else if (bare) {
        ctl_complain(verifying->ctl,
                     "there are events and no seal: nothing is proven");
    }
    return proven ? CTL_DONE : CTL_REFUSED;
}

static ctl_status_t verify(verifying_t *verifying)
{
    ctl_status_t status = get_head(verifying, &verifying->setup.head);
    apr_int64_t head;

    if (status != CTL_DONE)
        return status;
    verifying->setup.report = note;
    verifying->setup.baton = verifying;
    verifying->walk =
        scep_seal_walk_create(&verifying->setup, verifying->ctl->p);
    status = walk_all(verifying);
    if (status == CTL_DONE)
        status = get_head(verifying, &head);
    return status == CTL_DONE
               ? judge(verifying, scep_seal_walk_end(verifying->walk, head))
               : status;
}

ctl_status_t ctl_audit_verify(ctl_t *ctl)
{
    verifying_t verifying = { .ctl = ctl };
    const char *err;
    ctl_status_t status = CTL_USAGE;

    err = read_options(&verifying);
    if (err)
        ctl_complain(ctl, "%s", err);
    else
        status = ctl_connection_open(&verifying.connection, ctl);
    if (status != CTL_DONE)
        return status;
    verifying.findings = json_array();
    apr_pool_create(&verifying.p, ctl->p);
    status = verify(&verifying);
    json_decref(verifying.seals);
    json_decref(verifying.findings);
    return status;
}
