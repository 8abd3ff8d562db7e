/* A load client that asks the same over and over and reads each answer whole. See USAGE.
 *
 * So many conversations are under way at any time; each is one connection and some requests, one
 * after the other. It looks at its sockets every so often and never waits for them: no server pays
 * for waking it. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 512, ROOM = 64 * 1024, REQUEST_MAX = 4096, STATUS_MAX = 600, LOOK_US = 500 };

static const char USAGE[] =
    "ask --to 127.0.0.1:PORT --request FILE [--lines FILE] [--in-flight N] [--requests N]\n"
    "    [--sources N] [--settle S] [--seconds S]\n"
    "\n"
    "FILE holds a request, byte for byte; an @ in it is replaced by the next line of --lines. Says\n"
    "`begin` and `end` on stderr around the window and one JSON line on stdout: done, failed, status,\n"
    "client_busy.\n";

struct talk {
    int fd, number, left;
    bool connecting;
    long missing; /* bytes of the answer that are to come; -1: its head is not whole */
    size_t held;
    char head[2048];
};

static struct sockaddr_in to;
static char request[REQUEST_MAX], before[REQUEST_MAX], after[REQUEST_MAX];
static size_t request_bytes;
static char **lines;
static int line_count, line_next, in_flight = 200, requests = 1, sources = 32, loop;
static double settle_s = 1, seconds = 3;
static bool measuring;
static uint64_t done, failed, status[STATUS_MAX];
static struct talk *talks;

