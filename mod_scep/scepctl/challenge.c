/* challenge.c - the commands "challenge ..."
 * SPDX-License-Identifier: Apache-2.0
 */
#include "scepctl.h"

#include <apr_escape.h>
#include <apr_strings.h>

#include <stdio.h>
#include <string.h>

#include "connection.h"
#include "listing.h"
#include "output.h"

const ctl_option_t ctl_challenge_new_options[] = {
    { "profile", "NAME", "which it is for, where there are several", NULL, 0 },
    { "subject", "DN", "bind it to this subject: \"CN=x,O=y\"", NULL, 0 },
    { "san", "SAN", "bind it to this set of names: dns:x.example", NULL, 1 },
    { "no-san", NULL, "bind it to no name beside the subject", NULL, 0 },
    { "device", "ID", "bind it to this device", NULL, 0 },
    { "network", "CIDR", "bind it to clients of this network", NULL, 0 },
    { "ttl", "TIME", "how long it lives, such as 10min or 1h", NULL, 0 },
    { "uses", "N", "for how many certificates it is good (1)", NULL, 0 },
    { "reusable", NULL, "for any number of certificates of the subject", NULL,
      0 },
    { "note", "TEXT", "kept beside it, for people", NULL, 0 },
    { "quiet", NULL, "print the challenge and nothing else", NULL, 0 },
    { NULL, NULL, NULL, NULL, 0 }
};

const ctl_option_t ctl_challenge_list_options[] = {
    { "state", "STATE", "issued, claimed, spent, expired or revoked", NULL,
      0 },
    { "profile", "NAME", "of this profile", NULL, 0 },
    { "requester", "NAME", "that this caller asked for", NULL, 0 },
    { "limit", "N", "so many at most", NULL, 0 },
    { NULL, NULL, NULL, NULL, 0 }
};

const ctl_option_t ctl_challenge_extend_options[] = {
    { "ttl", "TIME", "how long it lives from now on, such as 1h", NULL, 0 },
    { NULL, NULL, NULL, NULL, 0 }
};

/* The path of one challenge; an operand cannot lead elsewhere. */
static const char *path_of(const ctl_t *ctl, int operand)
{
    return apr_pstrcat(
        ctl->p, "challenges/",
        apr_pescape_path_segment(ctl->p, APR_ARRAY_IDX(ctl->operands, operand,
                                                       const char *)),
        NULL);
}

/* ------------------------------------------------------------------ */
/* new                                                                  */

/* "5", but "10min" as it is: what a word means, the server knows. */
static json_t *number_or_text(const char *text)
{
    size_t len = strlen(text);

    return len && len < 10 && strspn(text, "0123456789") == len
               ? json_integer(apr_atoi64(text))
               : json_string(text);
}

/* JSON is UTF-8, and what is no UTF-8 would silently not be in it. */
static const char *put(const ctl_t *ctl, json_t *order, const char *name,
                       json_t *value)
{
    return json_object_set_new(order, name, value) == 0
               ? NULL
               : apr_psprintf(ctl->p, "--%s is no UTF-8", name);
}

static const char *put_sans(const ctl_t *ctl, json_t *order)
{
    const apr_array_header_t *sans = ctl_option_all(ctl, "san");
    json_t *array = json_array();
    int failed = sans && ctl_option(ctl, "no-san");

    for (int i = 0; sans && i < sans->nelts; i++)
        failed |= json_array_append_new(
            array, json_string(APR_ARRAY_IDX(sans, i, const char *)));
    json_object_set_new(order, "sans", array);
    return failed ? "--san is no UTF-8, or stands beside --no-san" : NULL;
}

static const char *read_order(const ctl_t *ctl, json_t *order)
{
    static const char *const texts[] = { "profile", "subject", "device",
                                         "network", "ttl",     "note" };
    const char *uses = ctl_option(ctl, "uses"), *err = NULL;

    for (size_t i = 0; !err && i < sizeof(texts) / sizeof(*texts); i++) {
        const char *value = ctl_option(ctl, texts[i]);

        if (value)
            err = put(ctl, order, texts[i], json_string(value));
    }
    if (!err && uses)
        err = put(ctl, order, "uses", number_or_text(uses));
    if (!err && ctl_option(ctl, "reusable"))
        err = put(ctl, order, "reusable", json_true());
    if (!err && (ctl_option(ctl, "san") || ctl_option(ctl, "no-san")))
        err = put_sans(ctl, order);
    if (!err && ctl_option(ctl, "quiet") && ctl_option(ctl, "json"))
        err = "give --quiet or --json";
    return err;
}

static ctl_status_t print_quietly(const ctl_t *ctl, const json_t *answer)
{
    const char *challenge =
        json_string_value(json_object_get(answer, "challenge"));

    if (!challenge) {
        ctl_complain(ctl, "the answer has no challenge");
        return CTL_REFUSED;
    }
    printf("%s\n", ctl_output_clean(challenge, ctl->p));
    return CTL_DONE;
}

