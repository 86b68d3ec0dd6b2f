/* SPDX-License-Identifier: MIT */
/* Reading a hostile recording. An input is either a whole .scope file, or (first byte even) places and values to change in a good one made
 * at the start, or (odd) in the columns of a good block, past the checksums that would stop such changes in a file. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "store/encode.h"
#include "store/own_states.h"
#include "store/reader.h"
#include "store/runs.h"
#include "store/stored_states.h"

#define EVENTS 600u

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[64];
static uint8_t *good;
static size_t good_len;
static struct es_encoder *encoder;
static struct es_image image;
static struct es_decoder *decoder;

static void need(int ok)
{
    if (ok)
        return;
    fprintf(stderr, "cannot prepare: %s\n", es_error_text());
    abort();
}

/* Of few processes, so that their versions are patches of each other in both forms. */
static void make_state(struct es_event *e)
{
    static uint8_t state[1300];
    for (unsigned i = 0; i < sizeof state; i++)
        state[i] = (uint8_t)(i * i + (i % 37 == e->seq % 37 ? e->seq : 0));
    e->pid = es_ref_pid((uint32_t)(e->seq % 2), 0);
    e->payload = state;
    e->payload_len = (uint32_t)(e->seq % 5 ? sizeof state : sizeof state - e->seq % 40);
    if (e->seq % 7 == 0) {
        e->flags |= ES_E_STATE_SAME;
        e->payload_len = 0;
    }
}

static struct es_event make(uint64_t seq)
{
    static const uint8_t payload[64] = "payload";
    static const uint8_t kinds[] = {ES_K_CALL,    ES_K_SEND,           ES_K_DELIVER, ES_K_STATE,
                                    ES_K_RETURN,  ES_K_GC_MINOR_START, ES_K_IN,      ES_K_OUT,
                                    ES_K_SPAWNED, ES_K_EXCEPTION,      ES_K_MARK,    ES_K_LINK};
    struct es_event e = {.seq = seq,
                         .kind = kinds[(seq * 7 + seq / 11) % sizeof kinds],
                         .time = (int64_t)(seq * 777 + seq % 13),
                         .thread = (uint16_t)(seq % 3)};
    unsigned fields = es_kind_table[e.kind].fields;
    e.pid = es_ref_pid((uint32_t)(seq * seq % 17), 0);
    e.flags = seq % 50 ? 0 : ES_E_MOVED;
    e.moved = seq % 50 ? 0 : (uint32_t)seq;
    if (fields & ES_F_PEER)
        e.peer = es_ref_pid((uint32_t)(seq % 5), 0);
    if (fields & ES_F_FUN) {
        e.module = es_ref_make(ES_REF_ATOM, seq % 4);
        e.function = es_ref_make(ES_REF_ATOM, seq % 9);
    }
    if (fields & ES_F_HASH)
        e.hash = seq % 3 ? seq * UINT64_C(0x9e3779b97f4a7c15) : 7;
    if (fields & ES_F_CORR)
        e.corr = seq % 2 ? seq / 8 : 0;
    for (unsigned i = 0; (fields & ES_F_NUM) && i < ES_NUMS; i++)
        e.num[i] = seq * i;
    if ((fields & ES_F_CAUSE) && seq > 40) {
        e.cause_state = ES_CAUSE_PAIRED;
        e.cause = seq - 1 - seq % 40;
    }
    if (fields & ES_F_PAYLOAD) {
        e.payload = payload;
        e.payload_len = (uint32_t)(seq % sizeof payload);
    }
    if (e.kind == ES_K_STATE)
        make_state(&e);
    return e;
}

