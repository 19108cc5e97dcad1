/* scep_bench.c - how many enrolments a second a SCEP server answers
 * SPDX-License-Identifier: Apache-2.0
 *
 * Everything is made before the clock starts and looked at after it stops.
 */
#include <getopt.h>
#include <jansson.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/provider.h>

#include "enrolment.h"
#include "load.h"
#include "watch.h"

#define THREADS 2
#define ROUNDS_MAX 1000
#define COMPLAINTS_MAX 5

typedef struct options_t {
    load_url_t url, admin;
    int has_admin;
    const char *challenge, *profile;
    int rounds, concurrency, cpu, sample, watch, issue_only;
    size_t count, warmup, keys, caps;
    const EVP_CIPHER *cipher;
} options_t;

typedef struct round_t {
    const options_t *options;
    const enrolment_plan_t *plan;
    size_t count;
    enrolment_t *enrolments;
    char (*challenges)[128];
    load_job_t *jobs;
    const char **errors;
} round_t;

typedef struct figures_t {
    double rate, p50, p95, p99;
    double issue, both; /* challenges a second, and with their enrolments */
    double cpu;         /* microseconds of the server for each enrolment */
    size_t failures;
} figures_t;

static void die(const char *what)
{
    fprintf(stderr, "scep_bench: %s\n", what);
    exit(EXIT_FAILURE);
}

/* ------------------------------------------------------------------ */
/* Work before and after the clock runs, on all cores                   */

typedef struct share_t {
    round_t *round;
    size_t first;
    void (*work)(round_t *round, size_t i);
} share_t;

static void *work_share(void *data)
{
    const share_t *share = data;
    size_t i;

    for (i = share->first; i < share->round->count; i += THREADS)
        share->work(share->round, i);
    return NULL;
}

