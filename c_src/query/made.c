/* SPDX-License-Identifier: MIT */
/* What cut and merge have in common; see made.h. */
#include "query/made.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/error.h"
#include "term/text.h"

int es_made_create(const char *path, bool overwrite, struct es_store **ret_store)
{
    struct es_store_options options = {.path = path, .overwrite = overwrite};
    if (getrandom(options.session, sizeof options.session, 0) != (ssize_t)sizeof options.session)
        return es_fail(-EIO, "the system has no random numbers");
    return es_store_create(&options, ret_store);
}

int es_made_count(struct es_store *store, const char *what, const uint64_t counts[ES_CAUSE_MAX])
{
    int rc = 0;
    for (unsigned i = ES_CAUSE_NONE + 1; rc == 0 && i < ES_CAUSE_MAX; i++) {
        char name[48];
        snprintf(name, sizeof name, "%s.%s", what, es_cause_names[i]);
        if (counts[i] > 0)
            rc = es_store_count(store, name, counts[i]);
    }
    return rc;
}

void es_made_remove(const char *path)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    struct es_text name = {0};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        es_text_clear(&name);
        es_text_printf(&name, "%s%s", path, ends[i]);
        if (name.bytes && !name.failed)
            unlink(name.bytes);
    }
    es_text_fini(&name);
}
