/* SPDX-License-Identifier: MIT */
/* References and terms of several recordings as those of one. Atoms are numbered anew where two emulators gave one number to two of them;
 * pids of recorded nodes become references of class PID wherever they stand as such. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "query/merge.h"

/* ---- atoms --------------------------------------------------------------------------------------------------------- */

/* The place of this text, made where it is not there. */
static struct es_merge_atom *atom_of(struct es_merge_atoms *atoms, const uint8_t *text, size_t len)
{
    uint64_t key = es_hash_bytes(text, len, 0);
    uint64_t *place;
    for (key = key ? key : 1;; key = key + 1 ? key + 1 : 1) {
        place = es_refmap_place(&atoms->by_text, key);
        if (!place)
            return NULL;
        if (*place == 0)
            break;
        struct es_merge_atom *atom = &atoms->list[*place - 1];
        if (atom->len == len && memcmp(atom->text, text, len) == 0)
            return atom;
    }
    if (atoms->n == atoms->room) {
        size_t room = atoms->room ? atoms->room * 2 : 1024;
        struct es_merge_atom *list = realloc(atoms->list, room * sizeof *list);
        if (!list)
            return NULL;
        atoms->list = list;
        atoms->room = room;
    }
    struct es_merge_atom *atom = &atoms->list[atoms->n];
    *atom = (struct es_merge_atom){.text = malloc(len + 1), .len = len};
    if (!atom->text)
        return NULL;
    memcpy(atom->text, text, len);
    *place = ++atoms->n;
    return atom;
}

/* Emulators give atoms numbers that end in the same six bits, other than these. */
static es_ref fresh_atom(struct es_merge_atoms *atoms)
{
    es_ref ref;
    do
        ref = es_ref_make(ES_REF_ATOM, ++atoms->fresh << 6 | 1);
    while (es_refmap_find(&atoms->taken, ref));
    return ref;
}

struct atoms_of {
    struct es_merge *merge;
    struct es_merge_rec *rec;
};

static int take_atom(es_ref ref, const uint8_t *bytes, size_t len, void *context)
{
    struct atoms_of *of = context;
    struct es_merge_atoms *atoms = &of->merge->atoms;
    if (es_ref_class_of(ref) != ES_REF_ATOM)
        return 0;
    struct es_merge_atom *atom = atom_of(atoms, bytes, len);
    uint64_t *mapped = atom ? es_refmap_place(&of->rec->atoms, ref) : NULL;
    if (!mapped)
        return -ENOMEM;
    bool known = atom->ref != 0;
    if (!known || of->rec->identity)
        atom->ref = of->rec->identity || !es_refmap_find(&atoms->taken, ref) ? ref : fresh_atom(atoms);
    *mapped = atom->ref;
    uint64_t *taken = es_refmap_place(&atoms->taken, atom->ref);
    if (!taken)
        return -ENOMEM;
    *taken = (uint64_t)(atom - atoms->list) + 1;
    return known && !of->rec->identity ? 0 : es_store_define(of->merge->store, atom->ref, bytes, len);
}

int es_merge_atoms(struct es_merge *merge)
{
    int rc = 0;
    for (size_t k = 0; rc == 0 && k < merge->n; k++) {
        struct atoms_of of = {merge, &merge->recs[k]};
        rc = es_recording_each_define(of.rec->query->recording, take_atom, &of);
    }
    return rc == -ENOMEM ? es_fail(rc, "no memory for the atoms") : rc;
}

/* One that has no definition gets a number of its own. */
int es_merge_map_atom(struct es_merge *merge, struct es_merge_rec *rec, es_ref ref, es_ref *ret)
{
    *ret = ref;
    if (rec->identity)
        return 0;
    uint64_t *mapped = es_refmap_place(&rec->atoms, ref);
    if (!mapped)
        return -ENOMEM;
    if (*mapped == 0)
        *mapped = fresh_atom(&merge->atoms);
    *ret = *mapped;
    return 0;
}

