/* challenge_digest.c - what a database may know of a challenge's texts
 * SPDX-License-Identifier: Apache-2.0
 */
#include "challenge_digest.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

#include <string.h>

static const char hex[] = "0123456789abcdef";

const char *scep_challenge_digest(const unsigned char key[SCEP_TABLE_KEY_LEN],
                                  scep_digest_kind_t kind, const char *text,
                                  unsigned int digits, apr_pool_t *p)
{
    apr_size_t len = strlen(text), mac_len = 0;
    unsigned char *labelled = apr_palloc(p, len + 1);
    unsigned char mac[SCEP_TABLE_MAC_LEN];
    char *made = apr_pcalloc(p, digits + 1);

    labelled[0] = (unsigned char)kind;
    memcpy(labelled + 1, text, len);
    if (!EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key, SCEP_TABLE_KEY_LEN,
                   labelled, len + 1, mac, sizeof(mac), &mac_len))
        made = NULL;
    OPENSSL_cleanse(labelled, len + 1);
    ERR_clear_error();
    for (unsigned int i = 0; made && i < digits; i++)
        made[i] = hex[i % 2 ? mac[i / 2] & 15 : mac[i / 2] >> 4];
    return made;
}

const char *scep_challenge_escape(const char *text, apr_size_t max,
                                  apr_pool_t *p)
{
    apr_size_t len = text ? strlen(text) : 0;
    char *made, *to;

    if (len > max) {
        len = max;
        while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
            len--;
    }
    made = to = apr_palloc(p, 3 * len + 1);
    for (apr_size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c >= 0x20 && c < 0x7f && c != '%') {
            *to++ = (char)c;
        } else {
            *to++ = '%';
            *to++ = hex[c >> 4];
            *to++ = hex[c & 15];
        }
    }
    *to = '\0';
    return made;
}

void scep_challenge_unescape(char *to, apr_size_t size, const char *text)
{
    for (; size > 1 && *text; size--) {
        int high =
            *text == '%' ? OPENSSL_hexchar2int((unsigned char)text[1]) : -1;
        int low = high < 0 ? -1 : OPENSSL_hexchar2int((unsigned char)text[2]);

        *to++ = low < 0 ? *text : (char)(high << 4 | low);
        text += low < 0 ? 1 : 3;
    }
    *to = '\0';
}
