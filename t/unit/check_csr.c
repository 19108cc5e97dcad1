/* check_csr.c - tests of PKCS#10 requests as real clients write them
 * SPDX-License-Identifier: Apache-2.0
 *
 * The requests are put together octet by octet: OpenSSL would write none of
 * the odd ones.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <check.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include "csr.h"
#include "name.h"
#include "support.h"
#include "run.h"

typedef struct {
    const unsigned char *data;
    apr_size_t len;
} der_t;

static const der_t none = { NULL, 0 };

static apr_pool_t *shared, *pool;
static EVP_PKEY *rsa, *ec, *rsa_pss;
static scep_alg_t *alg, *legacy;
static scep_result_t res;
static scep_csr_t *csr;

static EVP_PKEY *pss_key(void)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA-PSS", NULL);
    EVP_PKEY *key = NULL;

    ck_assert_int_eq(EVP_PKEY_keygen_init(ctx), 1);
    ck_assert_int_eq(EVP_PKEY_generate(ctx, &key), 1);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

static void setup_keys(void)
{
    shared = support_pool();
    rsa = support_rsa(2048, shared);
    ec = support_ec("P-256", shared);
    rsa_pss = pss_key();
    ck_assert_int_eq(scep_alg_create(&alg, 0, shared), APR_SUCCESS);
    ck_assert_int_eq(scep_alg_create(&legacy, 1, shared), APR_SUCCESS);
}

static void free_keys(void)
{
    EVP_PKEY_free(rsa_pss);
}

static void setup(void)
{
    const scep_result_t fresh = SCEP_RESULT_INIT;

    ck_assert_int_eq(apr_pool_create(&pool, shared), APR_SUCCESS);
    ERR_clear_error();
    res = fresh;
    csr = NULL;
}

static void teardown(void)
{
    ck_assert_uint_eq(ERR_peek_error(), 0);
    apr_pool_destroy(pool);
}

/* ------------------------------------------------------------------ */
/* a small DER writer                                                   */

static der_t octets(const void *data, apr_size_t len)
{
    der_t der = { apr_pmemdup(pool, data, len), len };

    return der;
}

static der_t join(der_t a, der_t b)
{
    unsigned char *data = apr_palloc(pool, a.len + b.len + 1);
    der_t der = { data, a.len + b.len };

    if (a.len > 0)
        memcpy(data, a.data, a.len);
    if (b.len > 0)
        memcpy(data + a.len, b.data, b.len);
    return der;
}

static der_t tlv(int tag, der_t content)
{
    unsigned char head[5] = { (unsigned char)tag };
    apr_size_t n = 1;

    if (content.len < 0x80) {
        head[n++] = (unsigned char)content.len;
    } else if (content.len < 0x100) {
        head[n++] = 0x81;
        head[n++] = (unsigned char)content.len;
    } else {
        ck_assert_uint_lt(content.len, 0x1000000);
        head[n++] = 0x83;
        head[n++] = (unsigned char)(content.len >> 16);
        head[n++] = (unsigned char)(content.len >> 8);
        head[n++] = (unsigned char)content.len;
        if (head[2] == 0) {
            head[1] = 0x82;
            head[2] = head[3];
            head[3] = head[4];
            n = 4;
        }
    }
    return join(octets(head, n), content);
}

static der_t oid(const char *text)
{
    ASN1_OBJECT *object = OBJ_txt2obj(text, 0);
    unsigned char *data = NULL;
    int len = i2d_ASN1_OBJECT(object, &data);
    der_t der;

    ck_assert_int_gt(len, 0);
    der = octets(data, (apr_size_t)len);
    OPENSSL_free(data);
    ASN1_OBJECT_free(object);
    return der;
}

static der_t string(int tag, const char *text)
{
    return tlv(tag, octets(text, strlen(text)));
}

#define SEQUENCE 0x30
#define SET 0x31

static der_t attribute(const char *type, der_t values)
{
    return tlv(SEQUENCE, join(oid(type), tlv(SET, values)));
}

static der_t challenge(const char *text)
{
    return attribute("challengePassword",
                     string(V_ASN1_PRINTABLESTRING, text));
}

