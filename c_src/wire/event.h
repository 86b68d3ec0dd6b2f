/* SPDX-License-Identifier: MIT */
/* Event kinds and the records that travel through a ring. One table says for each kind what it is called, which family it
 * belongs to, whether it is critical, and which fields it carries; capture, engine, store, query and command line read this table. */
#ifndef ES_WIRE_EVENT_H
#define ES_WIRE_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- references ---------------------------------------------------------------------------------------------------
 * es_ref names a process, a port, an atom or another addressee in 64 bits: class in bits 60..63, value below.
 *   PID    bits 28..51 serial, bits 0..27 number: <0.number.serial> of the node in bits 52..59
 *   PORT   bits 0..51 number: #Port<0.number> of the node in bits 52..59
 *   ATOM   bits 0..59 the emulator's word for the atom: opaque, its text is in a DEF record before its first use in the ring
 *   OTHER  bits 0..59 a hash; a DEF record holds the term (external pid, {Name, Node}, reference, site of a probe)
 * 0 is "none". Node 0 is the recorded one; there are others only in recordings that were merged from several. */
typedef uint64_t es_ref;

enum es_ref_class { ES_REF_NONE = 0, ES_REF_PID = 1, ES_REF_PORT = 2, ES_REF_ATOM = 3, ES_REF_OTHER = 4 };

#define ES_REF_VALUE_MASK ((UINT64_C(1) << 60) - 1)

static inline es_ref es_ref_make(enum es_ref_class class, uint64_t value)
{
    return ((uint64_t) class << 60) | (value & ES_REF_VALUE_MASK);
}
#define ES_REF_NODES 256u /* at most */
#define ES_REF_SERIAL_MAX 0xffffffu
#define ES_REF_PORT_MASK ((UINT64_C(1) << 52) - 1)

static inline es_ref es_ref_pid(uint32_t number, uint32_t serial)
{
    return es_ref_make(ES_REF_PID, ((uint64_t)(serial & ES_REF_SERIAL_MAX) << 28) | (number & 0x0fffffffu));
}
/* Of a PID or PORT. */
static inline unsigned es_ref_node(es_ref ref) { return (unsigned)(ref >> 52) & (ES_REF_NODES - 1); }
static inline es_ref es_ref_on_node(es_ref ref, unsigned node)
{
    return (ref & ~((uint64_t)(ES_REF_NODES - 1) << 52)) | (uint64_t)(node & (ES_REF_NODES - 1)) << 52;
}
static inline unsigned es_ref_class_of(es_ref ref) { return (unsigned)(ref >> 60); }
static inline uint64_t es_ref_value(es_ref ref) { return ref & ES_REF_VALUE_MASK; }
static inline uint32_t es_ref_pid_number(es_ref ref) { return (uint32_t)(ref & 0x0fffffffu); }
static inline uint32_t es_ref_pid_serial(es_ref ref) { return (uint32_t)(ref >> 28) & ES_REF_SERIAL_MAX; }
static inline uint64_t es_ref_port_number(es_ref ref) { return ref & ES_REF_PORT_MASK; }

/* ---- fields -------------------------------------------------------------------------------------------------------
 * A kind's fields after the common ones (time, pid). In a ring record each field of this list that a kind has is one 64-bit word,
 * in this order; PAYLOAD is the bytes behind the words; ARITY travels in the record's `arity`. */
enum es_field {
    ES_F_PEER = 1 << 0, /* the other process (receiver, sender, child, parent, link partner), or a registered name */
    ES_F_FUN = 1 << 1,  /* two words: module and function, both ATOM references; arity in the header */
    ES_F_HASH = 1 << 2, /* content hash of the whole term, independent of the payload budget (wire/term.h) */
    ES_F_CORR =
        1 << 3, /* correlation: hash of the reference or alias of a call, reply, 'DOWN' or timer message; 0 none */
    ES_F_NUM = 1 << 4,     /* ES_NUMS words of numbers, see es_kind_num_name */
    ES_F_PAYLOAD = 1 << 5, /* a term in the term format (wire/term.h) */
    ES_F_CAUSE = 1 << 6,   /* not in rings: the engine pairs this kind with an event on another process */
    ES_F_SITE =
        1
        << 7, /* the place in woven code: an OTHER reference to {es_site, Key, Module, Function, Arity, Line, Clause, Names} */
};
#define ES_NUMS 6

