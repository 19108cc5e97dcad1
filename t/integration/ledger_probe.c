/* ledger_probe.c - an httpd module that does with the ledger what it is told
 * SPDX-License-Identifier: Apache-2.0
 *
 * It has the ledger's own files, on httpd's own mod_dbd, in httpd's own
 * processes and threads, and stands where mod_scep would:
 *
 *   LoadModule scep_module ledger_probe.so
 *   ProbeLedger PREFIX
 *   ProbeMigration TEXT [TEXT]   (of a version after the last one)
 *   <Location "/probe">  SetHandler ledger-probe
 *
 * The last part of the path is the call, the query has its arguments; the
 * answer is JSON: "status", what the call gives, and the microseconds that it
 * has "elapsed".
 */
#include "../../mod_scep/httpd/ledger.h"

#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <jansson.h>
#include <util_script.h>

#include <stdlib.h>

#include "../../mod_scep/httpd/ledger_sql.h"
#include "ledger_load.h"

static scep_ledger_t *ledger;

/* One call. */
typedef struct call_t {
    apr_pool_t *p;
    apr_table_t *query;
    json_t *out;
} call_t;

static const char *text(const call_t *call, const char *name)
{
    const char *value = apr_table_get(call->query, name);

    return value ? value : "";
}

static const char *or_null(const call_t *call, const char *name)
{
    return apr_table_get(call->query, name);
}

static apr_int64_t number(const call_t *call, const char *name,
                          apr_int64_t otherwise)
{
    const char *value = apr_table_get(call->query, name);

    return value ? apr_atoi64(value) : otherwise;
}

static void say(json_t *object, const char *name, const char *value)
{
    json_object_set_new(object, name, json_string(value));
}

static void tell(json_t *object, const char *name, apr_int64_t value)
{
    json_object_set_new(object, name, json_integer(value));
}

/* ------------------------------------------------------------------ */
/* Records, certificates, events                                        */

static void read_record(const call_t *call, scep_record_t *record)
{
    record->key = text(call, "key");
    record->profile = text(call, "profile");
    record->ca = text(call, "ca");
    record->transaction_id = text(call, "tid");
    record->signer = text(call, "signer");
    record->spki = text(call, "spki");
    record->names = text(call, "names");
    record->device = text(call, "device");
    record->type = (int)number(call, "type", 19);
    record->csr = (const unsigned char *)text(call, "csr");
    record->csr_len = strlen(text(call, "csr"));
    record->subject = text(call, "subject");
    record->sans = text(call, "sans");
    record->address = text(call, "address");
    record->verifier = text(call, "verifier");
    record->grant = text(call, "grant");
    record->verified_by = text(call, "verified_by");
    record->requester = text(call, "requester");
    record->renews = text(call, "renews");
    record->created = number(call, "created", 0);
    record->state = (scep_state_t)number(call, "state", 0);
    record->handle = text(call, "handle");
    record->serial = text(call, "serial");
    record->reason = (scep_reason_t)number(call, "reason", 0);
    record->fail_info = (scep_fail_info_t)number(call, "fail_info", 0);
    record->detail = text(call, "detail");
    record->settled = (int)number(call, "settled", 0);
    record->tries = (unsigned int)number(call, "tries", 0);
    record->due = number(call, "due", 0);
    record->approvals = text(call, "approvals");
    record->submitted = number(call, "submitted", 0);
    record->updated = number(call, "updated", 0);
    record->token = text(call, "token");
    record->lease = number(call, "lease", 0);
}

