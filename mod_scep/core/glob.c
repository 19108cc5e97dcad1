/* glob.c - patterns in which '*' stands for any run of characters
 * SPDX-License-Identifier: Apache-2.0
 */
#include "glob.h"

#include <string.h>

const char *scep_glob_parse(const char **glob, const char *text, apr_pool_t *p)
{
    char *out = apr_palloc(p, strlen(text) + 1);

    *glob = out;
    for (; *text; text++) {
        int escaped = *text == '\\';

        if (escaped && !*++text)
            return "it ends in a backslash";
        if (*text == SCEP_GLOB_STAR)
            return "it has a control character in it";
        *out++ = escaped && *text == '*' ? SCEP_GLOB_STAR : *text;
    }
    *out = '\0';
    return NULL;
}

/* On a mismatch the last '*' takes one octet more; octets are as good as
 * characters, because no character of UTF-8 begins inside another. */
int scep_glob_fits(const char *glob, const char *text, int keep_stars)
{
    const char *star = NULL, *from = NULL;

    while (*text) {
        if (*glob == '*') {
            star = glob++;
            from = text;
        } else if (*glob && (*glob == SCEP_GLOB_STAR ? '*' : *glob) == *text) {
            glob++;
            text++;
        } else if (star && !(keep_stars && *from == '*')) {
            glob = star + 1;
            text = ++from;
        } else {
            return 0;
        }
    }
    while (*glob == '*')
        glob++;
    return *glob == '\0';
}
