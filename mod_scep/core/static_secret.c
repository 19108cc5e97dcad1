/* static_secret.c - shared secrets in a file, as salted scrypt hashes
 * SPDX-License-Identifier: Apache-2.0
 */
#include "static_secret.h"

#include <apr_strings.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>

#include <errno.h>
#include <string.h>

#include "network.h"

#define SCHEME "$scrypt$"

/* What one hash may take: what passlib does by default, and not gigabytes
 * because of a slip of the pen. */
#define MEMORY_MAX (UINT64_C(64) << 20)
#define WORK_MAX (UINT64_C(256) << 20)

#define SALT_MIN 8
#define HASH_MIN 16
#define HASH_MADE 32
#define LIMIT_MAX 1000000

/* Of the longest salt or hash, with a NUL. */
#define BASE64_SIZE ((SCEP_STATIC_SALT_MAX + 2) / 3 * 4 + 1)

_Static_assert(SCEP_STATIC_HASH_MAX <= SCEP_STATIC_SALT_MAX,
               "a hash in base64 has to fit");

const char *scep_static_secret_check_cost(const scep_scrypt_t *cost)
{
    apr_uint64_t memory;

    if (cost->ln < 1 || cost->r < 1 || cost->p < 1)
        return "ln, r and p of a hash are 1 at least";
    /* RFC 7914 section 2: N is below 2^(128 * r / 8) */
    if (cost->ln > 30 || cost->r > 1024 || cost->p > 16 ||
        cost->ln >= 16 * cost->r)
        return "ln, r or p of a hash is too large";
    memory = (UINT64_C(128) * cost->r) << cost->ln;
    if (memory > MEMORY_MAX)
        return "a hash with these ln and r takes more than 64 MiB of memory";
    if (memory * cost->p > WORK_MAX)
        return "a hash with these ln, r and p takes too much time";
    return NULL;
}

/* ------------------------------------------------------------------ */
/* Reading a line                                                       */

static int skip(const char **at, const char *word)
{
    size_t len = strlen(word);

    if (strncmp(*at, word, len))
        return 0;
    *at += len;
    return 1;
}

/* A decimal number without leading zeros. */
static int read_number(const char **at, unsigned int *value)
{
    size_t digits = strspn(*at, "0123456789");

    if (digits < 1 || digits > 9 || (**at == '0' && digits > 1))
        return 0;
    *value = (unsigned int)apr_atoi64(*at);
    *at += digits;
    return 1;
}

/* Two digits, or four for a year. */
static int read_digits(const char **at, int digits, int *value)
{
    *value = 0;
    for (int i = 0; i < digits; i++, (*at)++) {
        if (**at < '0' || **at > '9')
            return 0;
        *value = 10 * *value + (**at - '0');
    }
    return 1;
}

/* Writes base64 without padding and a NUL; APR would write base64url. */
static void write_base64(char *text, const unsigned char *octets,
                         apr_size_t len)
{
    EVP_EncodeBlock((unsigned char *)text, octets, (int)len);
    text[strcspn(text, "=")] = '\0';
}

/* Octets in base64 without padding, up to a '$' or the end. */
static int read_base64(const char **at, unsigned char *octets,
                       apr_size_t *octets_len, apr_size_t least,
                       apr_size_t most)
{
    size_t len = strcspn(*at, "$"), size = len * 3 / 4;
    unsigned char padded[BASE64_SIZE], room[BASE64_SIZE];
    char again[BASE64_SIZE];

    if (size < least || size > most)
        return 0;
    memset(padded, '=', sizeof(padded));
    memcpy(padded, *at, len);
    if (EVP_DecodeBlock(room, padded, (int)(len + 3) / 4 * 4) < 0)
        return 0;
    /* The decoder takes padding and stray bits, too. */
    write_base64(again, room, size);
    if (strlen(again) != len || memcmp(again, *at, len))
        return 0;
    memcpy(octets, room, size);
    *octets_len = size;
    *at += len;
    return 1;
}

static const char *read_hash(scep_static_secret_t *secret, const char *text)
{
    scep_scrypt_t *cost = &secret->cost;
    const char *err;

    if (!skip(&text, SCHEME "ln=") || !read_number(&text, &cost->ln) ||
        !skip(&text, ",r=") || !read_number(&text, &cost->r) ||
        !skip(&text, ",p=") || !read_number(&text, &cost->p) ||
        !skip(&text, "$")) {
        return "after the name stands the hash, $scrypt$ln=15,r=8,p=1$..., "
               "as \"scepctl static hash\" makes it";
    }
    err = scep_static_secret_check_cost(cost);
    if (err)
        return err;
    if (!read_base64(&text, secret->salt, &secret->salt_len, SALT_MIN,
                     SCEP_STATIC_SALT_MAX) ||
        !skip(&text, "$"))
        return "the salt is no base64 of 8 to 64 octets without padding";
    if (!read_base64(&text, secret->hash, &secret->hash_len, HASH_MIN,
                     SCEP_STATIC_HASH_MAX) ||
        *text)
        return "the hash is no base64 of 16 to 64 octets without padding";
    return NULL;
}

