/* enrolment.c - the commands "enrolment ..."
 * SPDX-License-Identifier: Apache-2.0
 */
#include "scepctl.h"

#include <apr_escape.h>
#include <apr_strings.h>

#include <stdio.h>

#include "connection.h"
#include "listing.h"
#include "output.h"

const ctl_option_t ctl_enrolment_list_options[] = {
    { "pending", NULL, "those that are not at their end", NULL, 0 },
    { "state", "STATE", "such as approval, unknown, issued or rejected", NULL,
      0 },
    { "profile", "NAME", "of this profile", NULL, 0 },
    { "challenge", "ID", "that this challenge granted", NULL, 0 },
    { "subject", "TEXT", "whose subject has this in it", NULL, 0 },
    { "since", "TIME", "not before: 2027-03-31, or with a time", NULL, 0 },
    { "limit", "N", "so many at most", NULL, 0 },
    { NULL, NULL, NULL, NULL, 0 }
};

const ctl_option_t ctl_enrolment_approve_options[] = {
    { "note", "TEXT", "why, for the audit trail", NULL, 0 },
    { "submit-again", NULL,
      "it is unknown, and not at the CA: you have looked", NULL, 0 },
    { NULL, NULL, NULL, NULL, 0 }
};

const ctl_option_t ctl_enrolment_reject_options[] = {
    { "reason", "TEXT", "why, for the audit trail", NULL, 0 },
    { NULL, NULL, NULL, NULL, 0 }
};

/* ------------------------------------------------------------------ */
/* list, show                                                           */

static void print_line(const char *id, const char *state, const char *profile,
                       const char *created, const char *requester,
                       const char *subject)
{
    printf("%-64s  %-10s  %-16s  %-20s  %-16s  %s\n", id, state, profile,
           created, requester, subject);
}

static void print_head(void)
{
    print_line("ID", "STATE", "PROFILE", "CREATED", "REQUESTER", "SUBJECT");
}

static void print_row(const json_t *row, apr_pool_t *p)
{
    print_line(ctl_listing_text(row, "id", p),
               ctl_listing_text(row, "state", p),
               ctl_listing_text(row, "profile", p),
               ctl_listing_text(row, "created", p),
               ctl_listing_text(row, "requester", p),
               ctl_listing_text(row, "subject", p));
}

ctl_status_t ctl_enrolment_list(ctl_t *ctl)
{
    static const char *const filters[] = { "pending",   "state",   "profile",
                                           "challenge", "subject", "since",
                                           NULL };
    static const ctl_listing_t listing = { "enrolments", filters, print_head,
                                           print_row };

    /* a flag here, a parameter there */
    if (ctl_option(ctl, "pending"))
        apr_table_setn(ctl->options, "pending", "true");
    return ctl_listing_run(ctl, &listing);
}

/* The path of one enrolment; an operand cannot lead elsewhere. */
static const char *path_of(const ctl_t *ctl, const char *key, const char *verb)
{
    return apr_pstrcat(ctl->p, "enrolments/",
                       apr_pescape_path_segment(ctl->p, key), verb, NULL);
}

ctl_status_t ctl_enrolment_show(ctl_t *ctl)
{
    const char *key = APR_ARRAY_IDX(ctl->operands, 0, const char *);
    ctl_connection_t *connection;
    json_t *answer = NULL;
    ctl_status_t status = ctl_connection_open(&connection, ctl);

    if (status == CTL_DONE) {
        status = ctl_connection_call(connection, "GET", path_of(ctl, key, ""),
                                     NULL, &answer);
    }
    if (status == CTL_DONE)
        ctl_output_object(ctl, answer);
    json_decref(answer);
    return status;
}

/* ------------------------------------------------------------------ */
/* approve, reject                                                      */

static json_t *body_of(const ctl_t *ctl, const char *text)
{
    const char *value = ctl_option(ctl, text);
    json_t *body = json_object();
    int failed = 0;

    if (value)
        failed = json_object_set_new(body, text, json_string(value)) != 0;
    if (ctl_option(ctl, "submit-again"))
        json_object_set_new(body, "submit_again", json_true());
    if (!failed)
        return body;
    ctl_complain(ctl, "--%s is no UTF-8", text);
    json_decref(body);
    return NULL;
}

/* Those that have become something go into done, or are printed.
 * @return the first trouble */
static ctl_status_t decide_each(const ctl_t *ctl, ctl_connection_t *connection,
                                const char *verb, json_t *body, json_t *done)
{
    ctl_status_t status = CTL_DONE;

    for (int i = 0; i < ctl->operands->nelts; i++) {
        const char *key = APR_ARRAY_IDX(ctl->operands, i, const char *);
        json_t *answer = NULL;
        ctl_status_t one =
            ctl_connection_call(connection, "POST", path_of(ctl, key, verb),
                                json_incref(body), &answer);

        if (one == CTL_DONE) {
            json_array_append(done, answer);
            if (!ctl_option(ctl, "json")) {
                printf("%s  %s\n", ctl_output_clean(key, ctl->p),
                       ctl_listing_text(answer, "state", ctl->p));
            }
        } else if (status == CTL_DONE) {
            status = one;
        }
        json_decref(answer);
        if (one == CTL_UNREACHABLE)
            break;
    }
    return status;
}

/* All of them, even where one cannot; then the first trouble is told. */
static ctl_status_t decide(ctl_t *ctl, const char *verb, const char *text)
{
    json_t *body = body_of(ctl, text), *done;
    ctl_connection_t *connection;
    ctl_status_t status =
        body ? ctl_connection_open(&connection, ctl) : CTL_USAGE;

    if (status != CTL_DONE) {
        json_decref(body);
        return status;
    }
    done = json_array();
    status = decide_each(ctl, connection, verb, body, done);
    if (ctl_option(ctl, "json")) {
        ctl_output_json(done, JSON_INDENT(2));
        printf("\n");
    }
    json_decref(done);
    json_decref(body);
    return status;
}

ctl_status_t ctl_enrolment_approve(ctl_t *ctl)
{
    return decide(ctl, "/approve", "note");
}

ctl_status_t ctl_enrolment_reject(ctl_t *ctl)
{
    return decide(ctl, "/reject", "reason");
}
