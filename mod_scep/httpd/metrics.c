/* metrics.c - numbers for monitoring
 * SPDX-License-Identifier: Apache-2.0
 *
 * The counters stand in a mapping that the parent makes and children
 * inherit.  A counter is found by the hash of its name and labels; it counts
 * from the moment that the hash has a cell, and whoever comes upon a cell
 * without its text writes it, so that nothing waits for a process that was
 * killed.
 */
#include "metrics.h"

#include <apr_strings.h>
#include <http_protocol.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>

#include "core/metric_text.h"
#include "health.h"
#include "http.h"
#include "json.h"

#define CELLS 1024
#define TEXT_WORDS 29
#define TEXT_SIZE (8 * TEXT_WORDS)
#define RETAINED "mod_scep_metrics_1"

typedef _Atomic uint64_t word_t;

typedef struct cell_t {
    word_t hash; /**< 0: free */
    word_t value;
    word_t whole;            /**< the text is all there */
    word_t text[TEXT_WORDS]; /**< name, NUL, labels, NUL */
} cell_t;

/* Outlives reloads: it points to nothing in the DSO. */
typedef struct retained_t {
    cell_t *cells;
} retained_t;

static cell_t *cells;

/* What there is to know of the counters. */
static const struct {
    const char *name, *help;
} known[] = {
    { "scep_breach_total", "Spent challenges that came again." },
    { "scep_challenges_issued_total",
      "Challenges made, by the door that handed them out." },
    { "scep_intune_questions_total",
      "Questions to Intune, by what came of them." },
    { "scep_lockouts_total",
      "Times that ScepLockout has shut an address out." },
    { "scep_requests_total", "PKIOperation requests, by their outcome." },
    { "scep_webhook_questions_total",
      "Questions to the webhook, by what came of them." },
};

/* ------------------------------------------------------------------ */
/* Cells                                                                */

/* FNV-1a; nobody outside chooses what is hashed.  Never 0. */
static uint64_t hash_of(const char *text, apr_size_t len)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (apr_size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    return hash ? hash : 1;
}

/* All who write a text write the same. */
static void write_text(cell_t *cell, const uint64_t text[TEXT_WORDS])
{
    for (int i = 0; i < TEXT_WORDS; i++)
        atomic_store_explicit(&cell->text[i], text[i], memory_order_relaxed);
    atomic_store(&cell->whole, 1);
}

/* The cell of a counter; NULL where there is no room for it. */
static cell_t *cell_of(const char *name, const char *labels)
{
    uint64_t text[TEXT_WORDS] = { 0 };
    apr_size_t name_len = strlen(name), labels_len = strlen(labels);
    uint64_t hash;

    if (name_len + labels_len + 2 > TEXT_SIZE)
        return NULL;
    memcpy(text, name, name_len);
    memcpy((char *)text + name_len + 1, labels, labels_len);
    hash = hash_of((char *)text, name_len + labels_len + 2);
    for (unsigned int i = 0; i < CELLS; i++) {
        cell_t *cell = &cells[(hash + i) % CELLS];
        uint64_t found = 0;

        if (!atomic_compare_exchange_strong(&cell->hash, &found, hash) &&
            found != hash)
            continue;
        if (!atomic_load(&cell->whole))
            write_text(cell, text);
        return cell;
    }
    return NULL;
}

void mod_scep_metrics_count(const char *name, const char *labels)
{
    cell_t *cell = cell_of(name, labels);

    if (cell)
        atomic_fetch_add(&cell->value, 1);
}

/* Alerts go by a change, and the first event of a counter that was not there
 * before is none. */
static void declare(const scep_conf_t *conf, apr_pool_t *p)
{
    for (int i = 0; i < conf->profiles->nelts; i++) {
        const char *labels = apr_psprintf(
            p, "profile=\"%s\"",
            APR_ARRAY_IDX(conf->profiles, i, scep_profile_t *)->name);

        cell_of("scep_breach_total", labels);
        cell_of("scep_lockouts_total", labels);
    }
}

