/* weak_key.c - RSA keys whose private half is known or found in no time
 * SPDX-License-Identifier: Apache-2.0
 */
#include "weak_key.h"

#include <stdlib.h>
#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "der.h"

#define FACTOR_MAX 751 /* a prime: SP 800-89 section 5.3.3 */
#define PRIMES 132     /* odd ones up to it */
#define ROCA_MAX 167   /* a prime: what M has of the shortest keys */
#define ROCA_GENERATOR 65537
#define FERMAT_ROUNDS 8

/* Octets: OpenSSL computes with no longer ones. */
#define MODULUS_MAX 2048

/* Octets of a digest in a list, and its digits. */
#define LISTED 10
#define LISTED_DIGITS (2 * LISTED)

#define UNTESTED "it cannot be tested: out of memory"
#define CLOSE "its factors are next to each other"

/* Neighbours among the primes, whose product is one word. */
typedef struct group_t {
    BN_ULONG product;
    int first, end;
} group_t;

/* A square has a square for its rest, by each of these. */
static const unsigned int square_moduli[] = { 9, 7, 5, 13, 11, 17, 19, 23 };
#define SQUARE_MODULI (sizeof(square_moduli) / sizeof(square_moduli[0]))
#define SQUARE_PRODUCT 334639305 /* of them all */

struct scep_weak_t {
    BIGNUM *product; /**< of all primes */
    unsigned int prime[PRIMES];
    group_t group[PRIMES];
    int groups;
    /** bit r of [i]: r is a power of the generator modulo prime[i] */
    apr_uint64_t powers[PRIMES][ROCA_MAX / 64 + 1];
    /** bit r of [i]: r is a square modulo square_moduli[i] */
    apr_uint64_t squares[SQUARE_MODULI];
    unsigned char *list; /**< sorted */
    apr_size_t listed;
};

/* The numbers of an RSA key. */
typedef struct rsa_t {
    scep_der_t n, e;
} rsa_t;

static int read_rsa(rsa_t *rsa, const unsigned char *spki, apr_size_t len)
{
    scep_der_t in = { spki, len }, info, parameters, bits, numbers;
    int nid;

    if (!scep_der_expect(&in, SCEP_DER_SEQUENCE, &info) ||
        !scep_der_algorithm(&info, &nid, &parameters) ||
        nid != NID_rsaEncryption ||
        !scep_der_expect(&info, SCEP_DER_BIT_STRING, &bits) || bits.len < 1)
        return 0;
    bits.at++;
    bits.len--;
    if (!scep_der_expect(&bits, SCEP_DER_SEQUENCE, &numbers) ||
        !scep_der_expect(&numbers, SCEP_DER_INTEGER, &rsa->n) ||
        !scep_der_expect(&numbers, SCEP_DER_INTEGER, &rsa->e))
        return 0;
    while (rsa->n.len > 1 && *rsa->n.at == 0) {
        rsa->n.at++;
        rsa->n.len--;
    }
    return rsa->n.len > 0;
}

/* ------------------------------------------------------------------ */
/* Made once                                                            */

static apr_status_t free_product(void *product)
{
    BN_free(product);
    return APR_SUCCESS;
}

static int is_prime(unsigned int odd)
{
    for (unsigned int d = 3; d * d <= odd; d += 2)
        if (odd % d == 0)
            return 0;
    return 1;
}

static void make_primes(scep_weak_t *weak)
{
    int n = 0;

    for (unsigned int odd = 3; odd <= FACTOR_MAX; odd += 2)
        if (is_prime(odd))
            weak->prime[n++] = odd;
    for (int i = 0; i < PRIMES; weak->groups++) {
        group_t *group = &weak->group[weak->groups];

        group->product = 1;
        group->first = i;
        while (i < PRIMES && group->product <= (BN_ULONG)-1 / weak->prime[i])
            group->product *= weak->prime[i++];
        group->end = i;
    }
}

static void make_residues(scep_weak_t *weak)
{
    for (int i = 0; i < PRIMES && weak->prime[i] <= ROCA_MAX; i++) {
        unsigned int prime = weak->prime[i], power = 1;

        do {
            weak->powers[i][power / 64] |= (apr_uint64_t)1 << power % 64;
            power = power * (ROCA_GENERATOR % prime) % prime;
        } while (power != 1);
    }
    for (size_t i = 0; i < SQUARE_MODULI; i++)
        for (unsigned int r = 0; r < square_moduli[i]; r++)
            weak->squares[i] |= (apr_uint64_t)1 << r * r % square_moduli[i];
}

