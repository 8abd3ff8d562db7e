/* The load client's command line. */
#include <arpa/inet.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crowd.h"

static const char USAGE[] =
    "crowd: many listeners of one stream, and what they hear of it\n"
    "\n"
    "  crowd --to 127.0.0.1:PORT [options]\n"
    "\n"
    "Opens connections at a rate, sends each a request, waits until all have a byte of the body,\n"
    "then measures for a while. Says `joined`, `begin` and `end` on stderr (read the server's CPU\n"
    "between the last two) and one JSON line on stdout. Parts are known by the stamp in them: STMP\n"
    "and 16 hexadecimal digits of CLOCK_MONOTONIC (ns).\n"
    "\n"
    "  --path PATH             what to ask for (/)\n"
    "  --host NAME             Host header (the address)\n"
    "  --header 'NAME: VALUE'  one more header; as often as wanted\n"
    "  --tickets FILE          one ticket a line; listener i takes line i, from the first again\n"
    "  --ticket-header NAME    the header it goes into (Stentor-Ticket)\n"
    "  --listeners N           how many (1000)\n"
    "  --rate R                connections a second; 0: as fast as it goes (4000)\n"
    "  --processes P           over so many processes, at most 16 (1)\n"
    "  --sources S             from so many addresses 127.0.1.x (one for each 10,000; 32 if --until)\n"
    "  --prefixes N            of N networks (/24), one after the other, instead\n"
    "  --seconds S             the window (6); SIGTERM ends it sooner\n"
    "  --settle S              between the last that joined and the window (2)\n"
    "  --give-up S             begin the window without those who have nothing by then (30)\n"
    "  --part-ms N             sound in each stamped part (200)\n"
    "  --cadence-ms N          time between sends until the stream says otherwise (200)\n"
    "  --every MS              a JSON line on stderr each MS while it runs; SIGUSR1 asks for one\n"
    "  --look-us US            between two looks at the sockets (1000): nobody waits for them, so no\n"
    "                          send pays for waking this client; times are up to one look late\n"
    "  --until body|head|connected\n"
    "                          do not listen: close there and take the next place, all the time;\n"
    "                          --rate 0 keeps --in-flight connections going\n"
    "  --in-flight N           connections under way with --until (200)\n"
    "  --tls [1.2|1.3]         speak TLS; certificates are not checked\n"
    "  --resume                take up the first session again\n"
    "\n"
    "Answer: joined, failed (no connection), refused (no 200), ended (closed by the server), stalls,\n"
    "times in ms as {count, p50, p90, p99, max}: connect, head (first byte), ttfb (first byte of the\n"
    "body), delay (stamp to read), gap (between reads with parts); client_busy and client_wait, the\n"
    "shares of the window in which the busiest process ran and waited for a core; client_limits:\n"
    "true when the figures are rather those of this client.\n";

static void usage(int code) {
    fputs(USAGE, code ? stderr : stdout);
    exit(code);
}

static void set_address(struct options *options, const char *text) {
    char host[64];
    const char *colon = strrchr(text, ':');
    if (!colon || colon - text >= (long)sizeof host) usage(2);
    snprintf(host, sizeof host, "%.*s", (int)(colon - text), text);
    options->to.sin_family = AF_INET;
    options->to.sin_port = htons((uint16_t)atoi(colon + 1));
    if (inet_pton(AF_INET, host, &options->to.sin_addr) != 1) usage(2);
    if (!options->host) options->host = text;
}

static void add_header(struct options *options, const char *line) {
    size_t used = strlen(options->headers);
    if (used + strlen(line) + 3 > sizeof options->headers) usage(2);
    snprintf(options->headers + used, sizeof options->headers - used, "%s\r\n", line);
}

static void set_until(struct options *options, const char *word) {
    if (!strcmp(word, "body")) options->until = UNTIL_BODY;
    else if (!strcmp(word, "head")) options->until = UNTIL_HEAD;
    else if (!strcmp(word, "connected")) options->until = UNTIL_CONNECTED;
    else usage(2);
}

static void set_tls(struct options *options, const char *version) {
    options->tls = true;
    if (!version) return;
    if (!strcmp(version, "1.2")) options->tls_version = TLS1_2_VERSION;
    else if (!strcmp(version, "1.3")) options->tls_version = TLS1_3_VERSION;
    else usage(2);
}

static const struct option KNOWN[] = {
    {"to", 1, 0, 'a'},        {"path", 1, 0, 'p'},       {"host", 1, 0, 'h'},
    {"header", 1, 0, 'H'},    {"tickets", 1, 0, 't'},    {"ticket-header", 1, 0, 'T'},
    {"listeners", 1, 0, 'n'}, {"rate", 1, 0, 'r'},       {"processes", 1, 0, 'P'},
    {"sources", 1, 0, 's'},   {"seconds", 1, 0, 'S'},    {"settle", 1, 0, 'w'},
    {"give-up", 1, 0, 'g'},   {"part-ms", 1, 0, 'm'},    {"cadence-ms", 1, 0, 'c'},
    {"every", 1, 0, 'e'},     {"look-us", 1, 0, 'l'},    {"until", 1, 0, 'u'},
    {"in-flight", 1, 0, 'i'}, {"prefixes", 1, 0, 'P' + 128},
    {"tls", 2, 0, 'x'},       {"resume", 0, 0, 'R'},     {"help", 0, 0, '?'},
    {0, 0, 0, 0},
};

static void set(struct options *options, int which) {
    switch (which) {
    case 'a': set_address(options, optarg); break;
    case 'p': options->path = optarg; break;
    case 'h': options->host = optarg; break;
    case 'H': add_header(options, optarg); break;
    case 't': options->tickets = optarg; break;
    case 'T': options->ticket_header = optarg; break;
    case 'n': options->listeners = atoi(optarg); break;
    case 'r': options->rate = atoi(optarg); break;
    case 'P': options->processes = atoi(optarg); break;
    case 's': options->sources = atoi(optarg); break;
    case 'P' + 128: options->prefixes = atoi(optarg); break;
    case 'S': options->seconds = atof(optarg); break;
    case 'w': options->settle_s = atof(optarg); break;
    case 'g': options->give_up_s = atof(optarg); break;
    case 'm': options->part_ms = atoi(optarg); break;
    case 'c': options->cadence_ms = atoi(optarg); break;
    case 'e': options->every_ms = atoi(optarg); break;
    case 'l': options->look_us = atoi(optarg); break;
    case 'u': set_until(options, optarg); break;
    case 'i': options->in_flight = atoi(optarg); break;
    case 'x': set_tls(options, optarg); break;
    case 'R': options->resume = true; break;
    default: usage(optopt ? 2 : 0);
    }
}

void read_options(int count, char **words, struct options *options) {
    *options = (struct options){
        .path = "/", .ticket_header = "Stentor-Ticket", .listeners = 1000, .rate = 4000,
        .processes = 1, .seconds = 6, .settle_s = 2, .give_up_s = 30, .part_ms = 200,
        .cadence_ms = 200, .in_flight = 200, .look_us = 1000,
    };
    for (int which; (which = getopt_long(count, words, "", KNOWN, NULL)) != -1;)
        set(options, which);
    bool listening = options->until == UNTIL_END;
    if (!listening) options->listeners = options->in_flight;
    if (!options->sources)
        options->sources = listening ? (options->listeners + 9999) / 10000 : 32;
    if (!options->to.sin_port || optind < count || options->listeners < 1 ||
        options->processes < 1 || options->processes > PROCESSES_MAX)
        usage(2);
}
