/* The limit: what a loop of send(2) over all sockets costs, with nothing else around it.
 *
 *   limit --port PORT [--interval-ms 500] [--bits-per-s 32000]
 *
 * One chunk each interval, stamped when it is made (see hear.c) and sent to every listener in one go.
 * Newcomers are answered with a head at once and hear from the next chunk on; nobody's bytes are
 * kept: who has no room loses the chunk, as in no real server, and is counted on SIGTERM. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
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
    }
}

/* A request is taken as whole: on loopback it is. What comes later is the end of a listener. */
static void answer(int fd) {
    char request[4096];
    ssize_t bytes = recv(fd, request, sizeof request, 0);
    if (bytes > 0) {
        send(fd, HEAD, sizeof HEAD - 1, MSG_NOSIGNAL);
        listeners[count++] = fd;
        return;
    }
    if (bytes < 0 && errno == EAGAIN) return;
    for (int at = 0; at < count; at++)
        if (listeners[at] == fd) {
            listeners[at] = listeners[--count];
            break;
        }
    close(fd);
}

static void send_chunk(int bytes) {
    static char chunk[CHUNK_MAX];
    int head = snprintf(chunk, sizeof chunk, "%x\r\n", bytes);
    snprintf(chunk + head, 21, "STMP%016llx", (unsigned long long)now_ns());
    memset(chunk + head + 20, 0, (size_t)bytes - 20);
    memcpy(chunk + head + bytes, "\r\n", 2);
    for (int at = 0; at < count; at++)
        lost += send(listeners[at], chunk, (size_t)(head + bytes + 2), MSG_NOSIGNAL) < 0;
}

int main(int words, char **word) {
    int port = 0, interval_ms = 500, bits_per_s = 32000;
    for (int at = 1; at + 1 < words; at += 2) {
        if (!strcmp(word[at], "--port")) port = atoi(word[at + 1]);
        if (!strcmp(word[at], "--interval-ms")) interval_ms = atoi(word[at + 1]);
        if (!strcmp(word[at], "--bits-per-s")) bits_per_s = atoi(word[at + 1]);
    }
    int bytes = (int)((int64_t)bits_per_s * interval_ms / 8000);
    if (!port || bytes < 20 || bytes > CHUNK_MAX - 32) return 2;
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    listeners = calloc(files.rlim_max, sizeof *listeners);
    signal(SIGTERM, stop);
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
