/* SPDX-License-Identifier: MIT */
/* A system as the recorder meets it with everything switched on; see load.h. Each step is a turn of a process: it is scheduled in, handles a
 * message, calls, sends, is scheduled out. */
#include "load.h"

#define NS_AN_EVENT 667u              /* of the stream: 1.5 M events a second */
#define BACK_NS UINT64_C(60000000000) /* it begins so long ago, as stamps of the future are not believed */
#define PENDING 8u
#define UNDER_WAY 64u
#define BIG_SERVERS 16u
#define BIG_EVERY 15000u /* events: a hundred a second */
#define BIG_FIELDS 5000u /* of 10 bytes */
#define BIG_HEAD 32u
#define PAYLOAD 40u
#define SHORT_LIVES 1024u /* turns between two spawns */

/* clang-format off */
#define WORDS(W) W(GEN_SERVER, "gen_server") W(TRY_HANDLE_INFO, "try_handle_info") W(HANDLE_INFO, "handle_info") W(OK, "ok") \
    W(NOREPLY, "noreply") W(GEN_CALL, "$gen_call") W(INIT, "init") W(SERVER, "server") W(COUNT, "count") W(NORMAL, "normal") \
    W(NODE, "nonode@nohost")
/* clang-format on */
enum word {
    BEFORE_WORDS = FUNCTIONS * 2 - 1,
#define W(symbol, text) symbol,
    WORDS(W)
#undef W
};
static const char *const words[] = {
#define W(symbol, text) text,
    WORDS(W)
#undef W
};

struct message {
    uint32_t from, to; /* places, not pids */
    uint64_t hash, corr;
    bool request;
};

static struct {
    struct message pending[PENDING];
    uint32_t first, n, expected; /* expected: on their way to it, and those pending */
    uint32_t life, count;
} procs[PROCESSES];
static struct message under_way[UNDER_WAY];
static uint32_t n_under_way, first_under_way, ready[PROCESSES * PENDING], n_ready, first_ready, next_big;
static uint64_t n_messages, n_events, first_stamp, since_big, turns;
static double ticks_an_event;
static uint8_t big[BIG_SERVERS][BIG_HEAD + BIG_FIELDS * 10]; /* {ok, {noreply, #{…}}} */
static size_t big_len;

static bool is_server(uint32_t place) { return place % 2 == 0; }
static es_ref pid(uint32_t place) { return es_ref_pid(100 + place, procs[place].life); }

static void put(struct writer *w, const struct record *record)
{
    w->at = first_stamp + (uint64_t)((double)n_events++ * ticks_an_event);
    since_big++;
    writer_put(w, record);
}

/* ---- payloads ------------------------------------------------------------------------------------------------------ */

struct payload {
    uint8_t bytes[PAYLOAD * 2];
    struct es_writer writer;
};

static void begin(struct payload *p) { es_writer_init(&p->writer, p->bytes, sizeof p->bytes); }
static void put_word(struct payload *p, enum word word) { es_write_atom_ref(&p->writer, atom_of(word)); }
static size_t length(const struct payload *p) { return (size_t)(p->writer.at - p->bytes); }

/* So many bytes that it has 40 in the end: words with a number among them, as most of what processes tell each other. */
static void put_rest(struct payload *p)
{
    char text[] = "order 00000000 of forty bytes for everybody";
    size_t len = length(p) + 5;
    uint32_t number = dice(UINT32_MAX);
    for (unsigned i = 6; i < 14; i++, number >>= 4)
        text[i] = "0123456789abcdef"[number & 15];
    es_write_binary(&p->writer, text, len < PAYLOAD ? PAYLOAD - len : 0);
}

static void put_be32(struct payload *p, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        es_write_u8(&p->writer, (uint8_t)(value >> shift));
}

/* {'$gen_call', {Pid, Tag}, Text}, or {server, Text} */
static void message_payload(struct payload *p, const struct message *m)
{
    begin(p);
    es_write_tuple(&p->writer, m->request ? 3 : 2);
    put_word(p, m->request ? GEN_CALL : SERVER);
    if (m->request) {
        es_write_tuple(&p->writer, 2);
        es_write_u8(&p->writer, ES_T_NEW_PID);
        put_word(p, NODE);
        put_be32(p, es_ref_pid_number(pid(m->from)));
        put_be32(p, es_ref_pid_serial(pid(m->from)));
        put_be32(p, 0);
        es_write_int(&p->writer, 1);
    }
    put_rest(p);
}

/* [Module, Callback, Text]: as the recorder's match specification makes it. */
static void arguments(struct payload *p)
{
    begin(p);
    es_write_list(&p->writer, 3);
    put_word(p, SERVER);
    put_word(p, HANDLE_INFO);
    put_rest(p);
    es_write_nil(&p->writer);
}

/* {ok, {noreply, #{count => N, server => Text}}}: half of the callbacks change it. */
static void value(struct payload *p, uint32_t place)
{
    begin(p);
    es_write_tuple(&p->writer, 2);
    put_word(p, OK);
    es_write_tuple(&p->writer, 2);
    put_word(p, NOREPLY);
    es_write_map(&p->writer, 1);
    put_word(p, COUNT);
    es_write_int(&p->writer, 1000 + (procs[place].count += dice(2)));
}

