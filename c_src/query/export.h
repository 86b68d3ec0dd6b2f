/* SPDX-License-Identifier: MIT */
/* What the exporters share: each makes bytes of events, the driver in export.c walks and writes. */
#ifndef ES_QUERY_EXPORT_H
#define ES_QUERY_EXPORT_H

#include "query/fields.h"

struct es_exporter {
    struct es_query *query;
    const struct es_export_request *request;
    struct es_text out;  /* what is to be written */
    int64_t first, last; /* of the recording */
    void *own;           /* of the format */
};

struct es_exporter_type {
    int (*begin)(struct es_exporter *x);
    int (*event)(struct es_exporter *x, const struct es_event *event);
    int (*end)(struct es_exporter *x);
    void (*fini)(struct es_exporter *x);
};
extern const struct es_exporter_type es_export_etf, es_export_perfetto;

#endif
