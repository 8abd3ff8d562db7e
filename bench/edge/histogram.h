/* Times in a fixed number of buckets, so that a million of them take no more memory than one.
 *
 * 64 buckets an octave: a percentile read from it is at most 1.6 % too large, never too small. */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H
#include <stdint.h>
#include <stdio.h>

enum { SUB_BITS = 6, SUBS = 1 << SUB_BITS, BUCKETS = (40 - SUB_BITS) * SUBS };

struct histogram {
    uint64_t count, most_ns;
    uint32_t bucket[BUCKETS];
};

/* Microseconds below 64 have buckets of their own; above, the six bits after the first count. */
static inline unsigned bucket_of(uint64_t us) {
    if (us < SUBS) return (unsigned)us;
    unsigned octave = 63 - (unsigned)__builtin_clzll(us) - SUB_BITS;
    unsigned at = (octave + 1) * SUBS + (unsigned)((us >> octave) & (SUBS - 1));
    return at < BUCKETS ? at : BUCKETS - 1;
}

static inline double bucket_end_us(unsigned at) {
    if (at < SUBS) return at + 1;
    return (double)((uint64_t)(SUBS + at % SUBS + 1) << (at / SUBS - 1));
}

static inline void note(struct histogram *histogram, uint64_t ns) {
    histogram->count++;
    if (ns > histogram->most_ns) histogram->most_ns = ns;
    histogram->bucket[bucket_of(ns / 1000)]++;
}

static inline void add(struct histogram *sum, const struct histogram *more) {
    sum->count += more->count;
    if (more->most_ns > sum->most_ns) sum->most_ns = more->most_ns;
    for (unsigned at = 0; at < BUCKETS; at++) sum->bucket[at] += more->bucket[at];
}

static inline double percentile_ms(const struct histogram *histogram, double share) {
    uint64_t seen = 0, wanted = (uint64_t)(share * (double)histogram->count + 0.9999);
    for (unsigned at = 0; at < BUCKETS; at++) {
        seen += histogram->bucket[at];
        if (seen && seen >= wanted) {
            double end = bucket_end_us(at) / 1e3, most = (double)histogram->most_ns / 1e6;
            return end < most ? end : most;
        }
    }
    return 0;
}

static inline void print_histogram(const char *name, const struct histogram *histogram) {
    printf("\"%s\": {\"count\": %llu, \"p50\": %.3f, \"p90\": %.3f, \"p99\": %.3f, \"max\": %.3f}, ",
           name, (unsigned long long)histogram->count, percentile_ms(histogram, 0.5),
           percentile_ms(histogram, 0.9), percentile_ms(histogram, 0.99),
           (double)histogram->most_ns / 1e6);
}
#endif
