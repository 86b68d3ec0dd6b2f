/* SPDX-License-Identifier: MIT */
/* The options that `record` and `attach` share. */
#include "cli/capture_options.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/cli.h"

#define KEEP_DEFAULT_NS INT64_C(60000000000)

void es_capture_init(struct es_capture *capture, const char *command)
{
    *capture = (struct es_capture){
        .command = command,
        .level = ES_LEVEL_BALANCED,
        .session = {.default_redaction = true, .payload_bytes = -1, .state_bytes = -1},
        .engine = {.commit_ms = 100},
    };
}

/* ---- one option ---------------------------------------------------------------------------------------------------- */

static int parse_limit(struct es_capture *capture, const char *argument)
{
    const char *value = strchr(argument, '=');
    size_t len = value ? (size_t)(value++ - argument) : 0;
    char rate[32];
    int64_t ns = 0;
    int rc;
    if (len == 6 && strncmp(argument, "events", 6) == 0)
        return es_cli_parse_count(value, &capture->engine.limit_events);
    if (len == 4 && strncmp(argument, "size", 4) == 0)
        return es_cli_parse_size(value, &capture->engine.limit_bytes);
    if (len == 4 && strncmp(argument, "time", 4) == 0) {
        rc = es_cli_parse_duration(value, &ns);
        capture->engine.limit_ns = (uint64_t)ns;
        return rc;
    }
    if (len == 4 && strncmp(argument, "rate", 4) == 0) {
        size_t n = strlen(value);
        if (n > 2 && strcmp(value + n - 2, "/s") == 0)
            n -= 2;
        snprintf(rate, sizeof rate, "%.*s", (int)n, value);
        return es_cli_parse_count(rate, &capture->engine.limit_rate);
    }
    es_hint("Limits: events=1M, size=2GB, time=60s, rate=200k/s.");
    return es_fail(-EINVAL, "'%s' is not a limit", argument);
}

static int parse_keep(struct es_capture *capture, const char *argument)
{
    int64_t ns;
    if (es_cli_parse_duration(argument, &ns) == 0 && ns > 0) {
        capture->engine.keep_ns = (uint64_t)ns;
        return 0;
    }
    es_error_clear();
    if (es_cli_parse_size(argument, &capture->engine.keep_bytes) == 0 && capture->engine.keep_bytes > 0)
        return 0;
    es_error_clear();
    return es_fail(-EINVAL, "--keep %s is neither a duration (60s) nor a size (200MB)", argument);
}

