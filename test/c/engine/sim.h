/* SPDX-License-Identifier: MIT */
/* A system of processes that send each other messages, in a time of its own: everything that may happen to a message happens, and what was
 * sent is known by a number in its payload. Threads' clocks differ a little, so that deliveries are stamped before their sends. */
#ifndef TEST_ENGINE_SIM_H
#define TEST_ENGINE_SIM_H

#include "world.h"

#define SIM_PROCESSES 64u
#define SIM_THREADS 4u
#define SIM_QUEUE 4096u
#define SIM_NAMES 8u
#define SIM_CALLS 256u

struct sim_message {
    uint64_t id, hash, corr;
    es_ref from;
    bool call;
};
struct sim_process {
    es_ref pid;
    bool alive;
    uint32_t thread, name; /* name: number + 1 */
    uint64_t free_at;      /* its next event is not before */
    struct sim_message queue[SIM_QUEUE];
    uint32_t first, n;
    struct sim_message calls[8]; /* to be answered */
    uint32_t n_calls;
};

struct sim {
    struct world *world;
    struct writer threads[SIM_THREADS];
    struct sim_process *processes;
    struct dice dice;
    uint64_t now, us; /* ticks; ticks in a microsecond */
    uint64_t sends, next_pid, next_ref;
    uint32_t names[SIM_NAMES]; /* process + 1 */
    struct {
        uint64_t corr;
        uint32_t owner;
        bool active;
    } aliases[SIM_CALLS];
    uint32_t repeat;    /* contents: 0 all different; else one of so many */
    uint64_t delivered; /* from processes: what must be paired */
    uint64_t signals;   /* from processes, but not sent */
    bool real;          /* it is now, and rings may be full */
    uint64_t lost;      /* records that found no room */
};

enum { SIM_ATOM_CALL = 500, SIM_ATOM_MODULE, SIM_ATOM_RUN, SIM_ATOM_CLOCK, SIM_ATOM_EXIT, SIM_ATOM_NAME };

static inline void sim_define(struct writer *w, uint32_t atom, const char *text)
{
    writer_define(w, atom_of(atom), text, strlen(text));
}

static inline struct writer *sim_on(struct sim *sim, struct sim_process *p)
{
    if (sim->real)
        sim->now = es_clock_now(sim->threads[0].clock);
    if (dice(&sim->dice, 50) == 0 && sim->now > p->free_at + sim->us)
        p->thread = dice(&sim->dice, SIM_THREADS); /* it was moved, which takes longer than clocks differ */
    if (sim->now <= p->free_at)
        sim->now = p->free_at + 1;
    sim->now += 1 + dice(&sim->dice, (uint32_t)(sim->us / 8));
    struct writer *w = &sim->threads[p->thread];
    w->at = sim->real ? 0 : sim->now;
    p->free_at = sim->now;
    return w;
}

static inline void sim_note(struct sim *sim, bool written)
{
    assert_true(written || sim->real);
    sim->lost += !written;
}

static inline void sim_put(struct sim *sim, struct sim_process *p, struct record record)
{
    record.pid = p->pid;
    sim_note(sim, writer_put(sim_on(sim, p), &record));
}

static inline void sim_write_pid(struct es_writer *w, es_ref pid)
{
    uint32_t numbers[3] = {__builtin_bswap32(es_ref_pid_number(pid)), __builtin_bswap32(es_ref_pid_serial(pid)), 0};
    es_write_u8(w, ES_T_NEW_PID);
    es_write_atom_ref(w, es_ref_value(atom_of(SIM_ATOM_MODULE)));
    es_write_bytes(w, numbers, sizeof numbers);
}

/* {'$gen_call', {Pid, []}, Id} or {Id}: the number is in the last eight bytes. */
static inline size_t sim_payload(uint8_t *bytes, es_ref caller, uint64_t id)
{
    struct es_writer w;
    es_writer_init(&w, bytes, 128);
    es_write_tuple(&w, caller ? 3 : 1);
    if (caller) {
        es_write_atom_ref(&w, es_ref_value(atom_of(SIM_ATOM_CALL)));
        es_write_tuple(&w, 2);
        sim_write_pid(&w, caller);
        es_write_nil(&w);
    }
    es_write_binary(&w, &id, sizeof id);
    return (size_t)(w.at - bytes);
}
static inline uint64_t sim_id(const struct es_event *event)
{
    uint64_t id = 0;
    if (event->payload_len >= sizeof id)
        memcpy(&id, event->payload + event->payload_len - sizeof id, sizeof id);
    return id;
}