apr_status_t scep_weak_create(scep_weak_t **weak, apr_pool_t *p)
{
    scep_weak_t *made = apr_pcalloc(p, sizeof(*made));
    int ok;

    make_primes(made);
    make_residues(made);
    made->product = BN_new();
    if (!made->product)
        return APR_ENOMEM;
    apr_pool_cleanup_register(p, made->product, free_product,
                              apr_pool_cleanup_null);
    ok = BN_one(made->product);
    for (int i = 0; ok && i < made->groups; i++)
        ok = BN_mul_word(made->product, made->group[i].product);
    ERR_clear_error();
    if (!ok)
        return APR_ENOMEM;
    *weak = made;
    return APR_SUCCESS;
}

/* ------------------------------------------------------------------ */
/* Lists                                                                */

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, LISTED);
}

/* Zero where a line is something else than digits. */
static int read_line(const char *line, apr_size_t len, unsigned char *octets)
{
    char text[LISTED_DIGITS + 1];
    size_t read = 0;

    if (len != LISTED_DIGITS)
        return 0;
    memcpy(text, line, len);
    text[len] = '\0';
    return strspn(text, "0123456789abcdefABCDEF") == len &&
           OPENSSL_hexstr2buf_ex(octets, LISTED, &read, text, '\0') == 1;
}

const char *scep_weak_add(scep_weak_t *weak, const char *text, apr_size_t len,
                          apr_pool_t *p)
{
    apr_size_t room = weak->listed + len / LISTED_DIGITS + 1, n = weak->listed;
    unsigned char *list = apr_palloc(p, room * LISTED);
    const char *end = text + len;

    if (n > 0)
        memcpy(list, weak->list, n * LISTED);
    for (int line = 1; text < end; line++) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *next = newline ? newline + 1 : end;
        const char *stop = newline ? newline : end;

        while (stop > text && apr_isspace(stop[-1]))
            stop--;
        if (stop > text && *text != '#' &&
            !read_line(text, (apr_size_t)(stop - text), list + n++ * LISTED))
            return apr_psprintf(p,
                                "line %d is no %d hexadecimal digits: lists "
                                "are of the form of openssl-blacklist",
                                line, LISTED_DIGITS);
        text = next;
    }
    qsort(list, n, LISTED, compare);
    weak->list = list;
    weak->listed = n;
    return NULL;
}

apr_size_t scep_weak_listed(const scep_weak_t *weak)
{
    return weak->listed;
}

/* In the words of "openssl rsa -modulus", which leaves out a zero in front. */
static apr_size_t write_modulus(char *text, const scep_der_t *n)
{
    static const char digits[] = "0123456789ABCDEF";
    char *out = text;

    memcpy(out, "Modulus=", 8);
    out += 8;
    for (apr_size_t i = 0; i < n->len; i++) {
        if (i > 0 || n->at[i] > 15)
            *out++ = digits[n->at[i] >> 4];
        *out++ = digits[n->at[i] & 15];
    }
    *out++ = '\n';
    return (apr_size_t)(out - text);
}

static int is_listed(const scep_weak_t *weak, const scep_der_t *n)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    char text[8 + 2 * MODULUS_MAX + 1];

    return weak->listed > 0 && n->len <= MODULUS_MAX &&
           EVP_Digest(text, write_modulus(text, n), digest, NULL, EVP_sha1(),
                      NULL) == 1 &&
           bsearch(digest + 20 - LISTED, weak->list, weak->listed, LISTED,
                   compare) != NULL;
}

/* ------------------------------------------------------------------ */
/* Tests                                                                */

/*
 * By the rests of the modulus.  A prime that Infineon's library makes is a
 * power of 65537 modulo the product of small primes, and so is the modulus;
 * of 2^30 others one is (Nemec, Sys, Svenda, Klinec, Matyas: The Return of
 * Coppersmith's Attack, 2017, section 2.4).
 */
