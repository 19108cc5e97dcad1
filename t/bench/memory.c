/* memory.c - what the children of a server hold, over a run
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "memory.h"

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

void memory_begin(memory_t *memory, int parent)
{
    char path[64];
    FILE *file;
    int pid;

    memset(memory, 0, sizeof(*memory));
    if (parent <= 0)
        return;
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", parent, parent);
    file = fopen(path, "r");
    if (file == NULL) {
        perror(path);
        return;
    }
    while (memory->count < MEMORY_CHILDREN_MAX &&
           fscanf(file, "%d", &pid) == 1) {
        memory_child_t *child = &memory->children[memory->count];

        child->pid = pid;
        if (look(pid, &child->begin, &child->pss_begin) == 0)
            memory->count++;
    }
    fclose(file);
    memory_look(memory);
}

void memory_look(memory_t *memory)
{
    int i;

    for (i = 0; i < memory->count; i++) {
        memory_child_t *child = &memory->children[i];

        if (look(child->pid, &child->end, &child->pss_end) != 0)
            child->gone = 1;
    }
}

void memory_print(const memory_t *memory)
{
    long growth = 0;
    int i;

    for (i = 0; i < memory->count; i++) {
        const memory_child_t *child = &memory->children[i];

        printf("memory_child=%d own %ld -> %ld KiB, with shared %ld -> %ld "
               "KiB%s\n",
               child->pid, child->begin, child->end, child->pss_begin,
               child->pss_end, child->gone ? ", ended" : "");
        if (child->end - child->begin > growth)
            growth = child->end - child->begin;
    }
    if (memory->count > 0)
        printf("memory_growth_kib=%ld\n", growth);
}
