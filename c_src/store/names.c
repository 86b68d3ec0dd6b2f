/* SPDX-License-Identifier: MIT */
/* Names of what is known of a cause. */
#include "store/event.h"

const char *const es_cause_names[ES_CAUSE_MAX] = {
    [ES_CAUSE_NONE] = "none",         [ES_CAUSE_PAIRED] = "paired",   [ES_CAUSE_EXTERNAL] = "external",
    [ES_CAUSE_UNTRACED] = "untraced", [ES_CAUSE_LOST] = "lost",       [ES_CAUSE_LATE] = "late",
    [ES_CAUSE_EVICTED] = "evicted",   [ES_CAUSE_UNKNOWN] = "unknown",
};
