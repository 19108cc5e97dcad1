/* network.h - IP addresses and networks to bind and to limit by
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEP_NETWORK_H
#define SCEP_NETWORK_H

#include "../mod_scep.h"

/**
 * Reads "192.0.2.0/24", "2001:db8::/32" or an address alone.
 * @return NULL, or what is wrong with the text: bits after the prefix that
 *         are set are a mistake and not ignored
 */
const char *scep_network_parse(scep_network_t *network, const char *text,
                               apr_pool_t *p);

/**
 * Reads an address; IPv4 becomes ::ffff:a.b.c.d.  A zone ("%eth0") is cut.
 * @return zero where it is none
 */
int scep_network_address(unsigned char address[16], const char *text);

/** Keeps the first bits of an address and clears the others. */
void scep_network_mask(unsigned char masked[16],
                       const unsigned char address[16], unsigned int prefix);

int scep_network_contains(const scep_network_t *network,
                          const unsigned char address[16]);

#endif
