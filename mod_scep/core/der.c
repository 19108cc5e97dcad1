/* der.c - reading and writing DER without a copy, and BER by way of it
 * SPDX-License-Identifier: Apache-2.0
 */
#include "der.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/asn1.h>

#define DEPTH_MAX 32 /* a pkiMessage with certificates needs 15 */
#define CONSTRUCTED 0x20
#define CLASS 0xc0
#define NUMBER 0x1f

#define INDEFINITE ((apr_size_t)-1)

/* Reads tag and length.  The number of a long tag is passed over: nothing
 * that is looked for has one. */
static int read_header(scep_der_t *in, unsigned int *tag, apr_size_t *len)
{
    apr_size_t octets;

    if (in->len < 2)
        return 0;
    *tag = in->at[0];
    in->at++;
    in->len--;
    if ((*tag & NUMBER) == NUMBER) {
        do {
            if (in->len < 2)
                return 0;
            in->at++;
            in->len--;
        } while ((in->at[-1] & 0x80) != 0);
    }
    *len = in->at[0];
    in->at++;
    in->len--;
    if (*len == 0x80) {
        *len = INDEFINITE;
        return (*tag & CONSTRUCTED) != 0;
    }
    if (*len < 0x80)
        return *len <= in->len;
    octets = *len & 0x7f;
    if (octets > 4 || octets > in->len)
        return 0;
    *len = 0;
    in->len -= octets;
    while (octets-- > 0)
        *len = *len << 8 | *in->at++;
    return *len <= in->len;
}

int scep_der_next(scep_der_t *in, unsigned int *tag, scep_der_t *content,
                  scep_der_t *whole)
{
    scep_der_t rest = *in;
    apr_size_t len;

    if (!read_header(&rest, tag, &len) || len == INDEFINITE)
        return 0;
    content->at = rest.at;
    content->len = len;
    if (whole != NULL) {
        whole->at = in->at;
        whole->len = rest.at + len - in->at;
    }
    in->at = rest.at + len;
    in->len = rest.len - len;
    return 1;
}

int scep_der_expect(scep_der_t *in, unsigned int tag, scep_der_t *content)
{
    unsigned int found;

    return scep_der_next(in, &found, content, NULL) && found == tag;
}

int scep_der_expect_whole(scep_der_t *in, unsigned int tag, scep_der_t *whole)
{
    unsigned int found;
    scep_der_t content;

    return scep_der_next(in, &found, &content, whole) && found == tag;
}

int scep_der_optional(scep_der_t *in, unsigned int tag, scep_der_t *content)
{
    content->at = NULL;
    content->len = 0;
    if (in->len == 0 || in->at[0] != tag)
        return 1;
    return scep_der_expect(in, tag, content);
}

int scep_der_nid(const scep_der_t *oid)
{
    unsigned char element[2 + 0x7f], *end = element + 2;
    const unsigned char *at = element;
    ASN1_OBJECT *object;
    int nid;

    if (oid->len > 0x7f)
        return NID_undef;
    element[0] = SCEP_DER_OID;
    element[1] = (unsigned char)oid->len;
    memcpy(end, oid->at, oid->len);
    object = d2i_ASN1_OBJECT(NULL, &at, (long)(oid->len + 2));
    nid = OBJ_obj2nid(object);
    ASN1_OBJECT_free(object);
    return nid;
}

int scep_der_algorithm(scep_der_t *in, int *nid, scep_der_t *parameters)
{
    scep_der_t algorithm, oid, content;
    unsigned int tag;

    if (!scep_der_expect(in, SCEP_DER_SEQUENCE, &algorithm) ||
        !scep_der_expect(&algorithm, SCEP_DER_OID, &oid))
        return 0;
    *nid = scep_der_nid(&oid);
    parameters->at = NULL;
    parameters->len = 0;
    return algorithm.len == 0 ||
           scep_der_next(&algorithm, &tag, &content, parameters);
}

