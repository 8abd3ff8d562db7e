/* One process of the load client: an epoll loop over its share of the listeners. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "crowd.h"

enum { EVENTS = 512, READ_BYTES = 64 * 1024, REQUEST_BYTES = 8192, SESSION_BYTES_MAX = 8192 };

static const struct options *options;
static struct figures *figures;
static enum phase phase;
static int loop, *free_places, free_count;
static char **tickets, request[REQUEST_BYTES];
static int ticket_count;
static unsigned char room[TAIL_BYTES + READ_BYTES];
static SSL_CTX *tls;
static unsigned char session[SESSION_BYTES_MAX];
static long session_bytes;

static void fail(const char *what) {
    fprintf(stderr, "crowd: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void read_tickets(void) {
    FILE *file = fopen(options->tickets, "r");
    if (!file) fail(options->tickets);
    char *line = NULL;
    size_t size = 0;
    for (ssize_t length; (length = getline(&line, &size, file)) > 0;) {
        if (line[length - 1] == '\n') line[length - 1] = 0;
        if (!(ticket_count & (ticket_count - 1)))
            tickets = realloc(tickets, sizeof *tickets * (ticket_count ? ticket_count * 2u : 1));
        tickets[ticket_count++] = strdup(line);
    }
    fclose(file);
    if (!ticket_count) fail("no tickets");
}

static size_t write_request(int number) {
    int length = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s\r\n%s",
                          options->path, options->host, options->headers);
    size_t left = sizeof request - (size_t)length;
    const char *ticket = ticket_count ? tickets[number % ticket_count] : "";
    const char *form = ticket_count ? "%s: %s\r\n\r\n" : "\r\n";
    return (size_t)(length + snprintf(request + length, left, form, options->ticket_header, ticket));
}

/* A TLS 1.3 session may be used once as an object; as bytes it can be made anew for everybody. */
static int keep_session(SSL *connection, SSL_SESSION *fresh) {
    (void)connection;
    unsigned char *at = session;
    if (!session_bytes && i2d_SSL_SESSION(fresh, NULL) <= SESSION_BYTES_MAX)
        session_bytes = i2d_SSL_SESSION(fresh, &at);
    return 0;
}

static void start_tls(void) {
    tls = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    if (options->resume) SSL_CTX_sess_set_new_cb(tls, keep_session);
    if (options->tls_version) {
        SSL_CTX_set_min_proto_version(tls, options->tls_version);
        SSL_CTX_set_max_proto_version(tls, options->tls_version);
    }
}

static void watch(struct listener *listener, int change, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = listener};
    if (epoll_ctl(loop, change, listener->fd, &event)) fail("epoll_ctl");
}

static void let_go(struct listener *listener) {
    if (listener->tls) SSL_free(listener->tls);
    close(listener->fd);
    listener->tls = NULL;
    listener->state = FREE;
    if (options->until != UNTIL_END) free_places[free_count++] = listener->number;
}

static void finish(struct listener *listener) {
    figures->joined++;
    if (phase == MEASURING) figures->done++;
    let_go(listener);
}

static void lose(struct listener *listener) {
    if (listener->state == IN_BODY) figures->ended++;
    else figures->failed++;
    ERR_clear_error(); /* or the next connection would be thought at fault */
    let_go(listener);
}

/* Whether a connection goes only as far as `until`; the first one that is to be resumed goes on. */
static bool ends_at(enum until until) {
    return options->until == until && (!options->resume || session_bytes);
}

static void ask(struct listener *listener) {
    if (options->until == UNTIL_END || phase == MEASURING)
        note(&figures->connect, (uint64_t)(now_ns() - listener->began_ns));
    if (ends_at(UNTIL_CONNECTED)) {
        finish(listener);
        return;
    }
    size_t length = write_request(listener->number);
    ssize_t sent = tls ? SSL_write(listener->tls, request, (int)length)
                       : send(listener->fd, request, length, MSG_NOSIGNAL);
    if (sent != (ssize_t)length) { /* a fresh socket takes a request whole */
        lose(listener);
        return;
    }
    listener->state = ASKED;
}

static void shake(struct listener *listener) {
    int done = SSL_connect(listener->tls);
    if (done == 1) {
        figures->handshakes++;
        figures->resumed += (uint64_t)SSL_session_reused(listener->tls);
        watch(listener, EPOLL_CTL_MOD, EPOLLIN);
        ask(listener);
        return;
    }
    int why = SSL_get_error(listener->tls, done);
    if (why == SSL_ERROR_WANT_READ) watch(listener, EPOLL_CTL_MOD, EPOLLIN);
    else if (why != SSL_ERROR_WANT_WRITE) lose(listener);
}

static void connected(struct listener *listener) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(listener->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
        lose(listener);
        return;
    }
    if (!tls) {
        watch(listener, EPOLL_CTL_MOD, EPOLLIN);
        ask(listener);
        return;
    }
    listener->tls = SSL_new(tls);
    SSL_set_fd(listener->tls, listener->fd);
    if (isalpha((unsigned char)options->host[0]))
        SSL_set_tlsext_host_name(listener->tls, options->host);
    if (session_bytes) {
        const unsigned char *at = session;
        SSL_SESSION *again = d2i_SSL_SESSION(NULL, &at, session_bytes);
        SSL_set_session(listener->tls, again);
        SSL_SESSION_free(again);
    }
    listener->state = SHAKING;
    shake(listener);
}