enum es_family {
    ES_FAM_PROCESS,
    ES_FAM_MESSAGE,
    ES_FAM_CALL,
    ES_FAM_STATE,
    ES_FAM_SCHEDULING,
    ES_FAM_MEMORY,
    ES_FAM_NODE,
    ES_FAM_ERROR,
    ES_FAM_USER,
    ES_FAM_RECORDER,
    ES_FAM_LINE,
    ES_FAM_INTERNAL,
    ES_FAM_MAX
};

/*        symbol          name              family      critical fields */
/* clang-format off */
#define ES_KINDS(K)                                                                                                          \
    K(NONE,              "none",            INTERNAL,   false, 0)                                                            \
    K(SPAWN,             "spawn",           PROCESS,    true,  ES_F_PEER | ES_F_FUN | ES_F_PAYLOAD)   /* peer = child, payload = arguments */ \
    K(SPAWNED,           "spawned",         PROCESS,    true,  ES_F_PEER | ES_F_FUN | ES_F_CAUSE)     /* peer = parent */    \
    K(EXIT,              "exit",            PROCESS,    true,  ES_F_PAYLOAD | ES_F_CAUSE)             /* payload = reason */ \
    K(REGISTER,          "register",        PROCESS,    true,  ES_F_PEER)                             /* peer = name */      \
    K(UNREGISTER,        "unregister",      PROCESS,    true,  ES_F_PEER)                                                    \
    K(LINK,              "link",            PROCESS,    true,  ES_F_PEER)                                                    \
    K(UNLINK,            "unlink",          PROCESS,    true,  ES_F_PEER)                                                    \
    K(GETTING_LINKED,    "getting_linked",  PROCESS,    true,  ES_F_PEER)                                                    \
    K(GETTING_UNLINKED,  "getting_unlinked", PROCESS,   true,  ES_F_PEER)                                                    \
    K(CENSUS,            "census",          PROCESS,    true,  ES_F_PEER | ES_F_FUN | ES_F_PAYLOAD)   /* existed before; peer = parent, fun = initial call */ \
    K(SEND,              "send",            MESSAGE,    false, ES_F_PEER | ES_F_HASH | ES_F_CORR | ES_F_PAYLOAD)             \
    K(SEND_DEAD,         "send_dead",       MESSAGE,    false, ES_F_PEER | ES_F_HASH | ES_F_CORR | ES_F_PAYLOAD)             \
    K(DELIVER,           "deliver",         MESSAGE,    false, ES_F_PEER | ES_F_HASH | ES_F_CORR | ES_F_PAYLOAD | ES_F_CAUSE) \
    K(TIMEOUT,           "timeout",         MESSAGE,    false, 0)                                                            \
    K(CALL,              "call",            CALL,       false, ES_F_FUN | ES_F_HASH | ES_F_PAYLOAD | ES_F_CAUSE) /* payload = arguments; hash = of the message a callback handles, else 0 */ \
    K(RETURN,            "return",          CALL,       false, ES_F_FUN | ES_F_PAYLOAD)               /* payload = value */  \
    K(EXCEPTION,         "exception",       CALL,       true,  ES_F_FUN | ES_F_PAYLOAD)               /* payload = {Class, Reason} */ \
    K(STATE,             "state",           STATE,      false, ES_F_FUN | ES_F_HASH | ES_F_PAYLOAD)   /* made by the engine from returns */ \
    K(IN,                "in",              SCHEDULING, false, ES_F_FUN)                                                     \
    K(OUT,               "out",             SCHEDULING, false, ES_F_FUN)                                                     \
    K(GC_MINOR_START,    "gc_minor_start",  MEMORY,     false, ES_F_NUM)                                                     \
    K(GC_MINOR_END,      "gc_minor_end",    MEMORY,     false, ES_F_NUM)                                                     \
    K(GC_MAJOR_START,    "gc_major_start",  MEMORY,     false, ES_F_NUM)                                                     \
    K(GC_MAJOR_END,      "gc_major_end",    MEMORY,     false, ES_F_NUM)                                                     \
    K(LONG_GC,           "long_gc",         MEMORY,     false, ES_F_PAYLOAD)                                                 \
    K(LARGE_HEAP,        "large_heap",      MEMORY,     false, ES_F_PAYLOAD)                                                 \
    K(MEMORY,            "memory",          MEMORY,     false, ES_F_PAYLOAD)                          /* a sample of process_info or erlang:memory() */ \
    K(LONG_SCHEDULE,     "long_schedule",   SCHEDULING, false, ES_F_PAYLOAD)                                                 \
    K(BUSY_PORT,         "busy_port",       NODE,       false, ES_F_PEER | ES_F_PAYLOAD)                                     \
    K(BUSY_DIST_PORT,    "busy_dist_port",  NODE,       false, ES_F_PEER | ES_F_PAYLOAD)                                     \
    K(NODE_UP,           "node_up",         NODE,       true,  ES_F_PAYLOAD)                                                 \
    K(NODE_DOWN,         "node_down",       NODE,       true,  ES_F_PAYLOAD)                                                 \
    K(LOG,               "log",             ERROR,      true,  ES_F_PAYLOAD)                          /* logger events of level error and above */ \
    K(CRASH,             "crash",           ERROR,      true,  ES_F_PAYLOAD)                          /* crash reports with stack trace */ \
    K(MARK,              "mark",            USER,       true,  ES_F_PAYLOAD)                          /* {Label, Meta} */    \
    K(NOTICE,            "notice",          RECORDER,   true,  ES_F_PAYLOAD)                          /* the recorder speaks of itself: {What, Details} */ \
    K(BUDGET,            "budget",          RECORDER,   true,  ES_F_PAYLOAD)                          /* a step of the overhead budget */ \
    K(GAP,               "gap",             RECORDER,   true,  ES_F_PAYLOAD)                          /* #{from, to, lost => #{kind => n}}, made by the engine */ \
    K(TAIL,              "tail",            CALL,       false, ES_F_FUN)                              /* a probe before a tail call: the frame ends */ \
    K(TRY,               "try",             CALL,       false, ES_F_FUN | ES_F_SITE | ES_F_CORR)      /* corr = token */     \
    K(CAUGHT,            "caught",          CALL,       false, ES_F_FUN | ES_F_SITE | ES_F_CORR | ES_F_PAYLOAD) /* corr = token of the try, payload = {Class, Reason} */ \
    K(TAKEN,             "taken",           CALL,       false, ES_F_FUN | ES_F_SITE | ES_F_HASH | ES_F_CAUSE) /* a receive took the message with this content hash */ \
    K(LINE,              "line",            LINE,       false, ES_F_FUN | ES_F_SITE | ES_F_PAYLOAD)   /* payload = list of values, of the site's names */ \
    /* below: never events of a recording, only words between VM and engine */                                              \
    K(DEF,               "def",             INTERNAL,   true,  ES_F_PEER | ES_F_PAYLOAD)              /* peer = the reference, payload = text of an atom (UTF-8) or a term */ \
    K(CLOCK,             "clock",           INTERNAL,   true,  ES_F_NUM)                              /* a calibration, see es_clock_num */ \
    K(VM,                "vm",              INTERNAL,   true,  ES_F_PAYLOAD)                          /* a map of facts for the recording's metadata */ \
    K(MODULE,            "module",          INTERNAL,   true,  ES_F_PEER | ES_F_PAYLOAD)              /* peer = module atom, payload = list of its behaviours' names */ \
    K(SOURCE,            "source",          INTERNAL,   true,  ES_F_PEER | ES_F_PAYLOAD)              /* peer = an OTHER reference, payload = {es_source, Module, Path, Md5, Text} */ \
    K(LOST,              "lost",            INTERNAL,   true,  ES_F_PAYLOAD)                          /* raw: struct es_lost, the writer's losses before this point */ \
    K(PAD,               "pad",             INTERNAL,   true,  0)
