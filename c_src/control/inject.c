/* SPDX-License-Identifier: MIT */
/* Bringing the agent into a running node. All questions are calls of functions that every node has. */
#include "control/inject.h"

#include <ei.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/error.h"
#include "control/etf.h"
#include "control/place.h"

#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define BEAM_MAX (4 << 20)

/* Calls with arguments made by ei_x_format_wo_ver(), which takes a list as text. */
static int call(struct es_cnode *node, const char *module, const char *function, struct es_reader *ret_result, ei_x_buff *arguments)
{
    struct es_call one = {.module = module, .function = function, .arguments = arguments->buff, .len = (size_t)arguments->index};
    return es_cnode_call(node, &one, ret_result);
}
