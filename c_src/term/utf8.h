/* SPDX-License-Identifier: MIT */
/* UTF-8 read code point by code point, and what the two notations call printable. */
#ifndef ES_TERM_UTF8_H
#define ES_TERM_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The code point at `bytes` and how many bytes it takes; 0 where there is none (overlong forms and surrogates
 * are none). */
size_t es_utf8_next(const uint8_t *bytes, size_t len, uint32_t *ret_point);

/* Writes a code point; returns 1 to 4 bytes. */
size_t es_utf8_put(uint32_t point, char bytes[4]);

/* How many bytes at the end of `bytes` are the beginning of a code point that the end cut off: 0 to 3. */
size_t es_utf8_torn(const uint8_t *bytes, size_t len);

/* Is all of it UTF-8? */
bool es_utf8_is_text(const uint8_t *bytes, size_t len);

/* May stand in a string of this notation, as itself or by an escape with a letter. */
bool es_printable(uint32_t point, bool erlang);

/* Marks that change the direction of text, or cannot be seen: they would change how the rest of a line reads.
 * Printed as escapes. */
bool es_is_deceptive(uint32_t point);

/* The letter of a backslash escape of this notation, or 0. */
char es_escape_letter(uint32_t point, bool erlang);

/* Could be in a name without quotes. ASCII exactly; beyond it all but punctuation, symbols and spaces. */
bool es_name_point(uint32_t point);

#endif
