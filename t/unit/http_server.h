/* http_server.h - a small HTTP server, for tests of those that ask one
 * SPDX-License-Identifier: Apache-2.0
 *
 * What it does depends on the path:
 *
 *   /ok        200, "hello", the connection stays open
 *   /echo      200, the request as it came
 *   /status/N  an answer with status N
 *   /redirect  302 to /ok
 *   /large/N   N octets, announced
 *   /chunks    chunks without end
 *   /headers   a header without end
 *   /cut       100 octets announced, 10 sent, closed
 *   /late      the head at once, the body never
 *   /never     no answer at all
 *   /silent    closed without an answer
 *   /hang-up   200, and closed without a word of that
 *   /stale     closed after the head, on a connection that was used before;
 *              else as /ok
 *
 * A client that expects 100 Continue gets it, or else closed at that point.
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include <openssl/ssl.h>

typedef struct http_server_t http_server_t;

/** Starts it on a free port of 127.0.0.1, with TLS where tls is not NULL. */
http_server_t *http_server_start(SSL_CTX *tls);

/** Ends it and every connection. */
void http_server_stop(http_server_t *server);

int http_server_port(const http_server_t *server);

/** How many connections it has accepted, how many requests it has read to
 * their end. */
unsigned int http_server_connections(http_server_t *server);
unsigned int http_server_requests(http_server_t *server);

/** Waits until it has closed a connection of its own accord. */
void http_server_await_hang_up(http_server_t *server);

#endif
