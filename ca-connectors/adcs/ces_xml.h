/* ces_xml.h - XML from the enrolment web service
 * SPDX-License-Identifier: Apache-2.0
 *
 * Read by libxml2 without a document type, so without entities, without
 * fetching anything, and in UTF-8 alone.
 */
#ifndef SCEP_CES_XML_H
#define SCEP_CES_XML_H

#include <apr_pools.h>
#include <libxml/tree.h>

#define CES_NS_SOAP "http://www.w3.org/2003/05/soap-envelope"
#define CES_NS_TRUST "http://docs.oasis-open.org/ws-sx/ws-trust/200512"
#define CES_NS_ENROLLMENT                                                     \
    "http://schemas.microsoft.com/windows/pki/2009/01/enrollment"
#define CES_NS_SECURITY                                                       \
    "http://docs.oasis-open.org/wss/2004/01/"                                 \
    "oasis-200401-wss-wssecurity-secext-1.0.xsd"

/**
 * Parses.
 * @param text  has a NUL at text[len]
 * @return a document for xmlFreeDoc(), or NULL: none that we read
 */
xmlDoc *scep_ces_xml_parse(const char *text, apr_size_t len);

/** The SOAP envelope, or NULL, as where doc is. */
const xmlNode *scep_ces_xml_envelope(const xmlDoc *doc);

/** The first element of a name right below; NULL where parent is. */
const xmlNode *scep_ces_xml_child(const xmlNode *parent, const char *ns,
                                  const char *name);

/** The text in an element, without blanks around it; NULL where node is. */
const char *scep_ces_xml_text(const xmlNode *node, apr_pool_t *p);

/** An attribute without a namespace, or NULL. */
const char *scep_ces_xml_attribute(const xmlNode *node, const char *name,
                                   apr_pool_t *p);

#endif