static json_t *show_record(const scep_record_t *record)
{
    json_t *made = json_object();

    say(made, "key", record->key);
    say(made, "profile", record->profile);
    say(made, "ca", record->ca);
    say(made, "tid", record->transaction_id);
    say(made, "signer", record->signer);
    say(made, "spki", record->spki);
    say(made, "names", record->names);
    say(made, "device", record->device);
    tell(made, "type", record->type);
    json_object_set_new(made, "csr",
                        json_stringn((const char *)record->csr,
                                     record->csr_len));
    say(made, "subject", record->subject);
    say(made, "sans", record->sans);
    say(made, "address", record->address);
    say(made, "verifier", record->verifier);
    say(made, "grant", record->grant);
    say(made, "verified_by", record->verified_by);
    say(made, "requester", record->requester);
    say(made, "renews", record->renews);
    tell(made, "created", record->created);
    tell(made, "state", record->state);
    say(made, "handle", record->handle);
    say(made, "serial", record->serial);
    tell(made, "reason", record->reason);
    tell(made, "fail_info", record->fail_info);
    say(made, "detail", record->detail);
    tell(made, "settled", record->settled);
    tell(made, "tries", record->tries);
    tell(made, "due", record->due);
    say(made, "approvals", record->approvals);
    tell(made, "submitted", record->submitted);
    tell(made, "updated", record->updated);
    say(made, "token", record->token);
    tell(made, "lease", record->lease);
    return made;
}

static void read_certificate(const call_t *call,
                             scep_certificate_t *certificate)
{
    certificate->serial = text(call, "serial");
    certificate->ca = text(call, "ca");
    certificate->profile = text(call, "profile");
    certificate->enrolment = text(call, "key");
    certificate->subject = text(call, "subject");
    certificate->sans = text(call, "sans");
    certificate->device = text(call, "device");
    certificate->names = text(call, "names");
    certificate->spki = text(call, "spki");
    certificate->der = (const unsigned char *)text(call, "der");
    certificate->der_len = strlen(text(call, "der"));
    certificate->not_before = number(call, "not_before", 0);
    certificate->not_after = number(call, "not_after", 0);
    certificate->state =
        (scep_certificate_state_t)number(call, "cert_state", 0);
    certificate->reason = (int)number(call, "cert_reason", 0);
    certificate->changed = number(call, "changed", 0);
    certificate->due = number(call, "cert_due", 0);
    certificate->successor = text(call, "successor");
}

static json_t *show_certificate(const scep_certificate_t *certificate)
{
    json_t *made = json_object();

    say(made, "serial", certificate->serial);
    say(made, "ca", certificate->ca);
    say(made, "profile", certificate->profile);
    say(made, "key", certificate->enrolment);
    say(made, "subject", certificate->subject);
    say(made, "sans", certificate->sans);
    say(made, "device", certificate->device);
    say(made, "names", certificate->names);
    say(made, "spki", certificate->spki);
    json_object_set_new(made, "der",
                        json_stringn((const char *)certificate->der,
                                     certificate->der_len));
    tell(made, "not_before", certificate->not_before);
    tell(made, "not_after", certificate->not_after);
    tell(made, "cert_state", certificate->state);
    tell(made, "cert_reason", certificate->reason);
    tell(made, "changed", certificate->changed);
    tell(made, "cert_due", certificate->due);
    say(made, "successor", certificate->successor);
    return made;
}

/* "events": their types, commas between; "event_..." fills each. */
static apr_array_header_t *read_events(const call_t *call)
{
    apr_array_header_t *events =
        apr_array_make(call->p, 4, sizeof(scep_event_t));
    char *last, *copy = apr_pstrdup(call->p, text(call, "events"));

    for (char *word = apr_strtok(copy, ",", &last); word;
         word = apr_strtok(NULL, ",", &last)) {
        scep_event_t *event = apr_array_push(events);

        event->type = (scep_event_type_t)atoi(word);
        event->time = number(call, "event_time", 0);
        event->profile = or_null(call, "profile");
        event->actor = or_null(call, "event_actor");
        event->address = or_null(call, "address");
        event->challenge = or_null(call, "verified_by");
        event->enrolment = or_null(call, "key");
        event->ca = or_null(call, "ca");
        event->ca_request = or_null(call, "handle");
        event->serial = or_null(call, "serial");
        event->detail = or_null(call, "detail");
    }
    return events;
}