static der_t extension(const char *type, const char *value, apr_size_t len)
{
    return tlv(SEQUENCE,
               join(oid(type), tlv(V_ASN1_OCTET_STRING, octets(value, len))));
}

/* dNSName "a" */
static der_t san(void)
{
    return extension("subjectAltName", "\x30\x03\x82\x01\x61", 5);
}

static der_t request_of(der_t extensions)
{
    return attribute("extReq", tlv(SEQUENCE, extensions));
}

static der_t spki_of(EVP_PKEY *key)
{
    unsigned char *data = NULL;
    int len = i2d_PUBKEY(key, &data);
    der_t der;

    ck_assert_int_gt(len, 0);
    der = octets(data, (apr_size_t)len);
    OPENSSL_free(data);
    return der;
}

static der_t common_name(const char *text)
{
    return tlv(SEQUENCE,
               tlv(SET, tlv(SEQUENCE, join(oid("CN"),
                                           string(V_ASN1_UTF8STRING, text)))));
}

static der_t info_of(der_t subject, EVP_PKEY *key, der_t attributes)
{
    static const char version[] = { V_ASN1_INTEGER, 1, 0 };

    return tlv(SEQUENCE, join(join(octets(version, 3), subject),
                              join(spki_of(key), tlv(0xa0, attributes))));
}

static der_t sign(der_t info, EVP_PKEY *key, const EVP_MD *md,
                  const char *algorithm)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char signature[600] = { 0 };
    size_t len = sizeof(signature) - 1;
    der_t name = oid(algorithm);

    ck_assert_int_eq(EVP_DigestSignInit(ctx, NULL, md, NULL, key), 1);
    ck_assert_int_eq(EVP_DigestSign(ctx, signature + 1, &len, info.data,
                                    info.len),
                     1);
    EVP_MD_CTX_free(ctx);
    if (EVP_PKEY_is_a(key, "RSA"))
        name = join(name, tlv(V_ASN1_NULL, none));
    return tlv(SEQUENCE,
               join(join(info, tlv(SEQUENCE, name)),
                    tlv(V_ASN1_BIT_STRING, octets(signature, len + 1))));
}

static der_t csr_with(der_t attributes)
{
    return sign(info_of(common_name("dev"), rsa, attributes), rsa,
                EVP_sha256(), "RSA-SHA256");
}

/* ------------------------------------------------------------------ */

static apr_status_t parse(der_t der)
{
    csr = NULL;
    return scep_csr_parse(&csr, der.data, der.len, NULL, NULL, 0, &res, pool);
}

static void accepts(der_t der)
{
    ck_assert_msg(parse(der) == APR_SUCCESS, "%s", res.detail);
    ck_assert_msg(scep_csr_verify(csr, SCEP_DIGESTS_DEFAULT, alg, &res,
                                  pool) == APR_SUCCESS,
                  "%s", res.detail);
    ck_assert_ptr_null(csr->fault);
}

static void refuses(der_t der, const char *detail)
{
    ck_assert_msg(parse(der) == APR_SUCCESS, "%s", res.detail);
    ck_assert_int_eq(scep_csr_verify(csr, SCEP_DIGESTS_DEFAULT, alg, &res,
                                     pool),
                     APR_EGENERAL);
    ck_assert_int_eq(res.reason, SCEP_REASON_CSR);
    ck_assert_msg(strstr(res.detail, detail) != NULL, "%s", res.detail);
}

static void is_no_pkcs10(der_t der)
{
    ck_assert_int_eq(parse(der), APR_EGENERAL);
    ck_assert_int_eq(res.reason, SCEP_REASON_CHECK);
    ck_assert_ptr_null(csr);
}

