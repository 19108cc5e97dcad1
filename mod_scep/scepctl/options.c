/* options.c - read the command line, tell what may stand on it
 * SPDX-License-Identifier: Apache-2.0
 */
#include "options.h"

#include <apr_env.h>
#include <apr_strings.h>

#include <stdio.h>
#include <string.h>

#include "connection.h"

/* Where help has its explanations. */
#define COLUMN 26

const ctl_option_t ctl_options_of_all[] = {
    { "json", NULL, "print JSON", NULL, 0 },
    { "help", NULL, "print this and end", NULL, 0 },
    { NULL, NULL, NULL, NULL, 0 }
};

/* The lists that apply to a command, one after the other. */
static const ctl_option_t *list_of(const ctl_command_t *command, int number)
{
    static const ctl_option_t none[] = { { NULL, NULL, NULL, NULL, 0 } };
    const ctl_option_t *const lists[] = {
        command->options ? command->options : none,
        command->connects ? ctl_connection_options : none, ctl_options_of_all
    };

    return number < 3 ? lists[number] : NULL;
}

static const ctl_option_t *find(const ctl_command_t *command, const char *name,
                                size_t len)
{
    const ctl_option_t *option;

    for (int i = 0; (option = list_of(command, i)); i++)
        for (; option->name; option++)
            if (strlen(option->name) == len &&
                !strncmp(option->name, name, len))
                return option;
    return NULL;
}

/* One option and its value, which may be the next word. */
static const char *read_option(ctl_t *ctl, const char *word, const char *next,
                               int *taken)
{
    const char *name = word + 2, *value = strchr(name, '=');
    size_t len = value ? (size_t)(value - name) : strlen(name);
    const ctl_option_t *option = find(ctl->command, name, len);

    if (!option) {
        return apr_psprintf(ctl->p, "there is no option --%.*s", (int)len,
                            name);
    }
    if (!option->value && value)
        return apr_psprintf(ctl->p, "--%s takes no value", option->name);
    if (option->value && !value) {
        if (!next)
            return apr_psprintf(ctl->p, "--%s takes a value", option->name);
        value = next;
        *taken = 1;
    } else if (value) {
        value++;
    }
    if (!option->many && apr_table_get(ctl->options, option->name))
        return apr_psprintf(ctl->p, "--%s is given twice", option->name);
    apr_table_addn(ctl->options, option->name, value ? value : "");
    return NULL;
}

static void read_environment(ctl_t *ctl)
{
    const ctl_option_t *option;
    char *value;

    for (int i = 0; (option = list_of(ctl->command, i)); i++) {
        for (; option->name; option++)
            if (option->environment &&
                !apr_table_get(ctl->options, option->name) &&
                apr_env_get(&value, option->environment, ctl->p) ==
                    APR_SUCCESS &&
                *value)
                apr_table_addn(ctl->options, option->name, value);
    }
}

static const char *check_operands(const ctl_t *ctl)
{
    const ctl_command_t *command = ctl->command;

    if (ctl->operands->nelts >= command->least &&
        ctl->operands->nelts <= command->most)
        return NULL;
    return apr_psprintf(ctl->p, "%s of %s",
                        ctl->operands->nelts < command->least
                            ? "something is missing"
                            : "there are too many words",
                        ctl_options_synopsis(command, ctl->p));
}

const char *ctl_options_read(ctl_t *ctl, int argc, const char *const *argv)
{
    int only_operands = 0;

    for (int i = 0; i < argc; i++) {
        const char *word = argv[i], *err;
        int taken = 0;

        if (only_operands || *word != '-' || !word[1]) {
            APR_ARRAY_PUSH(ctl->operands, const char *) = word;
        } else if (!strcmp(word, "--")) {
            only_operands = 1;
        } else if (word[1] != '-') {
            return apr_psprintf(ctl->p, "there is no option %s", word);
        } else {
            err = read_option(ctl, word, i + 1 < argc ? argv[i + 1] : NULL,
                              &taken);
            if (err)
                return err;
            i += taken;
        }
    }
    if (apr_table_get(ctl->options, "help"))
        return NULL;
    read_environment(ctl);
    return check_operands(ctl);
}

const char *ctl_option(const ctl_t *ctl, const char *name)
{
    return apr_table_get(ctl->options, name);
}

static int push_value(void *values, const char *name, const char *value)
{
    (void)name;
    APR_ARRAY_PUSH((apr_array_header_t *)values, const char *) = value;
    return 1;
}

const apr_array_header_t *ctl_option_all(const ctl_t *ctl, const char *name)
{
    apr_array_header_t *values =
        apr_array_make(ctl->p, 4, sizeof(const char *));

    apr_table_do(push_value, values, ctl->options, name, NULL);
    return values->nelts ? values : NULL;
}

const char *ctl_options_synopsis(const ctl_command_t *command, apr_pool_t *p)
{
    return apr_pstrcat(p, "scepctl ", command->group, command->verb ? " " : "",
                       command->verb ? command->verb : "",
                       command->operands ? " " : "",
                       command->operands ? command->operands : "", NULL);
}

static void help_of_list(const ctl_option_t *option)
{
    for (; option->name; option++) {
        int width =
            printf("  --%s%s%s", option->name, option->value ? " " : "",
                   option->value ? option->value : "");

        if (width >= COLUMN)
            printf("\n%*s", COLUMN, "");
        else
            printf("%*s", COLUMN - width, "");
        printf("%s\n", option->about);
        if (option->many)
            printf("%*smay be given again\n", COLUMN, "");
        if (option->environment)
            printf("%*sor in %s\n", COLUMN, "", option->environment);
    }
}

void ctl_options_help(const ctl_command_t *command)
{
    static const char *const titles[] = { "Options:", "The server:",
                                          "For every command:" };

    printf("usage: scepctl %s%s%s [OPTION]...%s%s\n\n%s\n", command->group,
           command->verb ? " " : "", command->verb ? command->verb : "",
           command->operands ? " " : "",
           command->operands ? command->operands : "", command->about);
    for (int i = 0; list_of(command, i); i++) {
        if (list_of(command, i)->name) {
            printf("\n%s\n", titles[i]);
            help_of_list(list_of(command, i));
        }
    }
}
