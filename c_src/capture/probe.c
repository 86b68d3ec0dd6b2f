/* SPDX-License-Identifier: MIT */
/* From a probe's call to its event; see probe.h. */
#include "capture/probe.h"

#include "capture/handled.h"
#include "capture/hash.h"
#include "capture/leaf.h"
#include "capture/sample.h"
#include "capture/secret.h"
#include "capture/site.h"
#include "capture/walk.h"

#define TERMS_MAX 64 /* of a list that is looked at by name: a bit each */

struct probe {
    struct es_draft d;
    struct es_site site;
    es_ref pid;
};

/* ---- entering ------------------------------------------------------------------------------------------------------ */

static ES_SELDOM void meet_caller(struct es_draft *d, ERL_NIF_TERM word, uint32_t n_excluded)
{
    d->t->caller = (struct es_caller){.word = word,
                                      .ref = es_ref_of_local(d->env, d->t, word),
                                      .n_excluded = n_excluded,
                                      .excluded = es_gate_excludes(word)};
}

/* The calling process; 0 where it is not to be recorded. What was found out last holds until somebody else is excluded. */
ES_INLINE es_ref caller(struct es_draft *d)
{
    ErlNifPid self;
    if (ES_UNLIKELY(!enif_self(d->env, &self)))
        return 0;
    const struct es_caller *known = &d->t->caller;
    uint32_t n_excluded = atomic_load_explicit(&es_gate.n_excluded, memory_order_acquire);
    if (ES_UNLIKELY(known->word != self.pid || known->n_excluded != n_excluded))
        meet_caller(d, self.pid, n_excluded);
    return ES_UNLIKELY(known->excluded) || !es_sample_keeps_process(d->s, self.pid) ? 0 : known->ref;
}

ES_INLINE bool record_on(struct es_draft *d)
{
    if (ES_UNLIKELY(!d->s) || !atomic_load_explicit(&d->s->arena.head->enabled, memory_order_relaxed))
        return false;
    bool ready = es_thread_ready(d->t, d->s);
    if (ES_UNLIKELY(!ready))
        atomic_fetch_add_explicit(&d->s->arena.head->unclaimed_lost, 1, memory_order_relaxed);
    return ready;
}

/* Makes the thread inside, until leave(), and reads the site. False, and nothing to be left, where there is nothing to record. */
ES_INLINE bool enter(struct probe *p, ErlNifEnv *env, ERL_NIF_TERM site)
{
    if (!atomic_load_explicit(&es_gate.on, memory_order_relaxed))
        return false;
    p->d.env = env;
    p->d.t = es_thread_enter();
    if (ES_UNLIKELY(!p->d.t))
        return false;
    p->d.s = es_session_get();
    if (ES_LIKELY(record_on(&p->d)) && (p->pid = caller(&p->d)) != 0 && ES_LIKELY(es_site_read(env, site, &p->site)))
        return true;
    es_thread_leave(p->d.t);
    return false;
}

static inline void leave(const struct probe *p) { es_thread_leave(p->d.t); }

/* ---- the site's words ---------------------------------------------------------------------------------------------- */

/* Bit i: the name at place i is that of a secret. */
static uint64_t secret_names(struct es_draft *d, ERL_NIF_TERM names)
{
    uint64_t secret = 0;
    ERL_NIF_TERM name;
    for (unsigned i = 0; i < TERMS_MAX && es_get_cell(d->env, names, &name, &names); i++)
        secret |= (uint64_t)(es_site_is_atom(d->env, name) && es_secret_key(d, name)) << i;
    return secret;
}

/* A site that the ring does not have: it is defined with this event, and so are its atoms. */
static ES_SELDOM unsigned meet_site(struct probe *p, bool shown, uint64_t key)
{
    struct es_draft *d = &p->d;
    bool all = es_ref_of_atom(d, p->site.module) && es_ref_of_atom(d, p->site.function) &&
               es_draft_define(d, shown ? p->site.ref : 0, p->site.term, key);
    if (!all)
        return 0;
    if (!secret_names(d, p->site.names))
        es_seen_add(d->t, key, ES_SEEN_PLAIN);
    return es_seen_find(d->t, key);
}

/* es_kind_table[kind].words, known when this is compiled. */
ES_INLINE uint32_t words_of(uint8_t kind)
{
#define WORDS(fields) (2u + !!((fields)&ES_F_HASH) + !!((fields)&ES_F_CORR) + !!((fields)&ES_F_SITE))
#define K(symbol, name, family, critical, fields) kind == ES_K_##symbol ? WORDS(fields):
    return ES_KINDS(K) 0;
#undef K
}
ES_INLINE bool shows_site(uint8_t kind)
{
#define K(symbol, name, family, critical, fields) kind == ES_K_##symbol ? ((fields)&ES_F_SITE) != 0:
    return ES_KINDS(K) false;
#undef K
}

/* Begins the event, with the function that it is in. `ret_known`: what is known of the site, set of enum es_seen_flag. False where the
 * ring is full, or the site is none after all. */