static json_t *show_event(const scep_ledger_event_t *row)
{
    const scep_event_t *event = &row->event;
    json_t *made = json_object();

    tell(made, "number", row->number);
    tell(made, "seal", row->seal);
    tell(made, "type", event->type);
    tell(made, "time", event->time);
    say(made, "profile", event->profile);
    say(made, "actor", event->actor);
    say(made, "address", event->address);
    say(made, "challenge", event->challenge);
    say(made, "enrolment", event->enrolment);
    say(made, "ca", event->ca);
    say(made, "ca_request", event->ca_request);
    say(made, "serial", event->serial);
    say(made, "detail", event->detail);
    return made;
}

static void read_filter(const call_t *call, scep_ledger_filter_t *filter)
{
    filter->profile = or_null(call, "profile");
    filter->state = (int)number(call, "state", -1);
    filter->pending = (int)number(call, "pending", 0);
    filter->challenge = or_null(call, "challenge");
    filter->enrolment = or_null(call, "enrolment");
    filter->serial = or_null(call, "serial");
    filter->subject = or_null(call, "subject");
    filter->device = or_null(call, "device");
    filter->expires_before = number(call, "expires_before", 0);
    filter->since = number(call, "since", 0);
    filter->type = (int)number(call, "type", 0);
    filter->seal = number(call, "seal", -1);
    filter->after = number(call, "after", 0);
    filter->ascending = (int)number(call, "ascending", 0);
    filter->limit = (int)number(call, "limit", 0);
}

/* ------------------------------------------------------------------ */
/* Calls                                                                */

static apr_status_t do_receive(call_t *call)
{
    scep_record_t record;

    read_record(call, &record);
    return mod_scep_ledger_receive(ledger, &record,
                                   (int)number(call, "revive", 0), NULL,
                                   read_events(call), call->p);
}

static apr_status_t do_update(call_t *call)
{
    scep_certificate_t certificate;
    scep_record_t record;

    read_record(call, &record);
    read_certificate(call, &certificate);
    record.token = text(call, "new_token");
    return mod_scep_ledger_update(ledger, text(call, "token"), &record,
                                  *certificate.serial ? &certificate : NULL,
                                  read_events(call), call->p);
}

static apr_status_t do_take(call_t *call)
{
    scep_record_t record;
    apr_status_t rv =
        mod_scep_ledger_take(ledger, text(call, "key"), text(call, "token"),
                             number(call, "now", 0), number(call, "lease", 0),
                             &record, call->p);

    if (rv == APR_SUCCESS)
        json_object_set_new(call->out, "record", show_record(&record));
    return rv;
}

static apr_status_t do_get(call_t *call)
{
    scep_record_t record;
    apr_status_t rv =
        mod_scep_ledger_get(ledger, text(call, "key"), &record, call->p);

    if (rv == APR_SUCCESS)
        json_object_set_new(call->out, "record", show_record(&record));
    return rv;
}

static apr_status_t do_seen(call_t *call)
{
    apr_array_header_t *found;
    json_t *rows = json_array();
    apr_status_t rv = mod_scep_ledger_seen(ledger, text(call, "profile"),
                                           text(call, "signer"),
                                           text(call, "tid"), &found, call->p);

    for (int i = 0; rv == APR_SUCCESS && i < found->nelts; i++)
        json_array_append_new(rows,
                              show_record(
                                  &APR_ARRAY_IDX(found, i, scep_record_t)));
    json_object_set_new(call->out, "rows", rows);
    return rv;
}

static apr_status_t do_due(call_t *call)
{
    apr_array_header_t *keys;
    json_t *rows = json_array();
    apr_status_t rv =
        mod_scep_ledger_due(ledger, number(call, "now", 0),
                            (int)number(call, "limit", 100), &keys, call->p);

    for (int i = 0; rv == APR_SUCCESS && i < keys->nelts; i++)
        json_array_append_new(rows, json_string(
                                        APR_ARRAY_IDX(keys, i, const char *)));
    json_object_set_new(call->out, "rows", rows);
    return rv;
}

