/* loaded.c - which configuration this is
 * SPDX-License-Identifier: Apache-2.0
 */
#include "loaded.h"

#include <apr_strings.h>
#include <openssl/err.h>
#include <openssl/evp.h>

/* No others: passwords may stand in them, and whoever knows the rest could
 * try out which one gives this digest. */
static int is_ours(const char *name)
{
    static const char *const begins[] = { "Scep", "<Scep", "SetHandler",
                                          "Require", "<Require" };

    for (size_t i = 0; i < sizeof(begins) / sizeof(*begins); i++)
        if (!strncasecmp(name, begins[i], strlen(begins[i])))
            return 1;
    return 0;
}

static int has_ours(const ap_directive_t *directive)
{
    for (; directive; directive = directive->next)
        if (is_ours(directive->directive) || has_ours(directive->first_child))
            return 1;
    return 0;
}

static int put(EVP_MD_CTX *ctx, const char *text)
{
    return EVP_DigestUpdate(ctx, text, strlen(text)) == 1;
}

static int put_tree(EVP_MD_CTX *ctx, const ap_directive_t *directive)
{
    int good = 1;

    for (; good && directive; directive = directive->next) {
        if (!is_ours(directive->directive) &&
            !has_ours(directive->first_child))
            continue;
        good = put(ctx, directive->directive) && put(ctx, " ") &&
               put(ctx, directive->args ? directive->args : "") &&
               put(ctx, "\n") &&
               (!directive->first_child ||
                (put_tree(ctx, directive->first_child) && put(ctx, ">\n")));
    }
    return good;
}

const char *mod_scep_loaded_digest(apr_pool_t *p)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    const char *text = "";

    if (!ctx || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1 ||
        !put_tree(ctx, ap_conftree) ||
        EVP_DigestFinal_ex(ctx, digest, &len) != 1)
        len = 0;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    for (unsigned int i = 0; i < len; i++)
        text = apr_psprintf(p, "%s%02x", text, digest[i]);
    return text;
}
