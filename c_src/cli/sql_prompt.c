/* SPDX-License-Identifier: MIT */
/* The prompt of `elixirscope sql`: statements over several lines until a semicolon, dot commands, history,
 * completion of what there is. */
#include "cli/sql_prompt.h"

#include <ctype.h>
#include <editline/readline.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

#define HISTORY_MAX 1000

static const char help[] = "A statement ends with a semicolon. TAB completes tables, columns, functions, kinds.\n"
                           "  .tables          what there is\n"
                           "  .schema [TABLE]  columns of all tables, or of one\n"
                           "  .format FORMAT   table, csv or json\n"
                           "  .help            this text\n"
                           "  .quit            end (Ctrl-D too); Ctrl-C stops a query\n";

/* ---- completion ---------------------------------------------------------------------------------------------------- */

static const char *const keywords[] = {"SELECT",   "FROM",
                                       "WHERE",    "GROUP BY",
                                       "ORDER BY", "LIMIT",
                                       "OFFSET",   "JOIN",
                                       "LEFT",     "ON",
                                       "AND",      "OR",
                                       "NOT",      "IN",
                                       "LIKE",     "GLOB",
                                       "BETWEEN",  "IS",
                                       "NULL",     "CASE",
                                       "WHEN",     "THEN",
                                       "ELSE",     "END",
                                       "DISTINCT", "HAVING",
                                       "WITH",     "RECURSIVE",
                                       "UNION",    "DESC",
                                       "ASC",      "EXPLAIN QUERY PLAN",
                                       "count(",   "sum(",
                                       "avg(",     "min(",
                                       "max(",     "group_concat(",
                                       NULL};
static const char *const commands[] = {".tables", ".schema", ".format", ".help", ".quit", NULL};

struct words {
    const char *prefix;
    size_t wanted, seen; /* the wanted-th that fits */
    char *found;
};

/* Is it the one? Takes its text up to a parenthesis, which stays. */
static bool offer(struct words *words, const char *word)
{
    size_t len = strlen(words->prefix), end = strcspn(word, "(");
    if (strncasecmp(word, words->prefix, len) != 0 || words->seen++ != words->wanted)
        return false;
    words->found = strndup(word, word[end] ? end + 1 : end);
    return true;
}

static bool offer_schema(struct words *words)
{
    struct es_sql_table_info table;
    for (size_t t = 0; es_sql_table(t, &table) == 0; t++) {
        struct es_sql_column_info column;
        if (offer(words, table.name))
            return true;
        for (size_t c = 0; es_sql_table_column(t, c, &column) == 0; c++) {
            bool known = false; /* each name once */
            for (size_t before = 0; before < t && !known; before++) {
                struct es_sql_column_info other;
                for (size_t k = 0; !known && es_sql_table_column(before, k, &other) == 0; k++)
                    known = strcmp(other.name, column.name) == 0;
            }
            if (!known && offer(words, column.name))
                return true;
        }
    }
    return false;
}

static bool offer_kinds(struct words *words)
{
    for (unsigned kind = 1; kind < ES_KIND_MAX; kind++)
        if (es_kind_table[kind].family != ES_FAM_INTERNAL && offer(words, es_kind_table[kind].name))
            return true;
    for (unsigned family = 0; family < ES_FAM_INTERNAL; family++)
        if (offer(words, es_family_names[family]))
            return true;
    return false;
}

static bool offer_list(struct words *words, const char *const *list)
{
    for (size_t i = 0; list[i]; i++)
        if (offer(words, list[i]))
            return true;
    return false;
}

static bool in_quotes;

static char *next_word(const char *text, int state)
{
    static size_t wanted;
    wanted = state == 0 ? 0 : wanted + 1;
    struct words words = {.prefix = text, .wanted = wanted};
    bool found = text[0] == '.' ? offer_list(&words, commands)
                 : in_quotes    ? offer_kinds(&words) || offer_schema(&words)
                                : offer_schema(&words) || offer_list(&words, es_sql_functions) ||
                                   offer_list(&words, keywords) || offer_kinds(&words);
    return found ? words.found : NULL;
}

static char **complete(const char *text, int start, int end)
{
    (void)end;
    rl_attempted_completion_over = 1; /* never file names */
    rl_completion_append_character = '\0';
    in_quotes = start > 0 && rl_line_buffer[start - 1] == '\'';
    return rl_completion_matches(text, next_word);
}

/* ---- dot commands --------------------------------------------------------------------------------------------------- */

static void show_tables(void)
{
    struct es_sql_table_info table;
    for (size_t t = 0; es_sql_table(t, &table) == 0; t++)
        printf("  %s%-14s%s %s\n", es_cli_style(stdout, ES_STYLE_BOLD), table.name, es_cli_style(stdout, ES_STYLE_NONE),
               table.meaning);
}

static bool show_schema(const char *name)
{
    struct es_sql_table_info table;
    bool found = false;
    for (size_t t = 0; es_sql_table(t, &table) == 0; t++) {
        struct es_sql_column_info column;
        if (*name && strcasecmp(name, table.name) != 0)
            continue;
        found = true;
        printf("%s%s%s: %s\n", es_cli_style(stdout, ES_STYLE_BOLD), table.name, es_cli_style(stdout, ES_STYLE_NONE),
               table.meaning);
        for (size_t c = 0; es_sql_table_column(t, c, &column) == 0; c++)
            printf("  %-22s %-8s %-6s %s%s\n", column.name, column.type, column.unit, column.meaning,
                   column.argument ? " (argument)" : "");
    }
    return found;
}