es_ref es_merge_atom(const struct es_merge_rec *rec, es_ref atom)
{
    const uint64_t *mapped = es_refmap_find(&rec->atoms, atom);
    return rec->identity ? atom : mapped ? *mapped : ES_REF_NONE;
}

/* ---- nodes and addresses ------------------------------------------------------------------------------------------- */

static const uint8_t *atom_text(const struct es_merge_rec *rec, const struct es_token *token, size_t *ret_len)
{
    *ret_len = token->len;
    return token->type == ES_TOK_ATOM ? token->bytes
           : token->type == ES_TOK_ATOM_REF
               ? es_recording_define(rec->query->recording, es_ref_make(ES_REF_ATOM, token->word), ret_len)
               : NULL;
}

static struct es_token node_token(const struct es_token *token)
{
    return (struct es_token){.type = token->node.text ? ES_TOK_ATOM : ES_TOK_ATOM_REF,
                             .bytes = token->node.text,
                             .len = token->node.len,
                             .word = token->node.word};
}

/* The first recording of the node with this name, and this creation where that is not 0; NULL: there is none. */
static const struct es_merge_rec *rec_of(const struct es_merge *merge, const uint8_t *name, size_t len,
                                         uint32_t creation)
{
    for (size_t k = 0; name && k < merge->n; k++) {
        const struct es_merge_rec *rec = &merge->recs[k];
        if (strlen(rec->node) == len && memcmp(rec->node, name, len) == 0 &&
            (creation == 0 || rec->creation == 0 || creation == rec->creation))
            return rec;
    }
    return NULL;
}

static const struct es_merge_rec *rec_of_token(const struct es_merge *merge, const struct es_merge_rec *rec,
                                               const struct es_token *token)
{
    struct es_token node = node_token(token);
    size_t len = 0;
    const uint8_t *name = atom_text(rec, &node, &len);
    return rec_of(merge, name, len, token->creation);
}

es_ref es_merge_pid(const struct es_merge *merge, const struct es_merge_rec *rec, const struct es_token *token)
{
    const struct es_merge_rec *of = rec_of_token(merge, rec, token);
    if (!of || token->number > 0x0fffffff || token->serial > ES_REF_SERIAL_MAX)
        return ES_REF_NONE;
    return es_ref_on_node(es_ref_pid((uint32_t)token->number, token->serial), of->number);
}

const uint8_t *es_merge_text(uint64_t word, size_t *ret_len, void *context)
{
    const struct es_merge *merge = context;
    const uint64_t *place = es_refmap_find(&merge->atoms.taken, es_ref_make(ES_REF_ATOM, word));
    if (!place)
        return NULL;
    *ret_len = merge->atoms.list[*place - 1].len;
    return merge->atoms.list[*place - 1].text;
}

int es_merge_node_of(const struct es_token *token, void *context)
{
    const struct es_merge *merge = context;
    size_t len = token->node.len;
    const uint8_t *name = token->node.text ? token->node.text : es_merge_text(token->node.word, &len, context);
    const struct es_merge_rec *of = rec_of(merge, name, len, token->creation);
    return of ? (int)of->number : -1;
}

/* The reference of an atom that stands in a term, as in the result; ES_REF_NONE: it cannot be told, or -ENOMEM. */
static int ref_of_atom(struct es_merge *merge, struct es_merge_rec *rec, const struct es_token *token, es_ref *ret)
{
    *ret = ES_REF_NONE;
    if (token->type == ES_TOK_ATOM_REF)
        return es_merge_map_atom(merge, rec, es_ref_make(ES_REF_ATOM, token->word), ret);
    if (token->type != ES_TOK_ATOM)
        return 0;
    for (size_t i = 0; i < token->len && token->latin1; i++)
        if (token->bytes[i] >= 0x80)
            return 0;
    struct es_merge_atom *atom = atom_of(&merge->atoms, token->bytes, token->len);
    if (!atom)
        return -ENOMEM;
    if (!atom->ref) {
        atom->ref = fresh_atom(&merge->atoms);
        uint64_t *taken = es_refmap_place(&merge->atoms.taken, atom->ref);
        if (!taken)
            return -ENOMEM;
        *taken = (uint64_t)(atom - merge->atoms.list) + 1;
        int rc = es_store_define(merge->store, atom->ref, atom->text, atom->len);
        if (rc < 0)
            return rc;
    }
    *ret = atom->ref;
    return 0;
}

