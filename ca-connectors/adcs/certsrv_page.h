/* certsrv_page.h - what stands in a page of ADCS's web enrolment
 * SPDX-License-Identifier: Apache-2.0
 *
 * The pages are for people and in the server's language; what does not
 * change with that are the ids of their elements, and numbers.
 */
#ifndef SCEP_CERTSRV_PAGE_H
#define SCEP_CERTSRV_PAGE_H

#include <apr_pools.h>
#include <apr_tables.h>

/** Longest text that is handed on to the log. */
#define SCEP_CERTSRV_TEXT_MAX 300
/** Most numbers of one page that may be its request's. */
#define SCEP_CERTSRV_IDS_MAX 4

typedef struct scep_certsrv_page_t {
    /** what people see, from the title on, which the CA's name is above;
     * blanks are collapsed */
    const char *text;
    apr_array_header_t *marks; /**< the ids, and where in the text */
} scep_certsrv_page_t;

/** Reads a page, or anything else: there are no mistakes in HTML. */
scep_certsrv_page_t *scep_certsrv_page_read(const char *body, apr_size_t len,
                                            apr_pool_t *p);

/** The definition (DD) of the term (DT) with that id, or NULL. */
const char *scep_certsrv_page_value(const scep_certsrv_page_t *page,
                                    const char *id, apr_pool_t *p);

/** The first HRESULT of an error in a text, or 0. */
apr_uint32_t scep_certsrv_page_hresult(const char *text);

/**
 * The numbers in a text that may be a request id, in its order.
 * @param ids  room for SCEP_CERTSRV_IDS_MAX
 * @return how many
 */
int scep_certsrv_page_numbers(const char *text, apr_uint32_t *ids);

/** A text for the log: valid UTF-8, not over SCEP_CERTSRV_TEXT_MAX. */
const char *scep_certsrv_page_tidy(const char *text, apr_pool_t *p);

#endif