static int parse_triggers(struct es_capture *capture, const char *argument)
{
    static const char *const names[] = {"crash", "error", "mark"};
    char copy[64], *rest = NULL;
    if (strlen(argument) >= sizeof copy)
        return es_fail(-EINVAL, "--on %s is too long", argument);
    strcpy(copy, argument);
    for (char *word = strtok_r(copy, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
        size_t i = 0;
        while (i < 3 && strcmp(word, names[i]) != 0)
            i++;
        if (i == 3)
            return es_fail(-EINVAL, "--on knows crash, error and mark, not '%s'", word);
        capture->engine.on |= 1u << i;
    }
    return capture->engine.on ? 0 : es_fail(-EINVAL, "--on needs crash, error or mark");
}

static int parse_budget(struct es_capture *capture, const char *argument)
{
    char *end;
    double percent = strtod(argument, &end);
    if (strcmp(argument, "off") == 0) {
        capture->budget = 0;
        return 0;
    }
    if (end == argument || (*end && strcmp(end, "%") != 0) || !(percent > 0 && percent <= 100))
        return es_fail(-EINVAL, "--budget %s is neither 'off' nor a percentage such as 5", argument);
    capture->budget = percent;
    return 0;
}

static int add_redaction(struct es_capture *capture, enum es_redact_kind kind, const char *text)
{
    if (capture->session.n_redact == ES_REDACT_MAX)
        return es_fail(-EINVAL, "more than %d redaction rules were given", ES_REDACT_MAX);
    if (!*text || strlen(text) > ES_REDACT_TEXT)
        return es_fail(-EINVAL, "a redaction rule has 1 to %d bytes: '%s'", ES_REDACT_TEXT, text);
    capture->redact[capture->session.n_redact++] = (struct es_redaction){.kind = kind, .text = text};
    return 0;
}

static int parse_bytes(const char *argument, int64_t *ret)
{
    uint64_t bytes;
    int rc = es_cli_parse_size(argument, &bytes);
    if (rc == 0 && bytes > ES_RECORD_MAX / 2)
        return es_fail(-EINVAL, "'%s' is more than fits into one event: at most %u bytes", argument, ES_RECORD_MAX / 2);
    if (rc == 0)
        *ret = (int64_t)bytes;
    return rc;
}

/* The walk through a state has limits besides its bytes. */
static int parse_state(struct es_capture *capture, const char *argument)
{
    capture->session.whole_states = strcmp(argument, "unlimited") == 0;
    if (!capture->session.whole_states)
        return parse_bytes(argument, &capture->session.state_bytes);
    capture->session.state_bytes = ES_RECORD_MAX / 2;
    return 0;
}

static int add_traces(struct es_capture *capture, const char *argument)
{
    if (capture->n_traces == ES_SPECS_MAX)
        return es_fail(-EINVAL, "more than %d times --trace", ES_SPECS_MAX);
    capture->traces[capture->n_traces++] = argument;
    return 0;
}

static int add_weave(struct es_capture *capture, const char *argument)
{
    if (capture->weave.n == ES_WEAVE_MAX)
        return es_fail(-EINVAL, "more than %d times --weave", ES_WEAVE_MAX);
    capture->weave.modules[capture->weave.n++] = argument;
    return 0;
}

int es_capture_option(struct es_capture *capture, int option, const char *argument)
{
    int rc = 0;
    switch (option) {
    case 'o': capture->output = argument; break;
    case ES_CAPTURE_LEVEL:
        capture->level_given = true;
        rc = es_level_parse(argument, &capture->level);
        break;
    case ES_CAPTURE_TRACE: rc = add_traces(capture, argument); break;
    case ES_CAPTURE_WEAVE: rc = add_weave(capture, argument); break;
    case ES_CAPTURE_DEPTH: rc = es_depth_parse(argument, &capture->weave.depth); break;
    case ES_CAPTURE_LIMIT: rc = parse_limit(capture, argument); break;
    case ES_CAPTURE_FOR: rc = es_cli_parse_duration(argument, &capture->for_ns); break;
    case ES_CAPTURE_KEEP: rc = parse_keep(capture, argument); break;
    case ES_CAPTURE_ON: rc = parse_triggers(capture, argument); break;
    case ES_CAPTURE_BUDGET: rc = parse_budget(capture, argument); break;
    case ES_CAPTURE_RING: rc = es_cli_parse_size(argument, &capture->session.ring_bytes); break;
    case ES_CAPTURE_REDACT: rc = add_redaction(capture, ES_REDACT_KEY, argument); break;
    case ES_CAPTURE_REDACT_STRUCT: rc = add_redaction(capture, ES_REDACT_STRUCT, argument); break;
    case ES_CAPTURE_NO_REDACTION: capture->session.default_redaction = false; break;
    case ES_CAPTURE_PAYLOAD: rc = parse_bytes(argument, &capture->session.payload_bytes); break;
    case ES_CAPTURE_STATE: rc = parse_state(capture, argument); break;
    case ES_CAPTURE_REALLY: capture->yes_really = true; break;
    case ES_CAPTURE_CHILDREN: capture->children = true; break;
    case ES_CAPTURE_OVERWRITE: capture->overwrite = true; break;
    case ES_CAPTURE_JSON: capture->json = true; break;
    case ES_CAPTURE_QUIET: capture->quiet = true; break;
    default: return 0;
    }
    return rc < 0 ? rc : 1;
}

/* ---- all of them --------------------------------------------------------------------------------------------------- */

int es_capture_check(struct es_capture *capture)
{
    if (capture->n_traces > 0 && !capture->level_given)
        capture->level = ES_LEVEL_MINIMAL;
    if (capture->level == ES_LEVEL_OFF)
        return es_fail(-EINVAL, "--level off records nothing; the least is minimal");
    for (size_t i = 0; i < capture->n_traces; i++) {
        int rc = es_spec_parse(capture->traces[i], capture->yes_really, &capture->specs[capture->n_specs]);
        if (rc < 0)
            return rc;
        capture->n_specs++;
    }
    int rc = es_weave_check(&capture->weave, capture->yes_really);
    if (rc < 0)
        return rc;
    uint64_t ring = capture->session.ring_bytes;
    if (ring && (ring < ES_RING_MIN || ring > UINT64_C(1) << 34))
        return es_fail(-EINVAL, "--ring-size lies between 256KiB and 16GiB");
    if (capture->engine.on && !capture->engine.keep_ns && !capture->engine.keep_bytes)
        capture->engine.keep_ns = KEEP_DEFAULT_NS;
    if (capture->for_ns < 0)
        return es_fail(-EINVAL, "--for needs a duration above zero");
    capture->session.redact = capture->redact;
    return 0;
}

/* ---- the file ------------------------------------------------------------------------------------------------------ */

static int absolute(const char *path, char ret_path[PATH_MAX])
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t len = slash ? (size_t)(slash - path) : 0;
    if (len >= sizeof folder || !*name)
        return es_fail(-EINVAL, "'%s' is not the name of a file", path);
    memcpy(folder, path, len);
    folder[len] = '\0';
    char *real = realpath(slash ? (len ? folder : "/") : ".", NULL);
    if (!real)
        return es_fail(-errno, "the folder of %s: %s", path, strerror(errno));
    int n = snprintf(ret_path, PATH_MAX, "%s/%s", strcmp(real, "/") == 0 ? "" : real, name);
    free(real);
    return n < PATH_MAX ? 0 : es_fail(-ENAMETOOLONG, "the path of %s is too long", path);
}