START_TEST(r32_a_request_is_read_and_verified)
{
    der_t der = csr_with(join(challenge("secret"), request_of(san())));
    der_t spki = spki_of(rsa);

    accepts(der);
    ck_assert_ptr_eq(csr->der, der.data);
    ck_assert_uint_eq(csr->der_len, der.len);
    ck_assert_str_eq(scep_name_text(csr->subject, pool), "CN=dev");
    ck_assert_uint_eq(csr->spki_len, spki.len);
    ck_assert_mem_eq(csr->spki, spki.data, spki.len);
    ck_assert_int_eq(EVP_PKEY_eq(csr->key, rsa), 1);
    ck_assert_uint_eq(csr->digest, SCEP_DIGEST_SHA256);
    ck_assert_str_eq(csr->challenge, "secret");
    ck_assert_int_eq(sk_X509_EXTENSION_num(csr->extensions), 1);
    ck_assert_str_eq(scep_name_sans_text(csr->sans, pool), "dns:a");
}
END_TEST

START_TEST(q09_attributes_may_be_in_any_order)
{
    /* strongSwan: extensionRequest first, which is not the order of DER */
    accepts(csr_with(join(request_of(san()), challenge("secret"))));
    ck_assert_str_eq(csr->challenge, "secret");
    accepts(csr_with(join(challenge("secret"), request_of(san()))));
    ck_assert_str_eq(csr->challenge, "secret");
}
END_TEST

START_TEST(q09_the_signature_is_over_the_octets_received)
{
    /* a length in long form is no DER: re-encoded, it would not verify */
    static const char version[] = { V_ASN1_INTEGER, (char)0x81, 1, 0 };
    der_t info =
        tlv(SEQUENCE, join(join(octets(version, 4), common_name("dev")),
                           join(spki_of(ec), tlv(0xa0, none))));

    accepts(sign(info, ec, EVP_sha256(), "ecdsa-with-SHA256"));
}
END_TEST

START_TEST(c28_an_outer_sequence_of_indefinite_length_is_read)
{
    der_t info = info_of(common_name("dev"), ec, none);
    der_t der = sign(info, ec, EVP_sha256(), "ecdsa-with-SHA256");
    apr_size_t head = der.data[1] & 0x80 ? 2 + (der.data[1] & 0x7f) : 2;
    der_t body = { der.data + head, der.len - head };

    accepts(join(octets("\x30\x80", 2), join(body, octets("\0\0", 2))));
}
END_TEST

START_TEST(c44_no_subject_and_no_attributes_are_read)
{
    accepts(sign(info_of(tlv(SEQUENCE, none), ec, none), ec, EVP_sha256(),
                 "ecdsa-with-SHA256"));
    ck_assert_int_eq(X509_NAME_entry_count(csr->subject), 0);
    ck_assert_ptr_null(csr->challenge);
    ck_assert_ptr_null(csr->extensions);
    ck_assert_ptr_null(csr->sans);
}
END_TEST

START_TEST(c39_q21_the_challenge_may_be_of_any_string_type)
{
    static const struct {
        int tag;
        const char *data;
        apr_size_t len;
    } cases[] = {
        { V_ASN1_UTF8STRING, "p\xc3\xa4ss", 5 },
        { V_ASN1_T61STRING, "p\xe4ss", 4 },
        { V_ASN1_IA5STRING, "p\xe4ss", 4 },
        { V_ASN1_PRINTABLESTRING, "p\xe4ss", 4 },
        { V_ASN1_BMPSTRING, "\0p\0\xe4\0s\0s", 8 },
        { V_ASN1_UNIVERSALSTRING, "\0\0\0p\0\0\0\xe4\0\0\0s\0\0\0s", 16 },
    };
    apr_size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        accepts(csr_with(attribute("challengePassword",
                                   tlv(cases[i].tag,
                                       octets(cases[i].data, cases[i].len)))));
        ck_assert_str_eq(csr->challenge, "p\xc3\xa4ss");
    }
}
END_TEST

START_TEST(c40_an_empty_challenge_is_none)
{
    accepts(csr_with(challenge("")));
    ck_assert_ptr_null(csr->challenge);
}
END_TEST