/* ---- messages ------------------------------------------------------------------------------------------------------ */

static void send(struct writer *w, struct message m)
{
    struct payload p;
    if (procs[m.to].expected == PENDING || n_under_way == UNDER_WAY)
        return;
    procs[m.to].expected++;
    m.hash = ++n_messages * UINT64_C(0x9e3779b97f4a7c15);
    m.corr = m.request ? n_messages * UINT64_C(0xd6e8feb86659fd93) | 1 : m.corr;
    message_payload(&p, &m);
    put(w, &(struct record){.kind = ES_K_SEND,
                            .pid = pid(m.from),
                            .peer = pid(m.to),
                            .hash = m.hash,
                            .corr = m.corr,
                            .payload = p.bytes,
                            .len = length(&p)});
    under_way[(first_under_way + n_under_way++) % UNDER_WAY] = m;
}

static void deliver(struct writer *w)
{
    struct message m = under_way[first_under_way];
    first_under_way = (first_under_way + 1) % UNDER_WAY;
    n_under_way--;
    procs[m.to].pending[(procs[m.to].first + procs[m.to].n++) % PENDING] = m;
    ready[(first_ready + n_ready++) % (PROCESSES * PENDING)] = m.to;
    put(w, &(struct record){.kind = ES_K_DELIVER,
                            .flags = ES_R_NO_PAYLOAD,
                            .pid = pid(m.to),
                            .peer = pid(m.from),
                            .hash = m.hash,
                            .corr = m.corr});
}

/* ---- a turn -------------------------------------------------------------------------------------------------------- */

static void schedule(struct writer *w, unsigned kind, uint32_t place)
{
    uint32_t f = place % FUNCTIONS;
    put(w, &(struct record){.kind = kind,
                            .pid = pid(place),
                            .module = atom_of(f / 10),
                            .function = atom_of(FUNCTIONS + f),
                            .arity = 2});
}

static void call(struct writer *w, uint32_t place)
{
    uint32_t f = dice(FUNCTIONS);
    struct payload p;
    begin(&p);
    put_rest(&p);
    struct record record = {.kind = ES_K_CALL,
                            .pid = pid(place),
                            .module = atom_of(f / 10),
                            .function = atom_of(FUNCTIONS + f),
                            .arity = (uint16_t)(f % 4),
                            .payload = p.bytes,
                            .len = length(&p)};
    put(w, &record);
    record.kind = ES_K_RETURN;
    record.flags = ES_R_NO_PAYLOAD;
    record.len = 0;
    put(w, &record);
}

static void collect(struct writer *w, uint32_t place)
{
    struct record record = {.kind = ES_K_GC_MINOR_START, .pid = pid(place)};
    for (unsigned i = 0; i < ES_NUMS; i++)
        record.num[i] = 100 + dice(1000);
    put(w, &record);
    record.kind = ES_K_GC_MINOR_END;
    record.num[0] /= 2;
    put(w, &record);
}

static void callback(struct writer *w, uint32_t place, unsigned kind, const void *payload, size_t len, uint64_t hash)
{
    put(w, &(struct record){.kind = kind,
                            .flags = ES_R_CALLBACK,
                            .pid = pid(place),
                            .module = atom_of(GEN_SERVER),
                            .function = atom_of(TRY_HANDLE_INFO),
                            .arity = 3,
                            .hash = hash,
                            .payload = payload,
                            .len = len});
}

/* Of a message, when it is its turn, or not of one. */
static void turn(struct writer *w, uint32_t place, const struct message *m)
{
    bool scheduled = dice(2) == 0, server = m && is_server(place), large = server && place < 2 * BIG_SERVERS;
    struct payload p;
    if (scheduled)
        schedule(w, ES_K_IN, place);
    if (server) {
        arguments(&p);
        callback(w, place, ES_K_CALL, p.bytes, length(&p), m->hash);
    }
    call(w, place);
    if (m && m->request)
        send(w, (struct message){.from = place, .to = m->from, .corr = m->corr});
    else
        send(w, (struct message){
                    .from = place, .to = dice(PROCESSES - 2 * BIG_SERVERS) + 2 * BIG_SERVERS, .request = dice(3) == 0});
    if (large) {
        uint8_t *field = big[place / 2] + big_len - 4 - 10 * (size_t)dice(BIG_FIELDS);
        field[3] = (uint8_t)(field[3] + 1);
        callback(w, place, ES_K_RETURN, big[place / 2], big_len, 0);
    } else if (server) {
        value(&p, place);
        callback(w, place, ES_K_RETURN, p.bytes, length(&p), 0);
    }
    if (dice(16) == 0)
        collect(w, place);
    if (scheduled)
        schedule(w, ES_K_OUT, place);
}

