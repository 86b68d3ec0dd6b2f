/* SPDX-License-Identifier: MIT */
/* How much memory may still be taken: rings count against the machine's memory and against the container's
 * limit. */
#ifndef ES_WIRE_MEMORY_H
#define ES_WIRE_MEMORY_H

#include <stdint.h>

/* Bytes this process could still get without anything being swapped or killed: what the machine has
 * available, or less where a control group (version 1 or 2) above us allows less. UINT64_MAX where nothing
 * tells. */
uint64_t es_memory_available(void);

#endif