/* clang-format on */

enum es_kind {
#define K(symbol, name, family, critical, fields) ES_K_##symbol,
    ES_KINDS(K)
#undef K
        ES_KIND_MAX
};
_Static_assert(ES_KIND_MAX <= 64, "loss counters and kind sets have 64 places");

struct es_kind_info {
    const char *name;
    uint8_t family;  /* enum es_family */
    bool critical;   /* may use the last eighth of a ring; never sampled */
    uint16_t fields; /* set of enum es_field */
    uint8_t words;   /* 64-bit words between record header and payload */
};
extern const struct es_kind_info es_kind_table[ES_KIND_MAX];
extern const char *const es_family_names[ES_FAM_MAX];

/* The kind with this name, or -1. Kinds of family INTERNAL are not found: they are not events. */
int es_kind_by_name(const char *name);

/* Names of the numbers of a GC event, all in words of the emulator (8 bytes): heap_size, heap_block_size, old_heap_size,
 * stack_size, mbuf_size, bin_vheap_size. Names follow erlang:trace/3. */
extern const char *const es_gc_num_names[ES_NUMS];

/* Numbers of a CLOCK record: the record's stamp belongs to `mono`; all in nanoseconds. */
enum es_clock_num { ES_CLOCK_MONO, ES_CLOCK_WALL, ES_CLOCK_ERROR };

