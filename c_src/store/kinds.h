/* SPDX-License-Identifier: MIT */
/* The table of kinds as a recording says it: "NUMBER:NAME:FIELDS …", so that nobody reads numbers by another table. */
#ifndef ES_STORE_KINDS_H
#define ES_STORE_KINDS_H

#include "wire/event.h"

#define ES_KINDS_TEXT (ES_KIND_MAX * 48)
void es_kinds_write(char text[ES_KINDS_TEXT]);

/* 0 where we know every kind of the text by the same number, name and fields; else -EPROTONOSUPPORT. */
int es_kinds_check(const char *text);

#endif
