/* jamf_proto.c - the event by which Jamf Pro asks for a challenge
 * SPDX-License-Identifier: Apache-2.0
 */
#include "jamf_proto.h"

#include <apr_strings.h>
#include <jansson.h>

/* A member that is null is as good as absent. */
static json_t *member(json_t *object, const char *name)
{
    json_t *value = json_object_get(object, name);

    return json_is_null(value) ? NULL : value;
}

/* The text of a member, NULL where it is absent or empty. */
static const char *find_text(json_t *object, const char *name,
                             const char **err, apr_pool_t *p)
{
    json_t *value = member(object, name);

    if (value && !json_is_string(value) && !*err)
        *err = apr_psprintf(p, "\"%s\" must be a string.", name);
    return value && json_string_length(value)
               ? apr_pstrdup(p, json_string_value(value))
               : NULL;
}

/* Fleet has the device as an object of its own, Jamf in other events too. */
static const char *find_in_event(json_t *event, const char *name,
                                 const char **err, apr_pool_t *p)
{
    static const char *const holders[] = { "device", "targetDevice" };
    const char *text = NULL, *own = find_text(event, name, err, p);

    for (size_t i = 0; i < sizeof(holders) / sizeof(*holders); i++) {
        json_t *holder = member(event, holders[i]);

        if (holder && !json_is_object(holder) && !*err)
            *err = apr_psprintf(p, "\"%s\" must be an object.", holders[i]);
        if (!text)
            text = find_text(holder, name, err, p);
    }
    return text ? text : own;
}

static const char *read_event(scep_jamf_event_t *found, json_t *event,
                              apr_pool_t *p)
{
    static const char *const names[] = { "serialNumber", "udid", "uuid" };
    const char *err = NULL;

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        const char *text = find_in_event(event, names[i], &err, p);

        if (!found->device)
            found->device = text;
    }
    found->user = find_in_event(event, "username", &err, p);
    if (!found->device)
        found->device = found->user;
    return err;
}

static const char *read_body(scep_jamf_event_t *found, json_t *body,
                             apr_pool_t *p)
{
    json_t *webhook = member(body, "webhook"), *event = member(body, "event");
    const char *ignored = NULL, *err, *kind;

    if (!json_is_object(webhook))
        return "\"webhook\" must be an object.";
    if (event && !json_is_object(event))
        return "\"event\" must be an object.";
    kind = json_string_value(member(webhook, "webhookEvent"));
    if (!kind || strcmp(kind, "SCEPChallenge"))
        return "\"webhookEvent\" must be \"SCEPChallenge\".";
    err = read_event(found, event, p);
    found->probe = !found->device &&
                   !find_text(webhook, "name", &ignored, p) &&
                   !find_text(event, "payloadIdentifier", &ignored, p);
    return err;
}

const char *mod_scep_jamf_proto_read(scep_jamf_event_t *event,
                                     const char *body, apr_size_t len,
                                     apr_pool_t *p)
{
    json_error_t error;
    /* A time in units that are too small for an integer is no mistake. */
    json_t *root =
        json_loadb(body, len, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL,
                   &error);
    const char *err;

    memset(event, 0, sizeof(*event));
    if (!root)
        return apr_psprintf(p, "The body is no JSON: %s.", error.text);
    err = json_is_object(root) ? read_body(event, root, p)
                               : "The body must be a JSON object.";
    json_decref(root);
    return err;
}
