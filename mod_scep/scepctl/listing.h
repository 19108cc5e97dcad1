/* listing.h - lists of the admin API, page after page
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEPCTL_LISTING_H
#define SCEPCTL_LISTING_H

#include <jansson.h>

#include "scepctl.h"

/** What is listed, and how people see it. */
typedef struct ctl_listing_t {
    const char *resource;       /**< such as "challenges": of the path, and the
                                     member of the answer */
    const char *const *filters; /**< options that become parameters, ended by
                                     NULL */
    void (*print_head)(void);
    void (*print_row)(const json_t *row, apr_pool_t *p);
} ctl_listing_t;

/** Lists what the options say, at most as much as --limit says; with --json
 * as an array. */
ctl_status_t ctl_listing_run(ctl_t *ctl, const ctl_listing_t *listing);

/** A member as text, "-" where there is none. */
const char *ctl_listing_text(const json_t *row, const char *member,
                             apr_pool_t *p);

#endif
