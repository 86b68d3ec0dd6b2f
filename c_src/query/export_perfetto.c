/* SPDX-License-Identifier: MIT */
/* A trace in Chrome's JSON form, as ui.perfetto.dev and chrome://tracing open it. Process 1 is the node, its
 * threads are BEAM processes with spans from calls and garbage collections, moments, and arrows from sends to
 * deliveries and from spawns to first events. Process 2 has a thread a scheduler: which process ran there
 * when. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "query/export.h"

/* Viewers look threads up by their number alone, and give 0 and that of the process a meaning of their own:
 * all are different. */
enum { NODE = 1, SCHEDULERS = 2, RECORDER = 3, FIRST_LANE = 10, FIRST_SCHEDULER = 1 << 30 };
#define PAYLOAD_BYTES 200

struct lane {
    es_ref pid;
    uint32_t open; /* spans begun that only the process's end ends */
    uint16_t ran_on;
    bool running, collecting;
    int64_t ran_from, collecting_from;
};

struct perfetto {
    struct lane *lanes; /* thread FIRST_LANE + i */
    size_t n, room;
    struct es_refmap threads; /* process to index in lanes + 1 */
    bool schedulers[UINT16_MAX + 1], any;
    struct es_text text;
};

/* ---- lanes --------------------------------------------------------------------------------------------------------- */

static int lane_of(struct perfetto *p, es_ref pid, size_t *ret_index)
{
    uint64_t *place = es_refmap_place(&p->threads, pid);
    if (!place)
        return -ENOMEM;
    if (*place == 0) {
        if (p->n == p->room) {
            size_t room = p->room ? p->room * 2 : 64;
            struct lane *lanes = realloc(p->lanes, room * sizeof *lanes);
            if (!lanes)
                return -ENOMEM;
            p->lanes = lanes;
            p->room = room;
        }
        p->lanes[p->n] = (struct lane){.pid = pid};
        *place = ++p->n;
    }
    *ret_index = (size_t)*place - 1;
    return 0;
}

/* ---- writing ------------------------------------------------------------------------------------------------------- */

struct place {
    char phase;
    int process;
    uint64_t thread;
    int64_t time;
};

/* `{"ph":"X","pid":1,"tid":5,"ts":12.345`: times are microseconds from the start, with ns behind the
 * point. */
static void open_event(struct es_exporter *x, const struct place *place)
{
    struct perfetto *p = x->own;
    uint64_t since = (uint64_t)place->time - (uint64_t)x->first;
    es_text_printf(&x->out, "%s{\"ph\":\"%c\",\"pid\":%d,\"tid\":%" PRIu64 ",\"ts\":%" PRIu64 ".%03" PRIu64,
                   p->any ? ",\n" : "", place->phase, place->process, place->thread, since / 1000, since % 1000);
    p->any = true;
}

static void add_length(struct es_exporter *x, int64_t from, int64_t to)
{
    uint64_t length =
        to > from ? (uint64_t)to - (uint64_t)from : 1; /* nothing of no length: arrows begin and end at spans */
    es_text_printf(&x->out, ",\"dur\":%" PRIu64 ".%03" PRIu64, length / 1000, length % 1000);
}

static void add_name(struct es_exporter *x, const struct es_text *name, const char *category)
{
    es_text_puts(&x->out, ",\"name\":");
    es_text_json(&x->out, name->bytes ? name->bytes : "", name->len);
    es_text_printf(&x->out, ",\"cat\":\"%s\"", category);
}

static void add_args(struct es_exporter *x, const struct es_event *event)
{
    struct perfetto *p = x->own;
    es_text_printf(&x->out, ",\"args\":{\"seq\":%" PRIu64, event->seq);
    if (event->payload_len > 0) {
        struct es_print print = x->query->print[x->request->erlang];
        print.max_bytes = PAYLOAD_BYTES;
        print.arguments = event->kind == ES_K_CALL || event->kind == ES_K_SPAWN;
        es_text_clear(&p->text);
        es_term_print(event->payload, event->payload_len, &print, &p->text);
        es_text_puts(&x->out, ",\"payload\":");
        es_text_json(&x->out, p->text.bytes ? p->text.bytes : "", p->text.len);
    }
    es_text_puts(&x->out, "}}");
}

/* "send cart", "call MyApp.Cart.add/2" */
static void make_name(struct es_exporter *x, const struct es_event *event, bool kind)
{
    struct perfetto *p = x->own;
    bool erlang = x->request->erlang;
    es_text_clear(&p->text);
    es_text_add(&p->text, "", 0);
    if (kind)
        es_text_puts(&p->text, es_kind_table[event->kind].name);
    if (event->peer) {
        es_ref name = es_query_name(x->query, event->peer, event->time);
        es_text_puts(&p->text, kind ? " " : "");
        es_query_print_who(x->query, name ? name : event->peer, erlang, &p->text);
    }
    if (event->module) {
        es_text_puts(&p->text, p->text.len ? " " : "");
        es_query_print_fun(x->query, event, erlang, &p->text);
    }
}

