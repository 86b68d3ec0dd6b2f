/* SPDX-License-Identifier: MIT */
/* The player on a terminal. The terminal is given back as it was, however this ends: by a key, by a signal, by a crash. */
#include <curses.h>
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>

#undef lines /* term.h names its variables as others do theirs */
#undef columns

#include "base/error.h"
#include "cli/replay_grid.h"
#include "term/utf8.h"
#include "wire/clock.h"

#define FRAME_MS 33
#define FOLLOW_MS 200
#define LIVE_MS 1000
#define KEYS_MAX_NS INT64_C(80000000) /* keys are taken so long before something is drawn */
#define LOOKING_NS INT64_C(150000000) /* a search that takes longer says so */
#define FILM_NS INT64_C(3000000000)
#define TYPED_MAX 1000

struct screen {
    struct es_replay *replay;
    struct es_grid grid;
    struct es_film *film, *growing; /* whole; and the one that is being made */
    struct es_text typed, last[2];  /* and what was answered to the prompts before, / and g */
    const struct es_replay_key *asking;
    bool colour, unicode;
    int64_t drawn, ticked, looked, filmed;
};

/* ---- signals ------------------------------------------------------------------------------------------------------- */

static volatile sig_atomic_t caught;
static struct termios before;
static char restore[256]; /* what ends the screen */

static void on_signal(int number) { caught = number; }

static void on_crash(int number)
{
    ssize_t written = write(STDOUT_FILENO, restore, strlen(restore));
    (void)written;
    tcsetattr(STDIN_FILENO, TCSANOW, &before);
    signal(number, SIG_DFL);
    raise(number);
}

static void catch_signals(void)
{
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP}, crashes[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
    struct sigaction action = {.sa_handler = on_signal};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        sigaction(ends[i], &action, NULL);
    action.sa_handler = on_crash;
    for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++)
        sigaction(crashes[i], &action, NULL);
}

static void note_capability(const char *name)
{
    const char *text = tigetstr(name);
    if (text == NULL || text == (const char *)-1 || strstr(text, "$<"))
        return;
    size_t len = strlen(restore);
    if (len + strlen(text) < sizeof restore)
        strcpy(restore + len, text);
}

/* ---- from the grid to the terminal --------------------------------------------------------------------------------- */

static attr_t attributes_of(const struct screen *s, uint8_t style, short *ret_pair)
{
    static const short pairs[] = {[ES_STYLE_RED] = 1,  [ES_STYLE_GREEN] = 2,   [ES_STYLE_YELLOW] = 3,
                                  [ES_STYLE_BLUE] = 4, [ES_STYLE_MAGENTA] = 5, [ES_STYLE_CYAN] = 6};
    unsigned plain = style & ES_GRID_STYLE;
    attr_t attributes = style & ES_GRID_BOLD || plain == ES_STYLE_BOLD ? A_BOLD : A_NORMAL;
    *ret_pair = 0;
    if (style & ES_GRID_REVERSE)
        return attributes | A_REVERSE;
    if (plain == ES_STYLE_DIM)
        attributes |= A_DIM;
    else if (s->colour && plain >= ES_STYLE_RED && plain <= ES_STYLE_CYAN)
        *ret_pair = pairs[plain];
    return attributes;
}

static void show(struct screen *s)
{
    for (int y = 0; y < s->grid.height; y++)
        for (int x = 0; x < s->grid.width; x++) {
            const struct es_grid_cell *cell = es_grid_cell(&s->grid, y, x);
            short pair;
            cchar_t c;
            attr_t attributes = attributes_of(s, cell->style, &pair);
            if (cell->text[0] && setcchar(&c, cell->text, attributes, pair, NULL) == OK)
                mvadd_wch(y, x, &c);
        }
}

static void draw(struct screen *s, bool rows_only)
{
    struct es_replay_scene scene = {.replay = s->replay,
                                    .grid = &s->grid,
                                    .film = s->film ? s->film : s->growing,
                                    .prompt = s->asking ? s->asking->prompt : NULL,
                                    .typed = s->typed.bytes ? s->typed.bytes : "",
                                    .rows_only = rows_only};
    es_replay_draw(&scene);
    show(s);
    curs_set(scene.cursor >= 0);
    if (scene.cursor >= 0)
        move(s->grid.height - 1, scene.cursor);
    refresh();
    s->drawn = (int64_t)es_clock_os();
}

static int resize(struct screen *s)
{
    es_grid_fini(&s->grid);
    es_film_close(s->film);
    es_film_close(s->growing);
    s->film = s->growing = NULL;
    int rc = es_grid_init(&s->grid, COLS > 0 ? COLS : 1, LINES > 0 ? LINES : 1);
    s->grid.unicode = s->unicode;
    if (rc == 0 && COLS > 2 && es_film_open(s->replay->query, (uint32_t)(COLS - 2), &s->growing) < 0)
        es_error_clear();
    return rc;
}

/* A little of the film; true where there is more to do. */
static bool develop(struct screen *s)
{
    if (!s->growing || es_film_step(s->growing) > 0)
        return s->growing != NULL;
    es_error_clear();
    es_film_close(s->film);
    s->film = s->growing;
    s->growing = NULL;
    draw(s, false);
    return false;
}