static void work_all(round_t *round, void (*work)(round_t *round, size_t i))
{
    pthread_t threads[THREADS];
    share_t shares[THREADS];
    size_t i;

    for (i = 0; i < THREADS; i++) {
        shares[i] = (share_t){ round, i, work };
        if (pthread_create(&threads[i], NULL, work_share, &shares[i]) != 0)
            die("cannot make a thread");
    }
    for (i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void build_one(round_t *round, size_t i)
{
    enrolment_t *e = &round->enrolments[i];
    const char *challenge = round->challenges != NULL
                                ? round->challenges[i]
                                : round->options->challenge;
    const char *error =
        enrolment_build(e, round->plan, challenge,
                        i % (size_t)round->options->sample == 0);

    if (error != NULL)
        die(error);
    load_request(&round->jobs[i], &round->options->url, "POST",
                 "?operation=PKIOperation", "application/x-pki-message",
                 e->message, e->message_len);
    OPENSSL_free(e->message);
    e->message = NULL;
}

static void check_one(round_t *round, size_t i)
{
    const load_job_t *job = &round->jobs[i];

    if (job->status == 0)
        round->errors[i] = "no answer";
    else if (job->status != 200)
        round->errors[i] = "HTTP status is not 200";
    else if (strcmp(job->type, "application/x-pki-message") != 0)
        round->errors[i] = "wrong Content-Type";
    else
        round->errors[i] = enrolment_check(&round->enrolments[i], round->plan,
                                           job->reply, job->reply_len);
}

/* ------------------------------------------------------------------ */

static double run_pinned(const options_t *options, const load_url_t *url,
                         load_job_t *jobs, size_t count)
{
    cpu_set_t before, one;
    double seconds;

    if (options->cpu >= 0) {
        CPU_ZERO(&one);
        CPU_SET(options->cpu, &one);
        if (sched_getaffinity(0, sizeof(before), &before) != 0 ||
            sched_setaffinity(0, sizeof(one), &one) != 0)
            die("cannot stay on one core");
    }
    load_run(url, jobs, count, options->concurrency, &seconds);
    if (options->cpu >= 0)
        sched_setaffinity(0, sizeof(before), &before);
    return seconds;
}

static void read_challenge(char challenge[128], const load_job_t *job)
{
    json_t *answer =
        json_loadb((const char *)job->reply, job->reply_len, 0, NULL);
    const char *text = json_string_value(json_object_get(answer, "challenge"));

    if (job->status != 201 || text == NULL || strlen(text) > 127) {
        fprintf(stderr, "scep_bench: POST challenges: HTTP status %d\n%.*s\n",
                job->status, (int)job->reply_len, (const char *)job->reply);
        exit(EXIT_FAILURE);
    }
    strcpy(challenge, text);
    json_decref(answer);
}

/* One challenge for each, bound to subject and SAN; the seconds it took. */
static double fetch_challenges(round_t *round)
{
    const options_t *options = round->options;
    load_job_t *jobs = load_alloc(round->count * sizeof(*jobs));
    double seconds;
    size_t i;

    for (i = 0; i < round->count; i++) {
        const enrolment_t *e = &round->enrolments[i];
        char body[512];
        int len = snprintf(body, sizeof(body),
                           "{\"profile\":\"%s\",\"subject\":\"CN=%s\","
                           "\"sans\":[\"dns:%s.example\"],\"ttl\":3600}",
                           options->profile, e->name, e->name);

        load_request(&jobs[i], &options->admin, "POST", "/challenges",
                     "application/json", body, (size_t)len);
    }
    seconds = run_pinned(options, &options->admin, jobs, round->count);
    round->challenges = load_alloc(round->count * 128);
    for (i = 0; i < round->count; i++)
        read_challenge(round->challenges[i], &jobs[i]);
    load_free(jobs, round->count);
    return seconds;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The value that the given part of the sorted values does not exceed. */
static double quantile(const double *sorted, size_t count, double part)
{
    size_t at = (size_t)((double)count * part);

    return sorted[at < count ? at : count - 1];
}

static void sum_up(figures_t *figures, const round_t *round, double seconds)
{
    double *times = load_alloc(round->count * sizeof(*times));
    size_t i;

    for (i = 0; i < round->count; i++) {
        times[i] = round->jobs[i].seconds * 1e3;
        if (round->errors[i] == NULL)
            continue;
        if (figures->failures++ < COMPLAINTS_MAX)
            fprintf(stderr, "scep_bench: %s: %s (HTTP status %d)\n",
                    round->enrolments[i].name, round->errors[i],
                    round->jobs[i].status);
    }
    qsort(times, round->count, sizeof(*times), compare);
    figures->rate = (double)(round->count - figures->failures) / seconds;
    figures->p50 = quantile(times, round->count, 0.50);
    figures->p95 = quantile(times, round->count, 0.95);
    figures->p99 = quantile(times, round->count, 0.99);
    free(times);
}

static figures_t run_round(const options_t *options,
                           const enrolment_plan_t *plan, const watch_t *watch,
                           size_t count)
{
    figures_t figures = { 0 };
    round_t round = { .options = options, .plan = plan, .count = count };
    double seconds, cpu, issuing = 0;
    size_t i;

    round.enrolments = load_alloc(count * sizeof(*round.enrolments));
    round.jobs = load_alloc(count * sizeof(*round.jobs));
    round.errors = load_alloc(count * sizeof(*round.errors));
    for (i = 0; i < count; i++)
        enrolment_name(&round.enrolments[i], plan, i);
    if (options->has_admin) {
        issuing = fetch_challenges(&round);
        figures.issue = (double)count / issuing;
    }
    if (!options->issue_only) {
        work_all(&round, build_one);
        cpu = watch_time(watch);
        seconds = run_pinned(options, &options->url, round.jobs, count);
        figures.cpu = (watch_time(watch) - cpu) * 1e6 / (double)count;
        figures.both = (double)count / (seconds + issuing);
        work_all(&round, check_one);
        sum_up(&figures, &round, seconds);
    }
    for (i = 0; i < count; i++)
        enrolment_free(&round.enrolments[i]);
    load_free(round.jobs, count);
    free(round.enrolments);
    free(round.challenges);
    free(round.errors);
    return figures;
}

/* ------------------------------------------------------------------ */

static double median(const figures_t *figures, int count, size_t member)
{
    double values[ROUNDS_MAX];
    int i;

    for (i = 0; i < count; i++)
        memcpy(&values[i], (const char *)&figures[i] + member,
               sizeof(values[i]));
    qsort(values, (size_t)count, sizeof(values[0]), compare);
    return values[count / 2];
}

static size_t run_rounds(const options_t *options,
                         const enrolment_plan_t *plan)
{
    figures_t figures[ROUNDS_MAX];
    watch_t watch = { 0 };
    size_t failures = 0;
    int i;

    if (options->warmup > 0)
        failures += run_round(options, plan, &watch, options->warmup).failures;
    watch_begin(&watch, options->watch);
    for (i = 0; i < options->rounds; i++) {
        figures[i] = run_round(options, plan, &watch, options->count);
        failures += figures[i].failures;
        fprintf(stderr,
                "round %d: %.0f challenges/s, %.1f enrolments/s, p50 %.2f ms, "
                "p95 %.2f ms, "
                "p99 %.2f ms, %.0f us of the server each\n",
                i + 1, figures[i].issue, figures[i].rate, figures[i].p50,
                figures[i].p95, figures[i].p99, figures[i].cpu);
        watch_memory(&watch);
    }
#define PRINT(name, member)                                                   \
    printf(name "=%.2f\n",                                                    \
           median(figures, options->rounds, offsetof(figures_t, member)))
    PRINT("rate", rate);
    PRINT("p50_ms", p50);
    PRINT("p95_ms", p95);
    PRINT("p99_ms", p99);
    PRINT("cpu_us", cpu);
    PRINT("issue_rate", issue);
    PRINT("both_rate", both);
#undef PRINT
    printf("enrolments=%zu\nfailures=%zu\n",
           options->count * (size_t)options->rounds, failures);
    watch_print(&watch);
    return failures;
}

static void fetch_published(const options_t *options, enrolment_plan_t *plan)
{
    load_job_t *job = load_alloc(sizeof(*job));
    const char *error;
    double seconds;

    load_request(job, &options->url, "GET", "?operation=GetCACert", NULL, "",
                 0);
    if (load_run(&options->url, job, 1, 1, &seconds) > 0 || job->status != 200)
        die("GetCACert is not answered");
    error = enrolment_plan(plan, options->keys, job->reply, job->reply_len);
    if (error != NULL)
        die(error);
    plan->cipher = options->cipher;
    load_free(job, 1);
}

static void run_caps(const options_t *options)
{
    load_job_t *jobs = load_alloc(options->caps * sizeof(*jobs));
    double seconds;
    size_t i;

    for (i = 0; i < options->caps; i++)
        load_request(&jobs[i], &options->url, "GET", "?operation=GetCACaps",
                     NULL, "", 0);
    seconds = run_pinned(options, &options->url, jobs, options->caps);
    for (i = 0; i < options->caps; i++)
        if (jobs[i].status != 200)
            die("GetCACaps is not answered");
    printf("caps_rate=%.0f\n", (double)options->caps / seconds);
    load_free(jobs, options->caps);
}

/* ------------------------------------------------------------------ */

static void usage(void)
{
    fputs("usage: scep_bench [OPTION]... http://ADDRESS:PORT/PATH\n"
          "  --admin URL       get a challenge for each by the admin API\n"
          "  --profile NAME    for these challenges [default]\n"
          "  --issue-only      and enrol with none\n"
          "  --challenge TEXT  one challenge for all\n"
          "  --count N         enrolments of a round [2000]\n"
          "  --rounds N        rounds [5]\n"
          "  --warmup N        enrolments before the first round [500]\n"
          "  --concurrency N   requests under way [8]\n"
          "  --keys N          RSA-2048 keys of the devices [16]\n"
          "  --cipher NAME     of the requests [AES-128-CBC]\n"
          "  --sample N        decrypt each N-th answer [20]\n"
          "  --caps N          GetCACaps after the rounds [0]\n"
          "  --cpu N           keep to this core while the clock runs\n"
          "  --watch PID       report the memory of its children\n",
          stderr);
    exit(2);
}

static long number(const char *text, long min)
{
    char *end;
    long value = strtol(text, &end, 10);

    if (*text == '\0' || *end != '\0' || value < min)
        usage();
    return value;
}

static const struct option long_options[] = {
    { "admin", required_argument, NULL, 'a' },
    { "profile", required_argument, NULL, 'p' },
    { "issue-only", no_argument, NULL, 'i' },
    { "challenge", required_argument, NULL, 'c' },
    { "count", required_argument, NULL, 'n' },
    { "rounds", required_argument, NULL, 'r' },
    { "warmup", required_argument, NULL, 'w' },
    { "concurrency", required_argument, NULL, 'j' },
    { "keys", required_argument, NULL, 'k' },
    { "cipher", required_argument, NULL, 'e' },
    { "sample", required_argument, NULL, 's' },
    { "caps", required_argument, NULL, 'g' },
    { "cpu", required_argument, NULL, 'u' },
    { "watch", required_argument, NULL, 'm' },
    { NULL, 0, NULL, 0 },
};

static void read_option(options_t *options, int option, const char *value)
{
    if (option == 'a') {
        options->has_admin = 1;
        if (load_url_parse(&options->admin, value) != 0)
            usage();
    } else if (option == 'i') {
        options->issue_only = 1;
        options->keys = 1;
    } else if (option == 'p') {
        options->profile = value;
    } else if (option == 'c') {
        options->challenge = value;
    } else if (option == 'n') {
        options->count = (size_t)number(value, 1);
    } else if (option == 'r') {
        options->rounds = (int)number(value, 1);
    } else if (option == 'w') {
        options->warmup = (size_t)number(value, 0);
    } else if (option == 'j') {
        options->concurrency = (int)number(value, 1);
    } else if (option == 'k') {
        options->keys = (size_t)number(value, 1);
    } else if (option == 's') {
        options->sample = (int)number(value, 1);
    } else if (option == 'g') {
        options->caps = (size_t)number(value, 0);
    } else if (option == 'u') {
        options->cpu = (int)number(value, 0);
    } else if (option == 'm') {
        options->watch = (int)number(value, 1);
    } else if (option == 'e') {
        options->cipher = EVP_get_cipherbyname(value);
    } else {
        usage();
    }
}

int main(int argc, char **argv)
{
    options_t options = { .profile = "default",
                          .rounds = 5,
                          .concurrency = 8,
                          .cpu = -1,
                          .sample = 20,
                          .count = 2000,
                          .warmup = 500,
                          .keys = 16 };
    enrolment_plan_t plan = { 0 };
    size_t failures;
    int option;

    options.cipher = EVP_aes_128_cbc();
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
        read_option(&options, option, optarg);
    if (optind != argc - 1 || options.rounds > ROUNDS_MAX ||
        options.cipher == NULL ||
        load_url_parse(&options.url, argv[optind]) != 0 ||
        (!options.has_admin &&
         (options.challenge == NULL || options.issue_only)))
        usage();
    /* some servers answer in single DES */
    if (OSSL_PROVIDER_load(NULL, "default") == NULL ||
        OSSL_PROVIDER_load(NULL, "legacy") == NULL)
        die("OpenSSL's legacy provider is missing");
    fetch_published(&options, &plan);
    failures = run_rounds(&options, &plan);
    if (options.caps > 0)
        run_caps(&options);
    return failures > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
