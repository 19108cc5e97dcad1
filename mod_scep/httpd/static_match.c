/* static_match.c - which of a profile's static secrets a challenge is
 * SPDX-License-Identifier: Apache-2.0
 *
 * A fleet that has one secret would pay for a hash with every request, so a
 * process remembers which challenges have matched, as HMACs under a key that
 * ends with it.  Wrong guesses are never remembered and always pay.
 */
#include "static_match.h"

#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

/* Challenges that a process hashes at a time, and how long others wait. */
#define AT_ONCE 2
#define PATIENCE apr_time_from_sec(2)

#define MAC_SIZE 32

_Static_assert(SCEP_STATIC_SECRETS_MAX <= 32,
               "scep_matches_t has a bit for each");

typedef struct memory_t {
    int known;
    unsigned char mac[MAC_SIZE]; /**< of the challenge that matches */
} memory_t;

struct scep_static_matcher_t {
    const apr_array_header_t *secrets;
    unsigned char key[MAC_SIZE]; /**< random, of this process */
    apr_thread_mutex_t *mutex;   /**< over memories */
    memory_t memories[SCEP_STATIC_SECRETS_MAX];
};

/* One for all profiles: the memory that hashing takes is the process's. */
static struct {
    apr_thread_mutex_t *mutex;
    apr_thread_cond_t *left;
    int inside;
} gate;

scep_static_matcher_t *mod_scep_static_match_create(
    const apr_array_header_t *secrets, apr_pool_t *p)
{
    scep_static_matcher_t *matcher = apr_pcalloc(p, sizeof(*matcher));

    matcher->secrets = secrets;
    return matcher;
}

static apr_status_t close_gate(void *data)
{
    (void)data;
    gate.mutex = NULL;
    return APR_SUCCESS;
}

static apr_status_t open_gate(apr_pool_t *p)
{
    apr_status_t rv =
        apr_thread_mutex_create(&gate.mutex, APR_THREAD_MUTEX_DEFAULT, p);

    if (rv == APR_SUCCESS)
        rv = apr_thread_cond_create(&gate.left, p);
    gate.inside = 0;
    apr_pool_cleanup_register(p, NULL, close_gate, apr_pool_cleanup_null);
    return rv;
}

static apr_status_t forget(void *data)
{
    scep_static_matcher_t *matcher = data;

    OPENSSL_cleanse(matcher->key, sizeof(matcher->key));
    OPENSSL_cleanse(matcher->memories, sizeof(matcher->memories));
    return APR_SUCCESS;
}

apr_status_t mod_scep_static_match_child_init(scep_static_matcher_t *matcher,
                                              apr_pool_t *p)
{
    apr_status_t rv = gate.mutex ? APR_SUCCESS : open_gate(p);

    if (rv == APR_SUCCESS) {
        rv = apr_thread_mutex_create(&matcher->mutex, APR_THREAD_MUTEX_DEFAULT,
                                     p);
    }
    if (RAND_bytes(matcher->key, sizeof(matcher->key)) != 1) {
        ERR_clear_error();
        return APR_EGENERAL;
    }
    apr_pool_cleanup_register(p, matcher, forget, apr_pool_cleanup_null);
    return rv;
}

static int enter_gate(void)
{
    apr_time_t end = apr_time_now() + PATIENCE;
    apr_interval_time_t left = PATIENCE;
    int entered;

    apr_thread_mutex_lock(gate.mutex);
    while (gate.inside >= AT_ONCE && left > 0) {
        apr_thread_cond_timedwait(gate.left, gate.mutex, left);
        left = end - apr_time_now();
    }
    entered = gate.inside < AT_ONCE;
    gate.inside += entered;
    apr_thread_mutex_unlock(gate.mutex);
    return entered;
}

static void leave_gate(void)
{
    apr_thread_mutex_lock(gate.mutex);
    gate.inside--;
    apr_thread_cond_signal(gate.left);
    apr_thread_mutex_unlock(gate.mutex);
}

static int digest(const scep_static_matcher_t *matcher, const char *challenge,
                  unsigned char mac[MAC_SIZE])
{
    unsigned int len = MAC_SIZE;
    int done = HMAC(EVP_sha256(), matcher->key, sizeof(matcher->key),
                    (const unsigned char *)challenge, strlen(challenge), mac,
                    &len) != NULL;

    ERR_clear_error();
    return done;
}

static void remember(scep_static_matcher_t *matcher, const char *challenge,
                     scep_matches_t matches)
{
    unsigned char mac[MAC_SIZE];

    if (!matches || !digest(matcher, challenge, mac))
        return;
    apr_thread_mutex_lock(matcher->mutex);
    for (int i = 0; i < matcher->secrets->nelts; i++) {
        memory_t *memory = &matcher->memories[i];

        if (matches & (scep_matches_t)1 << i) {
            memcpy(memory->mac, mac, sizeof(mac));
            memory->known = 1;
        }
    }
    apr_thread_mutex_unlock(matcher->mutex);
}

apr_status_t mod_scep_static_match_try(scep_static_matcher_t *matcher,
                                       const char *challenge,
                                       scep_matches_t *matches)
{
    apr_status_t rv = APR_SUCCESS;

    *matches = 0;
    if (!enter_gate())
        return APR_EAGAIN;
    for (int i = 0; rv == APR_SUCCESS && i < matcher->secrets->nelts; i++) {
        int same = 0;

        rv = scep_static_secret_verify(APR_ARRAY_IDX(matcher->secrets, i,
                                                     scep_static_secret_t *),
                                       challenge, &same);
        *matches |= (scep_matches_t)same << i;
    }
    leave_gate();
    if (rv == APR_SUCCESS)
        remember(matcher, challenge, *matches);
    return rv;
}

scep_matches_t mod_scep_static_match_recall(scep_static_matcher_t *matcher,
                                            const char *challenge)
{
    unsigned char mac[MAC_SIZE];
    scep_matches_t matches = 0;

    if (!digest(matcher, challenge, mac))
        return 0;
    apr_thread_mutex_lock(matcher->mutex);
    for (int i = 0; i < matcher->secrets->nelts; i++) {
        const memory_t *memory = &matcher->memories[i];
        int same = CRYPTO_memcmp(mac, memory->mac, sizeof(mac)) == 0;

        matches |= (scep_matches_t)(same & memory->known) << i;
    }
    apr_thread_mutex_unlock(matcher->mutex);
    return matches;
}
