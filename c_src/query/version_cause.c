/* SPDX-License-Identifier: MIT */
/* What made a version: the callback, the message it handled, who sent it. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "query/inner.h"
#include "term/tree.h"

#define LOOKED_AT 256u     /* deliveries before the call */
#define EVENTS_BACK 65536u /* among so many events */

/* ---- the callback -------------------------------------------------------------------------------------------------- */

static bool is_call_of(const struct es_run_event *event, const struct es_version_info *version)
{
    return event->kind == ES_K_CALL && event->module == version->module && event->function == version->function;
}

/* The version's event stands within its callback, or right behind its end. */
static bool callback_of(struct es_query *query, const struct es_version_info *version, struct es_run_event *ret_call)
{
    if (es_query_callback_before(query, version, ret_call))
        return true;
    for (uint64_t back = 0; back < 2 && version->seq > back; back++) {
        struct es_run_event event;
        if (es_recording_run_event(query->recording, version->seq - back, version->pid, &event) < 0)
            break;
        if (back > 0 && !es_is_call_end(event.kind))
            break;
        uint64_t call = es_query_parent_of(query, version->pid, version->seq - back);
        if (call && es_recording_run_event(query->recording, call, version->pid, ret_call) == 0 &&
            is_call_of(ret_call, version))
            return true;
    }
    return false;
}

/* ---- the message --------------------------------------------------------------------------------------------------- */

/* What a callback was given of its message, as content hashes; what is not known is 0. */
struct given {
    uint64_t message, from;
    enum { GIVEN_NOTHING, GIVEN_INFO, GIVEN_CAST, GIVEN_CALL } way;
};

static bool has_name(struct es_query *query, es_ref function, const char *name)
{
    size_t len = 0;
    const uint8_t *text = es_recording_define(query->recording, function, &len);
    return text && len == strlen(name) && memcmp(text, name, len) == 0;
}

static uint64_t hash_of(const struct es_tree *tree, uint32_t node)
{
    return node == ES_NO_NODE || (tree->nodes[node].flags & ES_NODE_UNSURE) ? 0 : tree->nodes[node].hash;
}

/* A state machine's event: its type says how it came. */
static struct given given_event(const struct es_tree *tree, uint32_t type, uint32_t content)
{
    struct given given = {.message = hash_of(tree, content)};
    if (type != ES_NO_NODE && es_tree_is_atom(tree, type, "cast"))
        given.way = GIVEN_CAST;
    else if (type != ES_NO_NODE && es_tree_is_atom(tree, type, "info"))
        given.way = GIVEN_INFO;
    else if (type != ES_NO_NODE && tree->nodes[type].type == ES_N_TUPLE) {
        given.way = GIVEN_CALL;
        given.from = hash_of(tree, es_tree_element(tree, type, 1));
    }
    return given;
}

static struct given read_given(struct es_query *query, const struct es_event *call, const struct es_tree *tree)
{
    uint32_t first = es_tree_element(tree, 0, 0), second = es_tree_element(tree, 0, 1);
    if (has_name(query, call->function, "handle_call"))
        return (struct given){hash_of(tree, first), hash_of(tree, second), GIVEN_CALL};
    if (has_name(query, call->function, "handle_cast"))
        return (struct given){hash_of(tree, first), 0, GIVEN_CAST};
    if (has_name(query, call->function, "handle_info"))
        return (struct given){hash_of(tree, first), 0, GIVEN_INFO};
    if (call->arity == 3 || call->arity == 4)
        return given_event(tree, first, second);
    return (struct given){.way = GIVEN_NOTHING};
}

