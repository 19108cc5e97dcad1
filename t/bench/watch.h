/* watch.h - memory and processor time of a server's children
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef BENCH_WATCH_H
#define BENCH_WATCH_H

#define WATCH_CHILDREN_MAX 64

/** One child process; sizes in KiB. */
typedef struct watch_child_t {
    int pid;
    int gone;        /**< it has ended meanwhile */
    long begin, end; /**< memory of its own (Pss_Anon): what can leak */
    long pss_begin, pss_end; /**< with its part of what is shared */
} watch_child_t;

typedef struct watch_t {
    watch_child_t children[WATCH_CHILDREN_MAX];
    int count;
} watch_t;

/** Looks at the children of a process; 0: there is nothing to watch. */
void watch_begin(watch_t *watch, int parent);

/** Looks again at the memory of the children that there were. */
void watch_memory(watch_t *watch);

/** Seconds of processor time that the children have used so far. */
double watch_time(const watch_t *watch);

/** Prints both looks, and the largest growth as memory_growth_kib. */
void watch_print(const watch_t *watch);

#endif
