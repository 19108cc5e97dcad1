/* transaction.c - which enrolment a request belongs to
 * SPDX-License-Identifier: Apache-2.0
 */
#include "transaction.h"

#include <apr_escape.h>
#include <openssl/err.h>

#include <string.h>

/* Each part goes in with its length, so that no two lists give the same
 * octets. */
static int digest_part(EVP_MD_CTX *ctx, const void *data, apr_size_t len)
{
    unsigned char length[8];

    for (int i = 0; i < 8; i++)
        length[i] = (unsigned char)((apr_uint64_t)len >> (56 - 8 * i));
    return EVP_DigestUpdate(ctx, length, sizeof(length)) &&
           EVP_DigestUpdate(ctx, data, len);
}

static EVP_MD_CTX *digest_begin(const scep_alg_t *alg)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    if (ctx &&
        !EVP_DigestInit_ex(ctx, scep_alg_md(alg, SCEP_DIGEST_SHA256), NULL)) {
        EVP_MD_CTX_free(ctx);
        ctx = NULL;
    }
    return ctx;
}

/* Ends it, whether or not all went well so far. */
static int digest_end(EVP_MD_CTX *ctx, int good, unsigned char digest[32])
{
    good = good && EVP_DigestFinal_ex(ctx, digest, NULL);
    EVP_MD_CTX_free(ctx);
    if (!good)
        ERR_clear_error();
    return good;
}

const char *scep_transaction_octets(const scep_alg_t *alg,
                                    const unsigned char *data, apr_size_t len,
                                    apr_pool_t *p)
{
    EVP_MD_CTX *ctx = digest_begin(alg);
    unsigned char digest[32];

    return digest_end(ctx, ctx && EVP_DigestUpdate(ctx, data, len), digest)
               ? apr_pescape_hex(p, digest, 32, 0)
               : NULL;
}

/* Whether the signer's certificate says that the CA has issued it.  A lie
 * gains nothing: the key is part of the signer's name in any case. */
static int is_issued(const scep_message_t *message,
                     const STACK_OF(X509) *chain)
{
    return message->signer && sk_X509_num(chain) > 0 &&
           X509_NAME_cmp(X509_get_issuer_name(message->signer),
                         X509_get_subject_name(sk_X509_value(chain, 0))) == 0;
}

apr_status_t scep_transaction_name(scep_transaction_t *transaction,
                                   const char *profile,
                                   const scep_message_t *message,
                                   const scep_csr_t *csr,
                                   const STACK_OF(X509) *chain,
                                   const scep_alg_t *alg, apr_pool_t *p)
{
    const char *id = message->transaction_id;
    EVP_MD_CTX *ctx = digest_begin(alg);
    unsigned char signer[32];
    int issued = is_issued(message, chain);
    int good =
        ctx &&
        digest_part(ctx, issued ? message->signer_id : NULL,
                    issued ? message->signer_id_len : 0) &&
        digest_part(ctx, message->signer_spki, message->signer_spki_len);

    if (!digest_end(ctx, good, signer))
        return APR_EGENERAL;
    transaction->signer = apr_pescape_hex(p, signer, sizeof(signer), 0);
    transaction->key = NULL;
    if (!csr)
        return APR_SUCCESS;
    ctx = digest_begin(alg);
    good = ctx && digest_part(ctx, profile, strlen(profile)) &&
           digest_part(ctx, id, strlen(id)) &&
           digest_part(ctx, csr->der, csr->der_len) &&
           digest_part(ctx, signer, sizeof(signer));
    if (!digest_end(ctx, good, transaction->digest))
        return APR_EGENERAL;
    transaction->key = apr_pescape_hex(p, transaction->digest,
                                       sizeof(transaction->digest), 0);
    return APR_SUCCESS;
}

scep_seen_t scep_transaction_judge(const apr_array_header_t *records,
                                   const scep_transaction_t *transaction,
                                   const char *transaction_id,
                                   const char *names, const char *spki,
                                   const scep_record_t **found)
{
    scep_seen_t seen = SCEP_SEEN_NEW;

    *found = NULL;
    for (int i = 0; i < records->nelts; i++) {
        const scep_record_t *record =
            &APR_ARRAY_IDX(records, i, const scep_record_t);
        int under_way = record->state < SCEP_STATE_ISSUED;

        if (!strcmp(record->key, transaction->key)) {
            *found = record;
            return record->state == SCEP_STATE_FAILED ? SCEP_SEEN_ENDED
                                                      : SCEP_SEEN_SAME;
        }
        if (!under_way || seen == SCEP_SEEN_CONFLICT)
            continue;
        if (!strcmp(record->transaction_id, transaction_id)) {
            seen = SCEP_SEEN_CONFLICT;
            *found = record;
        } else if (!strcmp(record->spki, spki) &&
                   !strcmp(record->names, names)) {
            seen = SCEP_SEEN_AGAIN;
            *found = record;
        }
    }
    return seen;
}

const scep_record_t *scep_transaction_polled(const apr_array_header_t *records,
                                             const char *transaction_id)
{
    const scep_record_t *found = NULL;

    for (int i = 0; i < records->nelts; i++) {
        const scep_record_t *record =
            &APR_ARRAY_IDX(records, i, const scep_record_t);

        if (strcmp(record->transaction_id, transaction_id))
            continue;
        if (record->state < SCEP_STATE_ISSUED)
            return record;
        if (!found)
            found = record;
    }
    return found;
}
