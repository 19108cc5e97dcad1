# tests.mk - the rules of the tree
# SPDX-License-Identifier: Apache-2.0
TESTS += %D%/test_rules.py
EXTRA_DIST += %D%/test_rules.py %D%/rules.py
