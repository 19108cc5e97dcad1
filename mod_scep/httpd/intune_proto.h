/* intune_proto.h - the texts that Intune's SCEP validation is spoken in
 * SPDX-License-Identifier: Apache-2.0
 *
 * What goes out and what comes back, without any I/O: the token of Microsoft
 * Entra ID (OAuth 2.0 client credentials, RFC 6749 section 4.4), the list of
 * services in Microsoft Graph, and the three actions of the service
 * ScepRequestValidationFEService as the vendor's own clients call them
 * (github.com/microsoft/Intune-Resource-Access, src/CsrValidation).
 *
 * A builder returns NULL where its text cannot be made.  Answers are not
 * trusted: what is shown of them to people is short, printable and none of
 * what may have been secret in the question.
 */
#ifndef MOD_SCEP_INTUNE_PROTO_H
#define MOD_SCEP_INTUNE_PROTO_H

#include "mod_scep.h"

#define SCEP_INTUNE_LOGIN "https://login.microsoftonline.com"
#define SCEP_INTUNE_GRAPH "https://graph.microsoft.com"
/** What the vendor's clients ask for, with both slashes. */
#define SCEP_INTUNE_SCOPE "https://api.manage.microsoft.com//.default"

#define SCEP_INTUNE_API_VERSION "2018-02-20"
#define SCEP_INTUNE_VALIDATE "validateRequest"
#define SCEP_INTUNE_SUCCESS "successNotification"
#define SCEP_INTUNE_FAILURE "failureNotification"

/** Longest errorDescription. */
#define SCEP_INTUNE_DESCRIPTION_MAX 255

typedef struct scep_intune_token_t {
    const char *text;
    apr_interval_time_t lifetime;
} scep_intune_token_t;

/** What the service says of a request. */
typedef struct scep_intune_answer_t {
    int success;       /**< the code is "Success" and nothing else */
    const char *words; /**< for the log: the code, and what it adds */
} scep_intune_answer_t;

/** The request that an action is about. */
typedef struct scep_intune_request_t {
    const char *caller; /**< name and version of this program */
    const char *transaction_id;
    const unsigned char *csr;
    apr_size_t csr_len;
} scep_intune_request_t;

/** The URL that tokens come from.  @param login  with or without "/" */
const char *mod_scep_intune_token_url(const char *login, const char *tenant,
                                      apr_pool_t *p);

/** A form that asks for a token.  It holds the secret. */
char *mod_scep_intune_token_form(const char *client, const char *secret,
                                 const char *scope, apr_pool_t *p);

/** The scope of a token for Graph. */
const char *mod_scep_intune_graph_scope(const char *graph, apr_pool_t *p);

/** @return NULL, or what is wrong with the answer */
const char *mod_scep_intune_read_token(const char *text, apr_size_t len,
                                       scep_intune_token_t *token,
                                       apr_pool_t *p);

/** The URL of the list of Intune's services. */
const char *mod_scep_intune_services_url(const char *graph, apr_pool_t *p);

/**
 * Finds the validation service in the list.
 * @param location  set to its URL, without a slash at the end
 * @return NULL, or what is wrong with the answer
 */
const char *mod_scep_intune_read_services(const char *text, apr_size_t len,
                                          const char **location,
                                          apr_pool_t *p);

/** The URL of an action. */
const char *mod_scep_intune_action_url(const char *location,
                                       const char *action, apr_pool_t *p);

/** Asks whether a request is one that Intune has made. */
const char *mod_scep_intune_validate(const scep_intune_request_t *request,
                                     apr_pool_t *p);

/** Says which certificate was issued.  @param ca  its name here */
const char *mod_scep_intune_success(const scep_intune_request_t *request,
                                    const X509 *certificate, const char *ca,
                                    apr_pool_t *p);

/** Says why none was. */
const char *mod_scep_intune_failure(const scep_intune_request_t *request,
                                    scep_fail_info_t fail_info,
                                    const char *reason, apr_pool_t *p);

/**
 * Reads the answer to an action.
 * @return NULL, or what is wrong with the answer: it says nothing then
 */
const char *mod_scep_intune_read_answer(const char *text, apr_size_t len,
                                        scep_intune_answer_t *answer,
                                        apr_pool_t *p);

/**
 * What an answer with an error status says for people: the codes in it, such
 * as AADSTS7000215, or "" where there are none.
 */
const char *mod_scep_intune_fault(const char *text, apr_size_t len,
                                  apr_pool_t *p);

/**
 * A request as text, for its notification: with the CSR, which Intune wants
 * to see again.
 */
const char *mod_scep_intune_freeze(const scep_intune_request_t *request,
                                   apr_pool_t *p);

/** @return whether it is one; then request is set, but for caller */
int mod_scep_intune_thaw(const char *text, scep_intune_request_t *request,
                         apr_pool_t *p);

/** A document of the queue, and back. */
const char *mod_scep_intune_pack(const char *action, const char *body,
                                 apr_pool_t *p);

/** @return whether it is one; then action and body are set */
int mod_scep_intune_unpack(const char *text, apr_size_t len,
                           const char **action, const char **body,
                           apr_pool_t *p);

#endif
