/* watch.c - memory and processor time of a server's children
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "watch.h"

static int look(int pid, long *own, long *pss)
{
    char path[64], line[256];
    FILE *file;
    int found = 0;

    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
    file = fopen(path, "r");
    if (file == NULL)
        return -1;
    while (fgets(line, sizeof(line), file) != NULL) {
        found += sscanf(line, "Pss: %ld", pss) == 1;
        found += sscanf(line, "Pss_Anon: %ld", own) == 1;
    }
    fclose(file);
    return found == 2 ? 0 : -1;
}

void watch_begin(watch_t *watch, int parent)
{
    char path[64];
    FILE *file;
    int pid;

    memset(watch, 0, sizeof(*watch));
    if (parent <= 0)
        return;
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", parent, parent);
    file = fopen(path, "r");
    if (file == NULL) {
        perror(path);
        return;
    }
    while (watch->count < WATCH_CHILDREN_MAX &&
           fscanf(file, "%d", &pid) == 1) {
        watch_child_t *child = &watch->children[watch->count];

        child->pid = pid;
        if (look(pid, &child->begin, &child->pss_begin) == 0)
            watch->count++;
    }
    fclose(file);
    watch_memory(watch);
}

void watch_memory(watch_t *watch)
{
    int i;

    for (i = 0; i < watch->count; i++) {
        watch_child_t *child = &watch->children[i];

        if (look(child->pid, &child->end, &child->pss_end) != 0)
            child->gone = 1;
    }
}

double watch_time(const watch_t *watch)
{
    const double tick = (double)sysconf(_SC_CLK_TCK);
    unsigned long user, system;
    double seconds = 0;
    char path[64], line[1024];
    FILE *file;
    int i;

    for (i = 0; i < watch->count; i++) {
        snprintf(path, sizeof(path), "/proc/%d/stat", watch->children[i].pid);
        file = fopen(path, "r");
        if (file == NULL)
            continue;
        /* the name in parentheses may have anything in it */
        if (fgets(line, sizeof(line), file) != NULL &&
            strrchr(line, ')') != NULL &&
            sscanf(strrchr(line, ')'),
                   ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
                   &user, &system) == 2)
            seconds += (double)(user + system) / tick;
        fclose(file);
    }
    return seconds;
}

void watch_print(const watch_t *watch)
{
    long growth = 0;
    int i;

    for (i = 0; i < watch->count; i++) {
        const watch_child_t *child = &watch->children[i];

        printf("memory_child=%d own %ld -> %ld KiB, with shared %ld -> %ld "
               "KiB%s\n",
               child->pid, child->begin, child->end, child->pss_begin,
               child->pss_end, child->gone ? ", ended" : "");
        if (child->end - child->begin > growth)
            growth = child->end - child->begin;
    }
    if (watch->count > 0)
        printf("memory_growth_kib=%ld\n", growth);
}