static void make_file(void)
{
    struct es_store *store;
    struct es_store_options options = {.path = path, .overwrite = true};
    need(es_store_create(&options, &store) == 0);
    for (uint64_t seq = 1; seq <= EVENTS; seq++) {
        struct es_event e = make(seq);
        struct es_process process = {.pid = e.pid, .facts = (const uint8_t *)"facts", .facts_len = 5};
        need(es_store_event(store, &e) == 0 && es_store_process(store, &process) == 0);
        need(es_store_define(store, es_ref_make(ES_REF_ATOM, seq % 9 + 1), "an atom", 7) == 0);
        need(es_store_loss(store, ES_K_SEND, 1, 1, 2, "why") == 0 && es_store_count(store, "counter", 1) == 0);
        need(es_store_name(store, es_ref_make(ES_REF_ATOM, seq % 9 + 1), e.pid, (int64_t)seq, INT64_MAX) == 0);
        if (seq % 200 == 0)
            need(es_store_keyframe(store, "keyframe", 8) == 0 && es_store_commit(store, NULL) == 0);
    }
    need(es_store_close(store, NULL) == 0);
    FILE *file = fopen(path, "rb");
    need(file && fseek(file, 0, SEEK_END) == 0);
    good_len = (size_t)ftell(file);
    good = malloc(good_len);
    rewind(file);
    need(good && fread(good, 1, good_len, file) == good_len);
    fclose(file);
}

static void remove_file(void) { unlink(path); }

/* Payloads are not gathered before they are compressed. */
static void keep_raw(const struct es_column *c)
{
    struct es_buf *raw = &encoder->raw[c->id];
    const uint8_t *stored = image.bytes.bytes + c->at;
    need(es_buf_reserve(raw, c->raw_len) == 0);
    if (c->codec == ES_CODEC_RAW)
        memcpy(raw->bytes, stored, c->raw_len);
    else
        need(ZSTD_decompress(raw->bytes, c->raw_len, stored, c->len) == c->raw_len);
    raw->len = c->raw_len;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    struct es_batch batch;
    snprintf(path, sizeof path, "/dev/shm/fuzz_scope_%d.scope", (int)getpid());
    atexit(remove_file);
    make_file();
    encoder = es_encoder_new();
    decoder = es_decoder_new();
    need(encoder && decoder && es_batch_init(&batch, 1) == 0);
    for (uint64_t seq = 1; seq <= EVENTS; seq++) {
        struct es_event e = make(seq);
        need(es_batch_add(&batch, &e) == 0);
    }
    need(es_block_encode(encoder, &batch, (struct es_range){.to = EVENTS, .mini = true}, &image) == 0);
    es_batch_fini(&batch);
    for (uint32_t i = 0; i < image.n_columns; i++)
        if (image.columns[i].id == ES_C_PAYLOADS || image.columns[i].id == ES_C_CHUNKS)
            keep_raw(&image.columns[i]);
    return 0;
}

static int ignore_text(const char *key, const char *value, void *sum)
{
    *(size_t *)sum += strlen(key) + strlen(value);
    return 0;
}
static int ignore_number(const char *key, uint64_t value, void *sum)
{
    *(size_t *)sum += strlen(key) + value;
    return 0;
}

/* Touches every byte that a reader gives out. */
static size_t touch(const void *bytes, size_t len)
{
    size_t sum = 0;
    for (size_t i = 0; i < len; i++)
        sum += ((const uint8_t *)bytes)[i];
    return sum;
}

static size_t touch_events(const struct es_event *events, size_t n)
{
    size_t sum = touch(events, n * sizeof *events);
    for (size_t i = 0; i < n; i++)
        sum += events[i].payload ? touch(events[i].payload, events[i].payload_len) : 0;
    return sum;
}

/* Processes that are there, and one that is not. */
static struct es_lanes_request some_lanes(void)
{
    static es_ref pids[6];
    for (size_t i = 0; i < sizeof pids / sizeof pids[0]; i++)
        pids[i] = es_ref_pid((uint32_t)(i * i * i), 0);
    return (struct es_lanes_request){pids, sizeof pids / sizeof pids[0]};
}

static size_t touch_lanes(const struct es_lanes_request *request, const struct es_block_lanes *lanes)
{
    size_t n = lanes->starts[request->n], time = lanes->wide ? sizeof(uint64_t) : sizeof(uint32_t);
    return touch(lanes->starts, (request->n + 1) * sizeof *lanes->starts) + touch(lanes->kinds, n) +
           touch(lanes->places, n * sizeof *lanes->places) + touch(lanes->times, n * time);
}

