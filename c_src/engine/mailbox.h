/* SPDX-License-Identifier: MIT */
/* Lists of messages that were delivered and not handled, in one pool of nodes. For mailbox.c and handle.c alone. */
#ifndef ES_ENGINE_MAILBOX_H
#define ES_ENGINE_MAILBOX_H

#include "engine/handle.h"

static inline struct es_mail *es_mail_at(const struct es_mails *mails, uint32_t place)
{
    return &mails->nodes[place - 1];
}

/* At the end of a list. -ENOMEM. */
int es_mail_push(struct es_mails *mails, struct es_mail_list *list, const struct es_mail *mail);
/* Takes out the one behind `before`; 0: the first. */
void es_mail_drop_after(struct es_mails *mails, struct es_mail_list *list, uint32_t before);
/* What was handled comes again, or may. -ENOMEM. */
int es_mail_postpone(struct es_mails *mails, struct es_mailbox *box, const struct es_mail *mail);

#endif
