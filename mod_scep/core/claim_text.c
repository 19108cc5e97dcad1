/* claim_text.c - a claim of a challenge as text
 * SPDX-License-Identifier: Apache-2.0
 *
 * The id and the two words of the token, 16 hexadecimal digits each, with
 * blanks between.
 */
#include "claim_text.h"

#include <apr_strings.h>
#include <openssl/crypto.h>

#define DIGITS 16

const char *scep_claim_text(const scep_challenge_claim_t *claim, apr_pool_t *p)
{
    return apr_psprintf(p,
                        "%s %016" APR_UINT64_T_HEX_FMT
                        " %016" APR_UINT64_T_HEX_FMT,
                        claim->id, claim->token[0], claim->token[1]);
}

/** Reads one number and what has to stand after it. */
static int read_word(const char **text, char after, apr_uint64_t *word)
{
    *word = 0;
    for (int i = 0; i < DIGITS; i++) {
        int digit = OPENSSL_hexchar2int((unsigned char)**text);

        if (digit < 0)
            return 0;
        *word = *word << 4 | (apr_uint64_t)digit;
        (*text)++;
    }
    if (**text != after)
        return 0;
    (*text)++;
    return 1;
}

int scep_claim_parse(scep_challenge_claim_t *claim, const char *text)
{
    const char *at = text;
    apr_uint64_t id;

    if (!read_word(&at, ' ', &id) || !read_word(&at, ' ', &claim->token[0]) ||
        !read_word(&at, '\0', &claim->token[1]))
        return 0;
    apr_cpystrn(claim->id, text, sizeof(claim->id));
    return 1;
}
