/* certificate.c - the commands "certificate ..."
 * SPDX-License-Identifier: Apache-2.0
 */
#include "scepctl.h"

#include <apr_escape.h>
#include <apr_strings.h>

#include <stdio.h>

#include "connection.h"
#include "listing.h"
#include "output.h"

const ctl_option_t ctl_certificate_list_options[] = {
    { "expiring", "TIME", "live ones that expire in so long, such as 30d",
      NULL, 0 },
    { "state", "STATE", "live, superseded, revoked or revoking", NULL, 0 },
    { "profile", "NAME", "of this profile", NULL, 0 },
    { "subject", "TEXT", "whose subject has this in it", NULL, 0 },
    { "device", "ID", "of this device", NULL, 0 },
    { "serial", "SERIAL", "of this serial number", NULL, 0 },
    { "enrolment", "ID", "that this enrolment got", NULL, 0 },
    { "limit", "N", "so many at most", NULL, 0 },
    { NULL, NULL, NULL, NULL, 0 }
};

const ctl_option_t ctl_certificate_show_options[] = {
    { "ca", "NAME", "of this CA, where several have that serial", NULL, 0 },
    { "pem", NULL, "print the certificate and nothing else", NULL, 0 },
    { NULL, NULL, NULL, NULL, 0 }
};

const ctl_option_t ctl_certificate_revoke_options[] = {
    { "ca", "NAME", "of this CA, where several have that serial", NULL, 0 },
    { "reason", "REASON", "such as keyCompromise or cessationOfOperation",
      NULL, 0 },
    { NULL, NULL, NULL, NULL, 0 }
};

static void print_line(const char *serial, const char *state,
                       const char *profile, const char *expires,
                       const char *subject)
{
    printf("%-40s  %-10s  %-16s  %-20s  %s\n", serial, state, profile, expires,
           subject);
}

static void print_head(void)
{
    print_line("SERIAL", "STATE", "PROFILE", "EXPIRES", "SUBJECT");
}

static void print_row(const json_t *row, apr_pool_t *p)
{
    print_line(ctl_listing_text(row, "serial", p),
               ctl_listing_text(row, "state", p),
               ctl_listing_text(row, "profile", p),
               ctl_listing_text(row, "not_after", p),
               ctl_listing_text(row, "subject", p));
}

ctl_status_t ctl_certificate_list(ctl_t *ctl)
{
    static const char *const filters[] = { "expiring",  "state",  "profile",
                                           "subject",   "device", "serial",
                                           "enrolment", NULL };
    static const ctl_listing_t listing = { "certificates", filters, print_head,
                                           print_row };

    return ctl_listing_run(ctl, &listing);
}

/* The path of one certificate; an operand cannot lead elsewhere. */
static const char *path_of(const ctl_t *ctl, const char *verb)
{
    const char *ca = ctl_option(ctl, "ca");

    return apr_pstrcat(ctl->p, "certificates/",
                       apr_pescape_path_segment(ctl->p,
                                                APR_ARRAY_IDX(ctl->operands, 0,
                                                              const char *)),
                       verb, ca ? "?ca=" : "",
                       ca ? apr_pescape_urlencoded(ctl->p, ca) : "", NULL);
}

/* Lines of its own, which no terminal acts upon: base64 and dashes. */
static ctl_status_t print_pem(const ctl_t *ctl, const json_t *pem)
{
    const char *text = json_string_value(pem);

    if (!text) {
        ctl_complain(ctl, "the answer has no certificate in it");
        return CTL_REFUSED;
    }
    for (; *text; text++)
        if (*text == '\n' || (*text >= ' ' && *text < 0x7f))
            putchar(*text);
    return CTL_DONE;
}

ctl_status_t ctl_certificate_show(ctl_t *ctl)
{
    ctl_connection_t *connection;
    json_t *answer = NULL;
    ctl_status_t status = CTL_USAGE;

    if (ctl_option(ctl, "pem") && ctl_option(ctl, "json"))
        ctl_complain(ctl, "give --pem or --json");
    else
        status = ctl_connection_open(&connection, ctl);
    if (status == CTL_DONE) {
        status = ctl_connection_call(connection, "GET", path_of(ctl, ""), NULL,
                                     &answer);
    }
    if (status == CTL_DONE && ctl_option(ctl, "pem")) {
        status = print_pem(ctl, json_object_get(answer, "pem"));
    } else if (status == CTL_DONE) {
        /* people have --pem */
        if (!ctl_option(ctl, "json"))
            json_object_del(answer, "pem");
        ctl_output_object(ctl, answer);
    }
    json_decref(answer);
    return status;
}

ctl_status_t ctl_certificate_revoke(ctl_t *ctl)
{
    const char *reason = ctl_option(ctl, "reason");
    json_t *body = json_object(), *answer = NULL;
    ctl_connection_t *connection;
    ctl_status_t status = CTL_USAGE;

    if (reason && json_object_set_new(body, "reason", json_string(reason)))
        ctl_complain(ctl, "--reason is no UTF-8");
    else
        status = ctl_connection_open(&connection, ctl);
    if (status != CTL_DONE) {
        json_decref(body);
        return status;
    }
    status = ctl_connection_call(connection, "POST", path_of(ctl, "/revoke"),
                                 body, &answer);
    if (status == CTL_DONE) {
        json_object_del(answer, "pem");
        ctl_output_object(ctl, answer);
    }
    json_decref(answer);
    return status;
}
