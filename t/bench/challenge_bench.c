/* challenge_bench.c - what a claim costs, from ten to a million challenges
 * SPDX-License-Identifier: Apache-2.0
 *
 * Prints medians over batches, so that other load on the machine shows as
 * little as possible.  Each challenge is bound to profile, subject, device and
 * network, and each batch takes its challenges from all over the table.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <apr_general.h>

#include "../../mod_scep/core/challenge_record.h"

#define NOW apr_time_from_sec(1800000000)
#define LEASE apr_time_from_sec(60)
#define BATCH 1000
#define BATCHES 400
#define MAX_THREADS 2
#define LIMIT_NS 2000

typedef char secret_t[33];

enum { CLAIM, UNHASHED, COMMIT, UNKNOWN, KINDS };

/** One thread's share of the table, and what it measured. */
typedef struct job_t {
    scep_table_t *table;
    pthread_barrier_t *start;
    unsigned int first, count; /* of the challenges that are its own */
    double ns[KINDS];
} job_t;

/* A request as requests are: its names, both places that a device id is
 * looked for in, its address. */
static const char *const device_ids[] = { "device-4711.example.com",
                                          "0f5c1a52e7d34b6c" };
static const apr_array_header_t devices = { .elt_size = sizeof(char *),
                                            .nelts = 2,
                                            .nalloc = 2,
                                            .elts = (char *)device_ids };
static const scep_network_t network = { { [10] = 0xff, 0xff, 10 }, 104 };
static const scep_challenge_facts_t facts = {
    .profile = "default",
    .subject = "CN=device-4711.example.com,O=Example",
    .sans = "dns:device-4711.example.com",
    .devices = &devices,
    .address = (const unsigned char[16]){ [10] = 0xff, 0xff, 10, 1, 2, 3 }
};

static void die(const char *what)
{
    fprintf(stderr, "challenge_bench: %s\n", what);
    exit(EXIT_FAILURE);
}

/** 32 hexadecimal digits, as a challenge has. */
static void secret_of(unsigned int n, secret_t secret)
{
    unsigned long long x = (n + 1) * 0x9e3779b97f4a7c15ull;

    snprintf(secret, sizeof(secret_t), "%016llX%016llX", x, x ^ x >> 29);
}

static void issue(scep_table_t *table, const char *secret)
{
    scep_challenge_spec_t spec = { .secret = secret,
                                   .profile = facts.profile,
                                   .subject = facts.subject,
                                   .device = device_ids[1],
                                   .network = &network,
                                   .created = NOW,
                                   .expires = NOW + apr_time_from_sec(3600) };
    char id[SCEP_CHALLENGE_ID_SIZE];

    if (scep_table_issue(table, &spec, 1, id) != APR_SUCCESS)
        die("cannot issue");
}

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double d = *(const double *)a - *(const double *)b;

    return (d > 0) - (d < 0);
}

/** Claims a batch in one of the ways; @return nanoseconds for each. */
static double run_batch(scep_table_t *table, int kind, unsigned int count,
                        secret_t *secrets, const scep_digests_t *digests,
                        scep_challenge_claim_t *claims)
{
    unsigned int wanted = 0;
    double began = now_ns();
    double took;

    for (unsigned int i = 0; i < count; i++) {
        scep_challenge_outcome_t outcome =
            kind == UNHASHED
                ? scep_table_claim_digests(table, &digests[i], NOW, LEASE,
                                           &claims[i], claims[i].id)
                : scep_table_claim(table, secrets[i], &facts, NOW, LEASE,
                                   &claims[i]);

        wanted += outcome == (kind == UNKNOWN ? SCEP_CHALLENGE_NOT_FOUND
                                              : SCEP_CHALLENGE_CLAIMED);
        if (kind == COMMIT)
            wanted -= scep_table_commit(table, &claims[i]) != APR_SUCCESS;
    }
    took = now_ns() - began;
    if (wanted != count)
        die("a claim went wrong");
    for (unsigned int i = 0; i < count && kind != UNKNOWN; i++)
        if (kind == COMMIT)
            issue(table, secrets[i]);
        else
            (void)scep_table_release(table, &claims[i]);
    return took / count;
}

