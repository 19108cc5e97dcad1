/* ces_xml.c - XML from the enrolment web service
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ces_xml.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <libxml/parser.h>

#include <limits.h>
#include <string.h>

#define OPTIONS                                                               \
    (XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |              \
     XML_PARSE_NOCDATA | XML_PARSE_IGNORE_ENC)

/* SOAP 1.2, part 1, 5: a message has no document type. */
static void refuse_doctype(void *parser, const xmlChar *name,
                           const xmlChar *external_id,
                           const xmlChar *system_id)
{
    (void)name;
    (void)external_id;
    (void)system_id;
    xmlStopParser(parser);
}

xmlDoc *scep_ces_xml_parse(const char *text, apr_size_t len)
{
    xmlParserCtxt *parser;
    xmlDoc *doc = NULL;

    /* of what it has to convert libxml2 complains on stderr */
    if (len > INT_MAX || strlen(text) != len ||
        !xmlCheckUTF8((const unsigned char *)text))
        return NULL;
    parser = xmlNewParserCtxt();
    if (!parser)
        return NULL;
    parser->sax->internalSubset = refuse_doctype;
    doc = xmlCtxtReadMemory(parser, text, (int)len, NULL, NULL, OPTIONS);
    if (doc && !parser->wellFormed) {
        xmlFreeDoc(doc);
        doc = NULL;
    }
    xmlFreeParserCtxt(parser);
    return doc;
}

static int is_named(const xmlNode *node, const char *ns, const char *name)
{
    return node->type == XML_ELEMENT_NODE && node->ns && node->ns->href &&
           !strcmp((const char *)node->name, name) &&
           !strcmp((const char *)node->ns->href, ns);
}

const xmlNode *scep_ces_xml_envelope(const xmlDoc *doc)
{
    const xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;

    return root && is_named(root, CES_NS_SOAP, "Envelope") ? root : NULL;
}

const xmlNode *scep_ces_xml_child(const xmlNode *parent, const char *ns,
                                  const char *name)
{
    const xmlNode *node = parent ? parent->children : NULL;

    while (node && !is_named(node, ns, name))
        node = node->next;
    return node;
}

/* Into the pool, and free the original. */
static const char *take(xmlChar *text, apr_pool_t *p)
{
    const char *at = (const char *)text;
    size_t len = at ? strlen(at) : 0;

    while (len && apr_isspace(at[len - 1]))
        len--;
    for (; len && apr_isspace(*at); len--)
        at++;
    at = text ? apr_pstrmemdup(p, at, len) : NULL;
    xmlFree(text);
    return at;
}

const char *scep_ces_xml_text(const xmlNode *node, apr_pool_t *p)
{
    return node ? take(xmlNodeGetContent(node), p) : NULL;
}

const char *scep_ces_xml_attribute(const xmlNode *node, const char *name,
                                   apr_pool_t *p)
{
    return take(xmlGetNoNsProp(node, (const xmlChar *)name), p);
}
