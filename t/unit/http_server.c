/* http_server.c - a small HTTP server, for tests of those that ask one
 * SPDX-License-Identifier: Apache-2.0
 */
#include "http_server.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <check.h>

#define CONNECTIONS_MAX 64
#define REQUEST_MAX 65536

typedef struct connection_t {
    http_server_t *server;
    pthread_t thread;
    int fd;
    SSL *tls;
    unsigned int answers;
    char request[REQUEST_MAX + 1];
    size_t len;
} connection_t;

struct http_server_t {
    SSL_CTX *tls;
    pthread_t thread;
    int fd, port;
    int stop[2]; /**< a pipe that ends all waiting by being closed */
    atomic_uint requests, hang_ups, count;
    connection_t *connections[CONNECTIONS_MAX];
};

/* Waits for input; zero when the server is to end. */
static int wait_input(connection_t *connection, int fd)
{
    struct pollfd fds[2] = {
        { .fd = fd, .events = POLLIN },
        { .fd = connection->server->stop[0], .events = POLLIN },
    };

    return poll(fds, 2, -1) > 0 && !fds[1].revents;
}

static int get(connection_t *connection)
{
    size_t room = REQUEST_MAX - connection->len;
    char *to = connection->request + connection->len;
    ssize_t got;

    if (!(connection->tls && SSL_pending(connection->tls)) &&
        !wait_input(connection, connection->fd))
        return 0;
    got = connection->tls ? SSL_read(connection->tls, to, (int)room)
                          : read(connection->fd, to, room);
    if (got <= 0)
        return 0;
    connection->len += (size_t)got;
    connection->request[connection->len] = '\0';
    return 1;
}

static int put(connection_t *connection, const char *data, size_t len)
{
    while (len) {
        ssize_t put = connection->tls
                          ? SSL_write(connection->tls, data, (int)len)
                          : send(connection->fd, data, len, MSG_NOSIGNAL);
        if (put <= 0)
            return 0;
        data += put;
        len -= (size_t)put;
    }
    return 1;
}

static int put_text(connection_t *connection, const char *text)
{
    return put(connection, text, strlen(text));
}

static int put_answer(connection_t *connection, int status, const char *field,
                      const char *body, size_t len)
{
    char head[512];

    snprintf(head, sizeof(head),
             "HTTP/1.1 %d Test\r\n%sContent-Length: %zu\r\n\r\n", status,
             field, len);
    return put_text(connection, head) && put(connection, body, len);
}

static int put_large(connection_t *connection, size_t len)
{
    char *body = malloc(len + 1);
    int good;

    ck_assert_ptr_nonnull(body);
    memset(body, 'x', len);
    good = put_answer(connection, 200, "", body, len);
    free(body);
    return good;
}

static int put_endless(connection_t *connection, const char *head,
                       const char *again)
{
    int good = put_text(connection, head);

    while (good)
        good = put_text(connection, again);
    return 0;
}

/* Reads one request.  @return its length, 0 at the end of the connection */
static size_t read_request(connection_t *connection)
{
    const char *end, *field;
    size_t len;

    while (!(end = strstr(connection->request, "\r\n\r\n")))
        if (!get(connection))
            return 0;
    if (connection->answers && strstr(connection->request, " /stale "))
        return 0;
    field = strstr(connection->request, "Expect: 100-continue");
    if (field && field < end &&
        !put_text(connection, "HTTP/1.1 100 Continue\r\n\r\n"))
        return 0;
    len = (size_t)(end - connection->request) + 4;
    field = strstr(connection->request, "Content-Length: ");
    if (field && field < end)
        len += strtoul(field + 16, NULL, 10);
    ck_assert_uint_le(len, REQUEST_MAX);
    while (connection->len < len)
        if (!get(connection))
            return 0;
    return len;
}

static int hang_up(connection_t *connection)
{
    if (connection->tls)
        SSL_shutdown(connection->tls);
    shutdown(connection->fd, SHUT_RDWR);
    connection->server->hang_ups++;
    return 0;
}

