/* SPDX-License-Identifier: MIT */
/* What the files of `elixirscope dag` share. */
#ifndef ES_CLI_DAG_H
#define ES_CLI_DAG_H

#include "cli/why.h"

enum es_dag_format { ES_DAG_FORMAT_TEXT, ES_DAG_FORMAT_JSON, ES_DAG_FORMAT_DOT, ES_DAG_FORMAT_MERMAID };

struct es_dag_print {
    struct es_teller teller;
    struct es_dag_request request;
    struct es_dag dag;
    enum es_dag_format format;
};

/* What a node is, in a line: who, and what it did or has. */
void es_dag_label(struct es_dag_print *p, const struct es_dag_node *node, struct es_text *out);
/* "message 3x 1.2 ms", with "possibly" where it is. */
void es_dag_edge_label(const struct es_dag_edge *edge, struct es_text *out);

/* Print the whole DAG on standard output. */
void es_dag_print_text(struct es_dag_print *p);
void es_dag_print_json(struct es_dag_print *p);
void es_dag_print_dot(struct es_dag_print *p);
void es_dag_print_mermaid(struct es_dag_print *p);

#endif