static bool fits(const struct es_tree *tree, const struct given *given)
{
    const char *tag = given->way == GIVEN_CALL ? "$gen_call" : "$gen_cast";
    uint32_t n = given->way == GIVEN_CALL ? 3 : 2;
    if (given->way == GIVEN_INFO)
        return given->message && hash_of(tree, 0) == given->message;
    if (tree->nodes[0].type != ES_N_TUPLE || tree->nodes[0].count != n || !es_tree_is_atom(tree, 1, tag))
        return false;
    if (given->way == GIVEN_CALL && given->from) /* whom to answer: no two calls share it */
        return hash_of(tree, es_tree_element(tree, 0, 1)) == given->from;
    return given->message && hash_of(tree, es_tree_element(tree, 0, n - 1)) == given->message;
}

static bool delivery_fits(struct es_query *query, const struct es_event *deliver, const struct given *given)
{
    struct es_tree tree;
    if (deliver->payload_len == 0 || es_tree_read(&tree, deliver->payload, deliver->payload_len, &query->print[0]) < 0)
        return false;
    bool found = fits(&tree, given);
    es_tree_fini(&tree);
    return found;
}

/* The only delivery before the call that could be what it handles; where several could, nobody knows. */
static uint64_t search_message(struct es_query *query, const struct es_event *call, const struct given *given)
{
    const struct es_event *stored;
    unsigned looked = 0;
    uint64_t found = 0;
    for (uint64_t seq = call->seq - 1; seq > 0 && call->seq - seq <= EVENTS_BACK && looked < LOOKED_AT; seq--) {
        if (es_query_stored(query, seq, &stored) < 0)
            return 0; /* what cannot be read may be another that fits */
        if (stored->pid != call->pid || stored->kind != ES_K_DELIVER)
            continue;
        struct es_event deliver = *stored;
        es_query_fill(query, &deliver, &query->state);
        looked++;
        if (!delivery_fits(query, &deliver, given))
            continue;
        if (found)
            return 0;
        found = seq;
        if (given->way == GIVEN_CALL && given->from)
            break;
    }
    return found;
}

/* Could it be said of this callback's arguments which of them came in a message? */
static bool tells_given(struct es_query *query, const struct es_run_event *call)
{
    return call->arity == 3 || call->arity == 4 || has_name(query, call->function, "handle_call") ||
           has_name(query, call->function, "handle_cast") || has_name(query, call->function, "handle_info");
}

/* The delivery that a callback handles. */
static uint64_t message_of(struct es_query *query, const struct es_run_event *event)
{
    const struct es_event *stored;
    struct es_tree tree;
    if (event->cause_state != ES_CAUSE_NONE)
        return event->cause;
    if (!tells_given(query, event) || es_query_stored(query, event->seq, &stored) < 0)
        return 0;
    struct es_event call = *stored;
    if (call.payload_len == 0 || es_tree_read(&tree, call.payload, call.payload_len, &query->print[0]) < 0)
        return 0;
    struct given given = read_given(query, &call, &tree);
    es_tree_fini(&tree);
    return given.way == GIVEN_NOTHING ? 0 : search_message(query, &call, &given);
}

/* ---- all ----------------------------------------------------------------------------------------------------------- */

/* Who sent what was delivered, and the event of sending it. */
static void find_sender(struct es_query *query, es_ref pid, struct es_version_cause *cause)
{
    struct es_run_event deliver;
    struct es_run_origin origin;
    if (es_recording_run_event(query->recording, cause->deliver, pid, &deliver) < 0 ||
        es_recording_run_origin(query->recording, cause->deliver, pid, &origin) < 0)
        return;
    cause->from = origin.peer;
    if (deliver.kind == ES_K_DELIVER && origin.kind == ES_K_SEND)
        cause->send = deliver.cause;
}

int es_query_version_cause(struct es_query *query, const struct es_version_info *version,
                           struct es_version_cause *ret_cause)
{
    struct es_run_event call;
    *ret_cause = (struct es_version_cause){.replaced = has_name(query, version->function, "system_replace_state")};
    if (callback_of(query, version, &call)) {
        ret_cause->call = call.seq;
        if (!ret_cause->replaced)
            ret_cause->deliver = message_of(query, &call);
        if (ret_cause->deliver)
            find_sender(query, version->pid, ret_cause);
    }
    es_error_clear();
    return 0;
}