/* @return whether the connection goes on */
static int answer(connection_t *connection, size_t len)
{
    const char *request = connection->request;
    char path[64] = "";

    sscanf(request, "%*s %63s", path);
    if (!strcmp(path, "/ok") || !strcmp(path, "/ok?token=hidden") ||
        !strcmp(path, "/stale"))
        return put_answer(connection, 200, "X-One: 1\r\n", "hello", 5);
    if (!strncmp(path, "/status/", 8))
        return put_answer(connection, atoi(path + 8), "", "no", 2);
    if (!strcmp(path, "/redirect"))
        return put_answer(connection, 302, "Location: /ok\r\n", "", 0);
    if (!strncmp(path, "/large/", 7))
        return put_large(connection, strtoul(path + 7, NULL, 10));
    if (!strcmp(path, "/chunks")) {
        return put_endless(connection,
                           "HTTP/1.1 200 OK\r\n"
                           "Transfer-Encoding: chunked\r\n\r\n",
                           "10\r\n0123456789abcdef\r\n");
    }
    if (!strcmp(path, "/headers"))
        return put_endless(connection, "HTTP/1.1 200 OK\r\n", "X-A: b\r\n");
    if (!strcmp(path, "/cut")) {
        put_text(connection,
                 "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789");
        return 0;
    }
    if (!strcmp(path, "/late"))
        put_text(connection, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
    if (!strcmp(path, "/late") || !strcmp(path, "/never"))
        return wait_input(connection, connection->fd) && 0;
    if (!strcmp(path, "/silent"))
        return 0;
    if (!strcmp(path, "/hang-up"))
        return put_answer(connection, 200, "", "bye", 3) &&
               hang_up(connection);
    return put_answer(connection, 200, "", request, len);
}

static void *serve(void *connectionv)
{
    connection_t *connection = connectionv;
    size_t len;
    int on = 1;

    if (connection->server->tls) {
        connection->tls = SSL_new(connection->server->tls);
        SSL_set_fd(connection->tls, connection->fd);
        on = SSL_accept(connection->tls) == 1;
    }
    while (on && (len = read_request(connection))) {
        connection->server->requests++;
        connection->answers++;
        on = answer(connection, len);
        connection->len -= len;
        memmove(connection->request, connection->request + len,
                connection->len + 1);
    }
    SSL_free(connection->tls);
    shutdown(connection->fd, SHUT_RDWR);
    return NULL;
}

static void *listen_on(void *serverv)
{
    http_server_t *server = serverv;
    connection_t self = { .server = server };

    while (wait_input(&self, server->fd)) {
        connection_t *connection = calloc(1, sizeof(*connection));
        ck_assert_ptr_nonnull(connection);
        connection->server = server;
        connection->fd = accept(server->fd, NULL, NULL);
        ck_assert_int_ge(connection->fd, 0);
        ck_assert_uint_lt(server->count, CONNECTIONS_MAX);
        server->connections[server->count++] = connection;
        ck_assert_int_eq(pthread_create(&connection->thread, NULL, serve,
                                        connection),
                         0);
    }
    return NULL;
}

http_server_t *http_server_start(SSL_CTX *tls)
{
    http_server_t *server = calloc(1, sizeof(*server));
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t len = sizeof(address);

    ck_assert_ptr_nonnull(server);
    server->tls = tls;
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(server->fd, (struct sockaddr *)&address, len), 0);
    ck_assert_int_eq(listen(server->fd, CONNECTIONS_MAX), 0);
    ck_assert_int_eq(getsockname(server->fd, (struct sockaddr *)&address,
                                 &len),
                     0);
    server->port = ntohs(address.sin_port);
    ck_assert_int_eq(pipe(server->stop), 0);
    ck_assert_int_eq(pthread_create(&server->thread, NULL, listen_on, server),
                     0);
    return server;
}

void http_server_stop(http_server_t *server)
{
    close(server->stop[1]);
    pthread_join(server->thread, NULL);
    for (unsigned int i = 0; i < server->count; i++) {
        connection_t *connection = server->connections[i];
        shutdown(connection->fd, SHUT_RDWR);
        pthread_join(connection->thread, NULL);
        close(connection->fd);
        free(connection);
    }
    close(server->fd);
    close(server->stop[0]);
    free(server);
}

int http_server_port(const http_server_t *server)
{
    return server->port;
}

unsigned int http_server_connections(http_server_t *server)
{
    return server->count;
}

unsigned int http_server_requests(http_server_t *server)
{
    return server->requests;
}

void http_server_await_hang_up(http_server_t *server)
{
    while (!server->hang_ups)
        usleep(1000);
}