static apr_status_t do_waiting(call_t *call)
{
    int counts[SCEP_STATE_ISSUED];
    json_t *rows = json_array();
    apr_status_t rv = mod_scep_ledger_waiting(ledger, counts, call->p);

    for (int i = 0; rv == APR_SUCCESS && i < SCEP_STATE_ISSUED; i++)
        json_array_append_new(rows, json_integer(counts[i]));
    json_object_set_new(call->out, "rows", rows);
    return rv;
}

static apr_status_t do_list(call_t *call)
{
    scep_ledger_filter_t filter;
    apr_array_header_t *found;
    json_t *rows = json_array();
    apr_status_t rv;

    read_filter(call, &filter);
    rv = mod_scep_ledger_list(ledger, &filter, &found, call->p);
    for (int i = 0; rv == APR_SUCCESS && i < found->nelts; i++) {
        const scep_ledger_record_t *row =
            &APR_ARRAY_IDX(found, i, scep_ledger_record_t);
        json_t *shown = show_record(&row->record);

        tell(shown, "number", row->number);
        json_array_append_new(rows, shown);
    }
    json_object_set_new(call->out, "rows", rows);
    return rv;
}

static void show_certificates(call_t *call, const apr_array_header_t *found)
{
    json_t *rows = json_array();

    for (int i = 0; found && i < found->nelts; i++) {
        const scep_ledger_certificate_t *row =
            &APR_ARRAY_IDX(found, i, scep_ledger_certificate_t);
        json_t *shown = show_certificate(&row->certificate);

        tell(shown, "number", row->number);
        json_array_append_new(rows, shown);
    }
    json_object_set_new(call->out, "rows", rows);
}

static apr_status_t do_certificates(call_t *call)
{
    scep_ledger_filter_t filter;
    apr_array_header_t *found = NULL;
    apr_status_t rv;

    read_filter(call, &filter);
    rv = mod_scep_ledger_certificates(ledger, &filter, &found, call->p);
    show_certificates(call, found);
    return rv;
}

static apr_status_t do_certificates_due(call_t *call)
{
    apr_array_header_t *found = NULL;
    apr_status_t rv =
        mod_scep_ledger_certificates_due(ledger, number(call, "now", 0),
                                         (int)number(call, "limit", 100),
                                         &found, call->p);

    show_certificates(call, found);
    return rv;
}

static apr_status_t do_certificate(call_t *call)
{
    scep_certificate_t certificate;
    apr_status_t rv = mod_scep_ledger_certificate(ledger, text(call, "ca"),
                                                  text(call, "serial"),
                                                  &certificate, call->p);

    if (rv == APR_SUCCESS) {
        json_object_set_new(call->out, "certificate",
                            show_certificate(&certificate));
    }
    return rv;
}

static apr_status_t do_change(call_t *call)
{
    scep_certificate_t certificate;

    read_certificate(call, &certificate);
    return mod_scep_ledger_certificate_change(
        ledger, (scep_certificate_state_t)number(call, "from", 0),
        &certificate, read_events(call), call->p);
}

static apr_status_t do_count_live(call_t *call)
{
    int count = -1;
    apr_status_t rv =
        mod_scep_ledger_count_live(ledger, text(call, "profile"),
                                   text(call, "names"), number(call, "now", 0),
                                   &count, call->p);

    tell(call->out, "count", count);
    return rv;
}

static apr_status_t do_count_key(call_t *call)
{
    int count = -1;
    apr_status_t rv =
        mod_scep_ledger_count_key(ledger, text(call, "spki"),
                                  text(call, "names"), number(call, "now", 0),
                                  &count, call->p);

    tell(call->out, "count", count);
    return rv;
}

static apr_status_t do_add(call_t *call)
{
    return mod_scep_ledger_events_add(ledger, read_events(call), call->p);
}