ES_INLINE bool begin(struct probe *p, uint8_t kind, uint32_t payload, unsigned *ret_known)
{
    struct es_draft_plan plan = {.kind = kind, .pid = p->pid, .payload = payload};
    uint64_t key = es_site_key(&p->site, shows_site(kind));
    unsigned known = es_seen_find(p->d.t, key);
    bool met = known & ES_SEEN_DEFINED;
    if ((ES_UNLIKELY(!met) && !es_site_is_whole(p->d.env, &p->site)) ||
        ES_UNLIKELY(!es_draft_begin_inline(&p->d, &plan, words_of(kind))))
        return false;
    *ret_known = ES_LIKELY(met) ? known : meet_site(p, shows_site(kind), key);
    p->d.record->arity = p->site.arity;
    es_draft_word(&p->d, es_ref_make(ES_REF_ATOM, p->site.module));
    es_draft_word(&p->d, es_ref_make(ES_REF_ATOM, p->site.function));
    return true;
}

/* ---- payloads ------------------------------------------------------------------------------------------------------ */

#define LEAF_BYTES 16u /* more than a term takes that its word tells all about */

/* Writes such terms and stops at the first other one; gives how many. */
ES_INLINE uint32_t put_leaves(struct es_draft *d, const ERL_NIF_TERM *terms, uint32_t n)
{
    struct es_pen pen = {.at = d->at, .env = d->env, .t = d->t, .work = n};
    uint32_t i = 0;
    while (i < n && es_pen_leaf(&pen, terms[i]))
        i++;
    d->at = pen.at;
    return i;
}

/* Apart, so that the struct need not be in memory where all terms are leaves. */
static __attribute__((noinline)) void walk_terms(struct es_draft *d, struct es_terms terms, uint8_t *count,
                                                 const struct es_budget *budget)
{
    es_walk_terms(d, &terms, count, budget);
}

/* Writes terms as one list. */
ES_INLINE void put_terms(struct es_draft *d, struct es_terms terms, const struct es_budget *budget)
{
    if (ES_UNLIKELY(budget->bytes == 0)) {
        d->record->flags |= ES_R_NO_PAYLOAD;
        return;
    }
    uint8_t *count = d->at + 1;
    d->at = es_put_list(d->at, terms.n);
    bool roomy = budget->bytes >= LEAF_BYTES * TERMS_MAX && budget->work > terms.n && budget->elements >= terms.n;
    if (ES_LIKELY(roomy && !terms.secret))
        terms.done = put_leaves(d, terms.at, terms.n);
    if (ES_LIKELY(terms.done == terms.n))
        d->at = es_put_u8(d->at, ES_T_NIL);
    else
        walk_terms(d, terms, count, budget);
}

ES_INLINE void put_term(struct es_draft *d, ERL_NIF_TERM term, const struct es_budget *budget)
{
    if (ES_UNLIKELY(budget->bytes == 0))
        d->record->flags |= ES_R_NO_PAYLOAD;
    else if (put_leaves(d, &term, 1) == 0)
        es_walk(d, term, budget);
}

/* ---- calls --------------------------------------------------------------------------------------------------------- */

ES_INLINE bool begin_call(struct probe *p, uint8_t kind, const struct es_budget *budget)
{
    unsigned known;
    if (!begin(p, kind, budget ? es_budget_room(budget) : 0, &known))
        return false;
    if (kind != ES_K_TAIL)
        p->d.record->flags |= ES_R_WOVEN;
    if (kind == ES_K_CALL)
        es_draft_word(&p->d, 0); /* only callbacks handle a message */
    return true;
}

ERL_NIF_TERM es_probe_enter(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    struct probe p;
    if (!enter(&p, env, argv[0]))
        return es_am.ok;
    struct es_budget budget = es_budget_now(&p.d, false);
    if (ES_LIKELY(begin_call(&p, ES_K_CALL, &budget))) {
        put_terms(&p.d, (struct es_terms){.at = argv + 1, .n = (uint32_t)argc - 1}, &budget);
        es_draft_end_inline(&p.d);
    }
    leave(&p);
    return es_am.ok;
}

ES_INLINE void call_with_term(ErlNifEnv *env, uint8_t kind, const ERL_NIF_TERM argv[])
{
    struct probe p;
    if (!enter(&p, env, argv[0]))
        return;
    struct es_budget budget = es_budget_now(&p.d, false);
    if (ES_LIKELY(begin_call(&p, kind, &budget))) {
        put_term(&p.d, argv[1], &budget);
        es_draft_end_inline(&p.d);
    }
    leave(&p);
}

ERL_NIF_TERM es_probe_enter_list(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void)argc;
    call_with_term(env, ES_K_CALL, argv);
    return es_am.ok;
}

ERL_NIF_TERM es_probe_return(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void)argc;
    call_with_term(env, ES_K_RETURN, argv);
    return es_am.ok;
}

