/* explain.c - which rule would decide what about a request
 * SPDX-License-Identifier: Apache-2.0
 */
#include "explain.h"

#include <apr_strings.h>
#include <openssl/err.h>

#include "device.h"
#include "network.h"

/* What the steps below share. */
typedef struct explain_t {
    const scep_explain_request_t *request;
    const scep_alg_t *alg;
    scep_csr_t *csr;
    scep_verify_request_t who;
    unsigned char client[16];
    scep_policy_request_t asked;
    scep_policy_answer_t allowed;
    scep_explanation_t *out;
    apr_pool_t *p;
} explain_t;

static scep_step_t *add(explain_t *explain, const char *rule,
                        scep_step_result_t result, const char *detail)
{
    scep_step_t *step = apr_array_push(explain->out->steps);

    memset(step, 0, sizeof(*step));
    step->rule = rule;
    step->result = result;
    step->detail = detail;
    return step;
}

/* Adds what a check of the enrolment has said. */
static void add_checked(explain_t *explain, const char *rule,
                        const scep_result_t *res, const char *detail)
{
    scep_step_t *step;

    if (res->reason == SCEP_REASON_NONE) {
        add(explain, rule, SCEP_STEP_PASSED, detail);
        return;
    }
    step = add(explain, rule, SCEP_STEP_REFUSED, res->detail);
    step->reason = res->reason;
    step->decides = 1;
}

/* ------------------------------------------------------------------ */
/* The request                                                          */

static void explain_type(explain_t *explain)
{
    scep_result_t res = SCEP_RESULT_INIT;

    scep_enrol_check_type(explain->request->profile, explain->request->type,
                          &res, explain->p);
    add_checked(explain, "messageType", &res, NULL);
}

/* The three things that scep_csr_verify looks at, of which it says one. */
static void explain_content(explain_t *explain)
{
    static const scep_result_t good = SCEP_RESULT_INIT;
    const scep_csr_t *csr = explain->csr;
    unsigned int digests = explain->request->profile->digests;
    scep_result_t res = SCEP_RESULT_INIT, rest = SCEP_RESULT_INIT;

    scep_csr_verify(csr, digests, explain->alg, &res, explain->p);
    add_checked(explain, "signature",
                res.reason == SCEP_REASON_POP ? &res : &good, NULL);
    if (res.reason == SCEP_REASON_DIGEST)
        rest = res;
    else if (!(csr->digest & digests))
        scep_result_fail(&rest, explain->p, SCEP_REASON_DIGEST,
                         "the CSR's digest is not allowed");
    add_checked(explain, "ScepDigests", &rest,
                csr->digest ? scep_alg_digest_name(csr->digest) : NULL);
    if (csr->fault)
        scep_result_fail(&res, explain->p, SCEP_REASON_CSR, "%s", csr->fault);
    add_checked(explain, "attributes", csr->fault ? &res : &good, NULL);
}

/* Adds what a rule of the policy says. */
static void explain_rule(explain_t *explain, const scep_policy_rule_t *rule)
{
    scep_result_t res = SCEP_RESULT_INIT;
    const scep_policy_case_t one = { &explain->request->profile->policy,
                                     explain->csr,
                                     explain->asked.device,
                                     &explain->allowed,
                                     &res,
                                     explain->p };
    const char *why;

    if (rule->applies && !rule->applies(&one, &why)) {
        if (why)
            add(explain, rule->name, SCEP_STEP_NOT_APPLICABLE, why);
        return;
    }
    rule->check(&one);
    add_checked(explain, rule->name, &res,
                rule->describe ? rule->describe(&one) : NULL);
}

/* ------------------------------------------------------------------ */
/* Who is asking                                                        */

static int gather_facts(explain_t *explain)
{
    const scep_explain_request_t *request = explain->request;
    scep_verify_request_t *who = &explain->who;
    const scep_csr_t *csr = explain->csr;
    scep_result_t res = SCEP_RESULT_INIT;

    who->challenge = request->challenge ? request->challenge : csr->challenge;
    who->now = request->now;
    who->transaction_id = "";
    who->address = request->address;
    who->csr = csr->der;
    who->csr_len = csr->der_len;
    who->subject = csr->subject;
    who->sans = csr->sans;
    who->renewal = request->type == SCEP_TYPE_RENEWAL_REQ;
    who->wants_device = scep_policy_wants_device(&request->profile->policy);
    if (request->address &&
        scep_network_address(explain->client, request->address))
        who->facts.address = explain->client;
    scep_enrol_name_facts(request->profile, csr, &who->facts, &res,
                          explain->p);
    add_checked(explain, "names", &res, NULL);
    return res.reason == SCEP_REASON_NONE;
}