/* False: the end. */
static bool obey(struct es_sql_session *session, char *line)
{
    char *rest = NULL, *word = strtok_r(line, " \t;", &rest), *argument = strtok_r(NULL, " \t;", &rest);
    if (!word)
        return true;
    if (strcmp(word, ".quit") == 0 || strcmp(word, ".exit") == 0)
        return false;
    if (strcmp(word, ".tables") == 0)
        show_tables();
    else if (strcmp(word, ".schema") == 0) {
        if (!show_schema(argument ? argument : ""))
            fprintf(stderr, "There is no table %s; .tables shows what there is.\n", argument);
    } else if (strcmp(word, ".format") == 0) {
        if (!argument || es_rows_parse_format(argument, &session->format) < 0)
            fprintf(stderr, "The format is table, csv or json.\n");
        es_error_clear();
    } else if (strcmp(word, ".help") == 0)
        printf("%s", help);
    else
        fprintf(stderr, "There is no %s; .help shows what there is.\n", word);
    return true;
}

/* ---- history ------------------------------------------------------------------------------------------------------- */

/* ELIXIRSCOPE_HISTORY, else in the place for such things. False: none. */
static bool history_path(char *path, size_t room)
{
    const char *asked = getenv("ELIXIRSCOPE_HISTORY"), *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int len = -1;
    if (asked)
        len = snprintf(path, room, "%s", asked);
    else if (state && *state == '/')
        len = snprintf(path, room, "%s/elixirscope/sql_history", state);
    else if (home && *home == '/')
        len = snprintf(path, room, "%s/.local/state/elixirscope/sql_history", home);
    return len > 0 && (size_t)len < room;
}

static void make_directories(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
}

static void keep_history(void)
{
    char path[4096];
    if (!history_path(path, sizeof path))
        return;
    make_directories(path);
    mode_t before = umask(077);
    write_history(path);
    umask(before);
}

static void load_history(void)
{
    char path[4096];
    using_history();
    stifle_history(HISTORY_MAX);
    if (history_path(path, sizeof path))
        read_history(path);
}

/* ---- reading ------------------------------------------------------------------------------------------------------- */

/* Ends with a semicolon that is in no text and no comment. */
static bool is_whole(const char *text)
{
    bool whole = false;
    for (const char *at = text; *at; at++) {
        if (*at == '\'' || *at == '"') {
            const char *end = strchr(at + 1, *at);
            if (!end)
                return false;
            at = end;
            whole = false;
        } else if (at[0] == '-' && at[1] == '-') {
            at += strcspn(at, "\n");
            if (!*at)
                break;
        } else if (!isspace((unsigned char)*at))
            whole = *at == ';';
    }
    return whole;
}

static void run(struct es_sql_session *session, const char *text)
{
    if (es_sql_session_run(session, text, true) < 0)
        es_cli_failure("sql");
}

static bool is_blank(const char *text) { return text[strspn(text, " \t\r\n;")] == '\0'; }

/* One line. False: the end. */
static bool take(struct es_sql_session *session, struct es_text *statement, char *line)
{
    if (statement->len == 0 && line[0] == '.') {
        add_history(line);
        return obey(session, line);
    }
    if (statement->len == 0 && is_blank(line))
        return true;
    es_text_puts(statement, statement->len ? "\n" : "");
    es_text_puts(statement, line);
    if (statement->failed || !is_whole(statement->bytes))
        return true;
    char *flat = strdup(statement->bytes);
    for (char *at = flat; at && *at; at++)
        *at = *at == '\n' ? ' ' : *at;
    if (flat)
        add_history(flat);
    free(flat);
    run(session, statement->bytes);
    es_text_clear(statement);
    return true;
}

/* A line as it is being typed. libedit's own handling of signals loses some: signals arrive only while we wait. */
static struct {
    char *line;
    bool done;
} typed;

static void on_line(char *line)
{
    typed.line = line;
    typed.done = true;
    rl_callback_handler_remove(); /* the terminal is as it was while a query runs */
}

/* NULL at the end, or where Ctrl-C said that the line is not wanted. */
static char *read_line(const char *prompt)
{
    sigset_t blocked, before;
    typed.done = false;
    typed.line = NULL;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGINT);
    sigprocmask(SIG_BLOCK, &blocked, &before);
    rl_callback_handler_install(prompt, on_line);
    while (!typed.done && !es_cli_interrupted()) {
        fd_set in;
        FD_ZERO(&in);
        FD_SET(STDIN_FILENO, &in);
        if (pselect(STDIN_FILENO + 1, &in, NULL, NULL, NULL, &before) > 0)
            rl_callback_read_char();
    }
    if (!typed.done)
        rl_callback_handler_remove();
    sigprocmask(SIG_SETMASK, &before, NULL);
    return typed.line;
}

static void prepare_terminal(void)
{
    rl_readline_name = "elixirscope";
    rl_catch_signals = 0;
    rl_attempted_completion_function = complete;
    rl_completer_word_break_characters = " \t\n\"'(),;=<>*+-/|";
    signal(SIGTERM, SIG_DFL);
}

int es_sql_prompt(struct es_sql_session *session)
{
    struct es_text statement = {0};
    prepare_terminal();
    load_history();
    printf("SELECT ... ; over the tables of the recording. .tables, .schema, .help, .quit\n");
    for (bool go_on = true; go_on;) {
        char *line = read_line(statement.len ? "...> " : "sql> ");
        if (!line && es_cli_interrupted()) { /* Ctrl-C: this statement is not wanted */
            es_text_clear(&statement);
            printf("\n");
        } else
            go_on = line && take(session, &statement, line);
        es_cli_forget_interruption();
        free(line);
    }
    keep_history();
    es_text_fini(&statement);
    return 0;
}