ERL_NIF_TERM es_probe_tail(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void)argc;
    struct probe p;
    if (!enter(&p, env, argv[0]))
        return es_am.ok;
    if (ES_LIKELY(begin_call(&p, ES_K_TAIL, NULL)))
        es_draft_end_inline(&p.d);
    leave(&p);
    return es_am.ok;
}

/* ---- lines --------------------------------------------------------------------------------------------------------- */

ERL_NIF_TERM es_probe_line(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void)argc;
    struct probe p;
    unsigned known;
    if (!enter(&p, env, argv[0]))
        return es_am.ok;
    if (ES_LIKELY(begin(&p, ES_K_LINE, 0, &known))) {
        es_draft_word(&p.d, p.site.ref);
        p.d.record->flags |= ES_R_NO_PAYLOAD;
        es_draft_end_inline(&p.d);
    }
    leave(&p);
    return es_am.ok;
}

ES_INLINE void values(struct probe *p, struct es_terms terms, bool cut)
{
    unsigned known;
    struct es_budget budget = es_budget_now(&p->d, false);
    if (ES_UNLIKELY(!begin(p, ES_K_LINE, es_budget_room(&budget), &known)))
        return;
    es_draft_word(&p->d, p->site.ref);
    if (ES_UNLIKELY(cut))
        p->d.record->flags |= ES_R_CUT;
    if (ES_UNLIKELY(!(known & ES_SEEN_PLAIN)))
        terms.secret = secret_names(&p->d, p->site.names);
    put_terms(&p->d, terms, &budget);
    es_draft_end_inline(&p->d);
}

ERL_NIF_TERM es_probe_values(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    struct probe p;
    if (!enter(&p, env, argv[0]))
        return es_am.ok;
    values(&p, (struct es_terms){.at = argv + 1, .n = (uint32_t)argc - 1}, false);
    leave(&p);
    return es_am.ok;
}

/* More than TERMS_MAX variables are bound at no line that somebody wrote: those behind are left out. */
ERL_NIF_TERM es_probe_values_list(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void)argc;
    struct probe p;
    if (!enter(&p, env, argv[0]))
        return es_am.ok;
    ERL_NIF_TERM value[TERMS_MAX], rest = argv[1];
    struct es_terms terms = {.at = value};
    while (terms.n < TERMS_MAX && es_get_cell(env, rest, &value[terms.n], &rest))
        terms.n++;
    values(&p, terms, !es_is_nil(env, rest));
    leave(&p);
    return es_am.ok;
}

/* ---- exceptions ---------------------------------------------------------------------------------------------------- */

/* The stamp: no process meets two `try` at the same one. Within what a small integer holds. */
static inline uint64_t token_of(const struct es_draft *d) { return d->stamp & (UINT64_MAX >> 5); }

ERL_NIF_TERM es_probe_try(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void)argc;
    struct probe p;
    unsigned known;
    uint64_t token = 0;
    if (!enter(&p, env, argv[0]))
        return enif_make_uint(env, 0);
    if (ES_LIKELY(begin(&p, ES_K_TRY, 0, &known))) {
        token = token_of(&p.d);
        es_draft_word(&p.d, token);
        es_draft_word(&p.d, p.site.ref);
        es_draft_end_inline(&p.d);
    }
    leave(&p);
    return enif_make_uint64(env, token);
}

ERL_NIF_TERM es_probe_caught(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void)argc;
    struct probe p;
    unsigned known;
    int64_t token = 0;
    if (!enter(&p, env, argv[0]))
        return es_am.ok;
    static const struct es_budget of_class = {
        .bytes = 64, .depth = 2, .elements = 4, .work = 8}; /* an atom, if all is well */
    struct es_budget budget = es_budget_now(&p.d, false);
    if (ES_LIKELY(begin(&p, ES_K_CAUGHT, es_budget_room(&of_class) + es_budget_room(&budget), &known))) {
        es_get_int64(env, argv[1], &token);
        es_draft_word(&p.d, (uint64_t)token);
        es_draft_word(&p.d, p.site.ref);
        if (budget.bytes) {
            p.d.at = es_put_tuple(p.d.at, 2);
            put_term(&p.d, argv[2], &of_class);
        }
        put_term(&p.d, argv[3], &budget);
        es_draft_end_inline(&p.d);
    }
    leave(&p);
    return es_am.ok;
}

/* ---- messages ------------------------------------------------------------------------------------------------------ */

ERL_NIF_TERM es_probe_taken(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void)argc;
    struct probe p;
    unsigned known;
    if (!enter(&p, env, argv[0]))
        return es_am.ok;
    if (ES_LIKELY(begin(&p, ES_K_TAKEN, 0, &known))) {
        es_draft_word(&p.d, es_delivered_hash(&p.d, argv[1]));
        es_draft_word(&p.d, p.site.ref);
        es_draft_end_inline(&p.d);
    }
    leave(&p);
    return es_am.ok;
}
