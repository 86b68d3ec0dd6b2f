/* SPDX-License-Identifier: MIT */
/* Numbers: the shortest decimal of a float that reads back as the same float, laid out as the two languages
 * do, and integers of any size. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "term/print.h"

/* ---- floats -------------------------------------------------------------------------------------------------------- */

#define DIGITS_MAX 17

struct decimal {
    char digits[DIGITS_MAX + 1]; /* without trailing zeros */
    int n, place;                /* 0.DIGITS times 10 to the power of place */
};

/* "d.ddde±xx" of snprintf; the sign between digits is the locale's and passed over. */
static void read_decimal(const char *text, struct decimal *ret)
{
    const char *exponent = strchr(text, 'e');
    ret->n = 0;
    for (const char *at = text; at < exponent; at++)
        if (*at >= '0' && *at <= '9' && ret->n < DIGITS_MAX)
            ret->digits[ret->n++] = *at;
    while (ret->n > 1 && ret->digits[ret->n - 1] == '0')
        ret->n--;
    ret->digits[ret->n] = '\0';
    ret->place = (int)strtol(exponent + 1, NULL, 10) + 1;
}

/* Where the float is a power of two, the numbers below it lie closer than those above: the shortest decimal
 * may be the second nearest. */
static bool next_reads_back(char *text, double value)
{
    char *last = strchr(text, 'e') - 1;
    if (*last == '9')
        return false;
    ++*last;
    return strtod(text, NULL) == value;
}

static void shortest(double value, struct decimal *ret)
{
    char text[64];
    int exponent;
    bool power_of_two = frexp(value, &exponent) == 0.5;
    int least = fpclassify(value) == FP_SUBNORMAL
                    ? 1
                    : 15; /* fifteen digits are always exact enough to be the shortest, once zeros go */
    for (int n = least; n <= DIGITS_MAX; n++) {
        snprintf(text, sizeof text, "%.*e", n - 1, value);
        if (strtod(text, NULL) == value || (power_of_two && n == 16 && next_reads_back(text, value)))
            break;
    }
    read_decimal(text, ret);
}

static void add_zeros(struct es_text *out, int n)
{
    for (int i = 0; i < n; i++)
        es_text_puts(out, "0");
}

static void add_exponent(const struct decimal *d, struct es_text *out)
{
    es_text_printf(out, "%c.%se%d", d->digits[0], d->n > 1 ? d->digits + 1 : "0", d->place - 1);
}

/* As float_to_list(F, [short]): without an exponent where that is not longer. */
static void add_erlang(const struct decimal *d, bool huge, struct es_text *out)
{
    int with_exponent = snprintf(NULL, 0, "%d", d->place - 1) + 1 + (d->n == 1 ? 2 : 1);
    if (huge || (d->place <= 0 && 2 - d->place > with_exponent && d->place < 0) ||
        (d->place >= d->n && d->place - d->n + 2 > with_exponent)) {
        add_exponent(d, out);
    } else if (d->place <= 0) {
        es_text_puts(out, "0.");
        add_zeros(out, -d->place);
        es_text_puts(out, d->digits);
    } else if (d->place >= d->n) {
        es_text_puts(out, d->digits);
        add_zeros(out, d->place - d->n);
        es_text_puts(out, ".0");
    } else {
        es_text_printf(out, "%.*s.%s", d->place, d->digits, d->digits + d->place);
    }
}

void es_print_float(double value, bool erlang, struct es_text *out)
{
    double size = fabs(value);
    if (signbit(value))
        es_text_puts(out, "-");
    if (size == 0) {
        es_text_puts(out, "0.0");
    } else if (!erlang && size >= 1 && size < 1e16 &&
               size == (double)(uint64_t)size) { /* Elixir writes whole numbers out */
        es_text_printf(out, "%llu.0", (unsigned long long)size);
    } else {
        struct decimal d;
        shortest(size, &d);
        add_erlang(&d, size >= 9007199254740992.0, out);
    }
}

/* ---- integers beyond 64 bits --------------------------------------------------------------------------------------- */

#define DECIMAL_BYTES 1024 /* larger ones are written in base 16: decimal takes the square of the time */
#define LIMBS (DECIMAL_BYTES / 4)
#define BASE 1000000000u

static void add_hex(const uint8_t *bytes, size_t len, bool erlang, struct es_text *out)
{
    es_text_puts(out, erlang ? "16#" : "0x");
    es_text_printf(out, "%X", bytes[len - 1]);
    for (size_t i = len - 1; i-- > 0;)
        es_text_printf(out, "%02X", bytes[i]);
}

static void add_decimal(const uint8_t *bytes, size_t len, struct es_text *out)
{
    uint32_t limbs[LIMBS] = {0}, groups[LIMBS * 32 / 29 + 2];
    size_t n = (len + 3) / 4, n_groups = 0;
    for (size_t i = 0; i < len; i++)
        limbs[i / 4] |= (uint32_t)bytes[i] << (i % 4 * 8);
    while (n > 0) {
        uint64_t rest = 0;
        for (size_t i = n; i-- > 0;) {
            rest = rest << 32 | limbs[i];
            limbs[i] = (uint32_t)(rest / BASE);
            rest %= BASE;
        }
        groups[n_groups++] = (uint32_t)rest;
        while (n > 0 && limbs[n - 1] == 0)
            n--;
    }
    es_text_printf(out, "%u", groups[n_groups - 1]);
    for (size_t i = n_groups - 1; i-- > 0;)
        es_text_printf(out, "%09u", groups[i]);
}

void es_print_big(const struct es_token *token, bool erlang, struct es_text *out)
{
    size_t len = token->len;
    while (len > 0 && token->bytes[len - 1] == 0)
        len--;
    if (token->negative && len > 0)
        es_text_puts(out, "-");
    if (len == 0)
        es_text_puts(out, "0");
    else if (len > DECIMAL_BYTES)
        add_hex(token->bytes, len, erlang, out);
    else
        add_decimal(token->bytes, len, out);
}