START_TEST(c40_two_challenges_are_refused)
{
    refuses(csr_with(join(challenge("a"), challenge("a"))),
            "two challengePasswords");
    refuses(csr_with(join(challenge(""), challenge("a"))),
            "two challengePasswords");
    refuses(csr_with(attribute("challengePassword",
                               join(string(V_ASN1_PRINTABLESTRING, "a"),
                                    string(V_ASN1_PRINTABLESTRING, "a")))),
            "2 values");
    refuses(csr_with(attribute("challengePassword", none)), "0 values");
}
END_TEST

START_TEST(c39_a_challenge_that_is_no_text_is_refused)
{
    refuses(csr_with(attribute("challengePassword",
                               tlv(V_ASN1_UTF8STRING, octets("a\0b", 3)))),
            "no text");
    refuses(csr_with(attribute("challengePassword",
                               string(V_ASN1_UTF8STRING, "\xff"))),
            "no text");
    refuses(csr_with(attribute("challengePassword",
                               string(V_ASN1_OCTET_STRING, "a"))),
            "no text");
    refuses(csr_with(
                attribute("challengePassword", tlv(SEQUENCE, challenge("a")))),
            "no text");
    refuses(csr_with(attribute("challengePassword", oid("CN"))), "no text");
    refuses(csr_with(attribute("challengePassword", tlv(V_ASN1_NULL, none))),
            "no text");
}
END_TEST

START_TEST(c41_a_challenge_may_be_long)
{
    char *text = apr_palloc(pool, SCEP_CHALLENGE_MAX + 2);

    memset(text, 'x', SCEP_CHALLENGE_MAX + 1);
    text[SCEP_CHALLENGE_MAX] = '\0';
    accepts(csr_with(challenge(text)));
    ck_assert_str_eq(csr->challenge, text);
    text[SCEP_CHALLENGE_MAX] = 'x';
    text[SCEP_CHALLENGE_MAX + 1] = '\0';
    refuses(csr_with(challenge(text)), "too long");
}
END_TEST

START_TEST(c48_the_microsoft_form_of_the_extension_request_is_read)
{
    der_t attributes =
        attribute("1.3.6.1.4.1.311.2.1.14", tlv(SEQUENCE, san()));

    accepts(csr_with(attributes));
    ck_assert_str_eq(scep_name_sans_text(csr->sans, pool), "dns:a");
    refuses(csr_with(join(attributes, request_of(san()))),
            "two extensionRequests");
}
END_TEST

START_TEST(q_other_attributes_are_ignored)
{
    /* certmonger's friendlyName, Microsoft's name/value pairs */
    accepts(csr_with(join(
        attribute("friendlyName", tlv(V_ASN1_BMPSTRING, octets("\0a", 2))),
        join(attribute("1.3.6.1.4.1.311.13.2.1",
                       tlv(SEQUENCE, join(string(V_ASN1_BMPSTRING, "ab"),
                                          string(V_ASN1_BMPSTRING, "cd")))),
             challenge("secret")))));
    ck_assert_str_eq(csr->challenge, "secret");
}
END_TEST

START_TEST(c47_extensions_that_are_wrong_are_refused)
{
    der_t other = extension("1.2.3.4", "x", 1);

    refuses(csr_with(join(request_of(san()), request_of(other))),
            "two extensionRequests");
    refuses(csr_with(request_of(join(san(), san()))),
            "two extensions subjectAltName");
    refuses(csr_with(request_of(join(join(other, san()), other))),
            "two extensions 1.2.3.4");
    refuses(csr_with(attribute("extReq", join(tlv(SEQUENCE, san()),
                                              tlv(SEQUENCE, other)))),
            "2 values");
    refuses(csr_with(attribute("extReq", string(V_ASN1_UTF8STRING, "a"))),
            "extensionRequest is malformed");
    refuses(csr_with(attribute("extReq", tlv(SEQUENCE, octets("abc", 3)))),
            "extensionRequest is malformed");
    refuses(csr_with(request_of(extension("subjectAltName", "\x30\x00", 2))),
            "no name");
    refuses(csr_with(request_of(extension("subjectAltName", "abc", 3))),
            "subjectAltName is malformed");
    refuses(csr_with(request_of(
                extension("subjectAltName", "\x30\x03\x82\x01\x61\x00", 6))),
            "subjectAltName is malformed");
}
END_TEST