struct span {
    struct place place;
    int64_t end;
    bool kind;
};

static void add_span(struct es_exporter *x, const struct es_event *event, const struct span *span)
{
    struct perfetto *p = x->own;
    open_event(x, &span->place);
    if (span->place.phase == 'X')
        add_length(x, span->place.time, span->end);
    else if (span->place.phase == 'i')
        es_text_printf(&x->out, ",\"s\":\"%c\"", event->kind == ES_K_MARK ? 'g' : 't');
    make_name(x, event, span->kind);
    add_name(x, &p->text, es_family_names[es_kind_table[event->kind].family]);
    add_args(x, event);
}

static void add_moment(struct es_exporter *x, const struct es_event *event, uint64_t thread)
{
    add_span(x, event, &(struct span){.place = {'i', NODE, thread, event->time}, .kind = true});
}

/* ---- arrows -------------------------------------------------------------------------------------------------------- */

/* A short span, and the begin or end of an arrow that is bound to it. */
static void add_arrow(struct es_exporter *x, const struct es_event *event, uint64_t thread)
{
    bool begins = event->kind == ES_K_SEND || event->kind == ES_K_SPAWN || event->kind == ES_K_EXIT;
    add_span(x, event, &(struct span){.place = {'X', NODE, thread, event->time}, .end = event->time, .kind = true});
    if (!begins && event->cause == 0)
        return;
    open_event(x, &(struct place){begins ? 's' : 'f', NODE, thread, event->time});
    es_text_printf(&x->out, ",\"name\":\"cause\",\"cat\":\"cause\",\"id\":%" PRIu64 "%s}",
                   begins ? event->seq : event->cause, begins ? "" : ",\"bp\":\"e\"");
}

/* ---- calls --------------------------------------------------------------------------------------------------------- */

static void add_call(struct es_exporter *x, const struct es_event *event, uint64_t thread, struct lane *lane)
{
    enum es_call known = es_query_call(x->query, event->seq);
    if (known == ES_CALL_ENDED)
        return; /* its end makes the span */
    if (known == ES_CALL_ALONE) {
        add_moment(x, event, thread);
        return;
    }
    add_span(x, event, &(struct span){.place = {'B', NODE, thread, event->time}});
    lane->open++;
}

static void add_call_end(struct es_exporter *x, const struct es_event *event, uint64_t thread)
{
    uint64_t call = es_query_parent(x->query, event);
    const struct es_event *begin;
    if (call && es_query_stored(x->query, call, &begin) == 0)
        add_span(x, event,
                 &(struct span){.place = {'X', NODE, thread, begin->time},
                                .end = event->time,
                                .kind = event->kind == ES_K_EXCEPTION});
    else
        add_moment(x, event, thread);
}

static void end_open(struct es_exporter *x, const struct es_event *event, uint64_t thread, struct lane *lane)
{
    for (; lane->open > 0; lane->open--) {
        open_event(x, &(struct place){'E', NODE, thread, event->time});
        es_text_puts(&x->out, "}");
    }
}

/* ---- running and collecting ---------------------------------------------------------------------------------------- */

static void add_running(struct es_exporter *x, const struct es_event *event, struct lane *lane)
{
    struct perfetto *p = x->own;
    if (event->kind == ES_K_IN) {
        lane->running = true;
        lane->ran_from = event->time;
        lane->ran_on = event->thread;
        return;
    }
    if (!lane->running || lane->ran_on != event->thread)
        return;
    lane->running = false;
    p->schedulers[event->thread] = true;
    es_text_clear(&p->text);
    es_ref name = es_query_name(x->query, lane->pid, event->time);
    es_query_print_who(x->query, name ? name : lane->pid, x->request->erlang, &p->text);
    bool dirty = event->thread == 0; /* there are several of them: their spans may overlap */
    open_event(x, &(struct place){dirty ? 'b' : 'X', SCHEDULERS, FIRST_SCHEDULER + event->thread, lane->ran_from});
    if (dirty)
        es_text_printf(&x->out, ",\"id\":%" PRIu64, event->seq);
    else
        add_length(x, lane->ran_from, event->time);
    add_name(x, &p->text, "scheduling");
    if (dirty) {
        es_text_puts(&x->out, "}");
        open_event(x, &(struct place){'e', SCHEDULERS, FIRST_SCHEDULER, event->time});
        es_text_printf(&x->out, ",\"id\":%" PRIu64, event->seq);
        add_name(x, &p->text, "scheduling");
    }
    add_args(x, event);
}

static void add_collection(struct es_exporter *x, const struct es_event *event, uint64_t thread, struct lane *lane)
{
    if (event->kind == ES_K_GC_MINOR_START || event->kind == ES_K_GC_MAJOR_START) {
        lane->collecting = true;
        lane->collecting_from = event->time;
    } else if (lane->collecting) {
        lane->collecting = false;
        add_span(x, event,
                 &(struct span){.place = {'X', NODE, thread, lane->collecting_from}, .end = event->time, .kind = true});
    }
}

