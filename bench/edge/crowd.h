/* What the parts of the load client share: options, figures, one listener. */
#ifndef CROWD_H
#define CROWD_H
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "histogram.h"
#include "playhead.h"

enum { PROCESSES_MAX = 16, STATUS_MAX = 600, TAIL_BYTES = 160, CADENCES = 4 };

enum until { UNTIL_END, UNTIL_BODY, UNTIL_HEAD, UNTIL_CONNECTED };

struct options {
    struct sockaddr_in to;
    const char *host, *path, *tickets, *ticket_header;
    char headers[4096];
    int listeners, rate, processes, sources, prefixes, in_flight, first_source;
    int part_ms, cadence_ms, every_ms, look_us;
    double seconds, settle_s, give_up_s;
    enum until until;
    bool tls, resume;
    int tls_version;
};

/* One process's figures, in memory that the parent reads: the counts and `all` while it runs, the
 * rest at the end. */
struct figures {
    _Atomic uint64_t joined, failed, ended, stalls, parts, reads, bytes, done, late;
    uint64_t stalled_listeners, handshakes, resumed;
    uint64_t status[STATUS_MAX];
    _Atomic int64_t at_cadence[CADENCES]; /* listeners told of each cadence last */
    double busy, join_busy, waited; /* shares of the window: this process ran, waited for a core */
    struct histogram connect, head, body, delay, gap;
    struct histogram all; /* delays from the beginning on; the others are those of the window */
};

enum phase { JOINING, MEASURING, DONE };
enum verdict { GO_ON, FINISHED, REFUSED };

struct shared {
    _Atomic int phase;
    struct figures of[PROCESSES_MAX];
};

enum state { FREE, CONNECTING, SHAKING, ASKED, IN_HEAD, WAITING, IN_BODY };

struct listener {
    int fd, number;
    enum state state;
    SSL *tls;
    int64_t began_ns, part_ns;
    struct playhead playhead;
    uint16_t tail_bytes;
    unsigned char tail[TAIL_BYTES]; /* end of the last read: a stamp may lie across two */
};

static inline int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* options.c */
void read_options(int count, char **words, struct options *options);
/* hear.c: look at what came. Before `data` there are TAIL_BYTES of room. */
enum verdict hear(struct listener *listener, struct figures *figures,
                  const struct options *options, unsigned char *data, size_t bytes,
                  enum phase phase);
/* run.c: one process's listeners, until the parent says that it is over. */
void run_listeners(const struct options *options, struct shared *shared, int process);
#endif