START_TEST(r08_how_many_of_everything_is_bounded)
{
    der_t names = none, extensions = none, attributes = none;
    int i;

    for (i = 0; i < SCEP_CSR_SANS_MAX; i++)
        names = join(names, octets("\x82\x01\x61", 3));
    accepts(csr_with(request_of(
        tlv(SEQUENCE, join(oid("subjectAltName"),
                           tlv(V_ASN1_OCTET_STRING, tlv(SEQUENCE, names)))))));
    names = join(names, octets("\x82\x01\x61", 3));
    refuses(csr_with(request_of(
                tlv(SEQUENCE,
                    join(oid("subjectAltName"),
                         tlv(V_ASN1_OCTET_STRING, tlv(SEQUENCE, names)))))),
            "too many");

    for (i = 0; i < SCEP_CSR_EXTENSIONS_MAX; i++)
        extensions = join(extensions,
                          extension(apr_psprintf(pool, "1.2.3.%d", i), "", 0));
    accepts(csr_with(request_of(extensions)));
    refuses(csr_with(request_of(join(extensions, san()))), "too many");

    for (i = 0; i < SCEP_CSR_ATTRIBUTES_MAX; i++)
        attributes = join(attributes, attribute("1.2.3.4", none));
    accepts(csr_with(attributes));
    refuses(csr_with(join(attributes, challenge("a"))), "too many");
}
END_TEST

START_TEST(r08_deep_nesting_is_refused)
{
    der_t nested = string(V_ASN1_UTF8STRING, "a");
    int i;

    for (i = 0; i < 2000; i++)
        nested = tlv(SEQUENCE, nested);
    accepts(csr_with(attribute("1.2.3.4", nested)));
    refuses(csr_with(attribute("extReq", nested)), "malformed");
    is_no_pkcs10(nested);
    for (i = 0, nested = none; i < 20000; i++)
        nested = join(octets("\x30\x80", 2), nested);
    is_no_pkcs10(nested);
}
END_TEST

START_TEST(c43_a_changed_octet_breaks_the_proof_of_possession)
{
    der_t der = csr_with(challenge("secret-secret"));
    unsigned char *copy = apr_pmemdup(pool, der.data, der.len);
    der_t changed = { copy, der.len };
    apr_size_t i;

    for (i = 0; memcmp(copy + i, "secret-secret", 13) != 0; i++)
        continue;
    copy[i + 7] ^= 1;
    ck_assert_int_eq(parse(changed), APR_SUCCESS);
    ck_assert_int_eq(scep_csr_verify(csr, SCEP_DIGESTS_DEFAULT, alg, &res,
                                     pool),
                     APR_EGENERAL);
    ck_assert_int_eq(res.reason, SCEP_REASON_POP);

    copy[i + 7] ^= 1;
    copy[der.len - 1] ^= 1;
    ck_assert_int_eq(parse(changed), APR_SUCCESS);
    ck_assert_int_eq(scep_csr_verify(csr, SCEP_DIGESTS_DEFAULT, alg, &res,
                                     pool),
                     APR_EGENERAL);
    ck_assert_int_eq(res.reason, SCEP_REASON_POP);
}
END_TEST

START_TEST(c43_nothing_is_told_of_content_before_possession_is_proven)
{
    /* An attacker flips a bit of the challenge so that it would be NUL or
     * no UTF-8, and signs that envelope himself: he must not see which. */
    der_t der = csr_with(
        attribute("challengePassword", string(V_ASN1_UTF8STRING, "secret")));
    unsigned char *copy = apr_pmemdup(pool, der.data, der.len);
    der_t changed = { copy, der.len };
    apr_size_t i;

    for (i = 0; memcmp(copy + i, "secret", 6) != 0; i++)
        continue;
    copy[i + 1] = '\0';
    ck_assert_int_eq(parse(changed), APR_SUCCESS);
    ck_assert_ptr_nonnull(csr->fault);
    ck_assert_ptr_null(csr->challenge);
    ck_assert_int_eq(scep_csr_verify(csr, SCEP_DIGESTS_DEFAULT, alg, &res,
                                     pool),
                     APR_EGENERAL);
    ck_assert_int_eq(res.reason, SCEP_REASON_POP);
}
END_TEST

