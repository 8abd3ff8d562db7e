/* What a listener makes of the bytes it gets: the answer's head, stamps of parts, cadences.
 *
 * There is no parser. Whoever makes the sound puts `STMP` and 16 hexadecimal digits of
 * CLOCK_MONOTONIC in nanoseconds into every part, and the rest of it is zeros: so a part is found by
 * looking for one letter, whatever the framing around it. */
#include <stdlib.h>
#include <string.h>

#include "crowd.h"

#define STAMP "STMP"
#define CADENCE "urn:stentor:cadence:1"
enum { STAMP_BYTES = 20 };

static unsigned char *find(unsigned char *from, unsigned char *end, const char *what) {
    size_t length = strlen(what);
    while (end - from >= (long)length) {
        from = memchr(from, what[0], (size_t)(end - from) - length + 1);
        if (!from || !memcmp(from, what, length)) return from;
        from++;
    }
    return NULL;
}

static int64_t stamp_ns(const unsigned char *digits) {
    uint64_t value = 0;
    for (int at = 0; at < 16; at++) {
        unsigned char c = digits[at];
        value = value << 4 | (unsigned)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
    }
    return (int64_t)value;
}

/* The status line and the end of the head, which may come in any number of reads. */
static enum verdict hear_head(struct listener *listener, struct figures *figures,
                              const struct options *options, unsigned char *from,
                              unsigned char *end, enum phase phase) {
    bool counts = options->until == UNTIL_END || phase == MEASURING;
    int64_t waited_ns = now_ns() - listener->began_ns;
    if (listener->state == ASKED) {
        int status = end - from >= 12 ? atoi((char *)from + 9) : 0;
        figures->status[status > 0 && status < STATUS_MAX ? status : 0]++;
        if (status != 200) return REFUSED;
        if (counts) note(&figures->head, waited_ns);
        if (options->until == UNTIL_HEAD) return FINISHED;
        listener->state = IN_HEAD;
    }
    if (listener->state == IN_HEAD) {
        unsigned char *head_end = find(from, end, "\r\n\r\n");
        if (!head_end) return GO_ON;
        listener->state = WAITING;
        if (head_end + 4 == end) return GO_ON;
    }
    listener->state = IN_BODY;
    if (counts) note(&figures->body, waited_ns);
    return options->until == UNTIL_BODY ? FINISHED : GO_ON;
}

static int place_of(int cadence_ms) {
    static const int known[CADENCES] = {200, 500, 1000, 2000};
    for (int at = 0; at < CADENCES; at++)
        if (known[at] == cadence_ms) return at;
    return -1;
}

static void told(struct listener *listener, struct figures *figures, int cadence_ms) {
    int before = place_of(listener->playhead.cadence_ms), now = place_of(cadence_ms);
    if (now < 0) return;
    if (before >= 0) figures->at_cadence[before]--;
    figures->at_cadence[now]++;
    expect(&listener->playhead, cadence_ms);
}

/* `{"cadence_ms": n, "in_ms": n}` follows its scheme; what was whole in an earlier read is over. */
static void hear_cadence(struct listener *listener, struct figures *figures, unsigned char *from,
                         unsigned char *data, unsigned char *end) {
    while ((from = find(from, end, CADENCE))) {
        unsigned char *closed = memchr(from, '}', (size_t)(end - from));
        if (!closed) return;
        unsigned char *value = find(from, closed, "\"cadence_ms\":");
        if (value && closed >= data) told(listener, figures, atoi((char *)value + 13));
        from = closed;
    }
}

static void hear_parts(struct listener *listener, struct figures *figures,
                       const struct options *options, unsigned char *from, unsigned char *data,
                       unsigned char *end, enum phase phase) {
    int64_t now = 0;
    for (; (from = find(from, end, STAMP)) && end - from >= STAMP_BYTES; from += STAMP_BYTES) {
        if (from + STAMP_BYTES <= data) continue;
        if (!now) {
            now = now_ns();
            if (play(&listener->playhead, now)) figures->stalls++;
        }
        arrive(&listener->playhead, options->part_ms * MS);
        int64_t delay_ns = now - stamp_ns(from + 4);
        note(&figures->all, (uint64_t)delay_ns);
        if (phase != MEASURING) continue;
        figures->parts++;
        note(&figures->delay, (uint64_t)delay_ns);
    }
    if (!now) return;
    settle(&listener->playhead, options->part_ms);
    if (listener->part_ns && phase == MEASURING)
        note(&figures->gap, (uint64_t)(now - listener->part_ns));
    listener->part_ns = now;
}

enum verdict hear(struct listener *listener, struct figures *figures,
                  const struct options *options, unsigned char *data, size_t bytes,
                  enum phase phase) {
    unsigned char *from = data - listener->tail_bytes, *end = data + bytes;
    memcpy(from, listener->tail, listener->tail_bytes);
    if (phase == MEASURING) {
        figures->reads++;
        figures->bytes += bytes;
    }
    if (listener->state != IN_BODY) {
        enum verdict verdict = hear_head(listener, figures, options, from, end, phase);
        if (verdict != GO_ON) return verdict;
        if (listener->state == IN_BODY) {
            int place = place_of(listener->playhead.cadence_ms);
            if (place >= 0) figures->at_cadence[place]++;
            figures->joined++;
        }
    }
    hear_cadence(listener, figures, from, data, end);
    hear_parts(listener, figures, options, from, data, end, phase);
    size_t all = (size_t)(end - from);
    listener->tail_bytes = (uint16_t)(all < TAIL_BYTES ? all : TAIL_BYTES);
    memcpy(listener->tail, end - listener->tail_bytes, listener->tail_bytes);
    return GO_ON;
}
