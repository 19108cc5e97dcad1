/* scepctl.c - ask the admin API of mod_scep from the command line
 * SPDX-License-Identifier: Apache-2.0
 */
#include "scepctl.h"

#include <apr_general.h>
#include <apr_strings.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "options.h"
#include "output.h"

/* Each command is one row. */
static const ctl_command_t commands[] = {
    { "challenge", "new", NULL, 0, 0, "Makes a challenge and prints it.",
      ctl_challenge_new_options, 1, ctl_challenge_new },
    { "challenge", "list", NULL, 0, 0, "Lists challenges, never a secret.",
      ctl_challenge_list_options, 1, ctl_challenge_list },
    { "challenge", "show", "ID", 1, 1, "Shows one challenge.", NULL, 1,
      ctl_challenge_show },
    { "challenge", "revoke", "ID...", 1, 10000,
      "Revokes challenges that are not used yet.", NULL, 1,
      ctl_challenge_revoke },
    { "challenge", "extend", "ID", 1, 1,
      "Lets a challenge live longer: --ttl says how long from now on.",
      ctl_challenge_extend_options, 1, ctl_challenge_extend },
    { "enrolment", "list", NULL, 0, 0,
      "Lists enrolments: what waits, and what became of it.",
      ctl_enrolment_list_options, 1, ctl_enrolment_list },
    { "enrolment", "show", "ID", 1, 1, "Shows one enrolment.", NULL, 1,
      ctl_enrolment_show },
    { "enrolment", "approve", "ID...", 1, 10000,
      "Approves enrolments that wait for it.", ctl_enrolment_approve_options,
      1, ctl_enrolment_approve },
    { "enrolment", "reject", "ID...", 1, 10000,
      "Refuses enrolments that are not at their end.",
      ctl_enrolment_reject_options, 1, ctl_enrolment_reject },
    { "certificate", "list", NULL, 0, 0, "Lists certificates.",
      ctl_certificate_list_options, 1, ctl_certificate_list },
    { "certificate", "show", "SERIAL", 1, 1, "Shows one certificate.",
      ctl_certificate_show_options, 1, ctl_certificate_show },
    { "certificate", "revoke", "SERIAL", 1, 1, "Revokes a certificate.",
      ctl_certificate_revoke_options, 1, ctl_certificate_revoke },
    { "explain", NULL, "FILE", 1, 1,
      "Says what a profile would make of a CSR (PEM or DER), issuing nothing.",
      ctl_explain_options, 1, ctl_explain },
    { "audit", "list", NULL, 0, 0, "Lists events of the audit trail.",
      ctl_audit_list_options, 1, ctl_audit_list },
    { "audit", "verify", NULL, 0, 0,
      "Says whether the audit trail is as it was when it was sealed.",
      ctl_audit_verify_options, 1, ctl_audit_verify },
    { "static", "hash", NULL, 0, 0,
      "Reads a secret and prints a line for a file of ScepStaticSecrets.",
      ctl_static_hash_options, 0, ctl_static_hash },
};

#define COMMANDS (int)(sizeof(commands) / sizeof(*commands))

void ctl_complain(const ctl_t *ctl, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    fprintf(stderr, "scepctl: %s\n",
            ctl_output_clean(apr_pvsprintf(ctl->p, fmt, args), ctl->p));
    va_end(args);
}

static void print_help(apr_pool_t *p)
{
    printf("usage: scepctl COMMAND [OPTION]...\n\n"
           "Asks the admin API of mod_scep.  Commands:\n\n");
    for (int i = 0; i < COMMANDS; i++) {
        printf("  %s\n      %s\n", ctl_options_synopsis(&commands[i], p),
               commands[i].about);
    }
    printf("\n\"scepctl COMMAND --help\" tells the options of one, "
           "\"scepctl --version\" the\nversion; the manual page scepctl(1) "
           "tells more.\n\n"
           "Exit status: 0 done, 1 refused by the server, 2 wrong usage, "
           "3 no answer,\n4 not found, 5 not now.\n");
}

/* The command that the first words name; *words: how many they are. */
static const ctl_command_t *find_command(int argc, const char *const *argv,
                                         int *words)
{
    for (int i = 0; i < COMMANDS; i++) {
        const ctl_command_t *command = &commands[i];

        *words = command->verb ? 2 : 1;
        if (argc > *words && !strcmp(argv[1], command->group) &&
            (!command->verb || !strcmp(argv[2], command->verb)))
            return command;
    }
    return NULL;
}

static ctl_status_t run(ctl_t *ctl, int argc, const char *const *argv)
{
    const char *first = argc > 1 ? argv[1] : "", *err;
    int words;

    if (!strcmp(first, "--help")) {
        print_help(ctl->p);
        return CTL_DONE;
    }
    if (!strcmp(first, "--version")) {
        printf("scepctl " SCEP_VERSION "\n");
        return CTL_DONE;
    }
    ctl->command = find_command(argc, argv, &words);
    if (!ctl->command) {
        ctl_complain(ctl, "%s; \"scepctl --help\" lists the commands",
                     *first ? "there is no such command"
                            : "say which command");
        return CTL_USAGE;
    }
    err = ctl_options_read(ctl, argc - 1 - words, argv + 1 + words);
    if (err) {
        ctl_complain(ctl, "%s; \"%s --help\" tells what there is", err,
                     apr_pstrcat(ctl->p, "scepctl ", ctl->command->group,
                                 ctl->command->verb ? " " : "",
                                 ctl->command->verb ? ctl->command->verb : "",
                                 NULL));
        return CTL_USAGE;
    }
    if (ctl_option(ctl, "help")) {
        ctl_options_help(ctl->command);
        return CTL_DONE;
    }
    return ctl->command->run(ctl);
}

int main(int argc, const char *const *argv)
{
    ctl_t ctl = { 0 };
    ctl_status_t status;

    if (apr_app_initialize(&argc, &argv, NULL) != APR_SUCCESS ||
        apr_pool_create(&ctl.p, NULL) != APR_SUCCESS)
        return CTL_USAGE;
    ctl.options = apr_table_make(ctl.p, 16);
    ctl.operands = apr_array_make(ctl.p, 4, sizeof(const char *));
    status = run(&ctl, argc, argv);
    /* A challenge that nobody could read must not look like a success. */
    if ((fflush(stdout) != 0 || ferror(stdout)) && status == CTL_DONE) {
        ctl_complain(&ctl, "the output cannot be written");
        status = CTL_USAGE;
    }
    apr_pool_destroy(ctl.p);
    apr_terminate();
    return (int)status;
}
