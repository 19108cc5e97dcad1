/* ledger_load.c - what an enrolment asks of a ledger, many times over
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ledger_load.h"

#include <apr_strings.h>
#include <apr_thread_proc.h>
#include <openssl/rand.h>

#include <stdatomic.h>
#include <sys/resource.h>

/* Octets of a CSR and a certificate with RSA keys of 2048 bits. */
#define CSR_LEN 900
#define CERT_LEN 1050

typedef struct work_t {
    scep_ledger_t *ledger;
    atomic_int *left;
    atomic_int *failed;
    apr_pool_t *p;
} work_t;

static const unsigned char octets[CERT_LEN] = { 0x30 };

/* Any digest; nothing of it may be guessed from another. */
static const char *digest(int digits, apr_pool_t *p)
{
    unsigned char raw[32];
    char *text = apr_palloc(p, 65);

    if (RAND_bytes(raw, sizeof(raw)) != 1)
        abort();
    for (int i = 0; i < 32; i++)
        apr_snprintf(text + 2 * i, 3, "%02x", raw[i]);
    text[digits] = '\0';
    return text;
}

static scep_record_t make_record(apr_pool_t *p)
{
    const char *number = digest(12, p);
    scep_record_t record = {
        .key = digest(64, p),
        .profile = "default",
        .ca = "issuing",
        .transaction_id = digest(40, p),
        .signer = digest(64, p),
        .spki = digest(64, p),
        .names = digest(64, p),
        .device = "",
        .type = 19,
        .csr = octets,
        .csr_len = CSR_LEN,
        .subject = apr_pstrcat(p, "CN=device-", number, ",O=Bench", NULL),
        .sans = apr_pstrcat(p, "dns:device-", number, ".example.com", NULL),
        .address = "192.0.2.1",
        .verifier = "otp",
        .grant = digest(40, p),
        .verified_by = digest(16, p),
        .requester = "bench",
        .renews = "",
        .created = apr_time_now(),
        .handle = "",
        .serial = "",
        .detail = "",
        .due = apr_time_now() + apr_time_from_sec(60),
        .approvals = "",
        .token = digest(16, p),
        .lease = apr_time_now() + apr_time_from_sec(60),
    };

    record.updated = record.created;
    return record;
}

static apr_array_header_t *make_events(const scep_record_t *record,
                                       scep_event_type_t first, int count,
                                       apr_pool_t *p)
{
    apr_array_header_t *events =
        apr_array_make(p, count, sizeof(scep_event_t));

    for (int i = 0; i < count; i++) {
        scep_event_t *event = apr_array_push(events);

        event->type = (scep_event_type_t)((int)first + i);
        event->time = apr_time_now();
        event->profile = record->profile;
        event->actor = "device";
        event->address = record->address;
        event->challenge = record->verified_by;
        event->enrolment = record->key;
        event->ca = record->ca;
        event->serial = record->serial;
        event->detail = record->subject;
    }
    return events;
}

static int enrol(scep_ledger_t *ledger, apr_pool_t *p)
{
    scep_record_t record = make_record(p);
    const char *token = record.token;
    apr_array_header_t *found;
    scep_certificate_t certificate = {
        .ca = record.ca,
        .profile = record.profile,
        .enrolment = record.key,
        .subject = record.subject,
        .sans = record.sans,
        .device = "",
        .names = record.names,
        .spki = record.spki,
        .der = octets,
        .der_len = CERT_LEN,
        .not_before = record.created,
        .not_after = record.created + apr_time_from_sec(365 * 86400),
        .successor = "",
    };

    if (mod_scep_ledger_seen(ledger, record.profile, record.signer,
                             record.transaction_id, &found, p) ||
        found->nelts)
        return 0;
    if (mod_scep_ledger_receive(ledger, &record, 0, NULL,
                                make_events(&record, SCEP_EVENT_CHALLENGE_USED,
                                            2, p),
                                p))
        return 0;
    record.serial = certificate.serial = digest(32, p);
    record.state = SCEP_STATE_ISSUED;
    record.settled = 1;
    record.token = "";
    record.updated = apr_time_now();
    return mod_scep_ledger_update(ledger, token, &record, &certificate,
                                  make_events(&record, SCEP_EVENT_CA_CALLED, 3,
                                              p),
                                  p) == APR_SUCCESS;
}

static void *APR_THREAD_FUNC run(apr_thread_t *thread, void *workv)
{
    const work_t *work = workv;
    apr_pool_t *p;

    if (apr_pool_create_unmanaged_ex(&p, NULL, NULL))
        abort();
    while (atomic_fetch_sub(work->left, 1) > 0) {
        if (!enrol(work->ledger, p))
            atomic_fetch_add(work->failed, 1);
        apr_pool_clear(p);
    }
    apr_pool_destroy(p);
    apr_thread_exit(thread, APR_SUCCESS);
    return NULL;
}

static apr_time_t consumed(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return apr_time_from_sec(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

apr_status_t ledger_load_run(scep_ledger_t *ledger, int threads, int count,
                             ledger_load_t *load, apr_pool_t *p)
{
    apr_thread_t **running =
        apr_pcalloc(p, sizeof(*running) * (apr_size_t)threads);
    apr_time_t before = consumed();
    atomic_int left = count, failed = 0;
    work_t work = { ledger, &left, &failed, p };
    apr_status_t rv = APR_SUCCESS;
    int started = 0;

    while (rv == APR_SUCCESS && started < threads) {
        rv = apr_thread_create(&running[started], NULL, run, &work, p);
        started += rv == APR_SUCCESS;
    }
    for (int i = 0; i < started; i++) {
        apr_status_t ignored;

        apr_thread_join(&ignored, running[i]);
    }
    load->consumed = consumed() - before;
    load->done = count;
    load->failed = failed;
    return rv;
}
