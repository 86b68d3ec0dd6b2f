/* SPDX-License-Identifier: MIT */
/* Rules for secrets; see redact.h. */
#include "capture/redact.h"

#include <string.h>

#include "wire/term.h"

static uint32_t slot_of(enum es_redact_kind kind, const char *text, size_t len)
{
    return (uint32_t)es_hash_bytes(text, len, kind) & (ES_REDACT_SLOTS - 1);
}

/* Keys are compared in lower case. Only ASCII has case here: rules are names of fields. */
static void fold(enum es_redact_kind kind, const char *text, size_t len, char *ret_folded)
{
    for (size_t i = 0; i < len; i++)
        ret_folded[i] = kind == ES_REDACT_KEY && text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] | 32) : text[i];
}

void es_redact_init(struct es_redact *redact, const struct es_arena_head *head)
{
    memset(redact, 0, sizeof *redact);
    uint32_t n = head->n_redact < ES_REDACT_MAX ? head->n_redact : ES_REDACT_MAX;
    for (uint32_t i = 0; i < n; i++) {
        struct es_redact_rule *rule = &redact->rule[i];
        *rule = head->redact[i];
        if (rule->len == 0 || rule->len > ES_REDACT_TEXT ||
            (rule->kind != ES_REDACT_KEY && rule->kind != ES_REDACT_STRUCT))
            continue;
        fold(rule->kind, rule->text, rule->len, rule->text);
        uint32_t at = slot_of(rule->kind, rule->text, rule->len);
        while (redact->slot[at]) /* four times as many slots as rules */
            at = (at + 1) & (ES_REDACT_SLOTS - 1);
        redact->slot[at] = (uint16_t)(i + 1);
        redact->lengths[rule->kind] |= UINT64_C(1) << rule->len;
    }
}

bool es_redact_match(const struct es_redact *redact, enum es_redact_kind kind, const void *text, size_t len)
{
    if (!es_redact_may(redact, kind, len))
        return false;
    char folded[ES_REDACT_TEXT];
    fold(kind, (const char *)text, len, folded);
    for (uint32_t at = slot_of(kind, folded, len); redact->slot[at]; at = (at + 1) & (ES_REDACT_SLOTS - 1)) {
        const struct es_redact_rule *rule = &redact->rule[redact->slot[at] - 1];
        if (rule->kind == kind && rule->len == len && memcmp(rule->text, folded, len) == 0)
            return true;
    }
    return false;
}
