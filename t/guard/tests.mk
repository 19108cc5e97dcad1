# tests.mk - the rules of the tree, the scripts that judge other tests
# SPDX-License-Identifier: Apache-2.0
guard_tests = %D%/test_rules.py %D%/test_scripts.py
TESTS += $(guard_tests)
EXTRA_DIST += $(guard_tests) %D%/rules.py
