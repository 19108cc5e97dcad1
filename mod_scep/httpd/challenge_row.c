/* challenge_row.c - challenges in SQL: parameters and rows
 * SPDX-License-Identifier: Apache-2.0
 */
#include "challenge_sql.h"

#include <apr_strings.h>
#include <openssl/crypto.h>

#include <stdlib.h>
#include <string.h>

#define DIGITS 32
#define SECRET_DIGITS 64

/* No digest is any of these. */
#define UNBOUND ""
#define UNKNOWN "-"
/* Before and after every address, and what is no address is between them. */
#define FIRST_OF_ALL ""
#define LAST_OF_ALL "~"

const char *mod_scep_sql_time(apr_time_t time, apr_pool_t *p)
{
    return apr_psprintf(p, "%" APR_INT64_T_FMT,
                        (apr_int64_t)apr_time_sec(time));
}

const char *mod_scep_sql_profile(const char *name, apr_pool_t *p)
{
    return scep_challenge_escape(name, strlen(name), p);
}

const char *mod_scep_sql_requester(const char *name, apr_pool_t *p)
{
    return scep_challenge_escape(name, SCEP_CHALLENGE_REQUESTER_MAX, p);
}

static const char *address_text(const unsigned char address[16], apr_pool_t *p)
{
    char *text = apr_palloc(p, 33);

    for (int i = 0; i < 16; i++)
        apr_snprintf(text + 2 * i, 3, "%02x", address[i]);
    return text;
}

static const char *last_of(const scep_network_t *network, apr_pool_t *p)
{
    unsigned char last[16];

    memcpy(last, network->address, sizeof(last));
    for (unsigned int bit = network->prefix; bit < 128; bit++)
        last[bit / 8] |= (unsigned char)(0x80u >> bit % 8);
    return address_text(last, p);
}

/* NULL where the digest could not be made. */
static const char *digest(const unsigned char *key, scep_digest_kind_t kind,
                          const char *text, const char *missing, apr_pool_t *p)
{
    return text ? scep_challenge_digest(key, kind, text, DIGITS, p) : missing;
}

int mod_scep_sql_issue(const char *args[],
                       const unsigned char key[SCEP_TABLE_KEY_LEN],
                       const scep_challenge_spec_t *spec, const char *token,
                       apr_pool_t *p)
{
    const scep_network_t *network = spec->network;
    const char *uses = apr_psprintf(p, "%u",
                                    spec->reusable    ? 0
                                    : spec->uses == 0 ? 1
                                                      : spec->uses);
    int i = 0;

    args[i++] = scep_challenge_digest(key, SCEP_DIGEST_ID, spec->secret,
                                      SCEP_CHALLENGE_ID_SIZE - 1, p);
    args[i++] = scep_challenge_digest(key, SCEP_DIGEST_SECRET, spec->secret,
                                      SECRET_DIGITS, p);
    args[i++] = mod_scep_sql_profile(spec->profile, p);
    args[i++] = digest(key, SCEP_DIGEST_SUBJECT, spec->subject, UNBOUND, p);
    args[i++] = digest(key, SCEP_DIGEST_SANS, spec->sans, UNBOUND, p);
    args[i++] = digest(key, SCEP_DIGEST_DEVICE, spec->device, UNBOUND, p);
    args[i++] = network ? address_text(network->address, p) : FIRST_OF_ALL;
    args[i++] = network ? last_of(network, p) : LAST_OF_ALL;
    args[i++] = mod_scep_sql_requester(spec->requester, p);
    args[i++] = scep_challenge_escape(spec->note, SCEP_CHALLENGE_NOTE_MAX, p);
    args[i++] = mod_scep_sql_time(spec->created, p);
    args[i++] = mod_scep_sql_time(spec->expires, p);
    args[i++] = uses;
    args[i++] = uses;
    args[i++] = uses;
    args[i++] = token;
    args[i] = NULL;
    /* NULL is a digest that failed */
    for (int j = 0; j < i; j++)
        if (!args[j])
            return 0;
    return 1;
}

int mod_scep_sql_facts(scep_sql_facts_t *facts,
                       const unsigned char key[SCEP_TABLE_KEY_LEN],
                       const char *secret,
                       const scep_challenge_facts_t *request, apr_pool_t *p)
{
    int devices = request->devices ? request->devices->nelts : 0;
    int ok;

    facts->mac = scep_challenge_digest(key, SCEP_DIGEST_SECRET, secret,
                                       SECRET_DIGITS, p);
    facts->profile = mod_scep_sql_profile(request->profile, p);
    facts->subject =
        digest(key, SCEP_DIGEST_SUBJECT, request->subject, UNKNOWN, p);
    facts->sans = digest(key, SCEP_DIGEST_SANS, request->sans, UNKNOWN, p);
    facts->address =
        request->address ? address_text(request->address, p) : UNBOUND;
    ok = facts->mac && facts->subject && facts->sans;
    for (int i = 0; i < SCEP_CHALLENGE_DEVICES_MAX; i++) {
        facts->device[i] = digest(key, SCEP_DIGEST_DEVICE,
                                  i < devices ? APR_ARRAY_IDX(request->devices,
                                                              i, const char *)
                                              : NULL,
                                  UNKNOWN, p);
        ok = ok && facts->device[i];
    }
    return ok;
}

