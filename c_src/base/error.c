/* SPDX-License-Identifier: MIT */
/* Errors with causes; see error.h. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ES_ERROR_MAX 2048

static _Thread_local char chain[ES_ERROR_MAX];
static _Thread_local char hint[ES_ERROR_MAX / 2];

int(es_fail)(int code, const char *format, ...)
{
    char before[ES_ERROR_MAX];
    memcpy(before, chain, sizeof before);
    va_list args;
    va_start(args, format);
    int n = vsnprintf(chain, sizeof chain, format, args);
    va_end(args);
    if (before[0] && n >= 0 && (size_t)n < sizeof chain)
        snprintf(chain + n, sizeof chain - (size_t)n, ": %s", before);
    return code;
}

void es_hint(const char *format, ...)
{
    if (hint[0])
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(hint, sizeof hint, format, args);
    va_end(args);
}

const char *es_error_text(void) { return chain; }
const char *es_error_hint(void) { return hint; }

void es_error_clear(void)
{
    chain[0] = '\0';
    hint[0] = '\0';
}
