/* SPDX-License-Identifier: MIT */
/* `elixirscope order`: which of two events came first, or neither. */
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/error.h"
#include "cli/why.h"

static const char help[] =
    "elixirscope order - which of two events came before the other\n"
    "\n"
    "Usage: elixirscope order [OPTION]... FILE.scope A B\n"
    "\n"
    "Says whether A happened before B in the sense of cause and effect: B's process had heard, through messages, "
    "starts\n"
    "and exits, of what A's process had done; and shows the way. 'concurrent': neither had heard of the other, "
    "whatever the\n"
    "clock says. 'possibly': it depends on when a message was handled, which is not known. A message counts from its\n"
    "handling on, not from its arrival; a reply that was waited for from the next thing on that its process does. A "
    "and "
    "B\n"
    "are event numbers.\n"
    "\n"
    "Options:\n"
    "  --notation NOTATION    'elixir' (default) or 'erlang'\n"
    "  --json                 one object: `a, b, order, unknown, path` (event numbers)\n"
    "  --help                 this text\n"
    "\n"
    "Examples:\n"
    "  elixirscope order shop.scope 17588 17656\n"
    "\n"
    "Exit codes:\n"
    "  0 success, 1 failure, 2 wrong usage\n";

static void print_json(uint64_t a, uint64_t b, const struct es_order_answer *answer)
{
    printf("{\"a\":%" PRIu64 ",\"b\":%" PRIu64 ",\"order\":\"%s\",\"unknown\":%zu,\"path\":[", a, b,
           es_order_names[answer->order], answer->unknown);
    for (size_t i = 0; i < answer->n_path; i++)
        printf("%s%" PRIu64, i ? "," : "", answer->path[i]);
    printf("]}\n");
}

static void print_step(struct es_teller *teller, uint64_t seq)
{
    const struct es_event *event;
    struct es_text line = {0}, words = {0};
    struct es_cli_buf buf;
    if (es_query_event(teller->query, seq, &event) < 0) {
        es_error_clear();
        return;
    }
    struct es_event copy = *event;
    es_text_printf(&line, "%8" PRIu64 " +%-9s ", seq, es_cli_duration(copy.time - teller->zero, &buf));
    es_tell_who(teller, copy.pid, copy.time, &words);
    es_text_puts(&words, " ");
    es_tell_event(teller, &copy, &words);
    es_tell_cut(&line, &words, teller->width > 40 ? teller->width - 20 : 20);
    es_cli_flush(&line, stdout);
    es_text_fini(&words);
    es_text_fini(&line);
}

static void print_words(struct es_teller *teller, uint64_t a, uint64_t b, const struct es_order_answer *answer)
{
    static const char *const words[] = {"is",  "happened before",          "happened after",
                                        "and", "possibly happened before", "possibly happened after"};
    bool apart = answer->order == ES_ORDER_CONCURRENT;
    printf("%s%" PRIu64 " %s %" PRIu64 "%s%s\n", es_cli_style(stdout, ES_STYLE_BOLD), a, words[answer->order], b,
           apart ? " are concurrent: neither process had heard of what the other did" : "",
           es_cli_style(stdout, ES_STYLE_NONE));
    if (apart && answer->unknown > 0)
        printf("as far as is known: the senders of %zu messages between them are not\n", answer->unknown);
    const struct es_event *event;
    if (answer->n_path > 0 && es_query_event(teller->query, answer->path[0], &event) == 0)
        teller->zero = event->time;
    for (size_t i = 0; i < answer->n_path; i++)
        print_step(teller, answer->path[i]);
}

static int run(struct es_teller *teller, const char *const names[2])
{
    uint64_t ends[2];
    struct es_order_answer answer;
    for (int i = 0; i < 2; i++) {
        char *end;
        ends[i] = strtoull(names[i], &end, 10);
        if (*end || end == names[i] || *names[i] == '-')
            return es_cli_usage("order", "'%s' is not the number of an event", names[i]);
    }
    if (es_query_before(teller->query, ends[0], ends[1], &answer) < 0)
        return es_cli_failure("order");
    if (teller->json)
        print_json(ends[0], ends[1], &answer);
    else
        print_words(teller, ends[0], ends[1], &answer);
    free(answer.path);
    return ES_EXIT_OK;
}

int es_cmd_order(int argc, char **argv)
{
    static const struct option options[] = {{"notation", required_argument, NULL, ES_OPT_NOTATION},
                                            {"json", no_argument, NULL, ES_OPT_JSON},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct es_teller teller = {0};
    for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        int rc = 0;
        switch (option) {
        case ES_OPT_JSON: teller.json = true; break;
        case ES_OPT_NOTATION: rc = es_cli_parse_notation(optarg, &teller.erlang); break;
        case 'h': return es_cli_help(help);
        default: return es_cli_usage("order", "wrong option");
        }
        if (rc < 0) {
            es_cli_failure("order");
            return ES_EXIT_USAGE;
        }
    }
    if (argc - optind != 3)
        return es_cli_usage("order", "a recording and two events are needed");
    int code = ES_EXIT_OK;
    teller.query = es_cli_open("order", argv[optind], &code);
    if (!teller.query)
        return code;
    teller.width = es_tell_width();
    code = run(&teller, (const char *const[]){argv[optind + 1], argv[optind + 2]});
    es_query_close(teller.query);
    return es_cli_finish("order", code);
}