/* The offset of RFC 3339, in seconds: "Z" or "+01:00". */
static int read_offset(const char **at, apr_int32_t *offset)
{
    int sign = **at == '-' ? -1 : 1, hours, minutes;

    *offset = 0;
    if (skip(at, "Z") || skip(at, "z"))
        return 1;
    if ((!skip(at, "+") && !skip(at, "-")) || !read_digits(at, 2, &hours) ||
        !skip(at, ":") || !read_digits(at, 2, &minutes) || hours > 23 ||
        minutes > 59)
        return 0;
    *offset = sign * (hours * 3600 + minutes * 60);
    return 1;
}

/* An hour, minute and second behind a date. */
static int read_clock(const char **at, apr_time_exp_t *parts)
{
    return (skip(at, "T") || skip(at, "t")) &&
           read_digits(at, 2, &parts->tm_hour) && skip(at, ":") &&
           read_digits(at, 2, &parts->tm_min) && skip(at, ":") &&
           read_digits(at, 2, &parts->tm_sec) &&
           read_offset(at, &parts->tm_gmtoff);
}

/* Counts in what the time names: a second, or the whole day of a date. */
static const char *read_time(const char *text, int to_its_end,
                             apr_time_t *time)
{
    static const char err[] = "a time is written 2027-03-31 or "
                              "2027-03-31T12:00:00Z";
    apr_time_exp_t parts = { 0 }, again;
    apr_interval_time_t length = apr_time_from_sec(86400);

    if (!read_digits(&text, 4, &parts.tm_year) || !skip(&text, "-") ||
        !read_digits(&text, 2, &parts.tm_mon) || !skip(&text, "-") ||
        !read_digits(&text, 2, &parts.tm_mday))
        return err;
    if (*text) {
        length = apr_time_from_sec(1);
        if (!read_clock(&text, &parts) || *text)
            return err;
    }
    if (parts.tm_year < 1971 || parts.tm_mon < 1)
        return "there is no such day";
    parts.tm_year -= 1900;
    parts.tm_mon -= 1;
    /* What is too large is carried over silently: a 31st of February. */
    if (apr_time_exp_gmt_get(time, &parts) != APR_SUCCESS ||
        apr_time_exp_tz(&again, *time, parts.tm_gmtoff) != APR_SUCCESS ||
        again.tm_mday != parts.tm_mday || again.tm_mon != parts.tm_mon ||
        again.tm_hour != parts.tm_hour || again.tm_min != parts.tm_min ||
        again.tm_sec != parts.tm_sec)
        return "there is no such day or hour";
    if (to_its_end)
        *time += length;
    return NULL;
}

static const char *read_networks(scep_static_secret_t *secret, char *text,
                                 apr_pool_t *p)
{
    apr_array_header_t *networks =
        apr_array_make(p, 2, sizeof(scep_network_t));
    char *state = NULL, *word;
    const char *err = NULL;

    for (word = apr_strtok(text, ",", &state); word && !err;
         word = apr_strtok(NULL, ",", &state))
        err = scep_network_parse(apr_array_push(networks), word, p);
    if (!err && networks->nelts == 0)
        err = "network= names none";
    secret->networks = networks;
    return err;
}

static const char *read_limit(scep_static_secret_t *secret, const char *text)
{
    unsigned int limit = 0;

    if (!read_number(&text, &limit) || strcmp(text, "/d") || limit < 1 ||
        limit > LIMIT_MAX)
        return "a limit is written 100/d, from 1 to 1000000 a day";
    secret->limit = limit;
    return NULL;
}

static const char *read_option(scep_static_secret_t *secret, char *word,
                               apr_pool_t *p)
{
    static const char twice[] = "not-before=, not-after=, network= and limit= "
                                "may stand there once each";
    const char *at = word;

    if (skip(&at, "not-before="))
        return secret->not_before ? twice
                                  : read_time(at, 0, &secret->not_before);
    if (skip(&at, "not-after="))
        return secret->not_after ? twice
                                 : read_time(at, 1, &secret->not_after);
    if (skip(&at, "network="))
        return secret->networks ? twice
                                : read_networks(secret, word + (at - word), p);
    if (skip(&at, "limit="))
        return secret->limit ? twice : read_limit(secret, at);
    return "behind the hash may stand not-before=, not-after=, network= and "
           "limit=";
}

static int is_name(const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    size_t len = strlen(text);

    return len <= SCEP_STATIC_NAME_MAX && strspn(text, letters) == len;
}

const char *scep_static_use_text(const char *name, apr_time_t ends,
                                 apr_pool_t *p)
{
    return apr_psprintf(p, "%s %" APR_TIME_T_FMT, name, ends);
}