static void begin(struct listener *listener) {
    int source = listener->number % options->sources;
    if (options->prefixes)
        source = listener->number % options->prefixes * 250 +
                 listener->number / options->prefixes % 250;
    struct sockaddr_in from = {.sin_family = AF_INET};
    from.sin_addr.s_addr = htonl(0x7f000101u + (unsigned)(source / 250 * 256 + source % 250));
    int yes = 1;
    listener->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener->fd < 0) fail("socket");
    /* The port is chosen by connect, so that one port serves for several destinations. */
    setsockopt(listener->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
    if (ntohl(options->to.sin_addr.s_addr) >> 24 == 127 &&
        bind(listener->fd, (struct sockaddr *)&from, sizeof from))
        fail("bind");
    listener->tail_bytes = 0;
    listener->part_ns = 0;
    listener->playhead = (struct playhead){.cadence_ms = options->cadence_ms};
    listener->state = CONNECTING;
    listener->began_ns = now_ns();
    watch(listener, EPOLL_CTL_ADD, EPOLLOUT);
    if (connect(listener->fd, (struct sockaddr *)&options->to, sizeof options->to) &&
        errno != EINPROGRESS)
        lose(listener);
}

/* Read what is there: a socket once, since epoll tells again; TLS until it has nothing left. */
static void take(struct listener *listener) {
    unsigned char *data = room + TAIL_BYTES;
    ssize_t bytes;
    do {
        bytes = tls ? SSL_read(listener->tls, data, READ_BYTES)
                    : recv(listener->fd, data, READ_BYTES, 0);
        if (bytes <= 0) break;
        enum verdict verdict = hear(listener, figures, options, data, (size_t)bytes, phase);
        if (verdict == FINISHED) {
            finish(listener);
            return;
        }
        if (verdict == REFUSED) {
            lose(listener);
            return;
        }
    } while (tls);
    bool later = tls ? bytes < 0 && SSL_get_error(listener->tls, (int)bytes) == SSL_ERROR_WANT_READ
                     : bytes > 0 || (bytes < 0 && errno == EAGAIN);
    if (!later) lose(listener);
}

/* Begin the connections that are due; the number begun so far. */
static int begin_due(struct listener *all, int begun, int64_t since_ns, int rate, int count) {
    bool churning = options->until != UNTIL_END;
    double elapsed_s = (double)(now_ns() - since_ns) / 1e9;
    int due = rate ? 1 + (int)(elapsed_s * rate) : begun + EVENTS;
    if (!churning && due > count) due = count;
    for (; begun < due; begun++) {
        if (options->resume && !session_bytes && begun) break; /* they wait for the first one's */
        if (!churning) begin(&all[begun]);
        else if (free_count) begin(&all[free_places[--free_count]]);
        else if (rate) figures->late++;
        else break;
    }
    return begun;
}

static void processor_ns(int64_t *ran, int64_t *waited) {
    FILE *file = fopen("/proc/self/schedstat", "r");
    long long values[2] = {0, 0};
    if (file && fscanf(file, "%lld %lld", &values[0], &values[1]) != 2) values[0] = 0;
    if (file) fclose(file);
    *ran = values[0], *waited = values[1];
}

/* Keeps the figures of who ran how long, as the parent goes from phase to phase. */
static void enter(enum phase next, int64_t *at_ns, int64_t *ran, int64_t *waited) {
    int64_t now = now_ns(), ran_now, waited_now;
    processor_ns(&ran_now, &waited_now);
    double wall = (double)(now - *at_ns);
    if (phase == JOINING) figures->join_busy = (double)(ran_now - *ran) / wall;
    if (phase == MEASURING) {
        figures->busy = (double)(ran_now - *ran) / wall;
        figures->waited = (double)(waited_now - *waited) / wall;
    }
    *at_ns = now, *ran = ran_now, *waited = waited_now;
    phase = next;
}

static void handle(struct listener *listener) {
    if (listener->state == CONNECTING) connected(listener);
    else if (listener->state == SHAKING) shake(listener);
    else if (listener->state != FREE) take(listener);
}

/* Looks at the sockets every so often, and never waits in epoll: a send that finds somebody waiting
 * there wakes them, and that costs the server about what sending does. Real listeners are other
 * machines. What it costs is that every time is up to a look later than it was. */
static int look(void) {
    struct epoll_event events[EVENTS];
    int ready = epoll_wait(loop, events, EVENTS, 0);
    for (int at = 0; at < ready; at++) handle(events[at].data.ptr);
    return ready;
}

static int share_of(int whole, int process) {
    return whole / options->processes + (process < whole % options->processes);
}

static void close_books(struct listener *all, int count) {
    for (int at = 0; at < count; at++) {
        bool hears = all[at].state == IN_BODY;
        if (hears && play(&all[at].playhead, now_ns())) figures->stalls++;
        figures->stalled_listeners += hears && all[at].playhead.stalled;
    }
}

void run_listeners(const struct options *given, struct shared *shared, int process) {
    options = given, figures = &shared->of[process];
    if (options->tickets) read_tickets();
    if (options->tls) start_tls();
    int count = share_of(options->listeners, process), rate = share_of(options->rate, process);
    if (options->rate && !rate) rate = 1;
    struct listener *all = calloc((size_t)count, sizeof *all);
    free_places = calloc((size_t)count, sizeof *free_places);
    loop = epoll_create1(EPOLL_CLOEXEC);
    if (!all || !free_places || loop < 0) fail("no room");
    for (int at = 0; at < count; at++) {
        all[at].number = at * options->processes + process;
        if (options->until != UNTIL_END) all[at].number = free_places[free_count++] = at;
    }
    int64_t since = now_ns(), at_ns = since, ran, waited;
    processor_ns(&ran, &waited);
    for (int begun = 0;;) {
        enum phase next = (enum phase)shared->phase;
        if (next != phase) enter(next, &at_ns, &ran, &waited);
        if (phase == DONE) break;
        begun = begin_due(all, begun, since, rate, count);
        if (look() < EVENTS) usleep((useconds_t)options->look_us);
    }
    close_books(all, count);
}
