/* device.c - where a request names the device that makes it
 * SPDX-License-Identifier: Apache-2.0
 */
#include "device.h"

#include <apr_lib.h>
#include <apr_strings.h>

#include <string.h>

unsigned int scep_device_source(const char *word)
{
    static const struct {
        const char *word;
        unsigned int bit;
    } words[] = {
        { "cn", SCEP_DEVICE_CN },       { "serialNumber", SCEP_DEVICE_SERIAL },
        { "dns", SCEP_DEVICE_DNS },     { "uri", SCEP_DEVICE_URI },
        { "email", SCEP_DEVICE_EMAIL }, { "upn", SCEP_DEVICE_UPN },
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (!strcasecmp(word, words[i].word))
            return words[i].bit;
    return 0;
}

const char *scep_device_canonical(const char *text, apr_pool_t *p)
{
    size_t len = strlen(text);
    char *canonical;

    if (len == 0 || len > SCEP_DEVICE_MAX)
        return NULL;
    canonical = apr_pstrdup(p, text);
    for (char *c = canonical; *c; c++) {
        if (apr_iscntrl(*c))
            return NULL;
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    }
    return canonical;
}

static void add(apr_array_header_t *devices, const ASN1_STRING *value)
{
    const char *text = scep_name_utf8(value, devices->pool);
    const char *device =
        text ? scep_device_canonical(text, devices->pool) : NULL;

    if (device && devices->nelts < SCEP_CHALLENGE_DEVICES_MAX)
        APR_ARRAY_PUSH(devices, const char *) = device;
}

static void add_attribute(apr_array_header_t *devices,
                          const X509_NAME *subject, int nid)
{
    int at = -1;

    while ((at = X509_NAME_get_index_by_NID(subject, nid, at)) >= 0)
        add(devices,
            X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
}

static const ASN1_STRING *san_value(const GENERAL_NAME *gn)
{
    return gn->type == GEN_OTHERNAME
               ? scep_name_string_of(gn->d.otherName->value)
               : gn->d.ia5;
}

apr_array_header_t *scep_device_find(const X509_NAME *subject,
                                     const GENERAL_NAMES *sans,
                                     unsigned int sources, apr_pool_t *p)
{
    static const struct {
        unsigned int source;
        scep_san_type_t type;
    } kinds[] = {
        { SCEP_DEVICE_DNS, SCEP_SAN_DNS },
        { SCEP_DEVICE_URI, SCEP_SAN_URI },
        { SCEP_DEVICE_EMAIL, SCEP_SAN_EMAIL },
        { SCEP_DEVICE_UPN, SCEP_SAN_UPN },
    };
    apr_array_header_t *devices =
        apr_array_make(p, SCEP_CHALLENGE_DEVICES_MAX, sizeof(const char *));

    if (sources & SCEP_DEVICE_CN)
        add_attribute(devices, subject, NID_commonName);
    if (sources & SCEP_DEVICE_SERIAL)
        add_attribute(devices, subject, NID_serialNumber);
    for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds); k++) {
        if (!(sources & kinds[k].source))
            continue;
        for (int i = 0; i < sk_GENERAL_NAME_num(sans); i++) {
            const GENERAL_NAME *gn = sk_GENERAL_NAME_value(sans, i);

            if (scep_name_san_type_of(gn) == (unsigned int)kinds[k].type)
                add(devices, san_value(gn));
        }
    }
    return devices;
}
