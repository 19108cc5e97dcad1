/* http_probe.c - calls by the HTTP client, one for each line of its input
 * SPDX-License-Identifier: Apache-2.0
 *
 *   http_probe SETTING... IDENTITY...
 *
 * SETTING: ca=FILE, timeout=SECONDS, proxy=URL, certificate=FILE, key=FILE,
 * key-uri=URI, skew=SECONDS (what the process' clock is wrong by)
 * IDENTITY: kerberos:KEYTAB[,PRINCIPAL], ntlm:USER,SECRET or none:, each of
 * them a client of its own, counted from 0
 *
 * Lines: "call N URL [BODY]", a call by client N; "all TIMES URL [BODY]", by
 * every client in a thread of its own; "many N URL [BODY]", by client 0 in N
 * threads.  Each call is answered with a line:
 * client, status, sent, and the error or the answer's body, between tabs;
 * each line with "done" at its end.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <apr_general.h>
#include <apr_lib.h>
#include <apr_strings.h>

#include "../../ca-connectors/http/http_client.h"

#define CLIENTS_MAX 16
#define THREADS_MAX 64
#define LINE_ROOM 8192

typedef struct work_t {
    scep_http_client_t *client;
    int number, times;
    const char *url, *body;
} work_t;

static scep_http_client_t *clients[CLIENTS_MAX];
static int client_count;
static time_t skew;

/* What Kerberos reads the time with. */
int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
    struct timespec now;

    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    tv->tv_sec = now.tv_sec + skew;
    tv->tv_usec = (suseconds_t)(now.tv_nsec / 1000);
    return 0;
}

static void call(const work_t *work)
{
    scep_http_request_t request = { .url = work->url, .body = work->body };
    scep_http_response_t response;
    apr_pool_t *p;
    char *text;

    if (apr_pool_create_unmanaged_ex(&p, NULL, NULL))
        abort();
    request.body_len = work->body ? strlen(work->body) : 0;
    scep_http_client_call(work->client, &request, &response, p);
    text = apr_pstrdup(p, response.error  ? response.error
                          : response.body ? response.body
                                          : "");
    for (char *c = text; *c; c++)
        if (apr_iscntrl(*c))
            *c = ' ';
    printf("%d\t%d\t%d\t%s\n", work->number, response.status, response.sent,
           text);
    apr_pool_destroy(p);
}

static void *thread(void *workv)
{
    const work_t *work = workv;

    for (int i = 0; i < work->times; i++)
        call(work);
    return NULL;
}

/* Thread i makes its calls by client i, or every thread by the first. */
static void call_together(int count, int times, int same, const char *url,
                          const char *body)
{
    work_t works[THREADS_MAX];
    pthread_t threads[THREADS_MAX];

    for (int i = 0; i < count; i++) {
        int number = same ? 0 : i;
        works[i] = (work_t){ clients[number], number, times, url, body };
        if (pthread_create(&threads[i], NULL, thread, &works[i]))
            abort();
    }
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

static void obey(char *line)
{
    char *last, *word = apr_strtok(line, " \n", &last);
    char *number = apr_strtok(NULL, " \n", &last);
    char *url = apr_strtok(NULL, " \n", &last);
    char *body = apr_strtok(NULL, "\n", &last);
    int value;

    if (!word || !number || !url)
        return;
    value = atoi(number);
    if (!strcmp(word, "all"))
        call_together(client_count, value, 0, url, body);
    else if (!strcmp(word, "many") && value <= THREADS_MAX)
        call_together(value, 1, 1, url, body);
    else if (value >= 0 && value < client_count)
        call(&(work_t){ clients[value], value, 1, url, body });
    puts("done");
    fflush(stdout);
}

/* What stands behind a prefix, or NULL. */
static char *after(char *word, const char *prefix)
{
    size_t len = strlen(prefix);

    return strncmp(word, prefix, len) ? NULL : word + len;
}

static int set(scep_http_settings_t *settings, char *word)
{
    char *value;

    if ((value = after(word, "ca=")))
        settings->ca_file = value;
    else if ((value = after(word, "timeout=")))
        settings->timeout = apr_time_from_sec(atoi(value));
    else if ((value = after(word, "proxy=")))
        settings->proxy = value;
    else if ((value = after(word, "skew=")))
        skew = atoi(value);
    else if ((value = after(word, "certificate=")))
        settings->certificate = value;
    else if ((value = after(word, "key=")))
        settings->key = value;
    else if ((value = after(word, "key-uri=")))
        settings->key_uri = value;
    else
        return 0;
    return 1;
}

static int add(const scep_http_settings_t *common, char *word, apr_pool_t *p)
{
    scep_http_settings_t settings = *common;
    char *first, *second;

    if ((first = after(word, "kerberos:")))
        settings.auth = SCEP_HTTP_AUTH_KERBEROS;
    else if ((first = after(word, "ntlm:")))
        settings.auth = SCEP_HTTP_AUTH_NTLM;
    else if (!(first = after(word, "none:")))
        return 0;
    second = strchr(first, ',');
    if (second)
        *second++ = '\0';
    settings.keytab = settings.user = first;
    settings.principal = settings.secret = second;
    settings.allow_http = SCEP_HTTP_LOOPBACK;
    clients[client_count++] = scep_http_client_create(&settings, p);
    return 1;
}

int main(int argc, char *argv[])
{
    scep_http_settings_t settings = { .timeout = apr_time_from_sec(40),
                                      .connect_timeout =
                                          apr_time_from_sec(20) };
    char line[LINE_ROOM];
    apr_pool_t *p;
    pid_t child;
    int i, status = 1;

    if (apr_initialize() || apr_pool_create(&p, NULL))
        return 1;
    signal(SIGPIPE, SIG_IGN);
    for (i = 1; i < argc && set(&settings, argv[i]); i++)
        continue;
    for (; i < argc && client_count < CLIENTS_MAX; i++)
        if (!add(&settings, argv[i], p))
            return 2;
    /* As in httpd, another process calls than the one that read the files. */
    child = fork();
    if (child) {
        waitpid(child, &status, 0);
    } else {
        status = scep_http_init() != NULL;
        while (fgets(line, sizeof(line), stdin))
            obey(line);
    }
    apr_pool_destroy(p);
    apr_terminate();
    return status ? 1 : 0;
}