/* ---- keys ---------------------------------------------------------------------------------------------------------- */

static const char *code_name(wint_t code)
{
    static const struct {
        wint_t code;
        const char *name;
    } names[] = {{KEY_DOWN, "Down"},   {KEY_UP, "Up"},   {KEY_NPAGE, "PageDown"},      {KEY_PPAGE, "PageUp"},
                 {KEY_HOME, "Home"},   {KEY_END, "End"}, {KEY_BACKSPACE, "Backspace"}, {KEY_ENTER, "Enter"},
                 {KEY_LEFT, "p"},      {KEY_RIGHT, "n"}, {KEY_RESIZE, "Resize"},       {KEY_BTAB, "Tab"},
                 {KEY_DC, "Backspace"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].code == code)
            return names[i].name;
    return "";
}

/* The key's name; NULL where none came within so many milliseconds (-1: as long as it takes). */
static const char *read_key(int wait)
{
    static char name[8];
    wint_t key;
    timeout(wait);
    int rc = get_wch(&key);
    if (rc == ERR)
        return NULL;
    if (rc == KEY_CODE_YES)
        return code_name(key);
    switch (key) {
    case '\n':
    case '\r': return "Enter";
    case '\t': return "Tab";
    case ' ': return "Space";
    case 27: return "Esc";
    case 8:
    case 127: return "Backspace";
    default: break;
    }
    if (key < 32)
        snprintf(name, sizeof name, "Ctrl-%c", (char)(key + 64));
    else
        name[es_utf8_put((uint32_t)key, name)] = '\0';
    return name;
}

static struct es_text *last_answer(struct screen *s) { return &s->last[s->asking->keys[0] == 'g']; }

static void take_off(struct es_text *text)
{
    while (text->len > 0 && ((unsigned char)text->bytes[text->len - 1] & 0xc0) == 0x80)
        text->len--;
    text->len -= text->len > 0;
    if (text->bytes)
        text->bytes[text->len] = '\0';
}

static void answer(struct screen *s)
{
    const struct es_replay_key *key = s->asking;
    struct es_text *last = last_answer(s);
    s->asking = NULL;
    if (s->typed.len > 0) {
        es_text_clear(last);
        es_text_add(last, s->typed.bytes, s->typed.len);
    }
    s->looked = (int64_t)es_clock_os();
    if (s->typed.len > 0 || key->keys[0] == '/')
        es_replay_press(s->replay, key, s->typed.bytes ? s->typed.bytes : "");
}

static void type(struct screen *s, const char *name)
{
    if (strcmp(name, "Enter") == 0) {
        answer(s);
    } else if (strcmp(name, "Esc") == 0 || (strcmp(name, "Backspace") == 0 && s->typed.len == 0)) {
        s->asking = NULL;
    } else if (strcmp(name, "Backspace") == 0) {
        take_off(&s->typed);
    } else if (strcmp(name, "Ctrl-U") == 0) {
        es_text_clear(&s->typed);
    } else if (strcmp(name, "Up") == 0) {
        es_text_clear(&s->typed);
        es_text_puts(&s->typed, last_answer(s)->bytes ? last_answer(s)->bytes : "");
    } else if (strcmp(name, "Space") == 0 || strlen(name) == 1 || (unsigned char)name[0] >= 0x80) {
        if (s->typed.len < TYPED_MAX)
            es_text_puts(&s->typed, strcmp(name, "Space") == 0 ? " " : name);
    }
}

static void press(struct screen *s, const char *name)
{
    const struct es_replay_key *key = es_replay_key(name);
    if (key && key->prompt) {
        s->asking = key;
        s->replay->message[0] = '\0';
        es_text_clear(&s->typed);
    } else if (key) {
        s->looked = (int64_t)es_clock_os();
        es_replay_press(s->replay, key, NULL);
    } else if (strcmp(name, "Esc") == 0) {
        s->replay->message[0] = '\0';
        s->replay->playing = false;
    } else if (*name) {
        es_replay_say(s->replay, "%s does nothing; ? shows the keys", (unsigned char)*name < 0x80 ? name : "that key");
    }
}

/* Negative errno. */
static int take_key(struct screen *s, const char *name)
{
    if (strcmp(name, "Resize") == 0)
        return resize(s);
    if (strcmp(name, "Ctrl-L") == 0)
        clearok(curscr, TRUE);
    else if (s->asking)
        type(s, name);
    else if (s->replay->view == ES_VIEW_EVENTS)
        press(s, name);
    else
        es_replay_list_key(s->replay, name);
    return 0;
}

/* Asked now and then while something is looked for. */
static bool is_stopped(void *context)
{
    struct screen *s = context;
    if (s->looked && (int64_t)es_clock_os() - s->looked > LOOKING_NS) {
        s->looked = 0;
        es_replay_say(s->replay, "looking for it; Ctrl-C stops");
        draw(s, true);
        s->replay->message[0] = '\0';
    }
    bool stopped = caught != 0;
    if (caught == SIGINT)
        caught = 0;
    return stopped;
}