void mod_scep_sql_claim(const char *args[], const scep_sql_facts_t *facts,
                        const char *token, apr_time_t now,
                        apr_interval_time_t lease, apr_pool_t *p)
{
    const char *seconds = mod_scep_sql_time(now, p);
    int i = 0;

    /* up, so that a lease is never shorter than it was asked for */
    args[i++] = mod_scep_sql_time(now + lease + APR_USEC_PER_SEC - 1, p);
    args[i++] = token;
    args[i++] = facts->mac;
    args[i++] = seconds;
    args[i++] = seconds;
    args[i++] = token;
    args[i++] = facts->profile;
    args[i++] = facts->subject;
    args[i++] = facts->sans;
    for (int j = 0; j < SCEP_CHALLENGE_DEVICES_MAX; j++)
        args[i++] = facts->device[j];
    args[i++] = facts->address;
    args[i++] = facts->address;
    args[i] = NULL;
}

/* ------------------------------------------------------------------ */

static scep_challenge_state_t state_of(const char *state, apr_int64_t now,
                                       apr_int64_t expires, apr_int64_t lease,
                                       const scep_challenge_info_t *info)
{
    switch (atoi(state)) {
    case 0:
        break;
    case 1:
        return SCEP_CHALLENGE_STATE_SPENT;
    case 2:
        return SCEP_CHALLENGE_STATE_REVOKED;
    default:
        return SCEP_CHALLENGE_STATE_NONE;
    }
    if (now < lease && !info->several && !info->reusable)
        return SCEP_CHALLENGE_STATE_CLAIMED;
    if (now >= expires)
        return SCEP_CHALLENGE_STATE_EXPIRED;
    return info->several && info->uses_left == 0 ? SCEP_CHALLENGE_STATE_CLAIMED
                                                 : SCEP_CHALLENGE_STATE_ISSUED;
}

void mod_scep_sql_row(scep_sql_row_t *row, const char *const *columns,
                      apr_time_t now)
{
    scep_challenge_info_t *info = &row->info;
    apr_int64_t expires, lease;
    int uses, i = 0;
    const char *state;

    memset(row, 0, sizeof(*row));
    apr_cpystrn(info->id, columns[i++], sizeof(info->id));
    state = columns[i++];
    info->created = apr_time_from_sec(apr_atoi64(columns[i++]));
    expires = apr_atoi64(columns[i++]);
    info->expires = apr_time_from_sec(expires);
    lease = apr_atoi64(columns[i++]);
    scep_challenge_unescape(info->requester, sizeof(info->requester),
                            columns[i++]);
    scep_challenge_unescape(info->note, sizeof(info->note), columns[i++]);
    uses = atoi(columns[i++]);
    info->reusable = uses == 0;
    info->several = uses > 1;
    i++; /* uses_open: state says it */
    info->uses_left = (unsigned int)atoi(columns[i++]);
    row->profile = columns[i++];
    row->subject = columns[i++];
    row->sans = columns[i++];
    row->device = columns[i++];
    row->first = columns[i++];
    row->last = columns[i++];
    row->token = columns[i++];
    info->bound_subject = strcmp(row->subject, UNBOUND) != 0;
    info->bound_sans = strcmp(row->sans, UNBOUND) != 0;
    info->bound_device = strcmp(row->device, UNBOUND) != 0;
    info->bound_network = strcmp(row->first, FIRST_OF_ALL) != 0;
    info->state = state_of(state, apr_time_sec(now), expires, lease, info);
    if (info->state != SCEP_CHALLENGE_STATE_ISSUED)
        info->uses_left = 0;
}

static scep_challenge_outcome_t judge_bindings(const scep_sql_row_t *row,
                                               const scep_sql_facts_t *facts)
{
    int found = 0;

    for (int i = 0; i < SCEP_CHALLENGE_DEVICES_MAX; i++)
        found |= !strcmp(row->device, facts->device[i]);
    if (strcmp(row->profile, facts->profile))
        return SCEP_CHALLENGE_BOUND_PROFILE;
    if (row->info.bound_subject && strcmp(row->subject, facts->subject))
        return SCEP_CHALLENGE_BOUND_SUBJECT;
    if (row->info.bound_sans && strcmp(row->sans, facts->sans))
        return SCEP_CHALLENGE_BOUND_SAN;
    if (row->info.bound_device && !found)
        return SCEP_CHALLENGE_BOUND_DEVICE;
    if (strcmp(facts->address, row->first) < 0 ||
        strcmp(facts->address, row->last) > 0)
        return SCEP_CHALLENGE_BOUND_NETWORK;
    return SCEP_CHALLENGE_CLAIMED;
}

scep_challenge_outcome_t mod_scep_sql_judge(const scep_sql_row_t *row,
                                            const scep_sql_facts_t *facts)
{
    switch (row->info.state) {
    case SCEP_CHALLENGE_STATE_ISSUED:
        return judge_bindings(row, facts);
    case SCEP_CHALLENGE_STATE_CLAIMED:
        return SCEP_CHALLENGE_BUSY;
    case SCEP_CHALLENGE_STATE_SPENT:
        return SCEP_CHALLENGE_SPENT;
    case SCEP_CHALLENGE_STATE_EXPIRED:
        return SCEP_CHALLENGE_EXPIRED;
    case SCEP_CHALLENGE_STATE_REVOKED:
        return SCEP_CHALLENGE_REVOKED;
    default:
        return SCEP_CHALLENGE_ERROR;
    }
}