/* How many nodes have this name? */
static unsigned nodes_called(const struct es_merge *merge, const struct es_merge_rec *rec)
{
    unsigned n = 0;
    for (unsigned number = 0; number < merge->nodes; number++)
        for (size_t k = 0; k < merge->n; k++)
            if (merge->recs[k].number == number) {
                n += strcmp(merge->recs[k].node, rec->node) == 0;
                break;
            }
    return n;
}

static int read_address(struct es_merge *merge, struct es_merge_rec *rec, es_ref ref, struct es_merge_address *ret)
{
    int rc = 0;
    size_t len = 0, name_len = 0;
    const uint8_t *bytes = es_recording_define(rec->query->recording, ref, &len), *name;
    struct es_reader r;
    struct es_token token, node, first;
    const struct es_merge_rec *of = NULL;
    es_reader_init(&r, bytes, bytes ? len : 0);
    if (!bytes || es_token_next(&r, &token) < 0)
        return 0;
    if (token.type == ES_TOK_ATOM || token.type == ES_TOK_ATOM_REF) {
        name = atom_text(rec, &token, &name_len);
        of = rec_of(merge, name, name_len, 0);
        ret->is_node = true;
    } else if (token.type == ES_TOK_PID || token.type == ES_TOK_REF) {
        of = rec_of_token(merge, rec, &token);
        ret->is_alias = token.type == ES_TOK_REF;
        ret->to = token.type == ES_TOK_PID ? es_merge_pid(merge, rec, &token) : ES_REF_NONE;
    } else if (token.type == ES_TOK_TUPLE && token.count == 2 && es_token_next(&r, &first) == 0 &&
               es_token_next(&r, &node) == 0) {
        rc = ref_of_atom(merge, rec, &first, &ret->name);
        name = atom_text(rec, &node, &name_len);
        of = rec_of(merge, name, name_len, 0);
    }
    if (of) {
        ret->node = of->node_hash;
        ret->other = of->number != rec->number;
    }
    return rc;
}

const struct es_merge_address *es_merge_address(struct es_merge *merge, struct es_merge_rec *rec, es_ref ref)
{
    uint64_t *place = es_refmap_place(&rec->places, ref);
    if (!place)
        return NULL;
    if (*place == 0) {
        if (rec->n_addresses == rec->addresses_room) {
            size_t room = rec->addresses_room ? rec->addresses_room * 2 : 256;
            struct es_merge_address *list = realloc(rec->addresses, room * sizeof *list);
            if (!list)
                return NULL;
            rec->addresses = list;
            rec->addresses_room = room;
        }
        rec->addresses[rec->n_addresses] = (struct es_merge_address){0};
        if (read_address(merge, rec, ref, &rec->addresses[rec->n_addresses]) < 0)
            return NULL;
        *place = ++rec->n_addresses;
    }
    return &rec->addresses[*place - 1];
}

/* ---- other references ---------------------------------------------------------------------------------------------- */

/* {Name, Node} of a recorded node that is alone in having its name: the name, or the reference that stands for it. */
static int name_address(struct es_merge *merge, struct es_merge_rec *rec, const uint8_t *bytes, size_t len, es_ref *ret)
{
    struct es_reader r;
    struct es_token pair, name, node;
    size_t node_len = 0;
    es_ref ref;
    *ret = ES_REF_NONE;
    es_reader_init(&r, bytes, len);
    if (es_token_next(&r, &pair) < 0 || pair.type != ES_TOK_TUPLE || pair.count != 2 || es_token_next(&r, &name) < 0 ||
        es_token_next(&r, &node) < 0)
        return 0;
    const uint8_t *node_name = atom_text(rec, &node, &node_len);
    const struct es_merge_rec *of = rec_of(merge, node_name, node_len, 0);
    if (!of || nodes_called(merge, of) != 1)
        return 0;
    int rc = ref_of_atom(merge, rec, &name, &ref);
    *ret = rc == 0 && ref ? es_nodes_address(ref, of->number) : ES_REF_NONE;
    return rc;
}

