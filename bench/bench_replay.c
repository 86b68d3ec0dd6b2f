/* SPDX-License-Identifier: MIT */
/* How long the player takes from a key to the drawn screen, in steps from random places of a recording.
 * Usage: bench_replay FILE.scope; prints JSON lines {"name", "median", "p99", "unit"}: processor time of this thread, as machines are shared. */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "cli/replay_grid.h"

#define PLACES 20
#define STEPS 30
#define JUMPS 100

static double now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print(const char *name, double *times, size_t n)
{
    qsort(times, n, sizeof *times, by_value);
    printf("{\"name\":\"replay: %s\",\"median\":%.2f,\"p99\":%.2f,\"unit\":\"ms\"}\n", name, times[n / 2],
           times[(n - 1) * 99 / 100]);
    fflush(stdout);
}

static double press(struct es_replay_scene *scene, const char *key, const char *text)
{
    double before = now();
    es_replay_press(scene->replay, es_replay_key(key), text);
    es_replay_draw(scene);
    return now() - before;
}

static void jump(struct es_replay_scene *scene)
{
    char text[16];
    snprintf(text, sizeof text, "%d.%02d%%", rand() % 100, rand() % 100);
    press(scene, "g", text);
}

static void steps(struct es_replay_scene *scene, const char *key, const char *name)
{
    static double times[PLACES * STEPS];
    size_t n = 0;
    srand(1);
    for (int place = 0; place < PLACES; place++) {
        jump(scene);
        for (int i = 0; i < STEPS; i++)
            times[n++] = press(scene, key, NULL);
    }
    print(name, times, n);
}

static void jumps(struct es_replay_scene *scene)
{
    double times[JUMPS];
    char text[16];
    srand(2);
    for (int i = 0; i < JUMPS; i++) {
        snprintf(text, sizeof text, "%d.%02d%%", rand() % 100, rand() % 100);
        times[i] = press(scene, "g", text);
    }
    print("jump to a time", times, JUMPS);
}

static void lists(struct es_replay_scene *scene)
{
    double times[PLACES];
    srand(3);
    for (int i = 0; i < PLACES; i++) {
        jump(scene);
        times[i] = press(scene, "l", NULL);
        es_replay_list_key(scene->replay, "Esc");
    }
    print("list of processes", times, PLACES);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *key, *name;
    } keys[] = {{"n", "next event"},         {"p", "previous event"},    {"m", "next message"},
                {"M", "previous message"},   {"s", "next state"},        {"S", "previous state"},
                {"c", "jump to a cause"},    {"e", "jump to an effect"}, {"PageDown", "20 events"},
                {"PageUp", "20 events back"}};
    struct es_query *query;
    struct es_grid grid;
    setlocale(LC_CTYPE, "C.UTF-8");
    double before = now();
    struct es_replay replay = {.path = argc == 2 ? argv[1] : ""};
    struct es_replay_scene scene = {.replay = &replay, .grid = &grid};
    if (argc != 2 || es_query_open(argv[1], &query) < 0 || es_replay_open(&replay, query) < 0 ||
        es_grid_init(&grid, 120, 40) < 0) {
        fprintf(stderr, "usage: bench_replay FILE.scope: %s\n", es_error_text());
        return 2;
    }
    es_replay_draw(&scene);
    double opened = now() - before;
    print("open to the first screen", &opened, 1);
    jumps(&scene);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        steps(&scene, keys[i].key, keys[i].name);
    lists(&scene);
    es_grid_fini(&grid);
    es_replay_close(&replay);
    es_query_close(query);
    return 0;
}