static apr_status_t do_events(call_t *call)
{
    scep_ledger_filter_t filter;
    apr_array_header_t *found;
    json_t *rows = json_array();
    apr_status_t rv;

    read_filter(call, &filter);
    rv = mod_scep_ledger_events(ledger, &filter, &found, call->p);
    for (int i = 0; rv == APR_SUCCESS && i < found->nelts; i++)
        json_array_append_new(rows,
                              show_event(&APR_ARRAY_IDX(found, i,
                                                        scep_ledger_event_t)));
    json_object_set_new(call->out, "rows", rows);
    return rv;
}

static apr_status_t do_seal(call_t *call)
{
    apr_array_header_t *numbers =
        apr_array_make(call->p, 8, sizeof(apr_int64_t));
    char *last, *copy = apr_pstrdup(call->p, text(call, "numbers"));
    const char *leaves = "";
    scep_ledger_seal_t seal;

    for (char *word = apr_strtok(copy, ",", &last); word;
         word = apr_strtok(NULL, ",", &last)) {
        APR_ARRAY_PUSH(numbers, apr_int64_t) = apr_atoi64(word);
        leaves = apr_pstrcat(call->p, leaves, *leaves ? " " : "", word, ":00",
                             NULL);
    }
    seal.number = number(call, "number", 1);
    seal.time = number(call, "time", 0);
    seal.count = numbers->nelts;
    seal.leaves = leaves;
    seal.root = text(call, "root");
    seal.previous = text(call, "previous");
    seal.certificate = text(call, "certificate");
    seal.signature = text(call, "signature");
    return mod_scep_ledger_seal(ledger, &seal, numbers, call->p);
}

static apr_status_t do_seals(call_t *call)
{
    apr_array_header_t *found;
    json_t *rows = json_array();
    apr_status_t rv = mod_scep_ledger_seals(ledger, number(call, "after", 0),
                                            (int)number(call, "limit", 100),
                                            &found, call->p);

    for (int i = 0; rv == APR_SUCCESS && i < found->nelts; i++) {
        const scep_ledger_seal_t *seal =
            &APR_ARRAY_IDX(found, i, scep_ledger_seal_t);
        json_t *shown = json_object();

        tell(shown, "number", seal->number);
        tell(shown, "time", seal->time);
        tell(shown, "count", seal->count);
        say(shown, "leaves", seal->leaves);
        say(shown, "root", seal->root);
        say(shown, "previous", seal->previous);
        say(shown, "certificate", seal->certificate);
        say(shown, "signature", seal->signature);
        json_array_append_new(rows, shown);
    }
    json_object_set_new(call->out, "rows", rows);
    return rv;
}

static apr_status_t do_duty(call_t *call)
{
    return mod_scep_ledger_duty(ledger, text(call, "duty"), text(call, "node"),
                                number(call, "now", 0),
                                number(call, "until", 0), call->p);
}

static apr_status_t do_retain(call_t *call)
{
    int deleted = 0;
    apr_status_t rv =
        mod_scep_ledger_retain(ledger, number(call, "before", 0),
                               number(call, "now", 0), &deleted, call->p);

    tell(call->out, "deleted", deleted);
    return rv;
}

static apr_status_t do_load(call_t *call)
{
    ledger_load_t load;
    apr_status_t rv =
        ledger_load_run(ledger, (int)number(call, "threads", 1),
                        (int)number(call, "count", 1), &load, call->p);

    if (rv == APR_SUCCESS) {
        tell(call->out, "done", load.done);
        tell(call->out, "failed", load.failed);
        tell(call->out, "consumed", load.consumed);
    }
    return rv;
}

static apr_status_t do_health(call_t *call)
{
    return mod_scep_ledger_health(ledger, call->p);
}

