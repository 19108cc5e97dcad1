/* adcs_names.c - names that mean an account of Active Directory
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adcs_names.h"

#include <apr_strings.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <string.h>
#include <strings.h>

#define OID_EXTENSIONS "1.2.840.113549.1.9.14"
#define OID_MS_EXTENSIONS "1.3.6.1.4.1.311.2.1.14"
#define OID_NAME_VALUE_PAIR "1.3.6.1.4.1.311.13.2.1"
#define OID_UPN "1.3.6.1.4.1.311.20.2.3"

#define URI_MICROSOFT "tag:microsoft.com,"

typedef struct {
    const char *oid;
    const char *what;
} extension_t;

static const extension_t refused[] = {
    { "1.3.6.1.4.1.311.25.2", "the extension with a SID" },
    { "1.3.6.1.4.1.311.20.2", "the extension with a template's name" },
    { "1.3.6.1.4.1.311.21.7", "the extension with a template's id" },
    { "1.3.6.1.4.1.311.21.10", "the extension of application policies" },
};

static void oid_of(const ASN1_OBJECT *object, char text[80])
{
    if (OBJ_obj2txt(text, 80, object, 1) < 0)
        text[0] = '\0';
}

static const char *check_name(const GENERAL_NAME *name)
{
    int type;
    const void *value = GENERAL_NAME_get0_value(name, &type);
    const ASN1_IA5STRING *uri = value;
    char oid[80];

    switch (type) {
    case GEN_OTHERNAME:
        oid_of(((const OTHERNAME *)value)->type_id, oid);
        return strcmp(oid, OID_UPN) ? "an otherName" : "a UPN";
    case GEN_URI:
        if ((size_t)uri->length >= strlen(URI_MICROSOFT) &&
            !strncasecmp((const char *)uri->data, URI_MICROSOFT,
                         strlen(URI_MICROSOFT)))
            return "a URI of Microsoft's, as those with a SID are";
        return NULL;
    default:
        return NULL;
    }
}

static const char *check_sans(X509_EXTENSION *extension)
{
    GENERAL_NAMES *names = X509V3_EXT_d2i(extension);
    const char *found =
        names ? NULL : "a subjectAltName that cannot be parsed";

    for (int i = 0; !found && i < sk_GENERAL_NAME_num(names); i++)
        found = check_name(sk_GENERAL_NAME_value(names, i));
    GENERAL_NAMES_free(names);
    return found;
}

static const char *check_extension(X509_EXTENSION *extension)
{
    const ASN1_OBJECT *object = X509_EXTENSION_get_object(extension);
    char oid[80];

    if (OBJ_obj2nid(object) == NID_subject_alt_name)
        return check_sans(extension);
    oid_of(object, oid);
    for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
        if (!strcmp(oid, refused[i].oid))
            return refused[i].what;
    return NULL;
}

static const char *check_extensions(const ASN1_TYPE *value)
{
    const unsigned char *at;
    X509_EXTENSIONS *list = NULL;
    const char *found = NULL;

    if (value && value->type == V_ASN1_SEQUENCE) {
        at = value->value.sequence->data;
        list = d2i_X509_EXTENSIONS(NULL, &at, value->value.sequence->length);
    }
    if (!list)
        return "extensions that cannot be parsed";
    for (int i = 0; !found && i < sk_X509_EXTENSION_num(list); i++)
        found = check_extension(sk_X509_EXTENSION_value(list, i));
    sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
    return found;
}

/* Every value of every one: which of several ADCS goes by is not said. */
static const char *check_attribute(X509_ATTRIBUTE *attribute)
{
    const char *found = NULL;
    char oid[80];

    oid_of(X509_ATTRIBUTE_get0_object(attribute), oid);
    if (!strcmp(oid, OID_NAME_VALUE_PAIR))
        return "name-value pairs for the CA";
    if (strcmp(oid, OID_EXTENSIONS) && strcmp(oid, OID_MS_EXTENSIONS))
        return NULL;
    for (int i = 0; !found && i < X509_ATTRIBUTE_count(attribute); i++)
        found = check_extensions(X509_ATTRIBUTE_get0_type(attribute, i));
    return found;
}

const char *scep_adcs_names_check(const unsigned char *csr, apr_size_t len,
                                  apr_pool_t *p)
{
    const unsigned char *at = csr;
    X509_REQ *request = d2i_X509_REQ(NULL, &at, (long)len);
    const char *found = NULL;

    if (!request || at != csr + len)
        found = "something else than a PKCS#10";
    for (int i = 0; !found && i < X509_REQ_get_attr_count(request); i++)
        found = check_attribute(X509_REQ_get_attr(request, i));
    X509_REQ_free(request);
    ERR_clear_error();
    return found ? apr_pstrcat(p, "the request contains ", found,
                               ", which ScepAdcsMicrosoftNames refuses", NULL)
                 : NULL;
}
