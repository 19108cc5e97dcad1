/* audit.c - the command "audit list"
 * SPDX-License-Identifier: Apache-2.0
 */
#include "scepctl.h"

#include <apr_strings.h>

#include <stdio.h>

#include "listing.h"

const ctl_option_t ctl_audit_list_options[] = {
    { "type", "TYPE", "such as certificate-issued", NULL, 0 },
    { "profile", "NAME", "of this profile", NULL, 0 },
    { "challenge", "ID", "about what this challenge granted", NULL, 0 },
    { "enrolment", "KEY", "about this enrolment", NULL, 0 },
    { "serial", "SERIAL", "about this certificate", NULL, 0 },
    { "since", "TIME", "not before: 2027-03-31, or with a time", NULL, 0 },
    { "seal", "N", "of this seal; 0: those that have none yet", NULL, 0 },
    { "order", "ORDER", "which come first: newest or oldest (newest)", NULL,
      0 },
    { "limit", "N", "so many at most", NULL, 0 },
    { NULL, NULL, NULL, NULL, 0 }
};

static void print_line(const char *number, const char *time, const char *event,
                       const char *profile, const char *actor,
                       const char *about)
{
    printf("%-8s  %-27s  %-22s  %-12s  %-16s  %s\n", number, time, event,
           profile, actor, about);
}

static void print_head(void)
{
    print_line("NUMBER", "TIME", "EVENT", "PROFILE", "ACTOR", "ABOUT");
}

/* What is there of the rest, each with its name. */
static const char *about(const json_t *row, apr_pool_t *p)
{
    static const char *const members[] = { "address",    "challenge",
                                           "enrolment",  "ca",
                                           "ca_request", "serial",
                                           "detail" };
    const char *text = "";

    for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
        if (json_object_get(row, members[i])) {
            text = apr_pstrcat(p, text, *text ? ", " : "", members[i], " ",
                               ctl_listing_text(row, members[i], p), NULL);
        }
    return text;
}

static void print_row(const json_t *row, apr_pool_t *p)
{
    print_line(ctl_listing_text(row, "number", p),
               ctl_listing_text(row, "time", p),
               ctl_listing_text(row, "event", p),
               ctl_listing_text(row, "profile", p),
               ctl_listing_text(row, "actor", p), about(row, p));
}

ctl_status_t ctl_audit_list(ctl_t *ctl)
{
    static const char *const filters[] = { "type",   "profile", "challenge",
                                           "serial", "since",   "enrolment",
                                           "seal",   "order",   NULL };
    static const ctl_listing_t listing = { "events", filters, print_head,
                                           print_row };

    return ctl_listing_run(ctl, &listing);
}