static const char *test_rests(const scep_weak_t *weak, const BIGNUM *n,
                              BN_CTX *ctx)
{
    BIGNUM *rest = BN_CTX_get(ctx);
    int roca = 1;

    /* first by all of them at once, so that the others have less to do */
    if (!rest || !BN_mod(rest, n, weak->product, ctx))
        return UNTESTED;
    for (int g = 0; g < weak->groups; g++) {
        const group_t *group = &weak->group[g];
        BN_ULONG some = BN_mod_word(rest, group->product);

        for (int i = group->first; i < group->end; i++) {
            unsigned int r = (unsigned int)(some % weak->prime[i]);

            if (r == 0)
                return "its modulus has a small factor";
            if (roca && weak->prime[i] <= ROCA_MAX)
                roca = (int)(weak->powers[i][r / 64] >> r % 64 & 1);
        }
    }
    return roca ? "an Infineon chip has made it, and its private key can be "
                  "computed (ROCA)"
                : NULL;
}

/*
 * The whole part of a square root, by Newton's method; each step doubles the
 * digits that are right, and none computes with more than it needs.
 */
static int whole_root(BIGNUM *root, const BIGNUM *n, BN_CTX *ctx)
{
    BIGNUM *part = BN_CTX_get(ctx);
    int c = (BN_num_bits(n) - 1) / 2, d = 0, s = 0, ok;

    while (c >> s > 0)
        s++;
    ok = part && BN_one(root);
    while (ok && --s >= 0) {
        int e = d;

        d = c >> s;
        ok = BN_rshift(part, n, 2 * c - e - d + 1) &&
             BN_div(part, NULL, part, root, ctx) &&
             BN_lshift(root, root, d - e - 1) && BN_add(root, root, part);
    }
    ok = ok && BN_sqr(part, root, ctx);
    if (ok && BN_cmp(part, n) > 0)
        ok = BN_sub_word(root, 1);
    return ok;
}

static int is_square(const scep_weak_t *weak, const BIGNUM *n, BIGNUM *root,
                     BIGNUM *square, BN_CTX *ctx)
{
    BN_ULONG some = BN_mod_word(n, SQUARE_PRODUCT);

    for (size_t i = 0; i < SQUARE_MODULI; i++)
        if (!(weak->squares[i] >> some % square_moduli[i] & 1))
            return 0;
    return whole_root(root, n, ctx) && BN_sqr(square, root, ctx) &&
           BN_cmp(square, n) == 0;
}

/* n = (a - b)(a + b), with the first numbers for a above its root. */
static const char *test_root(const scep_weak_t *weak, const BIGNUM *n,
                             BN_CTX *ctx)
{
    BIGNUM *a = BN_CTX_get(ctx), *b2 = BN_CTX_get(ctx);
    BIGNUM *root = BN_CTX_get(ctx), *square = BN_CTX_get(ctx);
    int close = 0, ok;

    ok = square && whole_root(a, n, ctx) && BN_sqr(b2, a, ctx);
    if (ok && BN_cmp(b2, n) == 0)
        return CLOSE;
    ok = ok && BN_add_word(a, 1) && BN_sqr(b2, a, ctx) && BN_sub(b2, b2, n) &&
         BN_lshift1(a, a) && BN_add_word(a, 1);
    for (int i = 0; ok && !close && i < FERMAT_ROUNDS; i++) {
        close = is_square(weak, b2, root, square, ctx);
        /* (a + 1)^2 = a^2 + 2a + 1 */
        ok = BN_add(b2, b2, a) && BN_add_word(a, 2);
    }
    return close ? CLOSE : ok ? NULL : UNTESTED;
}

const char *scep_weak_key(const scep_weak_t *weak, const unsigned char *spki,
                          apr_size_t len)
{
    const char *fault = UNTESTED;
    BN_CTX *ctx;
    BIGNUM *n;
    rsa_t rsa;

    if (!read_rsa(&rsa, spki, len))
        return NULL;
    if (is_listed(weak, &rsa.n))
        return "it is on a list of known keys";
    ctx = BN_CTX_new();
    if (!ctx)
        return UNTESTED;
    BN_CTX_start(ctx);
    n = BN_CTX_get(ctx);
    if (n && BN_bin2bn(rsa.n.at, (int)rsa.n.len, n))
        fault = test_rests(weak, n, ctx);
    if (!fault)
        fault = test_root(weak, n, ctx);
    BN_CTX_end(ctx);
    BN_CTX_free(ctx);
    ERR_clear_error();
    return fault;
}

apr_uint64_t scep_weak_exponent(const unsigned char *spki, apr_size_t len)
{
    apr_uint64_t e = 0;
    rsa_t rsa;

    if (!read_rsa(&rsa, spki, len))
        return 0;
    for (apr_size_t i = 0; i < rsa.e.len; i++) {
        if (e >> 56)
            return 0;
        e = e << 8 | rsa.e.at[i];
    }
    return e;
}
