# tests.mk - tests with SCEP clients that others wrote
# SPDX-License-Identifier: Apache-2.0
interop_tests = \
	%D%/test_certmonger.py \
	%D%/test_micromdm.py \
	%D%/test_other_ca.py \
	%D%/test_renewal.py \
	%D%/test_strongswan.py
EXTRA_DIST += $(interop_tests) %D%/conftest.py %D%/strongswan.py
if INTEROP_TESTS
TESTS += $(interop_tests)
endif
