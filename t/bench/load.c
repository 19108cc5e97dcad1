/* load.c - many HTTP requests over a few kept-alive connections
 * SPDX-License-Identifier: Apache-2.0
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "load.h"

#define BUFFER_SIZE 65536
/* Connects that may fail in a row, and seconds without any progress. */
#define TRIES_MAX 20
#define STALL_SECONDS 30

typedef struct connection_t {
    int fd; /* -1: closed */
    load_job_t *job;
    size_t sent;
    double start;
    int retried;  /* the server may close a kept-alive connection */
    int answered; /* answers read on this connection */
    char *in;
    size_t in_len;
    size_t head_len;  /* 0: the head is not complete */
    long long length; /* of the body; -1: chunked, -2: until the end */
    int close;
    size_t chunk_at; /* where the next chunk's size stands in in */
} connection_t;

typedef struct engine_t {
    int epoll;
    struct sockaddr_in address;
    load_job_t *jobs;
    size_t count, next, open;
    int tries;
} engine_t;

double load_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void *load_resize(void *data, size_t size)
{
    void *made = realloc(data, size);

    if (made == NULL) {
        fputs("out of memory\n", stderr);
        exit(EXIT_FAILURE);
    }
    return made;
}

void *load_alloc(size_t size)
{
    return memset(load_resize(NULL, size), 0, size);
}

int load_url_parse(load_url_t *url, const char *text)
{
    struct in_addr address;

    memset(url, 0, sizeof(*url));
    strcpy(url->port, "80");
    if (sscanf(text, "http://%63[0-9.]:%7[0-9]%255s", url->host, url->port,
               url->path) < 2 &&
        sscanf(text, "http://%63[0-9.]%255s", url->host, url->path) < 1)
        return -1;
    return inet_pton(AF_INET, url->host, &address) == 1 ? 0 : -1;
}

void load_request(load_job_t *job, const load_url_t *url, const char *method,
                  const char *path, const char *type, const void *body,
                  size_t body_len)
{
    size_t room = 1024 + strlen(path) + body_len;
    int len;

    memset(job, 0, sizeof(*job));
    job->request = load_alloc(room);
    len = snprintf(job->request, room, "%s %s%s HTTP/1.1\r\nHost: %s:%s\r\n",
                   method, url->path, path, url->host, url->port);
    if (type != NULL)
        len += snprintf(job->request + len, room - (size_t)len,
                        "Content-Type: %s\r\nContent-Length: %zu\r\n", type,
                        body_len);
    len += snprintf(job->request + len, room - (size_t)len, "\r\n");
    if (body_len > 0)
        memcpy(job->request + len, body, body_len);
    job->request_len = (size_t)len + body_len;
}

/* ------------------------------------------------------------------ */

static void watch(const engine_t *engine, connection_t *c, int op,
                  unsigned int events)
{
    struct epoll_event event = { .events = events, .data.ptr = c };

    if (epoll_ctl(engine->epoll, op, c->fd, &event) != 0) {
        perror("epoll_ctl");
        exit(EXIT_FAILURE);
    }
}

static int reconnect(engine_t *engine, connection_t *c)
{
    int one = 1;

    if (c->fd >= 0)
        close(c->fd);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 ||
        connect(c->fd, (const struct sockaddr *)&engine->address,
                sizeof(engine->address)) != 0 ||
        fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0) {
        perror("connect");
        if (c->fd >= 0)
            close(c->fd);
        c->fd = -1;
        return -1;
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    c->answered = 0;
    watch(engine, c, EPOLL_CTL_ADD, EPOLLIN);
    return 0;
}

static void reset(connection_t *c)
{
    c->sent = c->in_len = c->head_len = c->chunk_at = 0;
    c->length = -2;
    c->close = 0;
}

/* Sends what the socket takes; a request rarely needs a second turn. */
static int push(engine_t *engine, connection_t *c)
{
    while (c->sent < c->job->request_len) {
        ssize_t n = send(c->fd, c->job->request + c->sent,
                         c->job->request_len - c->sent, MSG_NOSIGNAL);

        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            watch(engine, c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
            return 0;
        }
        if (n < 0)
            return -1;
        c->sent += (size_t)n;
    }
    return 0;
}

static void start(engine_t *engine, connection_t *c);

static void lost(engine_t *engine, connection_t *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    /* nothing of an answer, on a connection that had been used before */
    if (c->in_len == 0 && c->answered > 0 && !c->retried) {
        reset(c);
        c->retried = 1;
        if (reconnect(engine, c) == 0 && push(engine, c) == 0)
            return;
    }
    c->job = NULL;
    if (++engine->tries > TRIES_MAX)
        engine->next = engine->count;
    start(engine, c);
}

static void start(engine_t *engine, connection_t *c)
{
    if (engine->next == engine->count) {
        if (c->fd >= 0)
            close(c->fd);
        c->fd = -1;
        engine->open--;
        return;
    }
    c->job = &engine->jobs[engine->next++];
    c->retried = 0;
    reset(c);
    c->start = load_clock();
    if ((c->fd < 0 && reconnect(engine, c) != 0) || push(engine, c) != 0)
        lost(engine, c);
}

static void finish(engine_t *engine, connection_t *c, const char *body,
                   size_t len)
{
    load_job_t *job = c->job;

    job->seconds = load_clock() - c->start;
    job->reply = load_alloc(len + 1);
    memcpy(job->reply, body, len);
    job->reply_len = len;
    sscanf(c->in, "HTTP/1.%*c %d", &job->status);
    c->answered++;
    engine->tries = 0;
    if (c->close) {
        close(c->fd);
        c->fd = -1;
    }
    start(engine, c);
}