/* ---- the loop ------------------------------------------------------------------------------------------------------ */

static int wait_of(const struct screen *s, bool busy)
{
    const struct es_replay *r = s->replay;
    return busy ? 0 : r->playing ? FRAME_MS : !r->live ? -1 : r->follow ? FOLLOW_MS : LIVE_MS;
}

/* A film takes a while: a new one now and then is enough. */
static void film_anew(struct screen *s)
{
    int64_t now = (int64_t)es_clock_os();
    es_film_close(s->growing); /* its blocks are others now */
    s->growing = NULL;
    if (now - s->filmed < FILM_NS)
        return;
    s->filmed = now;
    if (es_film_open(s->replay->query, (uint32_t)(s->grid.width > 2 ? s->grid.width - 2 : 1), &s->growing) < 0)
        es_error_clear();
}

/* A live recording grows. */
static void look_for_more(struct screen *s)
{
    static const char more[] = "new events; F follows them";
    struct es_replay *r = s->replay;
    struct es_cli_buf n;
    bool grew = es_replay_refresh(r), ended = !r->live;
    film_anew(s);
    if (r->follow)
        es_replay_go(r, r->last);
    else if (grew && r->last > r->known_last && (!r->message[0] || strstr(r->message, more)))
        es_replay_say(r, "%s %s", es_cli_count(r->last - r->known_last, &n), more);
    if (ended) {
        r->follow = false;
        es_replay_say(r, "the recording has ended");
    }
}

/* Nobody pressed a key in time. True where something has changed. */
static bool pass_time(struct screen *s)
{
    int64_t now = (int64_t)es_clock_os(), passed = now - s->ticked;
    s->ticked = now;
    if (s->replay->playing)
        es_replay_tick(s->replay, passed);
    else if (s->replay->live && !s->asking && s->replay->view == ES_VIEW_EVENTS)
        look_for_more(s);
    else
        return false;
    return true;
}

static int loop(struct screen *s)
{
    bool stale = true;
    int rc = 0;
    while (rc == 0 && !s->replay->quit && !caught) {
        const char *key = read_key(0);
        if (!key && stale) {
            draw(s, false);
            stale = false;
        }
        if (!key && s->replay->view == ES_VIEW_EVENTS && es_replay_count(s->replay))
            draw(s, false);
        if (!key) {
            bool busy = develop(s);
            key = read_key(wait_of(s, busy));
            if (!key && !busy)
                stale = pass_time(s) || stale;
        } else if ((int64_t)es_clock_os() - s->drawn > KEYS_MAX_NS) {
            draw(s, true); /* keys come faster than panes are made */
        }
        if (key) {
            s->ticked = s->replay->playing ? s->ticked : (int64_t)es_clock_os();
            rc = take_key(s, key);
            stale = true;
        }
    }
    return rc;
}

/* ---- beginning and end --------------------------------------------------------------------------------------------- */

static void start_colours(struct screen *s)
{
    static const short colours[] = {COLOR_RED, COLOR_GREEN, COLOR_YELLOW, COLOR_BLUE, COLOR_MAGENTA, COLOR_CYAN};
    s->colour = s->colour && has_colors() && start_color() == OK;
    if (!s->colour)
        return;
    use_default_colors();
    for (short i = 0; i < 6; i++)
        init_pair((short)(i + 1), colours[i], -1);
}

static int begin(struct screen *s)
{
    int error = 0;
    const char *term = getenv("TERM");
    tcgetattr(STDIN_FILENO, &before);
    if (!term || setupterm(NULL, STDOUT_FILENO, &error) != OK) {
        es_hint("Set TERM to what your terminal is, for example TERM=xterm-256color.");
        return es_fail(-ENOTTY, "the terminal '%s' is not known here", term ? term : "");
    }
    note_capability("sgr0");
    note_capability("cnorm");
    note_capability("rmkx");
    note_capability("rmcup");
    s->unicode = strcasecmp(nl_langinfo(CODESET), "UTF-8") == 0;
    catch_signals();
    set_escdelay(25);
    if (!newterm(NULL, stdout, stdin))
        return es_fail(-ENOTTY, "the terminal '%s' cannot be used", term);
    cbreak();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    start_colours(s);
    return resize(s);
}

int es_replay_screen(struct es_replay *r, bool colour)
{
    struct screen s = {.replay = r, .colour = colour};
    r->stop = is_stopped;
    r->stop_context = &s;
    int rc = begin(&s);
    if (rc == 0)
        rc = loop(&s);
    if (stdscr)
        endwin();
    int number = caught;
    es_film_close(s.film);
    es_film_close(s.growing);
    es_grid_fini(&s.grid);
    es_text_fini(&s.typed);
    es_text_fini(&s.last[0]);
    es_text_fini(&s.last[1]);
    if (number && number != SIGINT) { /* so that who sent it sees it */
        signal(number, SIG_DFL);
        raise(number);
    }
    if (rc < 0) {
        es_cli_failure("replay");
        return rc == -ENOTTY ? ES_EXIT_USAGE : ES_EXIT_FAILURE;
    }
    return ES_EXIT_OK;
}
