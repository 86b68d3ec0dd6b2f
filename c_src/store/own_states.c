/* SPDX-License-Identifier: MIT */
/* State events of one process; see own_states.h. What the columns say of those before them is passed over. */
#include "store/own_states.h"

#include <errno.h>

#include "base/error.h"

static int wrong(void) { return es_fail(-EBADMSG, "the versions of states are wrong"); }

/* The process's rows are behind those of the processes before it. */
int es_own_states_find(const struct es_decoder *d, es_ref pid, struct es_own_states *ret)
{
    struct es_reader at = es_decode_reader(d, ES_C_OWNERS);
    uint64_t number = 0, n = 0, first = 0, states = d->info->kinds[ES_K_STATE];
    *ret = (struct es_own_states){0};
    if (d->column[ES_C_VERSIONS].len != states)
        return wrong();
    while (es_reader_left(&at)) {
        uint64_t step = es_decode_varint(&at);
        number += step;
        n = es_decode_varint(&at);
        if (at.bad || step > d->n_refs || number >= d->n_refs || n == 0 || n > states - first)
            return wrong();
        if (d->refs[number] >= pid)
            break;
        first += n;
    }
    if (number < d->n_refs && d->refs[number] == pid && first + n <= states)
        *ret = (struct es_own_states){(uint32_t)first, (uint32_t)n};
    return 0;
}

int es_own_states_read(const struct es_decoder *d, const struct es_own_states *own, struct es_own_state *states)
{
    const uint8_t *versions = d->column[ES_C_VERSIONS].bytes;
    struct es_reader places = es_decode_reader(d, ES_C_PLACES), hashes = es_decode_reader(d, ES_C_STATE_HASHES);
    uint64_t event = 0, hash = 0;
    size_t given_before = 0;
    for (uint32_t i = 0; i < own->first; i++)
        given_before += (versions[i] >> 2 & 3) == ES_GIVEN_BYTES;
    es_decode_skip(&places, own->first);
    es_reader_take(&hashes, given_before * sizeof(uint64_t));
    for (uint32_t i = 0; i < own->n; i++) {
        uint8_t version = versions[own->first + i];
        unsigned given = version >> 2 & 3;
        event += es_decode_varint(&places);
        hash = given == ES_GIVEN_BYTES ? es_reader_le64(&hashes) : given == ES_GIVEN_PREDICTED ? hash : 0;
        if (places.bad || hashes.bad || given > ES_GIVEN_BYTES || event >= d->n ||
            (i > 0 && event <= states[i - 1].event))
            return wrong();
        states[i] = (struct es_own_state){hash, (uint32_t)event, version};
    }
    return 0;
}

/* ---- sizes --------------------------------------------------------------------------------------------------------- */

/* Sizes from the first row on, and which rows are whose. */
struct walk {
    struct es_sizes sizes;
    struct es_reader owners;
    uint64_t row, until; /* until: where the next process begins */
    uint64_t at;         /* bytes before the row */
};

static struct walk begin(const struct es_decoder *d)
{
    return (struct walk){.sizes = {es_decode_reader(d, ES_C_VERSIONS), es_decode_reader(d, ES_C_SIZES), ES_NO_SIZE},
                         .owners = es_decode_reader(d, ES_C_OWNERS)};
}

static int next_size(struct walk *w, struct es_size *ret_size)
{
    if (w->row == w->until) {
        es_decode_varint(&w->owners);
        w->until += es_decode_varint(&w->owners);
        w->sizes.full = ES_NO_SIZE;
    }
    int r = w->owners.bad ? wrong() : es_sizes_next(&w->sizes, ret_size);
    w->row++;
    return r;
}

/* All rows of the next process: only how many bytes they have is added up. */
static int pass_process(struct walk *w, uint64_t n)
{
    const uint8_t *versions = es_reader_take(&w->sizes.versions, n);
    struct es_reader sizes = w->sizes.sizes;
    bool borrows = true; /* as long as it has no whole version */
    for (uint64_t i = 0; versions && i < n; i++) {
        unsigned form = versions[i] & 3;
        if (form == ES_VERSION_NONE)
            continue;
        uint64_t len = es_decode_varint(&sizes);
        if (len > ES_BLOCK_PAYLOAD)
            return wrong();
        w->at += len;
        if (form != ES_VERSION_WHOLE)
            es_decode_skip(&sizes, borrows ? 2 : form == ES_VERSION_SPLICE);
        borrows = false;
    }
    w->sizes.sizes = sizes;
    w->row = w->until += n;
    return versions && !sizes.bad ? 0 : wrong();
}

static int pass_over(struct walk *w, uint64_t until)
{
    while (w->row == w->until && w->row < until) {
        struct es_reader owners = w->owners;
        es_decode_varint(&owners);
        uint64_t n = es_decode_varint(&owners);
        if (owners.bad || n > until - w->row)
            break;
        w->owners = owners;
        if (pass_process(w, n) < 0)
            return -EBADMSG;
    }
    struct es_size size;
    while (w->row < until) {
        if (next_size(w, &size) < 0)
            return -EBADMSG;
        w->at += size.len;
    }
    return 0;
}

static int read_row(struct walk *w, struct es_state_row *row, int64_t *ret_lender)
{
    struct es_size size;
    if (next_size(w, &size) < 0)
        return -EBADMSG;
    if (w->at + size.len > ES_BLOCK_PAYLOAD)
        return wrong();
    *row = (struct es_state_row){.at = (uint32_t)w->at,
                                 .len = (uint32_t)size.len,
                                 .full = (uint32_t)size.full,
                                 .lender = ES_NO_VERSION,
                                 .form = size.version & 3};
    w->at += size.len;
    *ret_lender = size.lender;
    return 0;
}

static int read_lender(const struct es_decoder *d, uint64_t row, struct es_state_row *ret)
{
    struct walk w = begin(d);
    int64_t lender;
    int r = row < d->info->kinds[ES_K_STATE] ? pass_over(&w, row) : wrong();
    return r == 0 ? read_row(&w, ret, &lender) : r;
}

int es_own_states_rows(const struct es_decoder *d, const struct es_own_states *own, struct es_stored_states *ret)
{
    struct walk w = begin(d);
    int r = pass_over(&w, own->first);
    for (uint32_t i = 0; r == 0 && i < ret->n; i++) {
        int64_t lender;
        r = read_row(&w, &ret->rows[i], &lender);
        if (r == 0 && lender) {
            ret->rows[i].lender = ret->n;
            r = read_lender(d, (uint64_t)(own->first + i + lender), &ret->rows[ret->n]);
        }
    }
    return r;
}