apr_status_t mod_scep_metrics_open(server_rec *s, apr_pool_t *pconf)
{
    retained_t *retained = ap_retained_data_get(RETAINED);

    if (!retained)
        retained = ap_retained_data_create(RETAINED, sizeof(*retained));
    if (!retained->cells) {
        void *mem = mmap(NULL, CELLS * sizeof(cell_t), PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        if (mem == MAP_FAILED) {
            apr_status_t rv = errno;

            ap_log_error(APLOG_MARK, APLOG_EMERG, rv, s,
                         SCEPLOGNO(0145) "no memory for the metrics");
            return rv;
        }
        retained->cells = mem;
    }
    cells = retained->cells;
    declare(mod_scep_conf_get(s), pconf);
    return APR_SUCCESS;
}

void mod_scep_metrics_request(request_rec *r, const scep_profile_t *profile,
                              const char *status, const char *reason)
{
    mod_scep_metrics_count(
        "scep_requests_total",
        apr_psprintf(r->pool, "profile=\"%s\",status=\"%s\",reason=\"%s\"",
                     profile->name, status, reason));
}

/* ------------------------------------------------------------------ */
/* Showing                                                              */

static const char *help_of(const char *name)
{
    for (apr_size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (!strcmp(known[i].name, name))
            return known[i].help;
    return NULL;
}

static void show_counters(scep_metric_text_t *out)
{
    for (int i = 0; i < CELLS; i++) {
        uint64_t text[TEXT_WORDS];
        const char *name = (const char *)text;

        if (!atomic_load(&cells[i].whole))
            continue;
        for (int j = 0; j < TEXT_WORDS; j++)
            text[j] =
                atomic_load_explicit(&cells[i].text[j], memory_order_relaxed);
        scep_metric_text_describe(out, name, "counter", help_of(name));
        scep_metric_text_add(out, name, name + strlen(name) + 1,
                             atomic_load(&cells[i].value));
    }
}

static void show_store(scep_metric_text_t *out, request_rec *r, apr_time_t now)
{
    const scep_conf_t *conf = mod_scep_conf_get(r->server);
    scep_challenge_stats_t stats;
    apr_status_t rv =
        conf->store_provider->stats(conf->store, now, &stats, r->pool);

    scep_metric_text_describe(out, "scep_challenge_store_up", "gauge",
                              "Whether the challenge store answers.");
    scep_metric_text_add(out, "scep_challenge_store_up", "",
                         rv == APR_SUCCESS);
    if (rv != APR_SUCCESS) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, rv, r,
                      SCEPLOGNO(0146) "challenge store %s does not answer: "
                                      "metrics without it",
                      conf->store_name);
        return;
    }
    scep_metric_text_describe(out, "scep_challenges_live", "gauge",
                              "Challenges that can still be used.");
    scep_metric_text_add(out, "scep_challenges_live", "", stats.live);
    scep_metric_text_describe(out, "scep_challenge_store_capacity", "gauge",
                              "Live challenges that the store can hold.");
    scep_metric_text_add(out, "scep_challenge_store_capacity", "",
                         stats.capacity);
    scep_metric_text_describe(out, "scep_challenge_store_bytes", "gauge",
                              "Octets that the store takes.");
    scep_metric_text_add(out, "scep_challenge_store_bytes", "", stats.bytes);
}

static void show_verifiers(scep_metric_text_t *out, request_rec *r,
                           apr_time_t now)
{
    const scep_conf_t *conf = mod_scep_conf_get(r->server);

    for (int i = 0; i < conf->profiles->nelts; i++) {
        const apr_array_header_t *verifiers =
            APR_ARRAY_IDX(conf->profiles, i, scep_profile_t *)->verifiers;

        for (int j = 0; j < verifiers->nelts; j++) {
            const scep_verifier_t *verifier =
                &APR_ARRAY_IDX(verifiers, j, scep_verifier_t);
            const char *lines =
                verifier->provider->metrics
                    ? verifier->provider->metrics(verifier->data, now, r->pool)
                    : NULL;

            if (lines)
                scep_metric_text_lines(out, lines);
        }
    }
}

int mod_scep_metrics_answer(request_rec *r)
{
    scep_metric_text_t *out = scep_metric_text_create(r->pool);
    apr_time_t now = apr_time_now();
    const char *text;

    if (r->method_number != M_GET)
        return mod_scep_json_not_allowed(r, "GET, HEAD");
    show_counters(out);
    show_store(out, r, now);
    show_verifiers(out, r, now);
    mod_scep_health_metrics(out, r);
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    text = scep_metric_text_render(out);
    return mod_scep_http_send(r, SCEP_METRIC_CONTENT_TYPE, text, strlen(text));
}