static const struct {
    const char *name;
    apr_status_t (*run)(call_t *call);
} calls[] = { { "receive", do_receive },
              { "update", do_update },
              { "take", do_take },
              { "get", do_get },
              { "seen", do_seen },
              { "due", do_due },
              { "waiting", do_waiting },
              { "list", do_list },
              { "certificates", do_certificates },
              { "certificates_due", do_certificates_due },
              { "certificate", do_certificate },
              { "change", do_change },
              { "count_live", do_count_live },
              { "count_key", do_count_key },
              { "add", do_add },
              { "events", do_events },
              { "seal", do_seal },
              { "seals", do_seals },
              { "duty", do_duty },
              { "retain", do_retain },
              { "health", do_health },
              { "load", do_load } };

/* ------------------------------------------------------------------ */
/* The module                                                           */

static const char *status_name(apr_status_t rv)
{
    switch (rv) {
    case APR_SUCCESS:
        return "ok";
    case APR_EEXIST:
        return "exists";
    case APR_ENOENT:
        return "taken";
    case APR_EBUSY:
        return "busy";
    case APR_NOTFOUND:
        return "none";
    default:
        return "failed";
    }
}

static int handler(request_rec *r)
{
    call_t call = { r->pool, NULL, NULL };
    const char *name = strrchr(r->uri, '/') + 1;
    char *body;

    if (!r->handler || strcmp(r->handler, "ledger-probe"))
        return DECLINED;
    for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
        if (!strcmp(name, calls[i].name)) {
            apr_time_t begun;
            apr_status_t rv;

            call.out = json_object();
            ap_args_to_table(r, &call.query);
            begun = apr_time_now();
            rv = calls[i].run(&call);
            tell(call.out, "elapsed", apr_time_now() - begun);
            say(call.out, "status", status_name(rv));
            tell(call.out, "pid", getpid());
            body = json_dumps(call.out, JSON_COMPACT);
            ap_set_content_type(r, "application/json");
            ap_rputs(body ? body : "{}", r);
            free(body);
            json_decref(call.out);
            return OK;
        }
    return HTTP_NOT_FOUND;
}

static const char *set_ledger(cmd_parms *cmd, void *dirv, const char *prefix)
{
    (void)dirv;
    return mod_scep_ledger_create(&ledger, prefix, cmd->pool);
}

static const char *add_migration(cmd_parms *cmd, void *dirv, const char *first,
                                 const char *second)
{
    const char **texts = apr_pcalloc(cmd->pool, 3 * sizeof(*texts));
    const char *const **all;
    int count = 0;

    (void)dirv;
    while (ledger->migrations[count])
        count++;
    all = apr_pcalloc(cmd->pool, ((apr_size_t)count + 2) * sizeof(*all));
    memcpy(all, ledger->migrations, (apr_size_t)count * sizeof(*all));
    texts[0] = first;
    texts[1] = second;
    all[count] = texts;
    ledger->migrations = all;
    return NULL;
}

static int pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp)
{
    (void)plog;
    (void)ptemp;
    return mod_scep_database_register(pconf) == APR_SUCCESS ? OK : !OK;
}

static int post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                       server_rec *s)
{
    (void)pconf;
    (void)plog;
    (void)ptemp;
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG)
        return OK;
    return mod_scep_ledger_open(ledger, s) == APR_SUCCESS ? OK : !OK;
}

static void child_init(apr_pool_t *p, server_rec *s)
{
    mod_scep_ledger_child_init(ledger, s, p);
}

static void register_hooks(apr_pool_t *p)
{
    (void)p;
    ap_hook_pre_config(pre_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(post_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(child_init, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(handler, NULL, NULL, APR_HOOK_MIDDLE);
}

static const command_rec commands[] = {
    AP_INIT_TAKE1("ProbeLedger", set_ledger, NULL, RSRC_CONF, "prefix"),
    AP_INIT_TAKE12("ProbeMigration", add_migration, NULL, RSRC_CONF, "texts"),
    { NULL }
};

module AP_MODULE_DECLARE_DATA scep_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, commands, register_hooks,
    AP_MODULE_FLAG_NONE
};