/* A recording is a SQLite file: nothing else is ever replaced. */
static int may_replace(const char *path)
{
    char head[16] = "";
    struct stat st;
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return es_fail(-errno, "%s cannot be written: %s", path, strerror(errno));
    ssize_t n = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? read(fd, head, sizeof head) : -1;
    close(fd);
    if (n == 0 || (n == (ssize_t)sizeof head && memcmp(head, "SQLite format 3", sizeof head) == 0))
        return 0;
    return es_fail(-EEXIST, "%s is no recording and will not be replaced", path);
}

static int prove_writable(const struct es_capture *capture)
{
    int fd = open(capture->file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) {
        close(fd);
        return unlink(capture->file) < 0 ? es_fail(-errno, "%s: %s", capture->file, strerror(errno)) : 0;
    }
    if (errno != EEXIST)
        return es_fail(-errno, "%s cannot be written: %s", capture->file, strerror(errno));
    if (capture->overwrite)
        return may_replace(capture->file);
    es_hint("Give another name with -o, or --overwrite.");
    return es_fail(-EEXIST, "%s is there already", capture->file);
}

int es_capture_output(struct es_capture *capture, const char *name)
{
    char made[PATH_MAX], stamp[32];
    if (capture->output) {
        int rc = absolute(capture->output, capture->file);
        return rc < 0 ? rc : prove_writable(capture);
    }
    time_t now = time(NULL);
    struct tm local;
    localtime_r(&now, &local);
    strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", &local);
    for (int n = 1;; n++) {
        snprintf(made, sizeof made, n == 1 ? "%.100s-%s.scope" : "%.100s-%s-%d.scope", name, stamp, n);
        int rc = absolute(made, capture->file);
        if (rc == 0 && access(capture->file, F_OK) == 0 && n < 1000)
            continue; /* another recorder of the same second */
        return rc < 0 ? rc : prove_writable(capture);
    }
}