/* ---- all ----------------------------------------------------------------------------------------------------------- */

static int perfetto_begin(struct es_exporter *x)
{
    x->own = calloc(1, sizeof(struct perfetto));
    if (!x->own)
        return es_fail(-ENOMEM, "no memory to export");
    es_text_puts(&x->out, "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n");
    return 0;
}

static int perfetto_event(struct es_exporter *x, const struct es_event *event)
{
    struct perfetto *p = x->own;
    size_t i = 0;
    if (event->kind >= ES_KIND_MAX)
        return 0;
    if (event->pid == ES_REF_NONE) {
        add_moment(x, event, RECORDER);
        return 0;
    }
    if (lane_of(p, event->pid, &i) < 0)
        return es_fail(-ENOMEM, "no memory to export");
    struct lane *lane = &p->lanes[i];
    uint64_t thread = FIRST_LANE + i;
    switch (event->kind) {
    case ES_K_CENSUS: break; /* there before: its lane is what it says */
    case ES_K_CALL: add_call(x, event, thread, lane); break;
    case ES_K_RETURN:
    case ES_K_EXCEPTION: add_call_end(x, event, thread); break;
    case ES_K_SEND:
    case ES_K_SPAWN:
    case ES_K_SPAWNED:
    case ES_K_DELIVER: add_arrow(x, event, thread); break;
    case ES_K_IN:
    case ES_K_OUT: add_running(x, event, lane); break;
    case ES_K_GC_MINOR_START:
    case ES_K_GC_MINOR_END:
    case ES_K_GC_MAJOR_START:
    case ES_K_GC_MAJOR_END: add_collection(x, event, thread, lane); break;
    case ES_K_EXIT:
        end_open(x, event, thread, lane);
        add_arrow(x, event, thread); /* to those it is linked with and monitored by */
        break;
    default: add_moment(x, event, thread);
    }
    return 0;
}

struct label {
    const char *what;
    int process;
    uint64_t thread;
};

static void add_label(struct es_exporter *x, const struct label *label, const struct es_text *name)
{
    struct perfetto *p = x->own;
    es_text_printf(&x->out, "%s{\"ph\":\"M\",\"pid\":%d,\"tid\":%" PRIu64 ",\"name\":\"%s\",\"args\":{\"name\":",
                   p->any ? ",\n" : "", label->process, label->thread, label->what);
    es_text_json(&x->out, name->bytes ? name->bytes : "", name->len);
    es_text_puts(&x->out, "}}");
    p->any = true;
}

static void label_processes(struct es_exporter *x, struct es_text *name)
{
    struct perfetto *p = x->own;
    for (size_t i = 0; i < p->n; i++) {
        es_ref own = es_query_name(x->query, p->lanes[i].pid, INT64_MAX);
        es_text_clear(name);
        es_query_print_ref(x->query, p->lanes[i].pid, true, name);
        if (own) {
            es_text_puts(name, " ");
            es_query_print_ref(x->query, own, x->request->erlang, name);
        }
        add_label(x, &(struct label){"thread_name", NODE, FIRST_LANE + i}, name);
    }
}

static void label_schedulers(struct es_exporter *x, struct es_text *name)
{
    struct perfetto *p = x->own;
    bool any = false;
    for (unsigned i = 0; i <= UINT16_MAX; i++) {
        if (!p->schedulers[i])
            continue;
        es_text_clear(name);
        es_text_printf(name, i ? "scheduler %u" : "dirty schedulers", i);
        add_label(x, &(struct label){"thread_name", SCHEDULERS, FIRST_SCHEDULER + i}, name);
        any = true;
    }
    es_text_clear(name);
    es_text_puts(name, "schedulers");
    if (any)
        add_label(x, &(struct label){"process_name", SCHEDULERS, FIRST_SCHEDULER}, name);
}

static int perfetto_end(struct es_exporter *x)
{
    struct es_text name = {0};
    es_text_puts(&name, x->query->node ? x->query->node : "node");
    add_label(x, &(struct label){"process_name", NODE, RECORDER}, &name);
    es_text_clear(&name);
    es_text_puts(&name, "recorder");
    add_label(x, &(struct label){"thread_name", NODE, RECORDER}, &name);
    label_processes(x, &name);
    label_schedulers(x, &name);
    es_text_puts(&x->out, "\n]}\n");
    es_text_fini(&name);
    return 0;
}

static void perfetto_fini(struct es_exporter *x)
{
    struct perfetto *p = x->own;
    if (!p)
        return;
    es_refmap_fini(&p->threads);
    es_text_fini(&p->text);
    free(p->lanes);
    free(p);
}

const struct es_exporter_type es_export_perfetto = {perfetto_begin, perfetto_event, perfetto_end, perfetto_fini};