int scep_static_use_parse(const char **name, apr_time_t *ends,
                          const char *text, apr_pool_t *p)
{
    const char *blank = strchr(text, ' ');
    char *end;

    /* a number as it is written: no sign, no blanks */
    if (!blank || blank == text || strspn(blank + 1, "0123456789") == 0)
        return 0;
    *name = apr_pstrmemdup(p, text, (apr_size_t)(blank - text));
    errno = 0;
    *ends = apr_strtoi64(blank + 1, &end, 10);
    return is_name(*name) && !errno && !*end;
}

const char *scep_static_secret_parse(scep_static_secret_t **secret,
                                     const char *line, apr_pool_t *p)
{
    static const char space[] = " \t\r";
    scep_static_secret_t *made;
    char *state = NULL, *word;
    const char *err;

    *secret = NULL;
    word = apr_strtok(apr_pstrdup(p, line), space, &state);
    if (!word || *word == '#')
        return NULL;
    if (!is_name(word)) {
        return "a line begins with a name of letters, digits, '-', '_' and "
               "'.', 64 at most";
    }
    made = apr_pcalloc(p, sizeof(*made));
    made->name = word;
    word = apr_strtok(NULL, space, &state);
    err = read_hash(made, word ? word : "");
    while (!err && (word = apr_strtok(NULL, space, &state)))
        err = read_option(made, word, p);
    if (!err && made->not_before && made->not_after &&
        made->not_before >= made->not_after)
        err = "not-after is before not-before";
    if (!err)
        *secret = made;
    return err;
}

/* ------------------------------------------------------------------ */
/* Hashing                                                              */

static apr_status_t derive(unsigned char *out, apr_size_t out_len,
                           const char *text, const scep_scrypt_t *cost,
                           const unsigned char *salt, apr_size_t salt_len)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "SCRYPT", NULL);
    EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    uint64_t n = UINT64_C(1) << cost->ln, memory = 2 * MEMORY_MAX;
    uint32_t r = cost->r, p = cost->p;
    OSSL_PARAM params[] = {
        OSSL_PARAM_octet_string(OSSL_KDF_PARAM_PASSWORD, (void *)text,
                                strlen(text)),
        OSSL_PARAM_octet_string(OSSL_KDF_PARAM_SALT, (void *)salt, salt_len),
        OSSL_PARAM_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
        OSSL_PARAM_uint32(OSSL_KDF_PARAM_SCRYPT_R, &r),
        OSSL_PARAM_uint32(OSSL_KDF_PARAM_SCRYPT_P, &p),
        OSSL_PARAM_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &memory),
        OSSL_PARAM_END
    };
    int done = ctx && EVP_KDF_derive(ctx, out, out_len, params) == 1;

    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    ERR_clear_error();
    return done ? APR_SUCCESS : APR_EGENERAL;
}

apr_status_t scep_static_secret_hash(const char **hash, const char *text,
                                     const scep_scrypt_t *cost,
                                     const unsigned char *salt,
                                     apr_size_t salt_len, apr_pool_t *p)
{
    unsigned char out[HASH_MADE];
    char salt_text[BASE64_SIZE], out_text[BASE64_SIZE];

    if (salt_len < SALT_MIN || salt_len > SCEP_STATIC_SALT_MAX ||
        scep_static_secret_check_cost(cost))
        return APR_EINVAL;
    if (derive(out, sizeof(out), text, cost, salt, salt_len) != APR_SUCCESS)
        return APR_EGENERAL;
    write_base64(salt_text, salt, salt_len);
    write_base64(out_text, out, sizeof(out));
    *hash = apr_psprintf(p, SCHEME "ln=%u,r=%u,p=%u$%s$%s", cost->ln, cost->r,
                         cost->p, salt_text, out_text);
    return APR_SUCCESS;
}

apr_status_t scep_static_secret_verify(const scep_static_secret_t *secret,
                                       const char *text, int *same)
{
    unsigned char out[SCEP_STATIC_HASH_MAX];
    apr_status_t rv = derive(out, secret->hash_len, text, &secret->cost,
                             secret->salt, secret->salt_len);

    if (rv == APR_SUCCESS)
        *same = CRYPTO_memcmp(out, secret->hash, secret->hash_len) == 0;
    OPENSSL_cleanse(out, sizeof(out));
    return rv;
}

const char *scep_static_secret_refusal(const scep_static_secret_t *secret,
                                       const unsigned char *address,
                                       apr_time_t now)
{
    int inside = secret->networks == NULL;

    if (secret->not_before && now < secret->not_before)
        return "its time has not come";
    if (secret->not_after && now >= secret->not_after)
        return "its time is over";
    for (int i = 0; !inside && address && i < secret->networks->nelts; i++) {
        inside = scep_network_contains(&APR_ARRAY_IDX(secret->networks, i,
                                                      scep_network_t),
                                       address);
    }
    return inside ? NULL : "it is not for the client's network";
}
