/* static.c - the commands "static ...": secrets for ScepStaticSecrets
 * SPDX-License-Identifier: Apache-2.0
 */
#include "scepctl.h"

#include <apr_strings.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <stdio.h>
#include <string.h>

#include "core/static_secret.h"
#include "output.h"
#include "secret_input.h"

#define SALT_LEN 16

/* Of a secret that is made here: 128 bits, as those of a challenge. */
#define MADE_LEN 16

/* Below this many characters a guess may find it; but old devices have what
 * they have. */
#define SECRET_SHORT 12

const ctl_option_t ctl_static_hash_options[] = {
    { "name", "NAME", "what the secret is called in log and metrics", NULL,
      0 },
    { "not-before", "TIME", "from when it is good: 2027-03-31, or with a time",
      NULL, 0 },
    { "not-after", "TIME", "until when it is good: that day or second, too",
      NULL, 0 },
    { "network", "CIDR", "for clients of this network", NULL, 1 },
    { "limit", "N", "for so many certificates a day", NULL, 0 },
    { "generate", NULL, "make a secret and print it to standard error, once",
      NULL, 0 },
    { "cost", "LN", "2^LN KiB of memory for a hash, with r=8 (15)", NULL, 0 },
    { NULL, NULL, NULL, NULL, 0 }
};

static const char *read_cost(const ctl_t *ctl, scep_scrypt_t *cost)
{
    const char *text = ctl_option(ctl, "cost");
    char *end;
    apr_int64_t ln = text ? apr_strtoi64(text, &end, 10) : cost->ln;

    if (text && (*end || ln < 1 || ln > 30))
        return "--cost is a number, such as 15";
    cost->ln = (unsigned int)ln;
    return scep_static_secret_check_cost(cost);
}

/* Puts the options behind the hash, in the form of the file. */
static const char *line_of(const ctl_t *ctl, const char *hash)
{
    const apr_array_header_t *networks = ctl_option_all(ctl, "network");
    const char *before = ctl_option(ctl, "not-before");
    const char *after = ctl_option(ctl, "not-after");
    const char *limit = ctl_option(ctl, "limit");
    const char *line =
        apr_pstrcat(ctl->p, ctl_option(ctl, "name"), " ", hash, NULL);

    if (before)
        line = apr_pstrcat(ctl->p, line, " not-before=", before, NULL);
    if (after)
        line = apr_pstrcat(ctl->p, line, " not-after=", after, NULL);
    if (networks) {
        line = apr_pstrcat(ctl->p, line, " network=",
                           apr_array_pstrcat(ctl->p, networks, ','), NULL);
    }
    return limit ? apr_pstrcat(ctl->p, line, " limit=", limit, "/d", NULL)
                 : line;
}

/* A value with white space in it would be several words of the line. */
static const char *check_words(const ctl_t *ctl)
{
    for (const ctl_option_t *option = ctl_static_hash_options; option->name;
         option++) {
        const char *value = ctl_option(ctl, option->name);

        if (value && strpbrk(value, " \t\r\n")) {
            return apr_psprintf(ctl->p, "--%s has a space in it",
                                option->name);
        }
    }
    return NULL;
}

/* Before anybody is asked for a secret. */
static const char *check_options(const ctl_t *ctl, scep_scrypt_t *cost)
{
    static const char any[] = "$scrypt$ln=15,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$"
                              "AAAAAAAAAAAAAAAAAAAAAA";
    scep_static_secret_t *secret = NULL;
    const char *err;

    if (!ctl_option(ctl, "name"))
        return "say with --name what it is called";
    err = check_words(ctl);
    if (!err)
        err = read_cost(ctl, cost);
    if (!err)
        err = scep_static_secret_parse(&secret, line_of(ctl, any), ctl->p);
    /* a line that begins with a '#' says nothing */
    return err || secret ? err : "--name begins with a '#'";
}

static const char *make(ctl_t *ctl, char **secret)
{
    unsigned char random[MADE_LEN];
    char *text = apr_palloc(ctl->p, 2 * MADE_LEN + 1);

    if (RAND_bytes(random, sizeof(random)) != 1)
        return "there is no randomness";
    for (int i = 0; i < MADE_LEN; i++)
        apr_snprintf(text + 2 * i, 3, "%02X", random[i]);
    OPENSSL_cleanse(random, sizeof(random));
    fprintf(stderr, "The secret, which is shown this once: %s\n", text);
    *secret = text;
    return NULL;
}

ctl_status_t ctl_static_hash(ctl_t *ctl)
{
    scep_scrypt_t cost = SCEP_SCRYPT_DEFAULT;
    unsigned char salt[SALT_LEN];
    const char *err = check_options(ctl, &cost), *hash;
    char *secret = NULL;
    json_t *object;

    if (!err) {
        err = ctl_option(ctl, "generate") ? make(ctl, &secret)
                                          : ctl_secret_new(ctl, &secret);
    }
    if (!err && strlen(secret) < SECRET_SHORT) {
        ctl_complain(ctl,
                     "a secret of fewer than %d characters can be "
                     "guessed; better one is made with --generate",
                     SECRET_SHORT);
    }
    if (!err && (RAND_bytes(salt, sizeof(salt)) != 1 ||
                 scep_static_secret_hash(&hash, secret, &cost, salt,
                                         sizeof(salt), ctl->p) != APR_SUCCESS))
        err = "the hash cannot be computed";
    if (secret)
        OPENSSL_cleanse(secret, strlen(secret));
    if (err) {
        ctl_complain(ctl, "%s", err);
        return CTL_USAGE;
    }
    if (ctl_option(ctl, "json")) {
        object = json_pack("{s:s, s:s}", "name", ctl_option(ctl, "name"),
                           "line", line_of(ctl, hash));
        ctl_output_object(ctl, object);
        json_decref(object);
    } else {
        printf("%s\n", line_of(ctl, hash));
    }
    return CTL_DONE;
}