START_TEST(c43_nor_of_the_digest)
{
    der_t info = info_of(common_name("dev"), rsa, none);
    der_t der = sign(info, rsa, EVP_sha1(), "RSA-SHA1");

    ck_assert_int_eq(parse(der), APR_SUCCESS);
    scep_csr_verify(csr, SCEP_DIGESTS_DEFAULT, alg, &res, pool);
    ck_assert_int_eq(res.reason, SCEP_REASON_DIGEST);
    ((unsigned char *)der.data)[der.len - 1] ^= 1;
    ck_assert_int_eq(parse(der), APR_SUCCESS);
    scep_csr_verify(csr, SCEP_DIGESTS_DEFAULT, alg, &res, pool);
    ck_assert_int_eq(res.reason, SCEP_REASON_POP);
}
END_TEST

START_TEST(c43_a_signature_of_another_key_is_refused)
{
    EVP_PKEY *other = support_rsa(2048, pool);
    der_t info = info_of(common_name("dev"), rsa, none);

    ck_assert_int_eq(parse(sign(info, other, EVP_sha256(), "RSA-SHA256")),
                     APR_SUCCESS);
    ck_assert_int_eq(scep_csr_verify(csr, SCEP_DIGESTS_DEFAULT, alg, &res,
                                     pool),
                     APR_EGENERAL);
    ck_assert_int_eq(res.reason, SCEP_REASON_POP);
}
END_TEST

START_TEST(c43_the_signature_algorithm_must_go_with_the_key)
{
    der_t info = info_of(common_name("dev"), ec, none);

    ck_assert_int_eq(parse(sign(info, ec, EVP_sha256(), "RSA-SHA256")),
                     APR_SUCCESS);
    ck_assert_int_eq(scep_csr_verify(csr, SCEP_DIGESTS_DEFAULT, alg, &res,
                                     pool),
                     APR_EGENERAL);
    ck_assert_int_eq(res.reason, SCEP_REASON_POP);
    ck_assert_ptr_nonnull(strstr(res.detail, "does not go with its EC key"));
}
END_TEST

static scep_reason_t reason_of(EVP_PKEY *key, const EVP_MD *md,
                               const char *algorithm, unsigned int digests,
                               const scep_alg_t *algs)
{
    const scep_result_t fresh = SCEP_RESULT_INIT;

    res = fresh;
    ck_assert_int_eq(parse(sign(info_of(common_name("dev"), key, none), key,
                                md, algorithm)),
                     APR_SUCCESS);
    scep_csr_verify(csr, digests, algs, &res, pool);
    return res.reason;
}

START_TEST(c32_digests_that_are_not_allowed_are_refused)
{
    const unsigned int sha1 = SCEP_DIGESTS_DEFAULT | SCEP_DIGEST_SHA1;
    const unsigned int all = SCEP_DIGESTS_DEFAULT | SCEP_DIGESTS_LEGACY;

    ck_assert_int_eq(reason_of(rsa, EVP_sha384(), "RSA-SHA384",
                               SCEP_DIGESTS_DEFAULT, alg),
                     SCEP_REASON_NONE);
    ck_assert_int_eq(reason_of(ec, EVP_sha512(), "ecdsa-with-SHA512",
                               SCEP_DIGESTS_DEFAULT, alg),
                     SCEP_REASON_NONE);
    ck_assert_int_eq(reason_of(rsa, EVP_sha512(), "RSA-SHA512",
                               SCEP_DIGEST_SHA256, alg),
                     SCEP_REASON_DIGEST);
    ck_assert_int_eq(reason_of(rsa, EVP_sha1(), "RSA-SHA1",
                               SCEP_DIGESTS_DEFAULT, alg),
                     SCEP_REASON_DIGEST);
    ck_assert_int_eq(reason_of(rsa, EVP_sha1(), "RSA-SHA1", sha1, alg),
                     SCEP_REASON_NONE);
    ck_assert_int_eq(reason_of(rsa, EVP_md5(), "RSA-MD5", sha1, alg),
                     SCEP_REASON_DIGEST);
    ck_assert_int_eq(reason_of(rsa, EVP_md5(), "RSA-MD5", all, legacy),
                     SCEP_REASON_NONE);
    ck_assert_int_eq(reason_of(rsa, EVP_sha224(), "RSA-SHA224", all, legacy),
                     SCEP_REASON_DIGEST);
}
END_TEST

