/* fuzz.h - what a fuzz target gives to libFuzzer and to replay.c
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

/** Directories below the source directory with inputs to replay, NULL last. */
extern const char *const fuzz_seeds[];

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
