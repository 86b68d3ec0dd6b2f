/* SPDX-License-Identifier: MIT */
/* The player: where one is in a recording, who is looked at, and what there is to see. Knows no terminal: replay_screen.c draws it,
 * replay_json.c prints it, and both are moved by the same table of keys. */
#ifndef ES_CLI_REPLAY_H
#define ES_CLI_REPLAY_H

#include "cli/cli.h"

#define ES_REPLAY_JUMPS 256
#define ES_REPLAY_MESSAGE 512
#define ES_REPLAY_FILTER 64
#define ES_REPLAY_WIDTH 40 /* least size of a screen */
#define ES_REPLAY_HEIGHT 10

enum es_replay_view { ES_VIEW_EVENTS, ES_VIEW_PROCESSES, ES_VIEW_STORY, ES_VIEW_HELP };
enum es_replay_pane { ES_PANE_LIST, ES_PANE_STATE, ES_PANE_PROCESS, ES_PANES };

/* Events of one process that follow each other; grows at both ends as one walks. */
struct es_replay_own {
    es_ref pid;
    uint64_t *seqs;
    size_t n, room;
    bool from_first, to_last; /* there are none before, behind */
};

/* A text in lines of a width. */
struct es_replay_page {
    struct es_text text;
    struct es_replay_line {
        size_t at, end;
        uint8_t style; /* in force where it begins */
    } * lines;
    size_t n_lines, room, scroll;
    size_t change; /* where in the text the first change is; 0: there is none */
};
void es_replay_wrap(struct es_replay_page *page, int width); /* finds the lines (replay_grid.c) */
void es_replay_page_fini(struct es_replay_page *page);

struct es_replay {
    struct es_query *query;
    const char *path;
    bool erlang, live;
    uint64_t first, last;    /* events there are */
    uint64_t known_last;     /* of these, when one last looked: what came since is told */
    int64_t start, end;      /* their times */
    struct es_cli_line line; /* for texts of events */

    uint64_t seq; /* where we are: after this event */
    struct es_event event;
    uint64_t unreadable_first, unreadable_last; /* this event and those around it cannot be read; 0: it can */
    es_ref pid;                                 /* who is looked at */
    bool held;                                  /* it stays so when others do something */
    bool only;                                  /* the list has events of this process alone */
    struct es_replay_own own;

    uint64_t jumps[ES_REPLAY_JUMPS];
    size_t jump, n_jumps;

    char message[ES_REPLAY_MESSAGE];
    bool failed; /* the message is of a failure */
    char *expression;
    bool (*stop)(void *context); /* asked while something is looked for; may be NULL */
    void *stop_context;

    /* Playing. */
    bool playing, follow;
    int speed; /* number of the speed */
    int64_t clock;
    int64_t pause; /* ns that a shortened pause still lasts */

    /* What there is to see of `pid`, of event `filled`. */
    uint64_t filled;
    es_ref filled_pid;
    struct es_moment *moment;
    struct es_state state;
    bool has_state;
    struct es_text no_state; /* why there is none */

    /* Lists that lie over the events. */
    enum es_replay_view view;
    enum es_replay_pane focus;
    bool diff;
    size_t selected, n_listed;
    char filter[ES_REPLAY_FILTER];
    es_ref *listed; /* processes */
    struct es_moment *everyone;
    struct es_caused *story;
    bool story_cut, story_forward;

    struct es_replay_page head, body, process; /* the state: since when and why; itself; what the process does */
    struct {
        es_ref pid;
        uint64_t version; /* its event */
        unsigned width;
        bool diff, has;
    } made; /* what `body` is of */
    bool quit;
};

/* 0, or negative errno. `query` stays the caller's. */
int es_replay_open(struct es_replay *replay, struct es_query *query);
void es_replay_close(struct es_replay *replay);

/* ---- where (replay_model.c) ---------------------------------------------------------------------------------------- */
void es_replay_go(struct es_replay *replay, uint64_t seq);   /* one step */
void es_replay_jump(struct es_replay *replay, uint64_t seq); /* the same, and [ leads back */
void es_replay_back(struct es_replay *replay, bool forward);
void es_replay_select(struct es_replay *replay, es_ref pid, bool held);
void es_replay_next(struct es_replay *replay, bool back);
void es_replay_step(struct es_replay *replay, uint64_t kinds, bool back); /* of the process */
void es_replay_state_step(struct es_replay *replay, bool back);
void es_replay_cause(struct es_replay *replay, bool forward);
void es_replay_time(struct es_replay *replay, const char *text); /* TIME, #SEQ or SEQ */
void es_replay_find(struct es_replay *replay, const char *expression, bool back);
/* Looks whether there is more. True where there is. */
bool es_replay_refresh(struct es_replay *replay);
void es_replay_fill(struct es_replay *replay); /* what there is to see */
/* Which version of how many the state is takes longer: for when there is time. True where it was not known before. */
bool es_replay_count(struct es_replay *replay);
/* NULL where it does not live, or nothing is known. */
const struct es_moment_row *es_replay_row(const struct es_replay *replay);

