/* time_text.c - times as RFC 3339 has them, in UTC
 * SPDX-License-Identifier: Apache-2.0
 */
#include "time_text.h"

#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

/* Octets of a date, of a time with whole seconds before its Z, of all. */
#define DATE_LEN 10
#define SECONDS_LEN 19
#define WHOLE_LEN 27

const char *scep_time_text(apr_time_t time, apr_pool_t *p)
{
    apr_time_exp_t t;

    apr_time_exp_gmt(&t, time);
    return apr_psprintf(p, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ",
                        t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, t.tm_hour,
                        t.tm_min, t.tm_sec, t.tm_usec);
}

static int number_at(const char *text, int at)
{
    return (int)strtol(text + at, NULL, 10);
}

apr_status_t scep_time_read(apr_time_t *time, const char *text, apr_pool_t *p)
{
    apr_time_exp_t t = { 0 };
    size_t len = strlen(text);
    apr_time_t found;

    if (len == DATE_LEN)
        text = apr_pstrcat(p, text, "T00:00:00.000000Z", NULL);
    else if (len == SECONDS_LEN + 1 && text[SECONDS_LEN] == 'Z')
        text = apr_psprintf(p, "%.*s.000000Z", SECONDS_LEN, text);
    if (strlen(text) != WHOLE_LEN)
        return APR_EINVAL;
    t.tm_year = number_at(text, 0) - 1900;
    t.tm_mon = number_at(text, 5) - 1;
    t.tm_mday = number_at(text, 8);
    t.tm_hour = number_at(text, 11);
    t.tm_min = number_at(text, 14);
    t.tm_sec = number_at(text, 17);
    t.tm_usec = number_at(text, 20);
    /* Whatever is not in its place, or is carried over, reads otherwise when
     * it is written again. */
    if (t.tm_year < 70 || t.tm_mon < 0 || t.tm_mon > 11 ||
        apr_time_exp_gmt_get(&found, &t) != APR_SUCCESS ||
        strcmp(scep_time_text(found, p), text))
        return APR_EINVAL;
    *time = found;
    return APR_SUCCESS;
}