/* ---- records ------------------------------------------------------------------------------------------------------ */
enum es_record_flag {
    ES_R_PAD_MASK = 7,    /* bytes of padding at the end of the payload */
    ES_R_CUT = 8,         /* the payload is not the whole term */
    ES_R_REDACTED = 16,   /* something in the payload was redacted */
    ES_R_NO_PAYLOAD = 32, /* the payload was left out: budget spent, or (deliver) it is in the send */
    ES_R_CALLBACK = 64,   /* call, return, exception of a behaviour's callback */
    ES_R_WOVEN = 128,     /* call, return: of a probe in woven code, not of the emulator */
};

struct es_record {   /* 24 bytes, 8-byte aligned, little endian as all of wire/ on the machines we run on */
    uint32_t size;   /* of the whole record, a multiple of 8, at least 24 */
    uint8_t kind;    /* enum es_kind */
    uint8_t flags;   /* set of enum es_record_flag */
    uint16_t arity;  /* of the function, where the kind has one */
    uint64_t stamp;  /* es_clock_now() */
    uint64_t pid;    /* es_ref of the process, 0 for none */
    uint64_t word[]; /* es_kind_table[kind].words of them, then the payload */
};

#define ES_RECORD_MAX (1u << 20) /* a larger size is a malformed ring */

/* Raw payload of a LOST record: what this ring's writer had to drop between `since` and the record's stamp. */
struct es_lost {
    uint64_t since; /* stamp of the first loss */
    struct {
        uint64_t kind, count;
    } by_kind[]; /* as many as fit into the payload */
};

/* A record read back, every part within bounds. Pointers are into the memory it was read from. */
struct es_record_view {
    uint8_t kind, flags;
    uint16_t arity;
    uint32_t size, payload_len;
    uint64_t stamp, pid, peer, module, function, hash, corr, site, num[ES_NUMS];
    const uint8_t *payload;
};

/* Reads the record at `bytes`, of which `len` are readable. Returns 0, or -EBADMSG where a size, kind or length does not fit. */
int es_record_read(const uint8_t *bytes, size_t len, struct es_record_view *ret_view);

#endif