static void *run_job(void *baton)
{
    job_t *job = baton;
    unsigned int count = job->count < BATCH ? job->count : BATCH;
    unsigned int seed = job->first + 1;
    secret_t *secrets = calloc(count, sizeof(*secrets));
    scep_digests_t *digests = calloc(count, sizeof(*digests));
    scep_challenge_claim_t *claims = calloc(count, sizeof(*claims));
    double *ns = calloc(BATCHES, sizeof(*ns));

    if (!secrets || !digests || !claims || !ns)
        die("out of memory");
    for (int kind = 0; kind < KINDS; kind++) {
        pthread_barrier_wait(job->start);
        for (int batch = 0; batch < BATCHES; batch++) {
            /* distinct challenges, a random stride apart */
            unsigned int stride = job->count / count;
            unsigned int shift =
                stride > 1 ? (unsigned int)rand_r(&seed) % stride : 0;

            for (unsigned int i = 0; i < count; i++) {
                unsigned int n = job->first + i * stride + shift;

                secret_of(kind == UNKNOWN ? ~n : n, secrets[i]);
                if (kind == UNHASHED &&
                    scep_record_digest(job->table, secrets[i], &facts,
                                       &digests[i]) != APR_SUCCESS)
                    die("cannot hash");
            }
            ns[batch] =
                run_batch(job->table, kind, count, secrets, digests, claims);
        }
        qsort(ns, BATCHES, sizeof(*ns), by_value);
        job->ns[kind] = ns[BATCHES / 2];
    }
    free(secrets);
    free(digests);
    free(claims);
    free(ns);
    return NULL;
}

/** Measures one table with so many threads; the means of their medians. */
static void measure(scep_table_t *table, unsigned int size,
                    unsigned int threads, double ns[KINDS])
{
    pthread_barrier_t start;
    pthread_t ids[MAX_THREADS];
    job_t jobs[MAX_THREADS];

    pthread_barrier_init(&start, NULL, threads);
    for (unsigned int t = 0; t < threads; t++) {
        jobs[t] = (job_t){ .table = table,
                           .start = &start,
                           .first = t * (size / threads),
                           .count = size / threads };
        if (pthread_create(&ids[t], NULL, run_job, &jobs[t]) != 0)
            die("cannot start a thread");
    }
    memset(ns, 0, KINDS * sizeof(*ns));
    for (unsigned int t = 0; t < threads; t++) {
        pthread_join(ids[t], NULL);
        for (int kind = 0; kind < KINDS; kind++)
            ns[kind] += jobs[t].ns[kind] / threads;
    }
    pthread_barrier_destroy(&start);
}

static scep_table_t *make_table(unsigned int size, void **mem, apr_pool_t *p)
{
    static const unsigned char key[SCEP_TABLE_KEY_LEN] = "a key for benches";
    apr_size_t octets = scep_table_size(size);
    scep_table_t *table;
    const char *error;
    secret_t secret;

    *mem = mmap(NULL, octets, PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (*mem == MAP_FAILED ||
        scep_table_format(*mem, octets, size, key, p) != APR_SUCCESS ||
        scep_table_open(&table, *mem, octets, key, &error, p) != APR_SUCCESS)
        die("cannot make a table");
    scep_table_attach(table, getpid());
    for (unsigned int n = 0; n < size; n++) {
        secret_of(n, secret);
        issue(table, secret);
    }
    return table;
}

int main(void)
{
    static const unsigned int sizes[] = { 10, 10000, 1000000 };
    double base[MAX_THREADS + 1] = { 0 };
    double worst = 0;
    apr_pool_t *pool;
    cpu_set_t cores;

    if (apr_initialize() != APR_SUCCESS ||
        apr_pool_create(&pool, NULL) != APR_SUCCESS)
        die("cannot start APR");
    /* two threads on one core would say nothing */
    if (sched_getaffinity(0, sizeof(cores), &cores) != 0)
        die("cannot count the cores");
    printf("Challenge table: claims with all bound but SANs, median "
           "nanoseconds\n\n"
           "%10s %7s %10s %8s %8s %8s %8s %9s\n",
           "challenges", "threads", "claims/s", "claim", "unhashed", "+commit",
           "unknown", "of 10's");
    for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
        void *mem;
        scep_table_t *table = make_table(sizes[s], &mem, pool);

        for (unsigned int threads = 1;
             threads <= MAX_THREADS && (int)threads <= CPU_COUNT(&cores);
             threads++) {
            double ns[KINDS];

            measure(table, sizes[s], threads, ns);
            if (s == 0)
                base[threads] = ns[CLAIM];
            if (threads == 1 && ns[CLAIM] > worst)
                worst = ns[CLAIM];
            printf("%10u %7u %10.0f %8.0f %8.0f %8.0f %8.0f %9.2f\n", sizes[s],
                   threads, threads * 1e9 / ns[CLAIM], ns[CLAIM], ns[UNHASHED],
                   ns[COMMIT], ns[UNKNOWN], ns[CLAIM] / base[threads]);
        }
        munmap(mem, scep_table_size(sizes[s]));
    }
    printf("\nclaim: hashing and claiming; unhashed: the table alone; "
           "+commit: claim and commit;\nunknown: refused as not found.  "
           "The slowest claim of one thread: %.2f us (limit %.0f us)\n",
           worst / 1000, LIMIT_NS / 1000.0);
    apr_pool_destroy(pool);
    apr_terminate();
    return worst < LIMIT_NS ? EXIT_SUCCESS : EXIT_FAILURE;
}