static inline void sim_enqueue(struct sim_process *to, struct sim_message message)
{
    if (to->alive && to->n < SIM_QUEUE)
        to->queue[(to->first + to->n++) % SIM_QUEUE] = message;
}

static inline struct sim_message sim_message(struct sim *sim, struct sim_process *from)
{
    uint64_t id = ++sim->sends;
    return (struct sim_message){
        .id = id, .from = from->pid, .hash = mix(sim->repeat ? dice(&sim->dice, sim->repeat) : id)};
}

static inline void sim_send(struct sim *sim, struct sim_process *from, struct sim_message m, es_ref address,
                            struct sim_process *to)
{
    uint8_t payload[128];
    size_t len = sim_payload(payload, m.call ? from->pid : 0, m.id);
    bool is_dead = !to->alive && es_ref_class_of(address) == ES_REF_PID;
    struct record send = {.kind = is_dead ? ES_K_SEND_DEAD : ES_K_SEND,
                          .pid = from->pid,
                          .peer = address,
                          .hash = m.hash,
                          .corr = m.corr,
                          .payload = payload,
                          .len = len};
    if (es_ref_class_of(address) == ES_REF_OTHER) { /* defined in the same publication, as the NIF does */
        uint8_t term[] = {ES_T_NEWER_REF, 0, 1, ES_T_SMALL_ATOM_UTF8, 1, 'n', 0, 0, 0, 0, 0, 0, 0, 0};
        memcpy(term + 10, &m.corr, 4);
        struct record def = {.kind = ES_K_DEF, .peer = address, .payload = term, .len = sizeof term};
        sim_note(sim, writer_publish(sim_on(sim, from), &send, &def, 1));
    } else {
        sim_note(sim, writer_put(sim_on(sim, from), &send));
    }
    sim_enqueue(to, m);
}

/* A call whose reply goes to an alias that is good for one reply, if the caller still waits for it. */
static inline void sim_call(struct sim *sim, struct sim_process *from, struct sim_process *to)
{
    struct sim_message m = sim_message(sim, from);
    m.corr = sim->next_ref += 2;
    m.call = true;
    sim->aliases[(m.corr / 2) % SIM_CALLS].corr = m.corr;
    sim->aliases[(m.corr / 2) % SIM_CALLS].owner = (uint32_t)(from - sim->processes);
    sim->aliases[(m.corr / 2) % SIM_CALLS].active = dice(&sim->dice, 10) != 0; /* else it gave up waiting */
    sim_send(sim, from, m, to->pid, to);
}

static inline void sim_reply(struct sim *sim, struct sim_process *from)
{
    struct sim_message call = from->calls[--from->n_calls], m = sim_message(sim, from);
    uint32_t place = (uint32_t)((call.corr / 2) % SIM_CALLS);
    struct sim_process *owner = &sim->processes[sim->aliases[place].owner];
    bool active =
        sim->aliases[place].corr == call.corr && sim->aliases[place].active && owner->alive && owner->pid == call.from;
    bool alive = owner->alive;
    m.corr = call.corr;
    m.hash = mix(m.corr); /* a reply carries the reference: its content is like no other */
    if (!active)
        owner->alive = false; /* dropped on its way */
    sim_send(sim, from, m, es_ref_make(ES_REF_OTHER, call.corr | 1), owner);
    owner->alive = alive;
    sim->aliases[place].active = false;
}

static inline void sim_deliver(struct sim *sim, struct sim_process *p)
{
    struct sim_message m = p->queue[p->first];
    uint8_t payload[128];
    size_t len = sim_payload(payload, 0, m.id);
    p->first = (p->first + 1) % SIM_QUEUE;
    p->n--;
    sim_put(sim, p,
            (struct record){
                .kind = ES_K_DELIVER, .peer = m.from, .hash = m.hash, .corr = m.corr, .payload = payload, .len = len});
    sim->delivered++;
    if (m.call && p->n_calls < 8)
        p->calls[p->n_calls++] = m;
}

static inline void sim_external(struct sim *sim, struct sim_process *p)
{
    es_ref from[] = {0, es_ref_make(ES_REF_PORT, 7), atom_of(SIM_ATOM_CLOCK)};
    sim_put(sim, p,
            (struct record){.kind = ES_K_DELIVER, .peer = from[dice(&sim->dice, 3)], .hash = mix(dice(&sim->dice, 4))});
}