/* A server with a state of 50 kB is told something. */
static void big_turn(struct writer *w)
{
    uint32_t place = 2 * (next_big++ % BIG_SERVERS);
    since_big = 0;
    while (n_under_way > 0)
        deliver(w);
    send(w, (struct message){.from = 2 * BIG_SERVERS + 1, .to = place});
    while (n_under_way > 0)
        deliver(w);
}

/* Somebody who has nothing to do dies, and another takes its place. */
static void renew(struct writer *w, uint32_t parent)
{
    static const uint8_t no_arguments[] = {ES_T_NIL};
    uint32_t place = dice(PROCESSES) | 1;
    struct payload p;
    if (procs[place].expected > 0 || place == parent)
        return;
    begin(&p);
    put_word(&p, NORMAL);
    put(w, &(struct record){.kind = ES_K_EXIT, .pid = pid(place), .payload = p.bytes, .len = length(&p)});
    procs[place].life++;
    struct record record = {.kind = ES_K_SPAWN,
                            .pid = pid(parent),
                            .peer = pid(place),
                            .module = atom_of(1),
                            .function = atom_of(FUNCTIONS),
                            .payload = no_arguments,
                            .len = sizeof no_arguments};
    put(w, &record);
    record = (struct record){.kind = ES_K_SPAWNED,
                             .pid = pid(place),
                             .peer = pid(parent),
                             .module = atom_of(1),
                             .function = atom_of(FUNCTIONS)};
    put(w, &record);
}

static void step(struct writer *w, uint64_t i)
{
    uint32_t place = dice(PROCESSES - 2 * BIG_SERVERS) + 2 * BIG_SERVERS;
    struct message m, *handled = NULL;
    (void)i;
    if (since_big >= BIG_EVERY)
        big_turn(w);
    if (n_ready > UNDER_WAY || procs[ready[first_ready]].n > 0) {
        place = ready[first_ready];
        first_ready = (first_ready + 1) % (PROCESSES * PENDING);
        n_ready--;
        m = procs[place].pending[procs[place].first];
        handled = &m;
        procs[place].first = (procs[place].first + 1) % PENDING;
        procs[place].n--;
        procs[place].expected--;
    }
    turn(w, place, handled);
    if (n_under_way > UNDER_WAY / 2)
        deliver(w);
    if (++turns % SHORT_LIVES == 0)
        renew(w, place);
}

/* ---- before and after ---------------------------------------------------------------------------------------------- */

static void make_big(uint32_t server)
{
    struct es_writer writer;
    es_writer_init(&writer, big[server], sizeof big[server]);
    es_write_tuple(&writer, 2);
    es_write_atom_ref(&writer, atom_of(OK));
    es_write_tuple(&writer, 2);
    es_write_atom_ref(&writer, atom_of(NOREPLY));
    es_write_map(&writer, BIG_FIELDS);
    for (uint32_t i = 0; i < BIG_FIELDS; i++) {
        es_write_int(&writer, 1000 + i);
        es_write_int(&writer, (1 << 20) + (int)dice(1 << 20));
    }
    big_len = (size_t)(writer.at - big[server]);
}

static void put_clock(struct writer *w, uint64_t ticks_ago, uint64_t ns_ago, uint64_t stamp, uint64_t os)
{
    w->at = stamp - ticks_ago;
    struct record record = {.kind = ES_K_CLOCK};
    record.num[ES_CLOCK_MONO] = os - ns_ago - (uint64_t)WRITER_MONO_OFFSET;
    record.num[ES_CLOCK_WALL] = os - ns_ago + UINT64_C(1700000000000000000);
    writer_put(w, &record);
}

static uint64_t rate_of(const struct writer *w) { return w->arena->head->clock_rate; }

static void begin_all(struct writer *writers)
{
    struct writer *w = &writers[0];
    uint64_t stamp = es_clock_now(w->clock), os = es_clock_os();
    uint64_t back = (uint64_t)((double)BACK_NS * (double)rate_of(w) / 1e9);
    ticks_an_event = NS_AN_EVENT * (double)rate_of(w) / 1e9;
    put_clock(w, back, BACK_NS, stamp, os);
    first_stamp = stamp - back + 1;
    n_events = since_big = turns = n_messages = 0;
    n_under_way = first_under_way = n_ready = first_ready = next_big = 0;
    memset(procs, 0, sizeof procs);
    for (uint32_t r = 0; r < RINGS; r++) {
        writers[r].at = first_stamp;
        for (uint32_t i = 0; i < sizeof words / sizeof words[0]; i++)
            writer_define(&writers[r], atom_of(GEN_SERVER + i), words[i], strlen(words[i]));
    }
    for (uint32_t i = 0; i < BIG_SERVERS; i++)
        make_big(i);
    for (uint32_t i = 0; i < PROCESSES; i++) /* they were there before */
        put(w, &(struct record){.kind = ES_K_CENSUS,
                                .pid = pid(i),
                                .peer = pid(1),
                                .module = atom_of(is_server(i) ? SERVER : 1),
                                .function = atom_of(is_server(i) ? INIT : FUNCTIONS),
                                .arity = 1});
}

const struct load load_all = {"all", begin_all, step, 200000};