static void read_head(connection_t *c)
{
    char *end = memmem(c->in, c->in_len, "\r\n\r\n", 4), *line, *next;

    if (end == NULL)
        return;
    c->head_len = c->chunk_at = (size_t)(end - c->in) + 4;
    for (line = c->in; line < end + 2; line = next + 2) {
        next = memmem(line, (size_t)(end + 4 - line), "\r\n", 2);
        if (strncasecmp(line, "Content-Length:", 15) == 0)
            c->length = atoll(line + 15);
        else if (strncasecmp(line, "Transfer-Encoding: chunked", 26) == 0)
            c->length = -1;
        else if (strncasecmp(line, "Connection: close", 17) == 0)
            c->close = 1;
        else if (strncasecmp(line, "Content-Type:", 13) == 0)
            sscanf(line + 13, " %63[^;\r]", c->job->type);
    }
}

/* Takes the chunk sizes out; what stays is the body.  1: it is complete. */
static int read_chunks(connection_t *c, size_t *body_len)
{
    for (;;) {
        char *size = c->in + c->chunk_at, *data;
        char *end = memmem(size, c->in_len - c->chunk_at, "\r\n", 2);
        size_t len, rest;

        if (end == NULL)
            return 0;
        len = strtoul(size, NULL, 16);
        data = end + 2;
        rest = c->in_len - (size_t)(data - c->in);
        if (rest < len + 2)
            return 0;
        *body_len = c->chunk_at - c->head_len;
        if (len == 0)
            return 1;
        memmove(size, data, len);
        memmove(size + len, data + len + 2, rest - len - 2);
        c->chunk_at += len;
        c->in_len = c->chunk_at + rest - len - 2;
    }
}

static void pull(engine_t *engine, connection_t *c)
{
    ssize_t n = recv(c->fd, c->in + c->in_len, BUFFER_SIZE - 1 - c->in_len, 0);
    size_t len;

    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return;
    if (n <= 0) {
        if (c->head_len > 0 && c->length == -2)
            finish(engine, c, c->in + c->head_len, c->in_len - c->head_len);
        else
            lost(engine, c);
        return;
    }
    c->in_len += (size_t)n;
    c->in[c->in_len] = '\0';
    if (c->head_len == 0)
        read_head(c);
    if (c->head_len == 0)
        return;
    len = c->in_len - c->head_len;
    if (c->length >= 0 && len >= (size_t)c->length)
        finish(engine, c, c->in + c->head_len, (size_t)c->length);
    else if (c->length == -1 && read_chunks(c, &len))
        finish(engine, c, c->in + c->head_len, len);
    else if (c->in_len == BUFFER_SIZE - 1)
        lost(engine, c);
}

/*
 * Looks again and again instead of sleeping: to wake a core that sleeps, a
 * virtual one most of all, costs the server's core some microseconds, which
 * are not the server's.
 */
static int wait_for(const engine_t *engine, struct epoll_event *events,
                    int max)
{
    double begin = load_clock();
    int n;

    while ((n = epoll_wait(engine->epoll, events, max, 0)) == 0)
        if (load_clock() - begin > STALL_SECONDS)
            break;
    return n;
}

static void serve(engine_t *engine)
{
    struct epoll_event events[64];

    while (engine->open > 0) {
        int i, n = wait_for(engine, events, 64);

        if (n <= 0) {
            fprintf(stderr, "no answer for %d seconds\n", STALL_SECONDS);
            return;
        }
        for (i = 0; i < n; i++) {
            connection_t *c = events[i].data.ptr;

            if (c->fd >= 0 && (events[i].events & EPOLLOUT)) {
                watch(engine, c, EPOLL_CTL_MOD, EPOLLIN);
                if (push(engine, c) != 0)
                    lost(engine, c);
            } else if (c->fd >= 0) {
                pull(engine, c);
            }
        }
    }
}

size_t load_run(const load_url_t *url, load_job_t *jobs, size_t count,
                int concurrency, double *seconds)
{
    engine_t engine = { .jobs = jobs, .count = count };
    connection_t *connections =
        load_alloc((size_t)concurrency * sizeof(*connections));
    size_t j, failed = 0;
    double begin;
    int i;

    engine.address.sin_family = AF_INET;
    engine.address.sin_port = htons((unsigned short)atoi(url->port));
    inet_pton(AF_INET, url->host, &engine.address.sin_addr);
    engine.epoll = epoll_create1(EPOLL_CLOEXEC);
    engine.open = (size_t)concurrency;
    for (i = 0; i < concurrency; i++) {
        connections[i].fd = -1;
        connections[i].in = load_alloc(BUFFER_SIZE);
    }
    begin = load_clock();
    for (i = 0; i < concurrency; i++)
        start(&engine, &connections[i]);
    serve(&engine);
    *seconds = load_clock() - begin;
    for (i = 0; i < concurrency; i++) {
        if (connections[i].fd >= 0)
            close(connections[i].fd);
        free(connections[i].in);
    }
    close(engine.epoll);
    free(connections);
    for (j = 0; j < count; j++)
        failed += jobs[j].status == 0;
    return failed;
}

void load_free(load_job_t *jobs, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++) {
        free(jobs[i].request);
        free(jobs[i].reply);
    }
    free(jobs);
}
