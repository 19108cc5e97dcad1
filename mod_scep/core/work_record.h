/* work_record.h - what work.c writes into a ledger
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEP_WORK_RECORD_H
#define SCEP_WORK_RECORD_H

#include "work.h"

/** A certificate's serial number in small hexadecimal digits. */
const char *scep_work_serial(const X509 *certificate, apr_pool_t *p);

/**
 * What is kept of work->certificate.
 * @param subject  that was asked for, whatever the CA has made of it: by
 *                 this the policy counts
 */
scep_certificate_t *scep_work_certificate(const scep_work_t *work,
                                          const scep_csr_t *csr,
                                          const X509_NAME *subject,
                                          apr_pool_t *p);

/** An event about an enrolment. */
scep_event_t *scep_work_event(apr_array_header_t *events,
                              scep_event_type_t type,
                              const scep_record_t *record, apr_time_t now);

/** No events. */
apr_array_header_t *scep_work_no_events(apr_pool_t *p);

/** The events of a record that has been received. */
apr_array_header_t *scep_work_received(const scep_record_t *record,
                                       apr_pool_t *p);

/** The events of the step that brought a record where it is. */
apr_array_header_t *scep_work_events(const scep_work_t *work,
                                     const scep_record_t *record,
                                     apr_pool_t *p);

#endif