static void fail(const char *what) {
    fprintf(stderr, "ask: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void read_request(const char *path) {
    FILE *file = fopen(path, "r");
    if (!file) fail(path);
    request_bytes = fread(request, 1, sizeof request - 1, file);
    fclose(file);
    char *mark = strchr(request, '@');
    if (!mark) return;
    memcpy(before, request, (size_t)(mark - request));
    strcpy(after, mark + 1);
}

static void read_lines(const char *path) {
    FILE *file = fopen(path, "r");
    if (!file) fail(path);
    char *line = NULL;
    size_t size = 0;
    for (ssize_t length; (length = getline(&line, &size, file)) > 0;) {
        if (line[length - 1] == '\n') line[length - 1] = 0;
        if (!(line_count & (line_count - 1)))
            lines = realloc(lines, sizeof *lines * (line_count ? line_count * 2u : 1));
        lines[line_count++] = strdup(line);
    }
    fclose(file);
    if (!line_count) fail(path);
}

static void begin(struct talk *talk);

static void end(struct talk *talk, bool well) {
    close(talk->fd);
    if (!well) failed++;
    begin(talk);
}

static bool say(struct talk *talk) {
    size_t bytes = request_bytes;
    if (line_count) {
        const char *line = lines[line_next++ % line_count];
        bytes = (size_t)snprintf(request, sizeof request, "%s%s%s", before, line, after);
    }
    talk->missing = -1;
    talk->held = 0;
    return send(talk->fd, request, bytes, MSG_NOSIGNAL) == (ssize_t)bytes;
}

static void begin(struct talk *talk) {
    struct sockaddr_in from = {.sin_family = AF_INET};
    int yes = 1, source = talk->number % sources;
    from.sin_addr.s_addr = htonl(0x7f000101u + (unsigned)(source / 250 * 256 + source % 250));
    talk->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (talk->fd < 0) fail("socket");
    setsockopt(talk->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
    if (bind(talk->fd, (struct sockaddr *)&from, sizeof from)) fail("bind");
    talk->left = requests;
    talk->connecting = true;
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = talk};
    if (epoll_ctl(loop, EPOLL_CTL_ADD, talk->fd, &event)) fail("epoll_ctl");
    if (connect(talk->fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS) fail("connect");
}

/* The head of an answer: its status and how long its body is. */
static void understand(struct talk *talk) {
    talk->head[talk->held] = 0;
    char *stop = strstr(talk->head, "\r\n\r\n");
    if (!stop) return;
    int code = atoi(talk->head + 9);
    if (measuring) status[code > 0 && code < STATUS_MAX ? code : 0]++;
    char *length = strcasestr(talk->head, "\r\ncontent-length:");
    long body = length && length < stop ? atol(length + 17) : 0;
    talk->missing = body - (long)(talk->held - (size_t)(stop + 4 - talk->head));
}

static void hear(struct talk *talk) {
    static char room[ROOM];
    bool in_head = talk->missing < 0;
    char *at = in_head ? talk->head + talk->held : room;
    size_t most = in_head ? sizeof talk->head - 1 - talk->held : sizeof room;
    ssize_t bytes = recv(talk->fd, at, most, 0);
    if (bytes < 0 && errno == EAGAIN) return;
    if (bytes <= 0) {
        end(talk, false);
        return;
    }
    if (in_head) {
        talk->held += (size_t)bytes;
        understand(talk);
    } else {
        talk->missing -= bytes;
    }
    if (talk->missing) return;
    if (measuring) done++;
    if (--talk->left == 0) end(talk, true);
    else if (!say(talk)) end(talk, false);
}

static void handle(struct talk *talk) {
    if (!talk->connecting) {
        hear(talk);
        return;
    }
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(talk->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    talk->connecting = false;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = talk};
    if (epoll_ctl(loop, EPOLL_CTL_MOD, talk->fd, &event)) fail("epoll_ctl");
    if (error || !say(talk)) end(talk, false);
}

static void run(double for_s) {
    struct epoll_event events[EVENTS];
    int64_t until = now_ns(CLOCK_MONOTONIC) + (int64_t)(for_s * 1e9);
    while (now_ns(CLOCK_MONOTONIC) < until) {
        int ready = epoll_wait(loop, events, EVENTS, 0);
        for (int at = 0; at < ready; at++) handle(events[at].data.ptr);
        if (ready < EVENTS) usleep(LOOK_US);
    }
}

static const struct option KNOWN[] = {
    {"to", 1, 0, 'a'},       {"request", 1, 0, 'q'}, {"lines", 1, 0, 'l'},  {"in-flight", 1, 0, 'i'},
    {"requests", 1, 0, 'r'}, {"sources", 1, 0, 's'}, {"settle", 1, 0, 'w'}, {"seconds", 1, 0, 'S'},
    {0, 0, 0, 0},
};

static void read_options(int count, char **words) {
    for (int which; (which = getopt_long(count, words, "", KNOWN, NULL)) != -1;) {
        char *colon = which == 'a' ? strrchr(optarg, ':') : NULL;
        if (colon) {
            *colon = 0;
            to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(colon + 1))};
            inet_pton(AF_INET, optarg, &to.sin_addr);
        } else if (which == 'q') read_request(optarg);
        else if (which == 'l') read_lines(optarg);
        else if (which == 'i') in_flight = atoi(optarg);
        else if (which == 'r') requests = atoi(optarg);
        else if (which == 's') sources = atoi(optarg);
        else if (which == 'w') settle_s = atof(optarg);
        else if (which == 'S') seconds = atof(optarg);
        else fputs(USAGE, stderr), exit(2);
    }
    if (!to.sin_port || !request_bytes || in_flight < 1 || sources < 1) fputs(USAGE, stderr), exit(2);
    if (ntohl(to.sin_addr.s_addr) >> 24 != 127) fputs("ask: to this machine only\n", stderr), exit(2);
}

int main(int count, char **words) {
    read_options(count, words);
    loop = epoll_create1(EPOLL_CLOEXEC);
    talks = calloc((size_t)in_flight, sizeof *talks);
    if (loop < 0 || !talks) fail("no room");
    for (int at = 0; at < in_flight; at++) {
        talks[at].number = at;
        begin(&talks[at]);
    }
    run(settle_s);
    measuring = true;
    fprintf(stderr, "begin\n");
    int64_t used = now_ns(CLOCK_PROCESS_CPUTIME_ID), began = now_ns(CLOCK_MONOTONIC);
    run(seconds);
    double wall = (double)(now_ns(CLOCK_MONOTONIC) - began);
    double busy = (double)(now_ns(CLOCK_PROCESS_CPUTIME_ID) - used) / wall;
    fprintf(stderr, "end\n");
    printf("{\"done\": %llu, \"failed\": %llu, \"client_busy\": %.3f, \"status\": {",
           (unsigned long long)done, (unsigned long long)failed, busy);
    const char *comma = "";
    for (int code = 0; code < STATUS_MAX; code++)
        if (status[code]) {
            printf("%s\"%d\": %llu", comma, code, (unsigned long long)status[code]);
            comma = ", ";
        }
    printf("}}\n");
    return 0;
}
