/* memory.h - what the children of a server hold, over a run
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef BENCH_MEMORY_H
#define BENCH_MEMORY_H

#define MEMORY_CHILDREN_MAX 64

/** One child process; sizes in KiB. */
typedef struct memory_child_t {
    int pid;
    int gone;        /**< it has ended meanwhile */
    long begin, end; /**< memory of its own (Pss_Anon): what can leak */
    long pss_begin, pss_end; /**< with its part of what is shared */
} memory_child_t;

typedef struct memory_t {
    memory_child_t children[MEMORY_CHILDREN_MAX];
    int count;
} memory_t;

/** Looks at the children of a process; 0: there is nothing to watch. */
void memory_begin(memory_t *memory, int parent);

/** Looks again at the children that there were. */
void memory_look(memory_t *memory);

/** Prints both looks, and the largest growth as memory_growth_kib. */
void memory_print(const memory_t *memory);

#endif