static size_t read_blocks(struct es_recording *rec)
{
    struct es_lanes_request request = some_lanes();
    struct es_lane_reader *reader = es_lane_reader_new();
    struct es_block_lanes lanes;
    const struct es_block_info *blocks;
    size_t sum = 0, n = es_recording_blocks(rec, &blocks);
    for (size_t i = 0; i < n; i++) {
        struct es_block *block;
        struct es_pid_count *pids;
        size_t n_pids;
        if (es_block_get(rec, i, &block) == 0) {
            sum += touch_events(block->events, block->n);
            es_block_unref(rec, block);
        }
        if (es_recording_block_pids(rec, i, &pids, &n_pids) == 0) {
            sum += touch(pids, n_pids * sizeof *pids);
            free(pids);
        }
        if (reader && es_lane_reader_load(reader, rec, i) == 0 && es_lane_reader_decode(reader, &request, &lanes) == 0)
            sum += touch_lanes(&request, &lanes);
    }
    es_lane_reader_free(reader);
    return sum;
}

static size_t read_states(struct es_recording *rec)
{
    size_t sum = 0;
    struct es_buf bytes = {0};
    struct es_state_at at;
    uint64_t seq;
    for (uint64_t i = 1; i <= EVENTS; i += 7) {
        es_ref pid = es_ref_pid((uint32_t)(i % 2), 0);
        if (es_recording_seq_at(rec, (int64_t)(i * 777), &seq) == 0 &&
            es_recording_state_find(rec, pid, (struct es_seq_range){1, seq}, &at) == 0 &&
            es_recording_state_read(rec, at.seq, &bytes) == 0)
            sum += touch(bytes.bytes, bytes.len);
        bytes.len = 0;
    }
    es_buf_fini(&bytes);
    return sum;
}

/* One event after the other, each on its own. */
static size_t read_singles(struct es_recording *rec)
{
    size_t sum = 0, n;
    struct es_buf bytes = {0};
    for (uint64_t seq = 1; seq <= EVENTS; seq += 17) {
        struct es_run_event event;
        struct es_run_origin origin;
        struct es_version_seen *list;
        struct es_pid_count *counts;
        int64_t time = 0;
        es_ref pid = 0;
        uint8_t kind = 0;
        if (es_recording_owner(rec, seq, &pid, &kind) == 0 && es_recording_run_event(rec, seq, pid, &event) == 0)
            sum += touch(&event, sizeof event);
        if (es_recording_run_origin(rec, seq, pid, &origin) == 0)
            sum += origin.kind + origin.peer;
        sum += es_recording_time_of(rec, seq, &time) == 0 ? (size_t)time : 0;
        if (es_recording_state_list(rec, seq % 4, es_ref_pid((uint32_t)(seq % 2), 0), &list, &n) == 0)
            sum += touch(list, n * sizeof *list);
        for (size_t i = 0; i < n; i++)
            if (es_recording_state_read_of(rec, es_ref_pid((uint32_t)(seq % 2), 0), list[i].seq, &bytes) == 0)
                sum += touch(bytes.bytes, bytes.len);
        free(list);
        bytes.len = 0;
        if (es_recording_state_counts(rec, seq % 4, &counts, &n) == 0)
            sum += touch(counts, n * sizeof *counts);
        free(counts);
    }
    es_buf_fini(&bytes);
    return sum;
}

static size_t read_tables(struct es_recording *rec)
{
    const struct es_process *processes;
    const struct es_name *names;
    const struct es_loss *losses;
    struct es_keyframe frame;
    size_t sum = 0, len, n = es_recording_processes(rec, &processes);
    for (size_t i = 0; i < n; i++)
        sum += touch(processes[i].reason, processes[i].reason_len) + touch(processes[i].facts, processes[i].facts_len);
    n = es_recording_names(rec, &names);
    sum += touch(names, n * sizeof *names);
    n = es_recording_losses(rec, &losses);
    for (size_t i = 0; i < n; i++)
        sum += strlen(losses[i].why);
    for (uint64_t i = 0; i < 12; i++) {
        const uint8_t *bytes = es_recording_define(rec, es_ref_make(ES_REF_ATOM, i), &len);
        sum += bytes ? touch(bytes, len) : 0;
    }
    es_recording_each_meta(rec, ignore_text, &sum);
    es_recording_each_counter(rec, ignore_number, &sum);
    for (uint64_t seq = 1; seq < EVENTS; seq += 150)
        if (es_recording_keyframe(rec, seq, &frame) == 0)
            sum += touch(frame.bytes, frame.len);
    return sum;
}

