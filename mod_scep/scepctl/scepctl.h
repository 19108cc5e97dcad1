/* scepctl.h - what the commands of scepctl are made of
 * SPDX-License-Identifier: Apache-2.0
 *
 * A command is one row of the table in scepctl.c: its words, its options, a
 * function.  Everything lives in one pool that ends with the process.
 */
#ifndef SCEPCTL_H
#define SCEPCTL_H

#include <apr_pools.h>
#include <apr_tables.h>

/** Exit statuses, which the manual page explains. */
typedef enum {
    CTL_DONE = 0,
    CTL_REFUSED = 1,     /**< by the server */
    CTL_USAGE = 2,       /**< command line, environment or a local file */
    CTL_UNREACHABLE = 3, /**< no answer: network, TLS, time-out */
    CTL_NOT_FOUND = 4,
    CTL_LATER = 5 /**< the server cannot do it now */
} ctl_status_t;

/** An option; a list of them ends with a name of NULL. */
typedef struct ctl_option_t {
    const char *name;        /**< without the dashes */
    const char *value;       /**< what stands for it in help, NULL: a flag */
    const char *about;       /**< for help */
    const char *environment; /**< variable that may give it, or NULL */
    int many;                /**< may be given again */
} ctl_option_t;

struct ctl_t;

typedef struct ctl_command_t {
    const char *group; /**< first word */
    const char *verb;  /**< second word, NULL where there is none */
    const char *operands;
    int least, most; /**< of operands */
    const char *about;
    const ctl_option_t *options;
    int connects; /**< has the options of a connection, too */
    ctl_status_t (*run)(struct ctl_t *ctl);
} ctl_command_t;

/** One run of the program. */
typedef struct ctl_t {
    apr_pool_t *p;
    const ctl_command_t *command;
    apr_table_t *options; /**< by name; a flag is "" */
    apr_array_header_t *operands;
} ctl_t;

extern const ctl_option_t ctl_options_of_all[];

/** The value of an option, or NULL. */
const char *ctl_option(const ctl_t *ctl, const char *name);

/** All values of an option that may be given again, or NULL. */
const apr_array_header_t *ctl_option_all(const ctl_t *ctl, const char *name);

/** One line to standard error, what is no text in it made harmless. */
void ctl_complain(const ctl_t *ctl, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Commands, by the file that has them. */
extern const ctl_option_t ctl_audit_list_options[];
extern const ctl_option_t ctl_audit_verify_options[];
extern const ctl_option_t ctl_challenge_new_options[];
extern const ctl_option_t ctl_challenge_list_options[];
extern const ctl_option_t ctl_challenge_extend_options[];
extern const ctl_option_t ctl_certificate_list_options[];
extern const ctl_option_t ctl_certificate_show_options[];
extern const ctl_option_t ctl_certificate_revoke_options[];
extern const ctl_option_t ctl_enrolment_list_options[];
extern const ctl_option_t ctl_enrolment_approve_options[];
extern const ctl_option_t ctl_enrolment_reject_options[];
extern const ctl_option_t ctl_explain_options[];
extern const ctl_option_t ctl_static_hash_options[];
ctl_status_t ctl_audit_list(ctl_t *ctl);
ctl_status_t ctl_audit_verify(ctl_t *ctl);
ctl_status_t ctl_challenge_new(ctl_t *ctl);
ctl_status_t ctl_challenge_list(ctl_t *ctl);
ctl_status_t ctl_challenge_show(ctl_t *ctl);
ctl_status_t ctl_challenge_revoke(ctl_t *ctl);
ctl_status_t ctl_challenge_extend(ctl_t *ctl);
ctl_status_t ctl_certificate_list(ctl_t *ctl);
ctl_status_t ctl_certificate_show(ctl_t *ctl);
ctl_status_t ctl_certificate_revoke(ctl_t *ctl);
ctl_status_t ctl_enrolment_list(ctl_t *ctl);
ctl_status_t ctl_enrolment_show(ctl_t *ctl);
ctl_status_t ctl_enrolment_approve(ctl_t *ctl);
ctl_status_t ctl_enrolment_reject(ctl_t *ctl);
ctl_status_t ctl_explain(ctl_t *ctl);
ctl_status_t ctl_static_hash(ctl_t *ctl);

#endif