/* OpenSSL writes the parameters of RSASSA-PSS itself. */
static der_t pss_csr(EVP_PKEY *key, const EVP_MD *md)
{
    X509_REQ *req = X509_REQ_new();
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *key_ctx;
    unsigned char *data = NULL;
    int len;
    der_t der;

    ck_assert_int_eq(X509_REQ_set_pubkey(req, key), 1);
    ck_assert_int_eq(EVP_DigestSignInit(ctx, &key_ctx, md, NULL, key), 1);
    ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_padding(key_ctx,
                                                  RSA_PKCS1_PSS_PADDING),
                     1);
    ck_assert_int_gt(X509_REQ_sign_ctx(req, ctx), 0);
    len = i2d_X509_REQ(req, &data);
    ck_assert_int_gt(len, 0);
    der = octets(data, (apr_size_t)len);
    OPENSSL_free(data);
    EVP_MD_CTX_free(ctx);
    X509_REQ_free(req);
    return der;
}

START_TEST(c43_rsassa_pss_is_verified)
{
    der_t der = pss_csr(rsa, EVP_sha384());
    unsigned char *copy;

    accepts(der);
    ck_assert_uint_eq(csr->digest, SCEP_DIGEST_SHA384);
    accepts(pss_csr(rsa_pss, EVP_sha256()));

    copy = (unsigned char *)der.data;
    copy[der.len - 5] ^= 1;
    ck_assert_int_eq(parse(der), APR_SUCCESS);
    ck_assert_int_eq(scep_csr_verify(csr, SCEP_DIGESTS_DEFAULT, alg, &res,
                                     pool),
                     APR_EGENERAL);
    ck_assert_int_eq(res.reason, SCEP_REASON_POP);

    ck_assert_int_eq(parse(pss_csr(rsa, EVP_sha1())), APR_SUCCESS);
    ck_assert_int_eq(scep_csr_verify(csr, SCEP_DIGESTS_DEFAULT, alg, &res,
                                     pool),
                     APR_EGENERAL);
    ck_assert_int_eq(res.reason, SCEP_REASON_DIGEST);
}
END_TEST

START_TEST(speed_a_known_key_is_not_decoded_again)
{
    der_t der = csr_with(challenge("a"));
    der_t spki = spki_of(rsa), other = spki_of(ec);

    ck_assert_int_eq(scep_csr_parse(&csr, der.data, der.len, rsa, spki.data,
                                    spki.len, &res, pool),
                     APR_SUCCESS);
    ck_assert_ptr_eq(csr->key, rsa);
    ck_assert_int_eq(scep_csr_parse(&csr, der.data, der.len, ec, other.data,
                                    other.len, &res, pool),
                     APR_SUCCESS);
    ck_assert_ptr_ne(csr->key, rsa);
    ck_assert_int_eq(EVP_PKEY_eq(csr->key, rsa), 1);
}
END_TEST

START_TEST(r32_a_key_that_cannot_be_read_is_refused)
{
    der_t spki = tlv(SEQUENCE, join(tlv(SEQUENCE, oid("1.2.3.4")),
                                    string(V_ASN1_BIT_STRING, "")));
    der_t info =
        tlv(SEQUENCE, join(join(octets("\x02\x01\x00", 3), common_name("dev")),
                           join(spki, tlv(0xa0, none))));

    ck_assert_int_eq(parse(sign(info, rsa, EVP_sha256(), "RSA-SHA256")),
                     APR_EGENERAL);
    ck_assert_int_eq(res.reason, SCEP_REASON_POP);
}
END_TEST