int scep_der_equal(const scep_der_t *a, const scep_der_t *b)
{
    return a->len == b->len && memcmp(a->at, b->at, a->len) == 0;
}

/* Says whether a constructed element is a string in pieces. */
static int is_pieces(unsigned int tag)
{
    unsigned int number = tag & NUMBER;

    if ((tag & (CLASS | CONSTRUCTED)) != CONSTRUCTED)
        return 0;
    return number == V_ASN1_OCTET_STRING || number == V_ASN1_UTF8STRING ||
           (number >= V_ASN1_NUMERICSTRING && number <= V_ASN1_BMPSTRING &&
            number != V_ASN1_UTCTIME && number != V_ASN1_GENERALIZEDTIME);
}

/* Says whether all is of definite length and no string in pieces.  What
 * cannot be read is left to whoever reads it. */
static int is_definite(scep_der_t in, int depth)
{
    while (in.len > 0) {
        scep_der_t content;
        unsigned int tag;
        apr_size_t len;

        if (!read_header(&in, &tag, &len))
            return 1;
        if (len == INDEFINITE || is_pieces(tag) || depth == 0)
            return 0;
        content.at = in.at;
        content.len = len;
        in.at += len;
        in.len -= len;
        if ((tag & CONSTRUCTED) != 0 && !is_definite(content, depth - 1))
            return 0;
    }
    return 1;
}

/* What is written forward, with headers put in once their content is. */
typedef struct {
    unsigned char *octets;
    apr_size_t len, size;
} buffer_t;

static int append(buffer_t *out, const unsigned char *octets, apr_size_t len)
{
    if (len > out->size - out->len)
        return 0;
    memcpy(out->octets + out->len, octets, len);
    out->len += len;
    return 1;
}

static apr_size_t put_length(unsigned char *header, apr_size_t len)
{
    apr_size_t octets = 0;

    if (len < 0x80) {
        header[0] = (unsigned char)len;
        return 1;
    }
    while (octets < 4 && len >> (8 * octets) != 0)
        octets++;
    header[0] = (unsigned char)(0x80 | octets);
    for (apr_size_t i = 0; i < octets; i++)
        header[octets - i] = (unsigned char)(len >> (8 * i));
    return octets + 1;
}

static int insert_length(buffer_t *out, apr_size_t start)
{
    unsigned char header[5];
    apr_size_t content = out->len - start;
    apr_size_t len = put_length(header, content);

    if (len > out->size - out->len)
        return 0;
    memmove(out->octets + start + len, out->octets + start, content);
    memcpy(out->octets + start, header, len);
    out->len += len;
    return 1;
}

static int is_end(const scep_der_t *in)
{
    return in->len >= 2 && in->at[0] == 0 && in->at[1] == 0;
}

static int copy_element(scep_der_t *in, buffer_t *out, int joining, int depth);

/* Copies what is in a constructed element, up to its end. */
static int copy_content(scep_der_t *in, apr_size_t len, buffer_t *out,
                        int joining, int depth)
{
    scep_der_t content = *in;

    if (len == INDEFINITE) {
        while (!is_end(in))
            if (!copy_element(in, out, joining, depth))
                return 0;
        in->at += 2;
        in->len -= 2;
        return 1;
    }
    content.len = len;
    in->at += len;
    in->len -= len;
    while (content.len > 0)
        if (!copy_element(&content, out, joining, depth))
            return 0;
    return 1;
}