static int define_other(struct es_merge *merge, es_ref ref, const uint8_t *bytes, size_t len)
{
    uint64_t *defined = es_refmap_place(&merge->defined, ref);
    if (!defined)
        return -ENOMEM;
    if (*defined)
        return 0;
    *defined = 1;
    return es_store_define(merge->store, ref, bytes, len);
}

int es_merge_own_name(struct es_merge *merge, struct es_merge_rec *rec, es_ref name, es_ref *ret)
{
    uint8_t bytes[64];
    struct es_writer w;
    if (nodes_called(merge, rec) != 1)
        return 0;
    struct es_token token = {.type = ES_TOK_ATOM, .bytes = (const uint8_t *)rec->node, .len = strlen(rec->node)};
    es_ref node;
    int rc = ref_of_atom(merge, rec, &token, &node);
    if (rc < 0)
        return es_fail(rc, "no memory for the atoms");
    es_writer_init(&w, bytes, sizeof bytes);
    es_write_tuple(&w, 2);
    es_write_atom_ref(&w, name);
    es_write_atom_ref(&w, node);
    *ret = es_nodes_address(name, rec->number);
    return define_other(merge, *ret, bytes, (size_t)(w.at - bytes));
}

static int map_other(struct es_merge *merge, struct es_merge_rec *rec, es_ref ref, es_ref *ret)
{
    size_t len = 0;
    const uint8_t *bytes = es_recording_define(rec->query->recording, ref, &len);
    const struct es_merge_address *address = bytes ? es_merge_address(merge, rec, ref) : NULL;
    if (bytes && !address)
        return -ENOMEM;
    if (!bytes) { /* what it was is not known: it stays apart from all others */
        *ret = es_ref_make(ES_REF_OTHER, es_hash_mix(ref, rec->rec + 1) | 1);
        return 0;
    }
    if (address->to) {
        *ret = address->to;
        return 0;
    }
    uint32_t term_len = (uint32_t)len;
    es_ref named;
    int rc = name_address(merge, rec, bytes, len, &named);
    if (rc == 0)
        rc = es_merge_term(merge, rec, &merge->fact, &bytes, &term_len);
    if (rc < 0)
        return rc;
    *ret = named ? named : es_ref_make(ES_REF_OTHER, es_hash_bytes(bytes, term_len, 1) | 1);
    return es_ref_class_of(*ret) == ES_REF_OTHER ? define_other(merge, *ret, bytes, term_len) : 0;
}

int es_merge_ref(struct es_merge *merge, struct es_merge_rec *rec, es_ref ref, es_ref *ret)
{
    es_ref mapped = ref;
    uint64_t *known;
    int rc = 0;
    switch (es_ref_class_of(ref)) {
    case ES_REF_PID:
    case ES_REF_PORT: mapped = es_ref_on_node(ref, rec->number); break;
    case ES_REF_ATOM: rc = es_merge_map_atom(merge, rec, ref, &mapped); break;
    case ES_REF_OTHER:
        known = es_refmap_find(&rec->others, ref);
        if (known) {
            mapped = *known;
            break;
        }
        rc = map_other(merge, rec, ref, &mapped);
        known = rc == 0 ? es_refmap_place(&rec->others, ref) : NULL;
        if (rc == 0 && !known)
            rc = -ENOMEM;
        if (rc == 0)
            *known = mapped;
        break;
    default: break;
    }
    *ret = mapped;
    return rc == -ENOMEM ? es_fail(rc, "no memory for the names of the recordings") : rc;
}
