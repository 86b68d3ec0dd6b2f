/* SPDX-License-Identifier: MIT */
/* What the parts of `elixirscope doctor` share. */
#ifndef ES_CLI_DOCTOR_H
#define ES_CLI_DOCTOR_H

#include <stdbool.h>

enum es_health { ES_HEALTH_OK, ES_HEALTH_WARN, ES_HEALTH_FAIL };
struct es_finding {
    char text[1024];
    const char *mend; /* said where it is not ok; NULL: nothing */
};
struct es_doctor;

void es_doctor_say(struct es_doctor *doctor, enum es_health health, const char *name, const struct es_finding *finding);
void es_doctor_found(struct es_finding *finding, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Erlang, Elixir, and whether our part loads there. */
void es_doctor_vm(struct es_doctor *doctor);

#endif