START_TEST(issue2_a_request_cut_off_anywhere_is_no_pkcs10)
{
    der_t der = csr_with(join(challenge("secret"), request_of(san())));
    apr_size_t i;

    for (i = 0; i < der.len; i++) {
        der_t cut = octets(der.data, i);

        is_no_pkcs10(cut);
        ck_assert_uint_eq(ERR_peek_error(), 0);
    }
    is_no_pkcs10(join(der, octets("\0", 1)));
}
END_TEST

START_TEST(issue2_no_changed_octet_does_harm)
{
    der_t info = info_of(common_name("dev"), rsa,
                         join(challenge("secret"), request_of(san())));
    der_t der = sign(info, rsa, EVP_sha256(), "RSA-SHA256");
    unsigned char *copy = apr_pmemdup(pool, der.data, der.len);
    der_t changed = { copy, der.len };
    apr_pool_t *turn;
    apr_size_t i;
    int bit;

    ck_assert_int_eq(apr_pool_create(&turn, pool), APR_SUCCESS);
    for (i = 0; i < der.len; i++) {
        for (bit = 0; bit < 8; bit++) {
            copy[i] ^= (unsigned char)(1 << bit);
            apr_pool_clear(turn);
            if (scep_csr_parse(&csr, changed.data, changed.len, NULL, NULL, 0,
                               &res, turn) == APR_SUCCESS &&
                scep_csr_verify(csr, SCEP_DIGESTS_DEFAULT, alg, &res, turn) ==
                    APR_SUCCESS)
                ck_assert_uint_ge(i, info.len + 4); /* not signed */
            ck_assert_uint_eq(ERR_peek_error(), 0);
            copy[i] ^= (unsigned char)(1 << bit);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("csr");
    TCase *tcase = tcase_create("csr");

    tcase_add_unchecked_fixture(tcase, setup_keys, free_keys);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, r32_a_request_is_read_and_verified);
    tcase_add_test(tcase, q09_attributes_may_be_in_any_order);
    tcase_add_test(tcase, q09_the_signature_is_over_the_octets_received);
    tcase_add_test(tcase, c28_an_outer_sequence_of_indefinite_length_is_read);
    tcase_add_test(tcase, c44_no_subject_and_no_attributes_are_read);
    tcase_add_test(tcase, c39_q21_the_challenge_may_be_of_any_string_type);
    tcase_add_test(tcase, c40_an_empty_challenge_is_none);
    tcase_add_test(tcase, c40_two_challenges_are_refused);
    tcase_add_test(tcase, c39_a_challenge_that_is_no_text_is_refused);
    tcase_add_test(tcase, c41_a_challenge_may_be_long);
    tcase_add_test(tcase,
                   c48_the_microsoft_form_of_the_extension_request_is_read);
    tcase_add_test(tcase, q_other_attributes_are_ignored);
    tcase_add_test(tcase, c47_extensions_that_are_wrong_are_refused);
    tcase_add_test(tcase, r08_how_many_of_everything_is_bounded);
    tcase_add_test(tcase, r08_deep_nesting_is_refused);
    tcase_add_test(tcase, c43_a_changed_octet_breaks_the_proof_of_possession);
    tcase_add_test(tcase,
                   c43_nothing_is_told_of_content_before_possession_is_proven);
    tcase_add_test(tcase, c43_nor_of_the_digest);
    tcase_add_test(tcase, c43_a_signature_of_another_key_is_refused);
    tcase_add_test(tcase, c43_the_signature_algorithm_must_go_with_the_key);
    tcase_add_test(tcase, c32_digests_that_are_not_allowed_are_refused);
    tcase_add_test(tcase, c43_rsassa_pss_is_verified);
    tcase_add_test(tcase, speed_a_known_key_is_not_decoded_again);
    tcase_add_test(tcase, r32_a_key_that_cannot_be_read_is_refused);
    tcase_add_test(tcase, issue2_a_request_cut_off_anywhere_is_no_pkcs10);
    tcase_add_test(tcase, issue2_no_changed_octet_does_harm);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
