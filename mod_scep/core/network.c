/* network.c - IP addresses and networks to bind and to limit by
 * SPDX-License-Identifier: Apache-2.0
 */
#include "network.h"

#include <apr_lib.h>
#include <apr_strings.h>

#include <arpa/inet.h>
#include <string.h>

#define IPV4_PREFIX 96

int scep_network_address(unsigned char address[16], const char *text)
{
    char bare[INET6_ADDRSTRLEN];
    size_t len = strcspn(text, "%");

    if (len >= sizeof(bare))
        return 0;
    memcpy(bare, text, len);
    bare[len] = '\0';
    memset(address, 0, 10);
    memset(address + 10, 0xff, 2);
    return inet_pton(AF_INET, bare, address + 12) == 1 ||
           inet_pton(AF_INET6, bare, address) == 1;
}

void scep_network_mask(unsigned char masked[16],
                       const unsigned char address[16], unsigned int prefix)
{
    for (unsigned int i = 0; i < 16; i++) {
        unsigned int bits = prefix <= 8 * i ? 0 : prefix - 8 * i;

        masked[i] = bits >= 8
                        ? address[i]
                        : (unsigned char)(address[i] & (0xff00u >> bits));
    }
}

const char *scep_network_parse(scep_network_t *network, const char *text,
                               apr_pool_t *p)
{
    const char *slash = strchr(text, '/');
    const char *host = slash ? apr_pstrmemdup(p, text, slash - text) : text;
    int ipv4 = strchr(host, ':') == NULL;
    unsigned int width = ipv4 ? 32 : 128, bits = width;
    unsigned char address[16];

    if (strchr(host, '%') || !scep_network_address(address, host))
        return apr_psprintf(p, "'%s' is no IP address", host);
    if (slash) {
        size_t digits = strspn(slash + 1, "0123456789");

        if (digits == 0 || digits > 3 || slash[1 + digits] ||
            (bits = (unsigned int)atoi(slash + 1)) > width) {
            return apr_psprintf(p, "a prefix length goes from /0 to /%u",
                                width);
        }
    }
    network->prefix = ipv4 ? IPV4_PREFIX + bits : bits;
    scep_network_mask(network->address, address, network->prefix);
    return memcmp(network->address, address, sizeof(address))
               ? apr_psprintf(p, "'%s' has bits set after its prefix", text)
               : NULL;
}

int scep_network_contains(const scep_network_t *network,
                          const unsigned char address[16])
{
    unsigned char masked[16];

    scep_network_mask(masked, address, network->prefix);
    return memcmp(masked, network->address, sizeof(masked)) == 0;
}
