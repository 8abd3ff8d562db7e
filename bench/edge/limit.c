/* The limit: what a loop of send(2) over all sockets costs, with nothing else around it.
 *
 *   limit --port PORT [--interval-ms 500] [--bits-per-s 32000] [--cert FILE --key FILE]
 *
 * With a certificate it is SSL_write(3) over all connections, as OpenSSL comes.
 *
 * One chunk each interval, stamped when it is made (see hear.c) and sent to every listener in one go.
 * Newcomers are answered with a head at once and hear from the next chunk on; nobody's bytes are
 * kept: who has no room loses the chunk, as in no real server, and is counted on SIGTERM. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256, CHUNK_MAX = 64 * 1024 };
static const char HEAD[] = "HTTP/1.1 200 OK\r\nContent-Type: audio/mp4\r\n"
                           "Transfer-Encoding: chunked\r\n\r\n";
static int loop, *listeners, count;
static long lost;
static volatile sig_atomic_t over;
static SSL_CTX *context;
static SSL **secured; /* by descriptor */

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void stop(int signal) {
    (void)signal;
    over = 1;
}

static int open_door(int port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int door = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), yes = 1;
    setsockopt(door, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(door, (struct sockaddr *)&at, sizeof at) || listen(door, 4096)) {
        perror("limit");
        exit(1);
    }
    return door;
}

static void admit(int door) {
    for (int fd; (fd = accept4(door, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
        int yes = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event);
        if (!context) continue;
        secured[fd] = SSL_new(context);
        SSL_set_fd(secured[fd], fd);
        SSL_set_accept_state(secured[fd]);
    }
}

static long receive(int fd, char *to, int size) {
    if (!context) return recv(fd, to, (size_t)size, 0);
    int bytes = SSL_read(secured[fd], to, size);
    if (bytes > 0) return bytes;
    errno = SSL_get_error(secured[fd], bytes) == SSL_ERROR_WANT_READ ? EAGAIN : ECONNRESET;
    return errno == EAGAIN ? -1 : 0;
}

static long give(int fd, const char *from, int size) {
    if (context) return SSL_write(secured[fd], from, size);
    return send(fd, from, (size_t)size, MSG_NOSIGNAL);
}

/* A request is taken as whole: on loopback it is. What comes later is the end of a listener. */
static void answer(int fd) {
    char request[4096];
    long bytes = receive(fd, request, sizeof request);
    if (bytes > 0) {
        give(fd, HEAD, sizeof HEAD - 1);
        listeners[count++] = fd;
        return;
    }
    if (bytes < 0 && errno == EAGAIN) return;
    for (int at = 0; at < count; at++)
        if (listeners[at] == fd) {
            listeners[at] = listeners[--count];
            break;
        }
    if (context) SSL_free(secured[fd]);
    close(fd);
}

static void speak_tls(const char *certificate, const char *key) {
    context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE);
    SSL_CTX_set_session_id_context(context, (const unsigned char *)"limit", 5);
    if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) {
        fprintf(stderr, "limit: the certificate cannot be read\n");
        exit(1);
    }
}

static void send_chunk(int bytes) {
    static char chunk[CHUNK_MAX];
    int head = snprintf(chunk, sizeof chunk, "%x\r\n", bytes);
    snprintf(chunk + head, 21, "STMP%016llx", (unsigned long long)now_ns());
    memset(chunk + head + 20, 0, (size_t)bytes - 20);
    memcpy(chunk + head + bytes, "\r\n", 2);
    for (int at = 0; at < count; at++)
        lost += give(listeners[at], chunk, head + bytes + 2) <= 0;
}

int main(int words, char **word) {
    int port = 0, interval_ms = 500, bits_per_s = 32000;
    const char *certificate = NULL, *key = NULL;
    for (int at = 1; at + 1 < words; at += 2) {
        if (!strcmp(word[at], "--port")) port = atoi(word[at + 1]);
        if (!strcmp(word[at], "--interval-ms")) interval_ms = atoi(word[at + 1]);
        if (!strcmp(word[at], "--bits-per-s")) bits_per_s = atoi(word[at + 1]);
        if (!strcmp(word[at], "--cert")) certificate = word[at + 1];
        if (!strcmp(word[at], "--key")) key = word[at + 1];
    }
    int bytes = (int)((int64_t)bits_per_s * interval_ms / 8000);
    if (!port || bytes < 20 || bytes > CHUNK_MAX - 32) return 2;
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    listeners = calloc(files.rlim_max, sizeof *listeners);
    secured = calloc(files.rlim_max, sizeof *secured);
    if (certificate && key) speak_tls(certificate, key);
    signal(SIGTERM, stop);
    signal(SIGPIPE, SIG_IGN);
    loop = epoll_create1(0);
    int door = open_door(port);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = door}, events[EVENTS];
    epoll_ctl(loop, EPOLL_CTL_ADD, door, &event);
    for (int64_t due_ns = now_ns(); !over;) {
        int64_t left_ns = due_ns - now_ns();
        if (left_ns <= 0) {
            send_chunk(bytes);
            due_ns += interval_ms * 1000000LL;
            continue;
        }
        struct timespec wait = {left_ns / 1000000000LL, left_ns % 1000000000LL};
        int ready = epoll_pwait2(loop, events, EVENTS, &wait, NULL);
        for (int at = 0; at < ready; at++) {
            if (events[at].data.fd == door) admit(door);
            else answer(events[at].data.fd);
        }
    }
    fprintf(stderr, "limit: %ld chunks lost\n", lost);
    return 0;
}
