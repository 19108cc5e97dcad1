# tests.mk - the rules of the tree
# SPDX-License-Identifier: Apache-2.0
guard_tests = %D%/test_rules.py
TESTS += $(guard_tests)
EXTRA_DIST += $(guard_tests) %D%/rules.py %D%/test_conf.py
if HTTPD_TESTS
TESTS += %D%/test_conf.py
endif