/* What a living process causes without sending it: the answer of process_info/1, or the message of an exit signal. */
static inline void sim_signal(struct sim *sim, struct sim_process *p, struct sim_process *from)
{
    uint8_t payload[64];
    struct es_writer w;
    struct record signal = {.kind = ES_K_DELIVER, .peer = from->pid, .hash = mix(sim->next_ref)};
    if (dice(&sim->dice, 2)) {
        signal.corr = sim->next_ref += 2;
        signal.flags = ES_R_NO_PAYLOAD;
    } else {
        es_writer_init(&w, payload, sizeof payload);
        es_write_tuple(&w, 3);
        es_write_atom_ref(&w, es_ref_value(atom_of(SIM_ATOM_EXIT)));
        sim_write_pid(&w, from->pid);
        es_write_nil(&w);
        signal.payload = payload;
        signal.len = (size_t)(w.at - payload);
    }
    sim_put(sim, p, signal);
    sim->signals++;
    from->free_at = sim->now + 2 * sim->us; /* it does not die in the same moment */
    while (sim->real && es_clock_now(sim->threads[0].clock) <= from->free_at) {
    }
}

static inline void sim_register(struct sim *sim, struct sim_process *p)
{
    uint32_t name = dice(&sim->dice, SIM_NAMES);
    if (sim->names[name] || p->name)
        return;
    sim->names[name] = (uint32_t)(p - sim->processes) + 1;
    p->name = name + 1;
    sim_put(sim, p, (struct record){.kind = ES_K_REGISTER, .peer = atom_of(SIM_ATOM_NAME + name)});
    p->free_at += sim->us; /* who finds the name does so later */
    sim->now += sim->us;
}

/* Dies, and its place is taken by a new process that another one starts. */
static inline void sim_die(struct sim *sim, struct sim_process *p)
{
    static const uint8_t reason[] = {ES_T_SMALL_INT, 1};
    struct sim_process *parent = &sim->processes[(uint32_t)(p - sim->processes + 1) % SIM_PROCESSES];
    if (!parent->alive)
        return;
    sim_put(sim, p, (struct record){.kind = ES_K_EXIT, .payload = reason, .len = sizeof reason});
    p->alive = false;
    if (p->name) {
        sim_put(sim, p, (struct record){.kind = ES_K_UNREGISTER, .peer = atom_of(SIM_ATOM_NAME + p->name - 1)});
        sim->names[p->name - 1] = 0;
        sim->now += 3000 * sim->us; /* nobody else gets it at once */
    }
    p->pid = pid_of((uint32_t)sim->next_pid++);
    p->name = p->n = p->n_calls = 0;
    sim_put(sim, parent,
            (struct record){.kind = ES_K_SPAWN,
                            .arity = 0,
                            .peer = p->pid,
                            .module = atom_of(SIM_ATOM_MODULE),
                            .function = atom_of(SIM_ATOM_RUN)});
    p->alive = true;
    p->thread = dice(&sim->dice, SIM_THREADS);
    p->free_at = sim->now;
    sim_put(sim, p,
            (struct record){.kind = ES_K_SPAWNED,
                            .peer = parent->pid,
                            .module = atom_of(SIM_ATOM_MODULE),
                            .function = atom_of(SIM_ATOM_RUN)});
}

static inline void sim_burst(struct sim *sim, struct sim_process *from, struct sim_process *to)
{
    for (uint32_t n = dice(&sim->dice, 40); n > 0; n--)
        sim_send(sim, from, sim_message(sim, from), to->pid, to);
}

static inline void sim_step(struct sim *sim)
{
    struct sim_process *p = &sim->processes[dice(&sim->dice, SIM_PROCESSES)],
                       *to = &sim->processes[dice(&sim->dice, SIM_PROCESSES)];
    for (uint32_t n = dice(&sim->dice, 8); n > 0 && p->n > 0; n--)
        sim_deliver(sim, p);
    uint32_t name = dice(&sim->dice, SIM_NAMES), what = dice(&sim->dice, 100);
    if (what < 40)
        sim_send(sim, p, sim_message(sim, p), to->pid, to);
    else if (what < 50 && sim->names[name])
        sim_send(sim, p, sim_message(sim, p), atom_of(SIM_ATOM_NAME + name), &sim->processes[sim->names[name] - 1]);
    else if (what < 60)
        sim_call(sim, p, to);
    else if (what < 70 && p->n_calls > 0)
        sim_reply(sim, p);
    else if (what < 73)
        sim_burst(sim, p, to);
    else if (what < 76)
        sim_external(sim, p);
    else if (what < 79)
        sim_send(sim, p, sim_message(sim, p), p->pid, p);
    else if (what < 81)
        sim_register(sim, p);
    else if (what == 81)
        sim_die(sim, p);
    else if (what < 85 && to->alive && to != p)
        sim_signal(sim, p, to);
}