void es_replay_say(struct es_replay *replay, const char *format, ...) __attribute__((format(printf, 2, 3)));
void es_replay_fail(struct es_replay *replay); /* says what is in the chain of errors */

/* Events around the current one. */
struct es_replay_row {
    uint64_t seq, last; /* last: of a stretch that cannot be read; else 0 */
};
/* At most `before` rows before the current one and `after` behind it. Gives how many, the current one is *ret_current. */
size_t es_replay_rows(struct es_replay *replay, size_t before, size_t after, struct es_replay_row *rows,
                      size_t *ret_current);
/* The events of the process around the current one, in order: *ret_at is the place of the first that is not before it. */
int es_replay_own(struct es_replay *replay, size_t before, size_t after, size_t *ret_at);

/* ---- playing (replay_play.c) --------------------------------------------------------------------------------------- */
double es_replay_speed(const struct es_replay *replay);
void es_replay_faster(struct es_replay *replay, bool slower);
void es_replay_play(struct es_replay *replay, bool play);
/* So much time has passed in front of the screen. */
void es_replay_tick(struct es_replay *replay, int64_t ns);

/* ---- lists (replay_list.c) ----------------------------------------------------------------------------------------- */
void es_replay_list(struct es_replay *replay, enum es_replay_view view);
void es_replay_story(struct es_replay *replay, bool forward);
void es_replay_filter(struct es_replay *replay); /* after its text has changed */
void es_replay_choose(struct es_replay *replay); /* what is selected */
void es_replay_move(struct es_replay *replay, long by);

/* ---- texts ----------------------------------------------------------------------------------------------------------
 * Bytes 0xff, 'A' + enum es_style begin a style; no UTF-8 has these. */
#define ES_STYLED "\xff"
const char *es_replay_style(enum es_style style);
void es_replay_who(struct es_replay *replay, es_ref pid, int64_t time, struct es_text *out); /* name, else pid */
const char *es_replay_kind(unsigned kind); /* short enough for a column */
/* A row of the list: kind is not in it. */
void es_replay_row_text(struct es_replay *replay, const struct es_event *event, struct es_text *out);
void es_replay_event_text(struct es_replay *replay, struct es_text *out); /* all of the current one, several lines */
void es_replay_state_pages(struct es_replay *replay, unsigned width);     /* makes `head` and `body` */
void es_replay_process_page(struct es_replay *replay, unsigned width);    /* and `process` */
void es_replay_json(struct es_replay *replay, const char *key, struct es_text *out);

/* ---- keys (replay_keys.c) ------------------------------------------------------------------------------------------ */
struct es_replay_key {
    const char *keys;  /* names, with a blank between them: "n Down" */
    const char *label; /* for the line of keys; NULL: not in it */
    const char *help;
    const char *prompt; /* asks for a text first */
    void (*run)(struct es_replay *replay, const char *text);
};
extern const struct es_replay_key es_replay_keys[]; /* ends with NULL; without `run`: a heading */
/* NULL: no such key. */
const struct es_replay_key *es_replay_key(const char *name);
/* Does what a key does. `text`: what was asked for; NULL for others. */
void es_replay_press(struct es_replay *replay, const struct es_replay_key *key, const char *text);
/* A key in a list or the help; false: it has no meaning there. */
bool es_replay_list_key(struct es_replay *replay, const char *name);

/* ---- drawing (replay_draw.c, replay_head.c, replay_overlay.c) ---------------------------------------------------------------------- */
struct es_grid;
struct es_film;
struct es_replay_scene {
    struct es_replay *replay;
    struct es_grid *grid;
    struct es_film *film; /* may be NULL */
    const char *prompt;   /* what is asked for; NULL: nothing */
    const char *typed;    /* so far */
    bool rows_only;       /* more keys wait: the panes are left for later */
    int cursor;           /* column in the last line where typing goes on, -1: nowhere */
};
void es_replay_draw(struct es_replay_scene *scene);
void es_replay_draw_title(struct es_replay_scene *scene, int y);
void es_replay_draw_position(struct es_replay_scene *scene, int y);
void es_replay_draw_film(struct es_replay_scene *scene, int y);
void es_replay_draw_list(struct es_replay_scene *scene, int y, int height); /* a list or the help */

/* ---- the screen ---------------------------------------------------------------------------------------------------- */
int es_replay_screen(struct es_replay *replay, bool colour); /* exit code */
/* Runs the keys in `script`, printing after each. Exit code. */
struct es_replay_script {
    const char *keys;
    bool json;
    int width, height;
};
int es_replay_script(struct es_replay *replay, const struct es_replay_script *script);

#endif
