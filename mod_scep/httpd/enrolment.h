/* enrolment.h - a PKIOperation from its octets to the CertRep
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_ENROLMENT_H
#define MOD_SCEP_ENROLMENT_H

#include "conf.h"

/**
 * Answers one pkiMessage: sends the CertRep, or an HTTP error.
 * @return what a handler returns
 */
int mod_scep_enrolment_answer(request_rec *r, const scep_profile_t *profile,
                              const unsigned char *der, apr_size_t len);

#endif
