/* SPDX-License-Identifier: MIT */
/* What people read: messages, colours on terminals only, numbers with units. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/cli.h"

int es_cli_usage(const char *command, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "elixirscope %s: ", command);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nTry 'elixirscope %s --help'.\n", command);
    return ES_EXIT_USAGE;
}

int es_cli_failure(const char *command)
{
    const char *text = es_error_text(), *hint = es_error_hint();
    fprintf(stderr, "%selixirscope %s:%s %s\n", es_cli_style(stderr, ES_STYLE_RED), command,
            es_cli_style(stderr, ES_STYLE_NONE), text[0] ? text : "failed");
    if (hint[0])
        fprintf(stderr, "%s\n", hint);
    es_error_clear();
    return ES_EXIT_FAILURE;
}

int es_cli_help(const char *text)
{
    const char *bold = es_cli_style(stdout, ES_STYLE_BOLD), *none = es_cli_style(stdout, ES_STYLE_NONE);
    while (*text) {
        const char *end = strchrnul(text, '\n');
        bool heading = end > text && end[-1] == ':' && text[0] != ' ';
        printf("%s%.*s%s\n", heading ? bold : "", (int)(end - text), text, heading ? none : "");
        text = *end ? end + 1 : end;
    }
    return es_cli_finish("help", ES_EXIT_OK);
}

static bool coloured(FILE *out)
{
    const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
    return isatty(fileno(out)) && !(no_color && *no_color) && !(term && strcmp(term, "dumb") == 0);
}

const char *es_cli_style(FILE *out, enum es_style style)
{
    static const char *const codes[] = {"\033[0m",  "\033[1m",  "\033[2m",  "\033[31m", "\033[32m",
                                        "\033[33m", "\033[34m", "\033[35m", "\033[36m"};
    return coloured(out) ? codes[style] : "";
}

enum es_style es_cli_family(unsigned kind)
{
    static const enum es_style styles[ES_FAM_MAX] = {
        [ES_FAM_PROCESS] = ES_STYLE_GREEN,   [ES_FAM_MESSAGE] = ES_STYLE_CYAN,   [ES_FAM_CALL] = ES_STYLE_BLUE,
        [ES_FAM_STATE] = ES_STYLE_MAGENTA,   [ES_FAM_SCHEDULING] = ES_STYLE_DIM, [ES_FAM_MEMORY] = ES_STYLE_DIM,
        [ES_FAM_NODE] = ES_STYLE_YELLOW,     [ES_FAM_ERROR] = ES_STYLE_RED,      [ES_FAM_USER] = ES_STYLE_BOLD,
        [ES_FAM_RECORDER] = ES_STYLE_YELLOW, [ES_FAM_LINE] = ES_STYLE_BLUE,
    };
    return kind < ES_KIND_MAX ? styles[es_kind_table[kind].family] : ES_STYLE_NONE;
}

const char *es_cli_family_style(FILE *out, unsigned kind)
{
    return kind < ES_KIND_MAX ? es_cli_style(out, es_cli_family(kind)) : "";
}

const char *es_cli_count(uint64_t n, struct es_cli_buf *buf)
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%" PRIu64, n);
    char *at = buf->text;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            *at++ = ',';
        *at++ = digits[i];
    }
    *at = '\0';
    return buf->text;
}

struct unit {
    double size;
    const char *name;
};

static const char *with_unit(double value, const struct unit *units, struct es_cli_buf *buf)
{
    while (units[1].name && (value < 0 ? -value : value) < units->size)
        units++;
    double shown = value / units->size;
    double magnitude = shown < 0 ? -shown : shown;
    snprintf(buf->text, sizeof buf->text, "%.*f %s",
             units->size <= 1  ? 0
             : magnitude < 10  ? 2
             : magnitude < 100 ? 1
                               : 0,
             shown, units->name);
    return buf->text;
}

const char *es_cli_bytes(uint64_t n, struct es_cli_buf *buf)
{
    static const struct unit units[] = {{1e12, "TB"}, {1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}, {1, "B"}, {0, NULL}};
    return with_unit((double)n, units, buf);
}

const char *es_cli_duration(int64_t ns, struct es_cli_buf *buf)
{
    static const struct unit units[] = {{3600e9, "h"}, {60e9, "min"}, {1e9, "s"}, {1e6, "ms"},
                                        {1e3, "µs"},   {1, "ns"},     {0, NULL}};
    return with_unit((double)ns, units, buf);
}

const char *es_cli_wall(int64_t ns, struct es_cli_buf *buf)
{
    time_t seconds = (time_t)(ns / 1000000000);
    long rest = (long)(ns % 1000000000);
    if (rest < 0) {
        seconds--;
        rest += 1000000000;
    }
    struct tm tm;
    if (!localtime_r(&seconds, &tm)) {
        snprintf(buf->text, sizeof buf->text, "unknown");
        return buf->text;
    }
    size_t n = strftime(buf->text, sizeof buf->text, "%Y-%m-%d %H:%M:%S", &tm);
    snprintf(buf->text + n, sizeof buf->text - n, ".%03ld", rest / 1000000);
    return buf->text;
}

void es_cli_cell(struct es_text *out, const struct es_text *cell, size_t width)
{
    size_t columns = 0, take = 0;
    while (take < cell->len) {
        bool starts = ((unsigned char)cell->bytes[take] & 0xc0) != 0x80;
        if (starts && columns == width)
            break;
        columns += starts;
        take++;
    }
    es_text_add(out, cell->bytes ? cell->bytes : "", take);
    for (; columns < width + 1; columns++)
        es_text_puts(out, " ");
}

size_t es_cli_pid_width(const struct es_query *query)
{
    size_t width = 13;
    for (unsigned node = 1; node < es_query_nodes(query); node++) {
        size_t len = strlen(es_query_node(query, node)) + 10;
        width = len > width ? len : width;
    }
    return width < 48 ? width : 48;
}

void es_cli_trim(struct es_text *out)
{
    while (out->len > 0 && out->bytes[out->len - 1] == ' ')
        out->bytes[--out->len] = '\0';
}

bool es_cli_flush(struct es_text *text, FILE *out)
{
    es_text_add(text, "\n", 1);
    bool written = !text->failed && fwrite(text->bytes, 1, text->len, out) == text->len;
    es_text_clear(text);
    return written;
}

int es_cli_finish(const char *command, int code)
{
    bool broken = ferror(stdout) != 0;
    errno = 0;
    if (fclose(stdout) != 0 || broken) {
        if (errno == EPIPE || (broken && errno == 0))
            return code; /* the reader had enough, as in `| head` */
        fprintf(stderr, "elixirscope %s: standard output: %s\n", command, strerror(errno));
        return ES_EXIT_FAILURE;
    }
    return code;
}