/* Adds what a verifier says.  @param asked  the enrolment would ask it */
static void add_verdict(explain_t *explain, const char *rule,
                        const scep_verify_result_t *verdict, int asked)
{
    const char *said = verdict->reason;
    scep_step_t *step;

    switch (verdict->outcome) {
    case SCEP_VERIFY_GRANTED:
        add(explain, rule, SCEP_STEP_PASSED, verdict->id);
        return;
    case SCEP_VERIFY_PASS:
        add(explain, rule, SCEP_STEP_NOT_APPLICABLE, said);
        return;
    case SCEP_VERIFY_UNKNOWN:
        add(explain, rule, SCEP_STEP_UNKNOWN, said);
        return;
    case SCEP_VERIFY_ERROR:
        step = add(explain, rule, SCEP_STEP_UNAVAILABLE, said);
        step->reason = SCEP_REASON_VERIFIER_DOWN;
        break;
    default:
        step = add(explain, rule, SCEP_STEP_REFUSED, said);
        step->reason =
            verdict->breach ? SCEP_REASON_BREACH : SCEP_REASON_CHALLENGE;
    }
    step->decides = asked;
}

static void ask(explain_t *explain, const scep_explain_verifier_t *verifier,
                scep_verify_result_t *verdict)
{
    memset(verdict, 0, sizeof(*verdict));
    if (explain->who.renewal && !verifier->provider->by_signer) {
        verdict->outcome = SCEP_VERIFY_PASS;
        verdict->reason = "it does not go by the signer's certificate";
    } else if (!verifier->provider->explain) {
        verdict->outcome = SCEP_VERIFY_UNKNOWN;
        verdict->reason = "only a real request can tell";
    } else {
        verifier->provider->explain(verifier->data, &explain->who, verdict,
                                    explain->p);
    }
}

/* In their order; the first that does not pass decides. */
static void explain_verifiers(explain_t *explain)
{
    const apr_array_header_t *verifiers = explain->request->verifiers;
    scep_verify_result_t verdict = { 0 };
    int undecided = 1;

    for (int i = 0; i < verifiers->nelts; i++) {
        const scep_explain_verifier_t *verifier =
            &APR_ARRAY_IDX(verifiers, i, scep_explain_verifier_t);

        ask(explain, verifier, &verdict);
        add_verdict(explain,
                    apr_pstrcat(explain->p, "ScepVerify ", verifier->name,
                                NULL),
                    &verdict, undecided);
        if (undecided && verdict.outcome == SCEP_VERIFY_UNKNOWN)
            explain->out->unknown = 1;
        if (undecided && verdict.outcome == SCEP_VERIFY_GRANTED) {
            explain->asked.verified_by = verdict.id;
            scep_policy_granted(&explain->request->profile->policy, &verdict,
                                &explain->asked, explain->p);
        }
        undecided &= verdict.outcome == SCEP_VERIFY_PASS;
    }
    if (undecided) {
        scep_step_t *step =
            add(explain, "ScepVerify", SCEP_STEP_REFUSED,
                verdict.reason ? verdict.reason : "nobody granted it");

        step->reason = SCEP_REASON_CHALLENGE;
        step->decides = 1;
    }
}

/* ------------------------------------------------------------------ */
/* What it may have                                                     */

static void explain_number(explain_t *explain, const char *rule,
                           const scep_result_t *res)
{
    if (res->reason == SCEP_REASON_LEDGER_DOWN) {
        scep_step_t *step =
            add(explain, rule, SCEP_STEP_UNAVAILABLE, res->detail);

        step->reason = res->reason;
        step->decides = 1;
    } else {
        add_checked(explain, rule, res, NULL);
    }
}

