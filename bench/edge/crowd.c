/* The load client: a crowd of listeners that cost next to nothing. See --help.
 *
 * It must never be what is measured: a read costs it a third of what a send costs a server, all
 * times go into histograms, and it says how busy it was itself. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crowd.h"

/* So busy a client is late itself, and what it tells of a server is not true. */
static const double BUSY_MAX = 0.85;

static struct options options;
static struct shared *shared;
static int64_t began_ns, joined_ns;
static volatile sig_atomic_t asked, over;

static void ask(int signal) {
    (void)signal;
    asked = 1;
}

static void finish(int signal) {
    (void)signal;
    over = 1;
}

static uint64_t sum_of(size_t at) {
    uint64_t sum = 0;
    for (int process = 0; process < options.processes; process++)
        sum += *(_Atomic uint64_t *)((char *)&shared->of[process] + at);
    return sum;
}
#define SUM(field) ((unsigned long long)sum_of(offsetof(struct figures, field)))

static void print_progress(void) {
    static struct histogram before;
    struct histogram all = {0}, recent;
    long long at[CADENCES] = {0};
    for (int process = 0; process < options.processes; process++) {
        add(&all, &shared->of[process].all);
        for (int place = 0; place < CADENCES; place++)
            at[place] += shared->of[process].at_cadence[place];
    }
    recent = all;
    recent.count -= before.count;
    for (int bucket = 0; bucket < BUCKETS; bucket++) recent.bucket[bucket] -= before.bucket[bucket];
    before = all;
    fprintf(stderr,
            "{\"at_s\": %.2f, \"joined\": %llu, \"failed\": %llu, \"ended\": %llu, \"stalls\": %llu, "
            "\"delay_p50\": %.1f, \"delay_p99\": %.1f, "
            "\"cadence\": {\"200\": %lld, \"500\": %lld, \"1000\": %lld, \"2000\": %lld}}\n",
            (double)(now_ns() - began_ns) / 1e9, SUM(joined), SUM(failed), SUM(ended), SUM(stalls),
            percentile_ms(&recent, 0.5), percentile_ms(&recent, 0.99), at[0], at[1], at[2], at[3]);
}

static void wait_until(int64_t deadline_ns, bool all_joined) {
    static int64_t told_ns;
    uint64_t listeners = (uint64_t)options.listeners;
    while (!over && now_ns() < deadline_ns) {
        if (all_joined && SUM(joined) + SUM(failed) >= listeners) return;
        usleep(2000);
        if (asked || (options.every_ms && now_ns() - told_ns >= options.every_ms * MS)) {
            asked = 0;
            told_ns = now_ns();
            print_progress();
        }
    }
}

static void print_figures(void) {
    static struct figures sum;
    double busy = 0, join_busy = 0, waited = 0;
    for (int process = 0; process < options.processes; process++) {
        struct figures *one = &shared->of[process];
        sum.stalled_listeners += one->stalled_listeners;
        sum.handshakes += one->handshakes, sum.resumed += one->resumed;
        if (one->busy > busy) busy = one->busy;
        if (one->join_busy > join_busy) join_busy = one->join_busy;
        if (one->waited > waited) waited = one->waited;
        add(&sum.connect, &one->connect), add(&sum.head, &one->head), add(&sum.body, &one->body);
        add(&sum.delay, &one->delay), add(&sum.gap, &one->gap);
        for (int status = 0; status < STATUS_MAX; status++) sum.status[status] += one->status[status];
    }
    printf("{\"listeners\": %d, \"joined\": %llu, \"failed\": %llu, \"ended\": %llu, ",
           options.listeners, SUM(joined), SUM(failed), SUM(ended));
    printf("\"stalls\": %llu, \"stalled_listeners\": %llu, \"seconds\": %.3f, \"joined_in_s\": %.3f, ",
           SUM(stalls), (unsigned long long)sum.stalled_listeners, options.seconds,
           (double)(joined_ns - began_ns) / 1e9);
    printf("\"parts\": %llu, \"reads\": %llu, \"bytes\": %llu, \"done\": %llu, \"late\": %llu, ",
           SUM(parts), SUM(reads), SUM(bytes), SUM(done), SUM(late));
    printf("\"handshakes\": %llu, \"resumed\": %llu, ", (unsigned long long)sum.handshakes,
           (unsigned long long)sum.resumed);
    print_histogram("connect_ms", &sum.connect);
    print_histogram("head_ms", &sum.head);
    print_histogram("ttfb_ms", &sum.body);
    print_histogram("delay_ms", &sum.delay);
    print_histogram("gap_ms", &sum.gap);
    printf("\"status\": {");
    const char *comma = "";
    for (int status = 0; status < STATUS_MAX; status++) {
        if (!sum.status[status]) continue;
        printf("%s\"%d\": %llu", comma, status, (unsigned long long)sum.status[status]);
        comma = ", ";
    }
    printf("}, \"client_busy\": %.3f, \"client_join_busy\": %.3f, \"client_wait\": %.3f, "
           "\"client_limits\": %s}\n",
           busy, join_busy, waited,
           options.until == UNTIL_END && (busy > BUSY_MAX || join_busy > BUSY_MAX) ? "true" : "false");
}

static void start_processes(void) {
    for (int process = 0; process < options.processes; process++) {
        pid_t child = fork();
        if (child < 0) exit(1);
        if (child) continue;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGTERM, SIG_DFL);
        prctl(PR_SET_TIMERSLACK, 1000);
        run_listeners(&options, shared, process);
        _exit(0); /* closing tens of thousands of sockets one by one would take longer */
    }
}

/* A child that died has said why. */
static void reap(bool all) {
    for (int status; waitpid(-1, &status, all ? 0 : WNOHANG) > 0;)
        if (status) exit(1);
}

int main(int count, char **words) {
    read_options(count, words, &options);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGUSR1, ask);
    signal(SIGTERM, finish);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if ((rlim_t)(options.listeners / options.processes + 64) > files.rlim_max) {
        fprintf(stderr, "crowd: at most %lu descriptors a process here: more --processes\n",
                (unsigned long)files.rlim_max);
        return 2;
    }
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) return 1;
    began_ns = now_ns();
    start_processes();
    if (options.until == UNTIL_END)
        wait_until(began_ns + (int64_t)(options.give_up_s * 1e9), true);
    joined_ns = now_ns();
    reap(false);
    fprintf(stderr, "joined %llu\n", SUM(joined));
    wait_until(joined_ns + (int64_t)(options.settle_s * 1e9), false);
    shared->phase = MEASURING;
    fprintf(stderr, "begin\n");
    wait_until(now_ns() + (int64_t)(options.seconds * 1e9), false);
    shared->phase = DONE;
    fprintf(stderr, "end\n");
    reap(true);
    print_figures();
    return 0;
}
