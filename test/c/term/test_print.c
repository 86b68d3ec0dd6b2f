/* SPDX-License-Identifier: MIT */
/* The printer and the way out to plain ETF against the real thing: what erl and elixir of this machine say of
 * the same terms. */
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "term/text.h"
#include "wire/term.h"

/* A command with a script that lies beside this file; the build names its sources by their whole path. */
static FILE *run(const char *program, const char *script)
{
    const char *slash = strrchr(__FILE__, '/');
    char command[1024];
    snprintf(command, sizeof command, "LC_ALL=C.UTF-8 %s %.*s/%s", program, slash ? (int)(slash - __FILE__) : 1,
             slash ? __FILE__ : ".", script);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    return f;
}

/* ---- ground truth -------------------------------------------------------------------------------------------------- */

struct truth {
    uint8_t *etf;
    size_t len;
    const char *text;
};

static int hex_digit(char c) { return c >= 'a' ? c - 'a' + 10 : c >= 'A' ? c - 'A' + 10 : c - '0'; }

/* "HEX tab text": the bytes are written over the line itself. */
static struct truth split(char *line)
{
    char *tab = strchr(line, '\t');
    assert_non_null(tab);
    line[strcspn(line, "\n")] = '\0';
    struct truth truth = {(uint8_t *)line, (size_t)(tab - line) / 2, tab + 1};
    for (size_t i = 0; i < truth.len; i++)
        truth.etf[i] = (uint8_t)(hex_digit(line[2 * i]) << 4 | hex_digit(line[2 * i + 1]));
    assert_true(truth.len > 1 && truth.etf[0] == 131);
    return truth;
}

static void check_against(FILE *f, const struct es_print *print, size_t least)
{
    char *line = NULL;
    size_t room = 0, n = 0, wrong = 0;
    struct es_text out = {0};
    for (; getline(&line, &room, f) > 0; n++) {
        struct truth truth = split(line);
        es_text_clear(&out);
        assert_int_equal(es_term_print(truth.etf + 1, truth.len - 1, print, &out), 0);
        if (strcmp(out.bytes, truth.text) != 0 && ++wrong < 20)
            print_error("  printed  %s\n  expected %s\n", out.bytes, truth.text);
    }
    free(line);
    es_text_fini(&out);
    assert_int_equal(pclose(f), 0);
    assert_true(n >= least);
    assert_int_equal(wrong, 0);
}

static void agrees_with_erlang(void **state)
{
    (void)state;
    check_against(run("escript", "terms.escript print"), &(struct es_print){.erlang = true}, 6000);
}

static void agrees_with_elixir(void **state)
{
    (void)state;
    if (system("elixir --version >/dev/null 2>&1") != 0)
        skip();
    check_against(run("elixir", "terms.exs"), &(struct es_print){.erlang = false}, 200);
}

/* ---- plain ETF ----------------------------------------------------------------------------------------------------- */

static void put_hex(FILE *f, const struct es_text *etf)
{
    for (size_t i = 0; i < etf->len; i++)
        fprintf(f, "%02x", (unsigned char)etf->bytes[i]);
    fputc('\n', f);
}

/* All terms of erl go through es_term_to_etf() and back into erl, which must find them equal. */
static void etf_is_read_by_erlang(void **state)
{
    (void)state;
    char sent[] = "/tmp/es_etf_XXXXXX", script[64];
    FILE *out = fdopen(mkstemp(sent), "w"), *in = run("escript", "terms.escript print");
    char *line = NULL, *line2 = NULL;
    size_t room = 0, room2 = 0, n = 0;
    struct es_text etf = {0};
    while (getline(&line, &room, in) > 0) {
        struct truth truth = split(line);
        es_text_clear(&etf);
        assert_int_equal(es_term_to_etf(truth.etf + 1, truth.len - 1, &(struct es_print){0}, &etf), 0);
        put_hex(out, &etf);
    }
    assert_int_equal(pclose(in), 0);
    fclose(out);
    snprintf(script, sizeof script, "terms.escript decode < %s", sent);
    in = run("escript", "terms.escript print");
    FILE *back = run("escript", script);
    for (; getline(&line, &room, in) > 0; n++) {
        assert_true(getline(&line2, &room2, back) > 0);
        struct truth a = split(line), b = split(line2);
        bool own =
            strncmp(a.text, "#Ref", 4) == 0 || strncmp(a.text, "<0", 2) == 0; /* each run has processes of its own */
        if (!own) {
            assert_string_equal(a.text, b.text);
            assert_memory_equal(a.etf, b.etf, a.len);
        }
    }
    assert_true(n > 6000);
    assert_int_equal(pclose(in), 0);
    assert_int_equal(pclose(back), 0);
    remove(sent);
    free(line);
    free(line2);
    es_text_fini(&etf);
}

