/* A simulated playhead: counts the stalls that a listener would have heard.
 *
 * It starts with max(2 cadences, 400 ms) in hand; when it has run out for more than 20 ms that is a
 * stall, and it gathers as much anew. When the stream says that sends will be further apart it plays
 * at 0.92 until it holds what that takes just after a send (the cadence, a part, and a little), and
 * when they are closer again at 1.05 until it holds no more than that: as the browser's player does,
 * with less to spare. */
#ifndef PLAYHEAD_H
#define PLAYHEAD_H
#include <stdbool.h>
#include <stdint.h>

#define MS 1000000LL
enum { START_MS = 400, STALL_MS = 20, SPARE_MS = 50 };
static const double SLOWER = 0.92, FASTER = 1.05;

struct playhead {
    int64_t hand_ns; /* sound in hand at `at_ns` */
    int64_t at_ns;
    int32_t cadence_ms;
    int8_t way; /* 1: deepening the buffer, -1: coming back, 0: as it should be */
    bool playing, stalled;
};

/* Let time pass; true when the playhead ran dry in it. */
static inline bool play(struct playhead *head, int64_t now_ns) {
    double speed = head->way > 0 ? SLOWER : head->way < 0 ? FASTER : 1;
    if (head->playing) head->hand_ns -= (int64_t)((double)(now_ns - head->at_ns) * speed);
    head->at_ns = now_ns;
    if (!head->playing || head->hand_ns >= -STALL_MS * MS) return false;
    head->playing = false;
    head->stalled = true;
    head->hand_ns = 0;
    return true;
}

/* `sound_ns` more is here. Call `play` first. */
static inline void arrive(struct playhead *head, int64_t sound_ns) {
    head->hand_ns += sound_ns;
}

/* All that came in one read has been counted: start, or settle at the depth that was wanted. */
static inline void settle(struct playhead *head, int part_ms) {
    int64_t start_ms = 2 * head->cadence_ms > START_MS ? 2 * head->cadence_ms : START_MS;
    int64_t depth_ns = (head->cadence_ms + part_ms + SPARE_MS) * MS;
    if (!head->playing) head->playing = head->hand_ns >= start_ms * MS;
    if (head->way > 0 && head->hand_ns >= depth_ns) head->way = 0;
    if (head->way < 0 && head->hand_ns <= depth_ns) head->way = 0;
}

/* The stream says how far apart sends will be. */
static inline void expect(struct playhead *head, int cadence_ms) {
    if (cadence_ms == head->cadence_ms) return;
    head->way = cadence_ms > head->cadence_ms ? 1 : -1;
    head->cadence_ms = cadence_ms;
}
#endif