/* Copies one element; of pieces that are being joined the content only. */
static int copy_element(scep_der_t *in, buffer_t *out, int joining, int depth)
{
    const unsigned char *first = in->at;
    unsigned int tag;
    apr_size_t len, start;
    int pieces;

    if (depth == 0 || !read_header(in, &tag, &len))
        return 0;
    pieces = is_pieces(tag);
    if (joining && !pieces && (tag & (CLASS | CONSTRUCTED)) != 0)
        return 0;
    if ((tag & CONSTRUCTED) == 0) {
        apr_size_t header = joining ? in->at - first : 0;

        in->at += len;
        in->len -= len;
        return append(out, first + header, in->at - first - header);
    }
    if (joining)
        return copy_content(in, len, out, 1, depth - 1);
    if (pieces)
        tag &= ~(unsigned int)CONSTRUCTED;
    if ((tag & NUMBER) == NUMBER || out->len == out->size)
        return 0;
    out->octets[out->len++] = (unsigned char)tag;
    start = out->len;
    return copy_content(in, len, out, pieces, depth - 1) &&
           insert_length(out, start);
}

/* A definite length may take an octet more than an indefinite one did. */
static void make_buffer(buffer_t *out, apr_size_t len, apr_pool_t *p)
{
    out->size = len + len / 1024 + DEPTH_MAX;
    out->len = 0;
    out->octets = apr_palloc(p, out->size);
}

int scep_der_from_ber(scep_der_t *der, const unsigned char *ber,
                      apr_size_t len, apr_pool_t *p)
{
    scep_der_t in = { ber, len };
    buffer_t out;

    if (is_definite(in, DEPTH_MAX)) {
        *der = in;
        return 1;
    }
    make_buffer(&out, len, p);
    if (!copy_element(&in, &out, 0, DEPTH_MAX))
        return 0;
    der->at = out.octets;
    der->len = out.len;
    return 1;
}

int scep_der_join(const scep_der_t *pieces, scep_der_t *joined, apr_pool_t *p)
{
    scep_der_t in = *pieces;
    buffer_t out;

    make_buffer(&out, pieces->len, p);
    if (!copy_content(&in, pieces->len, &out, 1, DEPTH_MAX))
        return 0;
    joined->at = out.octets;
    joined->len = out.len;
    return 1;
}

static int compare(const void *left, const void *right)
{
    const scep_der_t *a = left, *b = right;
    apr_size_t len = a->len < b->len ? a->len : b->len;
    int order = memcmp(a->at, b->at, len);

    if (order != 0)
        return order;
    return a->len < b->len ? -1 : a->len > b->len;
}

void scep_der_sort(scep_der_t *elements, apr_size_t n)
{
    qsort(elements, n, sizeof(*elements), compare);
}

void scep_der_out_init(scep_der_out_t *out, apr_size_t size, apr_pool_t *p)
{
    out->start = apr_palloc(p, size);
    out->at = out->start + size;
    out->full = 0;
}

void scep_der_put(scep_der_out_t *out, const void *octets, apr_size_t len)
{
    if (len > (apr_size_t)(out->at - out->start)) {
        out->full = 1;
        return;
    }
    out->at -= len;
    if (len > 0)
        memcpy(out->at, octets, len);
}

void scep_der_wrap(scep_der_out_t *out, unsigned int tag,
                   const unsigned char *end)
{
    unsigned char header[6];

    header[0] = (unsigned char)tag;
    scep_der_put(out, header, 1 + put_length(header + 1, end - out->at));
}

void scep_der_put_element(scep_der_out_t *out, unsigned int tag,
                          const void *content, apr_size_t len)
{
    const unsigned char *end = out->at;

    scep_der_put(out, content, len);
    scep_der_wrap(out, tag, end);
}

void scep_der_put_oid(scep_der_out_t *out, const ASN1_OBJECT *oid)
{
    scep_der_put_element(out, SCEP_DER_OID, OBJ_get0_data(oid),
                         OBJ_length(oid));
}

void scep_der_put_algorithm(scep_der_out_t *out, int nid)
{
    const unsigned char *end = out->at;

    scep_der_put_element(out, SCEP_DER_NULL, NULL, 0);
    scep_der_put_oid(out, OBJ_nid2obj(nid));
    scep_der_wrap(out, SCEP_DER_SEQUENCE, end);
}
