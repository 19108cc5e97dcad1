/* load.h - many HTTP requests over a few kept-alive connections
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stddef.h>

/** Where to: an http URL with a numeric host, taken apart. */
typedef struct load_url_t {
    char host[64]; /**< an IPv4 address */
    char port[8];
    char path[256];
} load_url_t;

/** One request and what came of it. */
typedef struct load_job_t {
    char *request; /**< whole: head and body; freed by load_free */
    size_t request_len;
    int status; /**< of HTTP; 0: no answer */
    char type[64];
    unsigned char *reply; /**< freed by load_free */
    size_t reply_len;
    double seconds; /**< from the first octet sent to the last one read */
} load_job_t;

/** @return 0, or -1 where the text is no such URL */
int load_url_parse(load_url_t *url, const char *text);

/**
 * Fills in the request of a job.
 * @param path  appended to the URL's
 * @param type  Content-Type; NULL: a request without a body
 */
void load_request(load_job_t *job, const load_url_t *url, const char *method,
                  const char *path, const char *type, const void *body,
                  size_t body_len);

/**
 * Sends all requests and reads all answers.
 * @param seconds  set to the time that it took
 * @return number of jobs without an answer
 */
size_t load_run(const load_url_t *url, load_job_t *jobs, size_t count,
                int concurrency, double *seconds);

void load_free(load_job_t *jobs, size_t count);

/** Seconds on a clock that only goes forward. */
double load_clock(void);

/** malloc and friends that end the program where there is no memory. */
void *load_alloc(size_t size);
void *load_resize(void *data, size_t size);

#endif
