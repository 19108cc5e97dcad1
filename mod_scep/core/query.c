/* query.c - the operation and the message of an HTTP query string
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include <apr_strings.h>

#include "query.h"

static const struct {
    const char *name;
    scep_op_t op;
} operations[] = {
    { "", SCEP_OP_NONE },
    { "GetCACaps", SCEP_OP_GET_CA_CAPS },
    { "GetCACert", SCEP_OP_GET_CA_CERT },
    { "GetCACertChain", SCEP_OP_GET_CA_CERT_CHAIN },
    { "GetNextCACert", SCEP_OP_GET_NEXT_CA_CERT },
    { "PKIOperation", SCEP_OP_PKI_OPERATION },
};

static scep_op_t operation_of(const char *name)
{
    apr_size_t i;

    for (i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
        if (strcmp(name, operations[i].name) == 0)
            return operations[i].op;
    return SCEP_OP_OTHER;
}

static int hex_digit(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

/* Takes one octet off *text, a percent escape being one octet; -1 for an
 * escape that is none, or that stands for NUL. */
static int next_octet(const char **text)
{
    const unsigned char *s = (const unsigned char *)*text;
    int high, low;

    if (*s != '%') {
        (*text)++;
        return *s;
    }
    high = hex_digit(s[1]);
    if (high < 0)
        return -1;
    low = hex_digit(s[2]);
    if (low < 0 || (high == 0 && low == 0))
        return -1;
    *text += 3;
    return high << 4 | low;
}

static const char *unescape(const char *text, apr_pool_t *p)
{
    char *out = apr_palloc(p, strlen(text) + 1);
    char *o = out;

    while (*text) {
        int c = next_octet(&text);

        if (c < 0)
            return NULL;
        *o++ = (char)c;
    }
    *o = '\0';
    return out;
}

/* The value where the parameter is called so, else NULL. */
static const char *value_of(const char *parameter, const char *name)
{
    apr_size_t len = strlen(name);

    if (strncmp(parameter, name, len) != 0)
        return NULL;
    if (parameter[len] == '=')
        return parameter + len + 1;
    return parameter[len] == '\0' ? parameter + len : NULL;
}

apr_status_t scep_query_parse(scep_query_t *query, const char *args,
                              scep_result_t *res, apr_pool_t *p)
{
    scep_query_t found = { SCEP_OP_NONE, NULL, NULL };
    const char *operation = NULL;

    while (args && *args) {
        const char *end = strchr(args, '&');
        const char *parameter =
            end ? apr_pstrmemdup(p, args, (apr_size_t)(end - args))
                : apr_pstrdup(p, args);
        const char *value;

        args = end ? end + 1 : NULL;
        if ((value = value_of(parameter, "operation")) != NULL) {
            if (operation)
                return scep_result_fail(res, p, SCEP_REASON_BAD_QUERY,
                                        "operation is given twice");
            operation = value;
        } else if ((value = value_of(parameter, "message")) != NULL) {
            if (found.message)
                return scep_result_fail(res, p, SCEP_REASON_BAD_QUERY,
                                        "message is given twice");
            found.message = value;
        }
    }
    if (operation) {
        found.name = unescape(operation, p);
        if (!found.name)
            return scep_result_fail(res, p, SCEP_REASON_BAD_QUERY,
                                    "operation has a bad percent escape: %s",
                                    operation);
        found.op = operation_of(found.name);
    }
    *query = found;
    return APR_SUCCESS;
}

/* The six bits of one character in any of the alphabets that clients use,
 * -1 for any other.  A space was a '+' before someone decoded it. */
static int sextet_of(int c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == ' ' || c == '-')
        return 62;
    if (c == '/' || c == '_')
        return 63;
    return -1;
}

apr_status_t scep_query_message(const char *message, apr_size_t max,
                                const unsigned char **der, apr_size_t *len,
                                scep_result_t *res, apr_pool_t *p)
{
    unsigned char *out;
    apr_size_t room, n = 0, digits = 0, padding = 0;
    unsigned int bits = 0;

    if (!message || !*message)
        return scep_result_fail(res, p, SCEP_REASON_BAD_QUERY,
                                "the message parameter is missing or empty");
    room = strlen(message) / 4 * 3 + 3;
    out = apr_palloc(p, room < max ? room : max);
    while (*message) {
        int c = next_octet(&message);
        int sextet;

        if (c < 0)
            return scep_result_fail(res, p, SCEP_REASON_BAD_QUERY,
                                    "message has a bad percent escape");
        if (c == '\r' || c == '\n')
            continue;
        if (c == '=') {
            padding++;
            continue;
        }
        sextet = sextet_of(c);
        if (sextet < 0 || padding > 0)
            return scep_result_fail(res, p, SCEP_REASON_BAD_QUERY,
                                    "message is not base64: octet 0x%02x "
                                    "after %" APR_SIZE_T_FMT " digits",
                                    (unsigned int)c, digits);
        bits = bits << 6 | (unsigned int)sextet;
        if (digits++ % 4 == 0)
            continue;
        if (n == max) {
            scep_result_fail(res, p, SCEP_REASON_BAD_QUERY,
                             "message is over %" APR_SIZE_T_FMT " octets",
                             max);
            res->http_status = 414;
            return APR_EGENERAL;
        }
        /* the second, third and fourth digit complete an octet each */
        out[n++] = (unsigned char)(bits >> (6 - 2 * ((digits - 1) % 4)));
    }
    if (digits % 4 == 1 ||
        (padding > 0 && (padding > 2 || (digits + padding) % 4 != 0)))
        return scep_result_fail(res, p, SCEP_REASON_BAD_QUERY,
                                "message is cut off: %" APR_SIZE_T_FMT
                                " base64 digits and %" APR_SIZE_T_FMT
                                " of padding",
                                digits, padding);
    if (n == 0)
        return scep_result_fail(res, p, SCEP_REASON_BAD_QUERY,
                                "message is empty");
    *der = out;
    *len = n;
    return APR_SUCCESS;
}