static void explain_condition(explain_t *explain,
                              const scep_policy_condition_t *condition)
{
    const char *rule = scep_policy_condition_rule(condition, explain->p);
    scep_result_t res = SCEP_RESULT_INIT;

    if (!explain->request->address) {
        add(explain, rule, SCEP_STEP_UNKNOWN,
            "give the address that the request comes from");
        explain->out->unknown = 1;
        return;
    }
    scep_policy_admit_condition(condition, &explain->asked,
                                explain->request->policy_ops, &res,
                                explain->p);
    add_checked(explain, rule, &res, NULL);
}

static void explain_admission(explain_t *explain)
{
    const scep_policy_t *policy = &explain->request->profile->policy;
    const scep_policy_ops_t *ops = explain->request->policy_ops;
    scep_result_t res = SCEP_RESULT_INIT, more = SCEP_RESULT_INIT;

    explain->asked.subject = explain->allowed.subject;
    for (int i = 0; policy->conditions && i < policy->conditions->nelts; i++)
        explain_condition(explain, &APR_ARRAY_IDX(policy->conditions, i,
                                                  scep_policy_condition_t));
    if (policy->key_once) {
        scep_policy_admit_key(policy, &explain->asked, ops, explain->alg, &res,
                              explain->p);
        explain_number(explain, "ScepKeyReuse", &res);
    }
    if (policy->most_certificates) {
        scep_policy_admit_number(policy, &explain->asked, ops, explain->alg,
                                 &more, explain->p);
        explain_number(explain, "ScepMaxCertificates", &more);
    }
}

static void explain_policy(explain_t *explain)
{
    explain->allowed.subject = explain->csr->subject;
    for (const scep_policy_rule_t *rule = scep_policy_rules + 1; rule->name;
         rule++)
        explain_rule(explain, rule);
    explain_admission(explain);
}

/* ------------------------------------------------------------------ */

/* What cannot be asked about a CSR that cannot be read. */
static void skip(explain_t *explain, const char *why)
{
    static const char *const rules[] = { "ScepVerify", "ScepEmptySubject",
                                         "ScepSubjectAltNames",
                                         "ScepExtensions" };

    for (int i = 0; i < 4; i++)
        add(explain, rules[i], SCEP_STEP_NOT_APPLICABLE, why);
}

static void decide(scep_explanation_t *out)
{
    for (int i = 0; !out->decided_by && i < out->steps->nelts; i++) {
        const scep_step_t *step = &APR_ARRAY_IDX(out->steps, i, scep_step_t);

        if (step->decides)
            out->decided_by = step;
    }
    if (out->decided_by)
        out->unknown = 0;
}

void scep_explain(const scep_explain_request_t *request, const scep_alg_t *alg,
                  scep_explanation_t *explanation, apr_pool_t *p)
{
    explain_t explain = {
        .request = request, .alg = alg, .out = explanation, .p = p
    };
    scep_result_t res = SCEP_RESULT_INIT;

    memset(explanation, 0, sizeof(*explanation));
    explanation->steps = apr_array_make(p, 16, sizeof(scep_step_t));
    explain_type(&explain);
    scep_csr_parse(&explain.csr, request->csr, request->csr_len, NULL, NULL, 0,
                   &res, p);
    add_checked(&explain, "PKCS#10", &res, NULL);
    explanation->csr = explain.csr;
    explain.asked.csr = explain.csr;
    explain.asked.type = request->type;
    if (explain.csr) {
        explain_content(&explain);
        explain_rule(&explain, scep_policy_rules); /* the key comes first */
    }
    if (!explain.csr) {
        skip(&explain, "the CSR cannot be read");
    } else if (explain.csr->fault) {
        skip(&explain, "the CSR's attributes are wrong");
    } else {
        if (gather_facts(&explain))
            explain_verifiers(&explain);
        explain_policy(&explain);
    }
    decide(explanation);
    ERR_clear_error();
}

const char *scep_explain_result_name(scep_step_result_t result)
{
    static const char *const names[] = {
        [SCEP_STEP_PASSED] = "passed",
        [SCEP_STEP_REFUSED] = "refused",
        [SCEP_STEP_NOT_APPLICABLE] = "not applicable",
        [SCEP_STEP_UNAVAILABLE] = "unavailable",
        [SCEP_STEP_UNKNOWN] = "unknown",
    };

    return names[result];
}
