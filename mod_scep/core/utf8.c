/* utf8.c - whether text from outside can be shown
 * SPDX-License-Identifier: Apache-2.0
 */
#include "utf8.h"

#include <openssl/asn1.h>

#include <limits.h>
#include <string.h>

#define LAST_CHARACTER 0x10ffff

/* The octets of the first character, 0 where it is none. */
static apr_size_t next(const char *text, apr_size_t len, unsigned long *c)
{
    int octets = UTF8_getc((const unsigned char *)text,
                           len > INT_MAX ? INT_MAX : (int)len, c);

    return octets > 0 && *c <= LAST_CHARACTER ? (apr_size_t)octets : 0;
}

static apr_size_t next_printable(const char *text, apr_size_t len)
{
    unsigned long c;
    apr_size_t octets = next(text, len, &c);

    return octets && c >= 0x20 && (c < 0x7f || c >= 0xa0) ? octets : 0;
}

int scep_utf8_is_valid(const char *text, apr_size_t len)
{
    unsigned long c;

    while (len) {
        apr_size_t octets = next(text, len, &c);

        if (!octets)
            return 0;
        text += octets;
        len -= octets;
    }
    return 1;
}

int scep_utf8_is_printable(const char *text)
{
    apr_size_t len = strlen(text);

    while (len) {
        apr_size_t octets = next_printable(text, len);

        if (!octets)
            return 0;
        text += octets;
        len -= octets;
    }
    return 1;
}

const char *scep_utf8_clean(const char *text, apr_size_t max, apr_pool_t *p)
{
    apr_size_t len = strlen(text), used = 0;
    char *clean = apr_palloc(p, (len < max ? len : max) + 1);

    while (len) {
        apr_size_t octets = next_printable(text, len);
        apr_size_t step = octets ? octets : 1;

        if (step > max - used)
            break;
        memcpy(clean + used, octets ? text : "?", step);
        used += step;
        text += step;
        len -= step;
    }
    clean[used] = '\0';
    return clean;
}