static void read_file(const uint8_t *bytes, size_t len)
{
    struct es_recording *rec;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    need(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
    close(fd);
    es_error_clear();
    if (es_recording_open(path, &rec) < 0)
        return;
    volatile size_t sum = read_blocks(rec) + read_states(rec) + read_singles(rec) + read_tables(rec);
    (void)sum;
    es_recording_verify(rec);
    es_recording_close(rec);
}

/* Changes at places that three bytes name, to what a fourth says. */
static void read_changed_file(const uint8_t *data, size_t size)
{
    uint8_t *bytes = malloc(good_len);
    size_t len = good_len;
    need(bytes != NULL);
    memcpy(bytes, good, good_len);
    for (; size >= 4; data += 4, size -= 4)
        bytes[((size_t)data[0] << 16 | (size_t)data[1] << 8 | data[2]) % good_len] = data[3];
    if (size == 3) /* what is left over cuts the file */
        len = ((size_t)data[0] << 16 | (size_t)data[1] << 8 | data[2]) % (good_len + 1);
    read_file(bytes, len);
    free(bytes);
}

static bool borrow(const struct es_stored_block *stored, const struct es_stored_states *states,
                   const struct es_chain *chain, struct es_unfold *unfold)
{
    struct es_buf bytes = {0};
    bool lent = false;
    if (es_stored_states_chunk(decoder, stored, chain->lender_chunk, &bytes) == 0) {
        uint32_t at = states->chunk_at[chain->lender_chunk];
        struct es_chunk whole = {bytes.bytes, at, at + (uint32_t)bytes.len};
        lent = es_unfold_lend(unfold, states, &whole, chain->lender) == 0;
    }
    es_buf_fini(&bytes);
    return lent;
}

/* All versions of a block that is in memory, forwards and one by one. */
static size_t unfold_states(const struct es_stored_block *stored)
{
    struct es_owners owners = {0};
    struct es_stored_states states = {0};
    struct es_buf chunk = {0};
    struct es_unfold unfold = {0};
    size_t sum = 0;
    int r = es_owners_decode(decoder, stored, &owners);
    if (r == 0)
        r = es_stored_states_decode(decoder, stored, &owners, &states);
    for (uint32_t i = 0; r == 0 && i < states.n; i++) {
        struct es_chain chain;
        if (es_stored_states_chain(&states, i, &chain) < 0 ||
            es_stored_states_chunk(decoder, stored, chain.chunk, &chunk) < 0)
            continue;
        uint32_t at = states.chunk_at[chain.chunk];
        struct es_chunk whole = {chunk.bytes, at, at + (uint32_t)chunk.len};
        if (i % 3 == 0)
            unfold.states = NULL;
        if (es_unfold_borrows(&unfold, &states, i) && !borrow(stored, &states, &chain, &unfold))
            continue;
        if (es_unfold_to(&unfold, &states, &whole, i) == 0)
            sum += touch(unfold.bytes.bytes, unfold.bytes.len);
    }
    es_unfold_fini(&unfold);
    es_buf_fini(&chunk);
    es_stored_states_fini(&states);
    free(owners.owners);
    return sum;
}

static size_t read_run(es_ref pid)
{
    struct es_run_place place = es_run_find(decoder, pid);
    struct es_run_event *events = malloc((place.n + 1) * sizeof *events);
    size_t sum = 0;
    need(events != NULL);
    if (es_run_decode(decoder, &place, events) == 0) {
        sum += touch(events, place.n * sizeof *events);
        struct es_run_peer peer;
        for (uint32_t i = 0; i < place.n; i += 1 + place.n / 5)
            sum += es_run_peer(decoder, place, events, i, &peer) == 0 ? peer.ref + peer.event : 0;
    }
    free(events);
    return sum;
}

static size_t read_own(es_ref pid)
{
    struct es_own_states own;
    size_t sum = 0;
    if (es_own_states_find(decoder, pid, &own) < 0)
        return 0;
    struct es_own_state *states = malloc((own.n + 1) * sizeof *states);
    struct es_stored_states rows = {.rows = malloc((own.n + 1) * sizeof *rows.rows), .n = own.n};
    need(states && rows.rows);
    if (es_own_states_read(decoder, &own, states) == 0)
        sum += touch(states, own.n * sizeof *states);
    if (es_own_states_rows(decoder, &own, &rows) == 0)
        sum += touch(rows.rows, own.n * sizeof *rows.rows);
    free(states);
    free(rows.rows);
    return sum;
}

/* What single processes did, without the others. */
static size_t read_processes(const struct es_stored_block *stored)
{
    size_t sum = 0;
    es_ref pid = 0;
    uint8_t kind = 0;
    if (es_decode_refs(decoder, stored, ES_RUN_COLUMNS) == 0 && es_decode_fun_table(decoder) == 0) {
        for (uint32_t i = 0, at = 0; i < decoder->n_refs; at += decoder->counts[i++])
            decoder->places[i] = at;
        for (uint32_t i = 0; i < 17; i++)
            sum += read_run(es_ref_pid(i, 0));
        for (uint32_t i = 0; i < EVENTS; i += 11)
            sum += es_run_owner(decoder, i, &pid, &kind) == 0 ? pid + kind : 0;
    }
    if (es_decode_refs(decoder, stored, ES_OWN_STATES_COLUMNS) == 0)
        sum += read_own(es_ref_pid(0, 0)) + read_own(es_ref_pid(1, 0));
    return sum;
}

static void read_changed_columns(const uint8_t *data, size_t size)
{
    struct es_stored_block stored = {.info = {.id = 1,
                                              .first_seq = 1,
                                              .events = EVENTS,
                                              .last_seq = EVENTS,
                                              .first_time = image.first_time,
                                              .last_time = image.last_time}};
    uint8_t *copies[ES_COLUMNS] = {0};
    memcpy(stored.info.kinds, image.kinds, sizeof stored.info.kinds);
    for (unsigned id = 1; id < ES_COLUMNS; id++) {
        const struct es_buf *raw = &encoder->raw[id];
        size_t len = raw->len;
        copies[id] = malloc(len + 1);
        need(copies[id] != NULL);
        if (len)
            memcpy(copies[id], raw->bytes, len);
        stored.column[id] =
            (struct es_stored){.data = copies[id], .len = len, .raw_len = (uint32_t)len, .codec = ES_CODEC_RAW};
    }
    for (; size >= 4; data += 4, size -= 4) {
        struct es_stored *column = &stored.column[data[0] % ES_COLUMNS];
        size_t at = (size_t)data[1] << 8 | data[2];
        if (data[0] & 0x80 && at < column->len)
            column->len = column->raw_len = (uint32_t)at;
        else if (data[0] & 0x40)
            stored.info.events = (uint32_t)(at * 31 % 2000);
        else if (column->len)
            copies[data[0] % ES_COLUMNS][at % column->len] = data[3];
    }
    struct es_decoded decoded = {0};
    struct es_pids pids;
    unsigned fields = size ? data[0] : 127;
    if (es_block_decode(decoder, &stored, fields, &decoded) == 0) {
        volatile size_t sum = touch_events(decoded.events, decoded.n);
        (void)sum;
    }
    es_decoded_fini(&decoded);
    volatile size_t states = unfold_states(&stored) + read_processes(&stored);
    (void)states;
    if (es_block_decode_pids(decoder, &stored, &pids) == 0)
        free(pids.pids);
    struct es_lanes_request request = some_lanes();
    struct es_block_part part = {fields % 5 ? fields * 9 : 0, fields % 5 ? fields * 7 : stored.info.events};
    struct es_block_lanes lanes;
    if (es_block_decode_lanes(decoder, &stored, &request, part, &lanes) == 0) {
        volatile size_t touched = touch_lanes(&request, &lanes);
        (void)touched;
    }
    for (unsigned id = 1; id < ES_COLUMNS; id++)
        free(copies[id]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size >= 16 && memcmp(data, "SQLite format 3", 16) == 0)
        read_file(data, size);
    else if (size && data[0] % 2 == 0)
        read_changed_file(data + 1, size - 1);
    else if (size)
        read_changed_columns(data + 1, size - 1);
    return 0;
}
