/* SPDX-License-Identifier: MIT */
/* Errors with causes: a function returns a negative errno and leaves a line of explanation; each level above may add one. The top prints
 * the chain: what failed, on what, why, what to do. One chain a thread, bounded, no allocation. */
#ifndef ES_BASE_ERROR_H
#define ES_BASE_ERROR_H

#include <stddef.h>

/* Adds a cause in front of those already there and returns `code` (a negative errno). A sentence without a full stop. */
int es_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

#ifdef __clang_analyzer__ /* it sees one file at a time, and would think that a failure may be none */
#define es_fail(code, ...) ((void)(es_fail)(code, __VA_ARGS__), (code))
#endif

/* Adds what the user can do about it (printed last, once; the first one given wins). */
void es_hint(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The chain as one text "a: b: c", outermost first; "" where there is none. Valid until the next call on this thread. */
const char *es_error_text(void);
const char *es_error_hint(void);
void es_error_clear(void);

#endif
