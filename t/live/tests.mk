# tests.mk - tests against CAs that somebody has, never part of "make check"
# SPDX-License-Identifier: Apache-2.0
EXTRA_DIST += %D%/conftest.py %D%/test_adcs_live.py %D%/test_ejbca_live.py