static const uint8_t *two_atoms(uint64_t word, size_t *ret_len, void *context)
{
    (void)context;
    *ret_len = word == 1 ? 4 : 10;
    return (const uint8_t *)(word == 1 ? "cart" : "other@host");
}

/* A cut list, map, tuple and fun, atom references and a pid whose node is one: erl reads what is left, and
 * what was left out. */
static void cuts_become_terms(void **state)
{
    (void)state;
    uint8_t bytes[512];
    char sent[] = "/tmp/es_etf_XXXXXX", script[64], line[1024];
    struct es_writer w;
    struct es_cut cut = {.type = ES_CUT_LIST, .size = 9312, .hash = 0xab},
                  least = {.type = ES_CUT_BINARY,
                           .flags = ES_CUT_AT_LEAST,
                           .size = 7,
                           .prefix = (const uint8_t *)"pre",
                           .prefix_len = 3},
                  rest = {.type = ES_CUT_TUPLE, .flags = ES_CUT_REST, .size = 3};
    es_writer_init(&w, bytes, sizeof bytes);
    es_write_list(&w, 4);
    es_write_atom_ref(&w, 1);
    es_write_cut(&w, &least);
    es_write_tuple(&w, 4);
    es_write_int(&w, 1);
    es_write_cut(&w, &rest);
    es_write_map(&w, 2);
    es_write_int(&w, 1);
    es_write_u8(&w, ES_T_NEW_PID);
    es_write_atom_ref(&w, 2);
    es_write_bytes(&w, "\0\0\0\1\0\0\0\2\0\0\0\3", 12);
    es_write_cut(&w, &(struct es_cut){.type = ES_CUT_MAP});
    es_write_nil(&w);
    es_write_cut(&w, &cut);
    struct es_text etf = {0};
    struct es_print print = {.atoms = two_atoms};
    assert_int_equal(es_term_to_etf(bytes, (size_t)(w.at - bytes), &print, &etf), 0);
    FILE *out = fdopen(mkstemp(sent), "w");
    put_hex(out, &etf);
    fclose(out);
    snprintf(script, sizeof script, "terms.escript decode < %s", sent);
    FILE *back = run("escript", script);
    assert_non_null(fgets(line, sizeof line, back));
    assert_int_equal(pclose(back), 0);
    const char *text = split(line).text,
               *map = strstr(text, "#{1 => <"); /* the node's number differs from run to run */
    assert_non_null(map);
    assert_ptr_equal(
        strstr(text, "[cart,{'$cut',binary,{at_least,7},<<\"0000000000000000\">>,<<\"pre\">>},{1,{'$cut',tuple,3,"),
        text);
    assert_non_null(
        strstr(map, "1.2>,'$cut' => "
                    "{'$cut',map,0,<<\"0000000000000000\">>,<<>>}},{'$cut',list,9312,<<\"00000000000000ab\">>,<<>>}]"));
    remove(sent);
    es_text_fini(&etf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_erlang),
        cmocka_unit_test(agrees_with_elixir),
        cmocka_unit_test(etf_is_read_by_erlang),
        cmocka_unit_test(cuts_become_terms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
