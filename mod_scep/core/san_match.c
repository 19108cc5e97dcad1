/* san_match.c - subjectAltNames that an administrator allows, as patterns
 * SPDX-License-Identifier: Apache-2.0
 */
#include "san_match.h"

#include <apr_lib.h>
#include <apr_strings.h>

#include <string.h>

#include "glob.h"
#include "name_match.h"
#include "network.h"

struct scep_san_pattern_t {
    unsigned int type;
    int any;                        /**< whatever its value is */
    const char *glob;               /**< as scep_glob_fits has it */
    scep_network_t network;         /**< ip */
    const scep_name_pattern_t *dir; /**< dirname */
};

static void lower(char *text)
{
    for (; text && *text; text++)
        *text = apr_tolower(*text);
}

/* In the form that scep_name_san_value() gives. */
static const char *read_glob(scep_san_pattern_t *made, const char *value,
                             apr_pool_t *p)
{
    char *text;

    if (made->type == SCEP_SAN_SID &&
        strncasecmp(value, SCEP_SID_PREFIX, strlen(SCEP_SID_PREFIX)) == 0)
        value += strlen(SCEP_SID_PREFIX);
    text = apr_pstrdup(p, value);
    if (made->type == SCEP_SAN_DNS)
        lower(text);
    else if (made->type == SCEP_SAN_EMAIL)
        lower(strrchr(text, '@'));
    return scep_glob_parse(&made->glob, text, p);
}

const char *scep_san_pattern_parse(const scep_san_pattern_t **pattern,
                                   const char *text, apr_pool_t *p)
{
    scep_san_pattern_t *made = apr_pcalloc(p, sizeof(*made));
    const char *colon = strchr(text, ':'), *error = NULL;

    if (colon) {
        made->type = scep_name_san_type(
            apr_pstrmemdup(p, text, (apr_size_t)(colon - text)));
    }
    if (!made->type)
        return "it does not begin with dns:, ip:, email:, uri:, upn:, sid:, "
               "rid:, dirname: or other:";
    if (!colon[1])
        return "it has no value";
    made->any = !strcmp(colon + 1, "*") && made->type != SCEP_SAN_DNS;
    if (made->any)
        error = NULL;
    else if (made->type == SCEP_SAN_IP)
        error = scep_network_parse(&made->network, colon + 1, p);
    else if (made->type == SCEP_SAN_DIRNAME)
        error = scep_name_pattern_parse(&made->dir, colon + 1, p);
    else if (made->type == SCEP_SAN_OTHER)
        error = "of other there is only other:*";
    else
        error = read_glob(made, colon + 1, p);
    if (!error)
        *pattern = made;
    return error;
}

unsigned int scep_san_pattern_type(const scep_san_pattern_t *pattern)
{
    return pattern->type;
}

static int ip_fits(const scep_network_t *network, const ASN1_STRING *ip)
{
    const unsigned char *data = ASN1_STRING_get0_data(ip);
    unsigned char address[16] = { 0 };

    if (ASN1_STRING_length(ip) == 4) {
        memset(address + 10, 0xff, 2);
        memcpy(address + 12, data, 4);
    } else if (ASN1_STRING_length(ip) == 16) {
        memcpy(address, data, 16);
    } else {
        return 0;
    }
    return scep_network_contains(network, address);
}

int scep_san_match(const scep_san_pattern_t *pattern, const GENERAL_NAME *san,
                   apr_pool_t *p)
{
    const char *value;

    if (scep_name_san_type_of(san) != pattern->type)
        return 0;
    if (pattern->any)
        return 1;
    if (pattern->type == SCEP_SAN_IP)
        return ip_fits(&pattern->network, san->d.iPAddress);
    if (pattern->type == SCEP_SAN_DIRNAME)
        return scep_name_match(pattern->dir, san->d.directoryName, p);
    value = scep_name_san_value(san, p);
    if (value && pattern->type == SCEP_SAN_SID)
        value += strlen(SCEP_SID_PREFIX);
    return value &&
           scep_glob_fits(pattern->glob, value, pattern->type == SCEP_SAN_DNS);
}