ctl_status_t ctl_challenge_new(ctl_t *ctl)
{
    ctl_connection_t *connection;
    json_t *order = json_object(), *answer = NULL;
    const char *err = read_order(ctl, order);
    ctl_status_t status = CTL_USAGE;

    if (err)
        ctl_complain(ctl, "%s", err);
    else
        status = ctl_connection_open(&connection, ctl);
    if (status != CTL_DONE) {
        json_decref(order);
        return status;
    }
    status =
        ctl_connection_call(connection, "POST", "challenges", order, &answer);
    if (status == CTL_DONE) {
        if (ctl_option(ctl, "quiet"))
            status = print_quietly(ctl, answer);
        else
            ctl_output_object(ctl, answer);
    }
    json_decref(answer);
    return status;
}

/* ------------------------------------------------------------------ */
/* list                                                                 */

static void print_line(const char *id, const char *state, const char *profile,
                       const char *expires, const char *requester,
                       const char *note)
{
    printf("%-16s  %-7s  %-16s  %-20s  %-16s  %s\n", id, state, profile,
           expires, requester, note);
}

static void print_head(void)
{
    print_line("ID", "STATE", "PROFILE", "EXPIRES", "REQUESTER", "NOTE");
}

static void print_row(const json_t *row, apr_pool_t *p)
{
    print_line(ctl_listing_text(row, "id", p),
               ctl_listing_text(row, "state", p),
               ctl_listing_text(row, "profile", p),
               ctl_listing_text(row, "expires", p),
               ctl_listing_text(row, "requester", p),
               ctl_listing_text(row, "note", p));
}

ctl_status_t ctl_challenge_list(ctl_t *ctl)
{
    static const char *const filters[] = { "state", "profile", "requester",
                                           NULL };
    static const ctl_listing_t listing = { "challenges", filters, print_head,
                                           print_row };

    return ctl_listing_run(ctl, &listing);
}

/* ------------------------------------------------------------------ */
/* show, revoke, extend                                                 */

ctl_status_t ctl_challenge_show(ctl_t *ctl)
{
    ctl_connection_t *connection;
    json_t *answer = NULL;
    ctl_status_t status = ctl_connection_open(&connection, ctl);

    if (status == CTL_DONE) {
        status = ctl_connection_call(connection, "GET", path_of(ctl, 0), NULL,
                                     &answer);
    }
    if (status == CTL_DONE)
        ctl_output_object(ctl, answer);
    json_decref(answer);
    return status;
}

/* All of them, even where one cannot; then the first trouble is told. */
ctl_status_t ctl_challenge_revoke(ctl_t *ctl)
{
    ctl_connection_t *connection;
    ctl_status_t status = ctl_connection_open(&connection, ctl);
    json_t *revoked = json_array(), *answer;

    if (status != CTL_DONE) {
        json_decref(revoked);
        return status;
    }
    for (int i = 0; i < ctl->operands->nelts; i++) {
        const char *id = APR_ARRAY_IDX(ctl->operands, i, const char *);
        ctl_status_t one = ctl_connection_call(connection, "DELETE",
                                               path_of(ctl, i), NULL, &answer);

        json_decref(answer);
        if (one != CTL_DONE && status == CTL_DONE)
            status = one;
        if (one == CTL_UNREACHABLE)
            break;
        if (one != CTL_DONE)
            continue;
        json_array_append_new(revoked, json_string(id));
        if (!ctl_option(ctl, "json"))
            printf("revoked %s\n", ctl_output_clean(id, ctl->p));
    }
    if (ctl_option(ctl, "json")) {
        answer = json_pack("{s:O}", "revoked", revoked);
        ctl_output_object(ctl, answer);
        json_decref(answer);
    }
    json_decref(revoked);
    return status;
}

ctl_status_t ctl_challenge_extend(ctl_t *ctl)
{
    ctl_connection_t *connection;
    json_t *change = json_object(), *answer = NULL;
    const char *ttl = ctl_option(ctl, "ttl");
    const char *err = ttl ? put(ctl, change, "ttl", json_string(ttl))
                          : "say with --ttl for how long from now on";
    ctl_status_t status = CTL_USAGE;

    if (err)
        ctl_complain(ctl, "%s", err);
    else
        status = ctl_connection_open(&connection, ctl);
    if (status != CTL_DONE) {
        json_decref(change);
        return status;
    }
    status = ctl_connection_call(connection, "PATCH", path_of(ctl, 0), change,
                                 &answer);
    if (status == CTL_DONE)
        ctl_output_object(ctl, answer);
    json_decref(answer);
    return status;
}