/* Clocks of threads differ by up to `skew` ticks; time begins `ms` ago. */
static inline void sim_open(struct sim *sim, struct world *world, uint64_t seed, uint64_t skew, uint64_t ms)
{
    *sim =
        (struct sim){.world = world, .dice = {seed * 2654435761u + 1}, .next_pid = SIM_PROCESSES, .next_ref = 0x1000};
    sim->processes = calloc(SIM_PROCESSES, sizeof *sim->processes);
    sim->us = world->arena.head->clock_rate / 1000000;
    for (uint32_t i = 0; i < SIM_THREADS; i++) {
        sim->threads[i] = writer_claim(&world->arena, i, i + 1);
        sim->threads[i].skew = (int64_t)(i * skew / SIM_THREADS) - (int64_t)skew / 2;
    }
    sim->now = es_clock_now(sim->threads[0].clock) - ms * 1000 * sim->us;
    struct record clock = {.kind = ES_K_CLOCK};
    clock.num[ES_CLOCK_MONO] = 1000000000;
    clock.num[ES_CLOCK_WALL] = UINT64_C(1700000000000000000);
    sim->threads[0].at = sim->now;
    writer_put(&sim->threads[0], &clock);
    sim->now += 1000 * sim->us;
    for (uint32_t i = 0; i < SIM_THREADS; i++) {
        sim->threads[i].at = sim->now;
        sim_define(&sim->threads[i], SIM_ATOM_CALL, "$gen_call");
        sim_define(&sim->threads[i], SIM_ATOM_MODULE, "module");
        sim_define(&sim->threads[i], SIM_ATOM_RUN, "run");
        sim_define(&sim->threads[i], SIM_ATOM_CLOCK, "clock_service");
        sim_define(&sim->threads[i], SIM_ATOM_EXIT, "EXIT");
        for (uint32_t n = 0; n < SIM_NAMES; n++)
            sim_define(&sim->threads[i], SIM_ATOM_NAME + n, (char[]){'n', (char)('a' + n), 0});
    }
    for (uint32_t i = 0; i < SIM_PROCESSES; i++) {
        static const uint8_t facts[] = {ES_T_MAP, 0, 0, 0, 0};
        sim->processes[i].pid = pid_of(i);
        sim->processes[i].alive = true;
        sim->processes[i].thread = i % SIM_THREADS;
        sim_put(sim, &sim->processes[i], (struct record){.kind = ES_K_CENSUS, .payload = facts, .len = sizeof facts});
    }
    sim->now += 1000 * sim->us;
}

static inline void sim_close(struct sim *sim)
{
    for (uint32_t i = 0; i < SIM_THREADS; i++)
        writer_leave(&sim->threads[i]);
    free(sim->processes);
}

struct sim_result {
    uint64_t paired, wrong, unpaired[ES_CAUSE_MAX], signals, external, others;
};

/* See sim_signal(). */
static inline bool sim_is_signal(const struct es_event *event)
{
    return event->payload_len == 0 || event->payload[1] == 3;
}

/* Compares the recording with what truly happened. */
static inline struct sim_result sim_check(const struct world *world)
{
    struct sim_result result = {0};
    for (size_t i = 0; i < world->n; i++) {
        const struct es_event *event = &world->events[i];
        if (event->kind != ES_K_DELIVER)
            continue;
        if (es_ref_class_of(event->peer) != ES_REF_PID) {
            result.external += event->cause_state == ES_CAUSE_EXTERNAL;
            result.others += event->cause_state != ES_CAUSE_EXTERNAL;
            continue;
        }
        const struct es_event *cause = event->cause ? world_event(world, event->cause) : NULL;
        if (sim_is_signal(event) && !cause)
            result.signals++;
        else if (!cause)
            result.unpaired[event->cause_state]++;
        else if (cause->kind == ES_K_SEND && sim_id(cause) == sim_id(event) && cause->pid == event->peer)
            result.paired++;
        else
            result.wrong++;
    }
    return result;
}

#endif
